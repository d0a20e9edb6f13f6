"""Formats that hold rows with values of any kind: JSON Lines, and sheets of workbooks."""
