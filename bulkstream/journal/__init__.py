"""The journal: what a run has done, kept on disk, so that the run can be finished after a crash.

A *run* is one load, from its beginning to its outcome, however many processes take part one after the other. Its
*folder* in the state directory holds its *journal*, a SQLite database, and the *lock* that the process holds which
works on it. A *plan* is what the run was begun with, a *step* a change of its state, a *record* all of it, read back;
an *outline* is a record without the parts, which may be many.

Nothing counts before it is durable: a step is on disk before the request that it announces is sent, and a receipt
before it is counted.
"""

from __future__ import annotations

from bulkstream.journal.folder import RunFolder, RunStore, state_dir
from bulkstream.journal.journal import Journal, Unkept
from bulkstream.journal.plan import RunPlan, SourceBlob, SourceFile, kept_name, named_path
from bulkstream.journal.record import Event, Phase, RunOutline, RunRecord, Step, Tally, read_record

__all__ = [
    "Event",
    "Journal",
    "Phase",
    "RunFolder",
    "RunOutline",
    "RunPlan",
    "RunRecord",
    "RunStore",
    "SourceBlob",
    "SourceFile",
    "Step",
    "Tally",
    "Unkept",
    "kept_name",
    "named_path",
    "read_record",
    "state_dir",
]
