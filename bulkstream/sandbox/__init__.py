"""A server on this machine that speaks both dialects of Domo's Streams API, so that no account is needed.

* A *stream* feeds one *dataset*; both dialects are views of the same state.
* An *execution* is one load of a stream: parts are uploaded to it, then it is committed or aborted.
* A *part* is a file of whole CSV records under a number. A *segment* is the same file as the store sees it: part of
  an execution first, content of a dataset after the commit.
* A *check* is what the inspector finds in a segment: its rows, or what is wrong with it.

The package shares no code with `bulkstream.api`: each was written from the API's description, so that an error in
reading it shows when they meet.
"""

from bulkstream.sandbox.app import RunningSandbox, create_app, running, serve
from bulkstream.sandbox.settings import SandboxSettings, Validation

__all__ = ["RunningSandbox", "SandboxSettings", "Validation", "create_app", "running", "serve"]
