"""Makes docs/performance.md of the results and of a template, `performance.md.in`, whose prose is written by hand.

`{{end_to_end}}` and so on stand for a comparison's command and tables, `{{machine}}` for where they were taken,
`{{plot:ratios}}` for a picture. What was not measured, or was skipped, is said in its place.

    python -m benchmarks.report

Pictures need matplotlib; without it, the page is written all the same.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import plots
from benchmarks.plan import RESULTS, told
from benchmarks.tables import DASH, TABLES, row, size, table
from benchmarks.timing import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE = Path(__file__).with_name("performance.md.in")
DOCS = ROOT / "docs"
PAGE = "performance.md"
KEPT_OPTIONS = ("--rounds", "--scale")
PLACEHOLDER = re.compile(r"\{\{(?:(?P<kind>\w+):)?(?P<name>\w+)\}\}")
NOT_MEASURED = "Not measured here."

Document = dict[str, Any]


def documents(folder: Path) -> dict[str, Document]:
    """Read the results that are there, by the name of their comparison."""
    paths = {name: folder / f"{name}.json" for name in TABLES}
    return {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.exists()}


def page(template: str, found: Mapping[str, Document]) -> str:
    """Fill in the template.

    Raises:
        KeyError: It has a placeholder that nothing stands for.
    """

    def filled(match: re.Match[str]) -> str:
        if match["kind"] == "plot":
            return plots.link(match["name"], found)
        return machine(found) if match["name"] == "machine" else section(match["name"], found)

    return re.sub(r"\n{3,}", "\n\n", PLACEHOLDER.sub(filled, template))


def section(name: str, found: Mapping[str, Document]) -> str:
    """Return a comparison's command, when and how often it was run, and its tables.

    Raises:
        KeyError: There is no such comparison.
    """
    reduce, document = TABLES[name], found.get(name)
    if document is None:
        return "\n".join([f"    {command(name)}", "", NOT_MEASURED])
    lines = [f"    {command(name, document)}", ""]
    if "skipped" in document["result"]:
        return "\n".join([*lines, f"Skipped: {document['result']['skipped']}."])
    return "\n".join([*lines, taken(document, newest(found)), "", *reduce(document["result"])])


def command(name: str, document: Document | None = None) -> str:
    """Return what measures a comparison by itself, as it was measured."""
    words = shlex.split(document["command"]) if document else []
    kept = [word for pair in pairwise(words) if pair[0] in KEPT_OPTIONS for word in pair]
    quick = ["--quick"] if document and document["quick"] else []
    return shlex.join(["python", "-m", f"benchmarks.{name}", *quick, *kept])


def taken(document: Document, last: Document) -> str:
    """Say when, of what and how often, and whether the machine is another one than that of the page."""
    result = document["result"]
    of = f", {size(result['raw_bytes'])}" if "raw_bytes" in result else ""
    rounds = result.get("runs", document["rounds"])
    text = f"{document['date'][:10]}, commit {document['commit'] or 'unknown'}, {rounds} rounds{of}."
    if document["quick"]:
        text += " A quick run, too small to be quoted."
    if document["machine"] != last["machine"]:
        where = document["machine"]
        text += f" On another machine or other versions: {where['cpu']}, {where['cores']} cores, {where['python']}."
    return text


def newest(found: Mapping[str, Document]) -> Document:
    """Return the result that was taken last."""
    return max(found.values(), key=lambda document: str(document["date"]))


def machine(found: Mapping[str, Document]) -> str:
    """Describe where the newest result was taken."""
    if not found:
        return NOT_MEASURED
    last = newest(found)
    where = last["machine"]
    versions = ", ".join(f"{name} {version or DASH}" for name, version in where["versions"].items())
    rows = [
        row("processor", f"{where['cpu']}, {where['cores']} cores"),
        row("memory", f"{where['memory_gb']} GB"),
        row("system", where["system"]),
        row("versions", f"Python {where['python']}, {versions}"),
        row("commit", last["commit"] or "unknown"),
        row("date", last["date"][:10]),
    ]
    return "\n".join(table(("", ""), rows))


def pictures(found: Mapping[str, Document], folder: Path) -> list[Path]:
    """Draw the pictures, or say that it takes matplotlib."""
    if plots.drawable():
        return plots.drawn(found, folder)
    told("No pictures: they need matplotlib (pip install 'bulkstream[plot]').")
    return []


def main() -> None:
    """Parse the command line, read, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the results")
    parser.add_argument("--docs", type=Path, default=DOCS, help=f"takes {PAGE} and {plots.FOLDER}/")
    args = parser.parse_args()
    found = documents(args.results)
    path = args.docs / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(TEMPLATE.read_text("utf-8"), found), "utf-8")
    for made in (path, *pictures(found, args.docs / plots.FOLDER)):
        print(made)


if __name__ == "__main__":
    main()
