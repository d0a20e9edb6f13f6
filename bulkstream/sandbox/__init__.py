"""A server on this machine that speaks both dialects of Domo's Streams API, so that no account is needed.

* A *stream* feeds one *dataset*; both dialects are views of the same state.
* An *execution* is one load of a stream: parts are uploaded to it, then it is committed or aborted.
* A *part* is a file of whole CSV records under a number. A *segment* is the same file as the store sees it: part of
  an execution first, content of a dataset after the commit.
* A *fault* is what is made to go wrong; a *plan* is a list of them (`faults/`).
* A *check* is what the inspector finds in a segment: its rows, or what is wrong with it.

The package shares no code with `bulkstream.api`: each was written from the API's description, so that an error in
reading it shows when they meet.
"""

from bulkstream.sandbox.app import create_app
from bulkstream.sandbox.faults import FaultPlan, Faults, load_plan
from bulkstream.sandbox.requests import EndpointCount, PartCount, Requests
from bulkstream.sandbox.server import RunningSandbox, running, serve
from bulkstream.sandbox.settings import SandboxSettings, Validation

__all__ = [
    "EndpointCount",
    "FaultPlan",
    "Faults",
    "PartCount",
    "Requests",
    "RunningSandbox",
    "SandboxSettings",
    "Validation",
    "create_app",
    "load_plan",
    "running",
    "serve",
]
