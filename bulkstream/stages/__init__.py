"""The stages of a load, one file each: cut and pack, upload, finalize.

A *chunk* is raw CSV of whole records, a *part* its gzip, a *receipt* the server's word that it has the part. Stages
are joined by bounded streams, know nothing of each other and are wired in one place, `bulkstream.pipeline`. A
stage closes the streams that it was given; the end of its input is the end of its work.
"""

from __future__ import annotations

from bulkstream.stages.buffers import Buffer
from bulkstream.stages.check import Judge, RowChecker
from bulkstream.stages.codec import LADDER, Codec, codec_for
from bulkstream.stages.crew import Crew
from bulkstream.stages.cut import Cutter
from bulkstream.stages.finalize import Ending, finalizing
from bulkstream.stages.gate import gate
from bulkstream.stages.look_up import look_up
from bulkstream.stages.opening import Opening
from bulkstream.stages.pack import Effort, Packer, pack
from bulkstream.stages.scan import Scan, Scanner
from bulkstream.stages.sift import Sifter, rejected
from bulkstream.stages.terms import Holder, Terms
from bulkstream.stages.upload import upload

__all__ = [
    "LADDER",
    "Buffer",
    "Codec",
    "Crew",
    "Cutter",
    "Effort",
    "Ending",
    "Holder",
    "Judge",
    "Opening",
    "Packer",
    "RowChecker",
    "Scan",
    "Scanner",
    "Sifter",
    "Terms",
    "codec_for",
    "finalizing",
    "gate",
    "look_up",
    "pack",
    "rejected",
    "upload",
]
