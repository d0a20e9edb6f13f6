"""Sources: whatever holds rows, as CSV bytes in record order.

A *source* yields *segments*, runs of bytes that begin and end with a record (a file without its header). *Inputs*
are what the user named; a *pipe* among them can be read only once, and its *spool* is a file that holds a copy. The
*head* of a file is its byte order mark and first record; a *sample* is some of its records, from which types are
*inferred*.
"""

from __future__ import annotations

from bulkstream.sources.batches import Batches, Task
from bulkstream.sources.content import Blob, Content, Fingerprint
from bulkstream.sources.csv_files import CsvFiles, open_csv
from bulkstream.sources.csv_pipes import CsvPipes
from bulkstream.sources.files import CsvFile, FileSegment
from bulkstream.sources.fingerprint import digest_of
from bulkstream.sources.given.handed import ArrowStream, HandedRows, handed
from bulkstream.sources.head import FileState
from bulkstream.sources.header import HeaderDecision
from bulkstream.sources.infer import Inferred, infer
from bulkstream.sources.inputs import Given, Inputs, Named
from bulkstream.sources.layout import Layout, Slot
from bulkstream.sources.locate import locate
from bulkstream.sources.matching.columns import Chosen, choose, entries_of
from bulkstream.sources.matching.conflicts import conflict_error
from bulkstream.sources.matching.match import Match, layout_of, matched
from bulkstream.sources.places.origin import Terms as RemoteTerms
from bulkstream.sources.places.remote import is_remote
from bulkstream.sources.query import Query
from bulkstream.sources.schema import compare, read_schema, write_schema
from bulkstream.sources.source import Segment, Source
from bulkstream.sources.spool import remove_copies
from bulkstream.sources.tables import Tables
from bulkstream.sources.types import Types

__all__ = [
    "ArrowStream",
    "Batches",
    "Blob",
    "Chosen",
    "Content",
    "CsvFile",
    "CsvFiles",
    "CsvPipes",
    "FileSegment",
    "FileState",
    "Fingerprint",
    "Given",
    "HandedRows",
    "HeaderDecision",
    "Inferred",
    "Inputs",
    "Layout",
    "Match",
    "Named",
    "Query",
    "RemoteTerms",
    "Segment",
    "Slot",
    "Source",
    "Tables",
    "Task",
    "Types",
    "choose",
    "compare",
    "conflict_error",
    "digest_of",
    "entries_of",
    "handed",
    "infer",
    "is_remote",
    "layout_of",
    "locate",
    "matched",
    "open_csv",
    "read_schema",
    "remove_copies",
    "write_schema",
]
