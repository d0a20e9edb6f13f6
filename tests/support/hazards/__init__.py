"""The matrix of formats: each of them with tables that are hard in one way each, loaded and read back.

A *hazard* is such a table. What is *made* of it is a source of one format, and what the format's own reader says is in
it: Python's `csv`, pyarrow's readers of whole tables, openpyxl, `json`, the databases' own clients.
"""
