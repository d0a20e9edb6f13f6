"""The test suite; `support` is what several folders share."""
