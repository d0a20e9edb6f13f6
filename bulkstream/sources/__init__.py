"""Sources: whatever holds rows, as CSV bytes in record order.

A *source* yields *segments*, runs of bytes that begin and end with a record (a file without its header). *Inputs*
are what the user named; a *pipe* among them can be read only once, and its *spool* is a file that holds a copy. The
*head* of a file is its byte order mark and first record; a *sample* is some of its records, from which types are
*inferred*.
"""

from __future__ import annotations

from bulkstream.sources.csv_files import CsvFiles, Types, open_csv, sampled_types
from bulkstream.sources.csv_pipes import CsvPipes
from bulkstream.sources.files import CsvFile, FileSegment
from bulkstream.sources.fingerprint import digest_of
from bulkstream.sources.head import FileState
from bulkstream.sources.header import HeaderDecision
from bulkstream.sources.infer import Inferred, infer
from bulkstream.sources.inputs import Inputs
from bulkstream.sources.locate import locate
from bulkstream.sources.schema import compare, read_schema, write_schema
from bulkstream.sources.source import Segment, Source
from bulkstream.sources.spool import remove_copies

__all__ = [
    "CsvFile",
    "CsvFiles",
    "CsvPipes",
    "FileSegment",
    "FileState",
    "HeaderDecision",
    "Inferred",
    "Inputs",
    "Segment",
    "Source",
    "Types",
    "compare",
    "digest_of",
    "infer",
    "locate",
    "open_csv",
    "read_schema",
    "remove_copies",
    "sampled_types",
    "write_schema",
]
