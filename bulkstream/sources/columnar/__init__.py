"""Formats that hold columns: Parquet, Arrow IPC, ORC.

A *row group* of Parquet, a *batch* of Arrow and a *stripe* of ORC are rows that are stored together. *Slices* are
batches of a size that can be worked with.
"""
