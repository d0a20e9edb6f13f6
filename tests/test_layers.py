"""The package's shape: imports go downwards only, and its public names are pinned."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bulkstream

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(bulkstream.__file__).parent

LAYERS = (
    {
        "errors",
        "model",
        "settings",
        "size",
        "reporter",
        "memory",
        "decision",
        "rate",
        "ledger",
        "deadline",
        "values",
        "secret",
        "exposure",
        "budget",
        "settle",
        "holding",
        "cores",
    },  # words
    {"sources", "api", "journal"},  # edges
    {"stages"},
    {"flight", "digest", "rejects", "rows", "fitting", "holding"},
    {"tune", "concurrency", "effort"},
    {"pilot"},
    {"pipeline", "verify"},
    {"runs"},
    {"prepare", "resume"},
    {"client"},  # the library's face
    {"bench", "cleanup"},
    {"sandbox", "cli", "__main__"},  # the other faces
)
"""From the bottom up. Modules of one layer don't import each other, but for the words and where SIDEWAYS says so."""

SIDEWAYS = {("cli", "sandbox"), ("__main__", "cli")}
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def runtime_imports(path: Path) -> Iterator[str]:
    """Yield the modules of the package, by their first name, that a file imports when it is run."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in _walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bulkstream."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "bulkstream":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("bulkstream."))


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a syntax tree, but not into `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from _walk(child)


def violations() -> Iterator[str]:
    """Yield every import that goes upwards or sideways."""
    for path in sorted(ROOT.rglob("*.py")):
        importer = path.relative_to(ROOT).with_suffix("").parts[0]
        for imported in set(runtime_imports(path)) - {importer, "__version__"}:
            words = RANKS.get(imported) == 0 and RANKS.get(importer) == 0
            if importer == "__init__" or words or (importer, imported) in SIDEWAYS:
                continue
            if RANKS[imported] >= RANKS[importer]:
                yield f"{path.relative_to(ROOT)} imports {imported}"


def test_imports_only_go_down() -> None:
    """A module imports, at run time, only from the layers below its own."""
    assert list(violations()) == []


def test_every_module_has_a_layer() -> None:
    """No module stands outside the layers, where nobody would look at its imports."""
    modules = {path.relative_to(ROOT).with_suffix("").parts[0] for path in ROOT.rglob("*.py")}

    assert modules - {"__init__"} == set(RANKS)


def test_sandbox_shares_no_wire_code_with_the_client() -> None:
    """Client and sandbox can't be wrong together."""
    imports = {name for path in (ROOT / "sandbox").rglob("*.py") for name in runtime_imports(path)}

    assert imports & {"api", "stages", "sources", "pipeline", "prepare", "client"} == set()


def test_public_names_are_these() -> None:
    """Adding or removing a public name is a decision."""
    assert bulkstream.__all__ == [
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
    assert all(getattr(bulkstream, name) is not None for name in bulkstream.__all__)


def test_names_of_the_layers_are_sorted_and_exist() -> None:
    """Each package's `__all__` is sorted and true."""
    for package in ("api", "bench", "journal", "stages", "sources", "sandbox"):
        module = importlib.import_module(f"bulkstream.{package}")

        assert sorted(module.__all__) == sorted(set(module.__all__))
        assert all(hasattr(module, name) for name in module.__all__)


def test_importing_the_package_imports_nothing_heavy() -> None:
    """`import bulkstream` alone costs no aiohttp, numpy or pydantic."""
    code = "import bulkstream, sys; print(*{'aiohttp', 'numpy', 'pydantic', 'rich'} & set(sys.modules))"

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert printed.split() == []
