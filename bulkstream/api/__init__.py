"""The API's client.

A *stream* is an upload pipeline that feeds one *dataset*. An *execution* is one load of a stream: *parts* are uploaded
into it, and it ends in a *commit* or an *abort*. A *dialect* is one of the forms in which Domo offers these calls; its
*calls* are requests as plain values. Which failures may be repeated is told by the class of the error.
"""

from __future__ import annotations

from bulkstream.api.client import ApiClient
from bulkstream.api.dataset import Dataset
from bulkstream.api.execution import Execution, ExecutionState
from bulkstream.api.retry import Clock
from bulkstream.api.stream import Stream
from bulkstream.model import SearchKey

__all__ = ["ApiClient", "Clock", "Dataset", "Execution", "ExecutionState", "SearchKey", "Stream"]
