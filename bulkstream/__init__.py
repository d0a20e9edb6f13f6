"""Load large data into a Domo dataset, fast, and commit it only when all of it has arrived.

`Client` speaks to an account; `upload` loads a source into a stream and returns a `Report`; `upload_sync` is for
callers without an event loop. Errors form one tree under `BulkstreamError`. Names are imported when first used,
so that `import bulkstream` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkstream.client import Client, upload, upload_sync
    from bulkstream.errors import BulkstreamError
    from bulkstream.model import Column, ColumnType, Dialect, HeaderMode, OnFailure, Outcome, Plan, Report, UpdateMethod
    from bulkstream.settings import Settings, load_settings
    from bulkstream.sources.query import Query

__version__ = "0.1.0"

_HOMES = {
    "BulkstreamError": "errors",
    "Client": "client",
    "Column": "model",
    "ColumnType": "model",
    "Dialect": "model",
    "HeaderMode": "model",
    "OnFailure": "model",
    "Outcome": "model",
    "Plan": "model",
    "Query": "sources.query",
    "Report": "model",
    "Settings": "settings",
    "UpdateMethod": "model",
    "load_settings": "settings",
    "upload": "client",
    "upload_sync": "client",
}

__all__ = [
    "BulkstreamError",
    "Client",
    "Column",
    "ColumnType",
    "Dialect",
    "HeaderMode",
    "OnFailure",
    "Outcome",
    "Plan",
    "Query",
    "Report",
    "Settings",
    "UpdateMethod",
    "__version__",
    "load_settings",
    "upload",
    "upload_sync",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return __all__
