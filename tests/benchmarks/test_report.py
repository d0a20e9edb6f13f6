"""The page of the measurements: figures, verdicts, and what is said where there are none."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import plots, report
from benchmarks.figures import spread
from benchmarks.plan import RESULTS

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {
    "cpu": "Abacus",
    "cores": 2,
    "memory_gb": 4.0,
    "system": "Linux",
    "python": "3.11.7",
    "versions": {"isal": "1.8.0", "nginx": None},
}


def document(name: str, result: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what a comparison writes."""
    return {
        "name": name,
        "date": "2026-01-02T03:04:05+00:00",
        "commit": "0123456789ab",
        "command": "python -m benchmarks --out elsewhere --rounds 3",
        "quick": False,
        "rounds": 3,
        "machine": MACHINE,
        "result": result,
        **changes,
    }


def against_codec(ratios: dict[str, list[float]], bound: float = 0.9) -> dict[str, Any]:
    """Return a result of `end_to_end`."""
    speed = {"mb_s": spread([1000, 1100, 1300]), "cpu_s_per_gb": spread([2.5]), "peak_rss_mb": 0}
    loads = {size: {**speed, "peak_rss_mb": 117, "ratio": spread(values)} for size, values in ratios.items()}
    return {"raw_bytes": 3_900_000_000, "threads": 2, "bound": bound, "codec": speed, "loads": loads}


def price() -> dict[str, Any]:
    """Return a result of `price`."""
    speed = {"mb_s": spread([400]), "cpu_s_per_gb": spread([2.5]), "peak_rss_mb": 100}
    return {"bound": 0.97, "loads": {"8MiB": {"safe": speed, "bare": speed, "ratio": spread([0.97, 0.98, 0.99])}}}


def links() -> dict[str, Any]:
    """Return a result of `links`."""
    load = {"mb_s": spread([40, 50]), "share": spread([0.85]), "ratio": 3.2}
    link = {
        "mbit": 100,
        "share_while_sending": spread([0.95]),
        "auto_to_best": {"best_level": "2", "ratio": spread([0.9])},
        "loads": {"auto": load, "2": load, "delayed": load},
    }
    return {"bound_share": 0.9, "bound_auto": 0.95, "delay_ms": 100.0, "links": [link]}


def scaling() -> dict[str, Any]:
    """Return a result of `scaling`."""
    size = {"parts": 3, "seconds": spread([1.5]), "peak_rss_mb": spread([80])}
    count = {key: spread([2.0]) for key in ("small_s", "large_s", "ms_per_part")}
    return {
        "sizes": [{**size, "raw_bytes": 10**7}, {**size, "raw_bytes": 10**8}],
        "exponent_from_bytes": 10**8,
        "time_exponent": 1.01,
        "memory_exponent": 0.02,
        "bound_exponent": 1.05,
        "small_part_bytes": 65536,
        "bound_part_ms": 1.0,
        "counts": [{**count, "parts": parts} for parts in (1, 1000)],
    }


def peers() -> dict[str, Any]:
    """Return a result of `peers`."""
    others = {"pydomo, DataFrame": 12.5, "pigz -1, nothing sent": 0.8, "igzip -1, nothing sent": 0.7}
    return {
        "raw_bytes": 10**9,
        "bounds": {"bulkstream to pydomo": 10, "bulkstream to script": 1.0, "bulkstream to pigz": 1.0},
        "mb_s": {name: spread([400]) for name in ("bulkstream", *others)},
        "bulkstream_to": {name: spread([ratio]) for name, ratio in others.items()},
    }


def unpack() -> dict[str, Any]:
    """Return a result of `unpack`."""
    alone = {key: spread([rate]) for key, rate in {"unpack": 900, "pack": 450, "limit": 600, "calculated": 610}.items()}
    load = {"mb_s": spread([490, 500]), "ratio": spread([0.81, 0.83])}
    load |= {"to_calculated": spread([0.8]), "once_started": spread([0.9])}
    return {"raw_bytes": 10**9, "bound": 0.8, "alone": alone, "loads": {"8MiB": load}}


def loop_stall() -> dict[str, Any]:
    """Return a result of `loop_stall`, with one late round in five."""
    late = {"p50_ms": spread([0.1]), "p99_ms": spread([1.0]), "max_ms": spread([5, 5, 5, 5, 12])}
    return {"bound_ms": 10.0, "peak_rss_mb": 140, "beside": dict.fromkeys(("nothing", "codec", "upload"), late)}


def test_section_has_medians_and_spreads() -> None:
    """The figures are those of the result, at three digits, with their extremes."""
    made = report.section("end_to_end", {"end_to_end": document("end_to_end", against_codec({"8MiB": [0.91, 0.95]}))})

    assert "    python -m benchmarks.end_to_end --rounds 3\n" in made
    assert "2026-01-02, commit 0123456789ab, 3 rounds, 3.9 GB." in made
    assert "| codec alone, 2 threads | 1,100 | 1,000 to 1,300 | 2.5 | — |" in made
    assert "| upload, parts of 8MiB, to the codec | 0.93 | 0.91 to 0.95 | at least 0.9 | met |" in made


def test_unmet_bound_is_said_plainly() -> None:
    """Rounding a figure up to its bound doesn't hide that it isn't met."""
    found = {"tls": document("tls", against_codec({"8MiB": [0.5], "64MiB": [0.8996]}))}

    made = report.section("tls", found)

    assert "| 0.5 | 0.5 to 0.5 | at least 0.9 | **not met** |" in made
    assert "| 0.8996 | 0.9 to 0.9 | at least 0.9 | **not met** |" in made


@pytest.mark.parametrize(
    ("name", "result", "expected"),
    [
        ("links", links(), "| 100 Mbit/s: share in use while sending | 0.95 | 0.95 to 0.95 | at least 0.9 | met |"),
        ("links", links(), "| 100 Mbit/s: `auto` to level 2 | 0.9 | 0.9 to 0.9 | at least 0.95 | **not met** |"),
        ("links", links(), "| 100 Mbit/s | `auto`, answers 100 ms late | 45 | 40 to 50 | 0.85 | 3.2 |"),
        ("scaling", scaling(), "| 10 MB | 3 | 1.5 | 1.5 to 1.5 | 80 | 80 to 80 |"),
        ("scaling", scaling(), "| time | 1.01 | at most 1.05 | met |"),
        ("scaling", scaling(), "| 1 | 2 | 2 | 2 | 2 to 2 | — | — |"),
        ("scaling", scaling(), "| 1,000 | 2 | 2 | 2 | 2 to 2 | at most 1 | **not met** |"),
        ("peers", peers(), "| bulkstream | 400 | — | — | — | — |"),
        ("peers", peers(), "| pydomo, DataFrame | 400 | 12.5 | 12.5 to 12.5 | at least 10 | met |"),
        ("peers", peers(), "| pigz -1, nothing sent | 400 | 0.8 | 0.8 to 0.8 | at least 1 | **not met** |"),
        ("peers", peers(), "| igzip -1, nothing sent | 400 | 0.7 | 0.7 to 0.7 | — | — |"),
        ("loop_stall", loop_stall(), "| a load on the same loop | 0.1 | 1 | 5 | 12 | at most 10 | **not met** |"),
        ("price", price(), "| parts of 8MiB | 0.98 | 0.97 to 0.99 | at least 0.97 | met |"),
        ("price", price(), "| parts of 8MiB, with neither | 400 | 400 to 400 | 2.5 |"),
        ("unpack", unpack(), "| upload, parts of 8MiB, to the limit | 0.82 | 0.81 to 0.83 | at least 0.8 | met |"),
        ("unpack", unpack(), "| upload, parts of 8MiB, to the calculated limit | 0.8 | 0.8 to 0.8 | — | — |"),
        ("unpack", unpack(), "| upload, parts of 8MiB, once Python has started | 0.9 | 0.9 to 0.9 | — | — |"),
        ("unpack", unpack(), "| both, two threads: the limit | 600 | 600 to 600 |"),
        ("startup", {"runs": 20, "ms": {"python": spread([9, 10])}}, "| `python` | 9.5 | 9 to 10 |"),
    ],
)
def test_every_comparison_has_its_rows(name: str, result: dict[str, Any], expected: str) -> None:
    """Each table holds the figures of its comparison; those with a bound are judged."""
    assert expected in report.section(name, {name: document(name, result)}).splitlines()


def test_missing_and_skipped_comparisons_are_said() -> None:
    """There is no table without a measurement, but the command and the reason."""
    found = {"links": document("links", {"skipped": "needs the programs ip and tc"})}

    assert report.section("peers", found) == "    python -m benchmarks.peers\n\nNot measured here."
    assert report.section("links", found).endswith("Skipped: needs the programs ip and tc.")


def test_machine_and_quick_runs_are_told() -> None:
    """The page says where its figures come from, and that a quick run's are none."""
    quick = document("startup", {"runs": 3, "ms": {}}, quick=True, machine={**MACHINE, "cpu": "Slide rule"})
    later = document("tls", {"skipped": "needs nginx"}, date="2026-01-03T00:00:00+00:00")
    found = {"startup": quick, "tls": later}

    assert "| processor | Abacus, 2 cores |" in report.machine(found)
    assert "| versions | Python 3.11.7, isal 1.8.0, nginx — |" in report.machine(found)
    assert "| date | 2026-01-03 |" in report.machine(found)
    assert "A quick run, too small to be quoted. On another machine" in report.section("startup", found)
    assert report.machine({}) == report.NOT_MEASURED


def test_results_are_read_by_name(tmp_path: Path) -> None:
    """A folder that isn't there, or holds other files, is a page without measurements."""
    (tmp_path / "tls.json").write_text(json.dumps({"name": "tls"}), "utf-8")
    (tmp_path / "other.json").write_text("no JSON", "utf-8")

    assert report.documents(tmp_path) == {"tls": {"name": "tls"}}
    assert report.documents(tmp_path / "none") == {}


def test_pictures_are_linked_where_there_is_something_to_draw() -> None:
    """A comparison that is missing or was skipped has neither a picture nor a link."""
    found = {"tls": document("tls", against_codec({"8MiB": [0.8]})), "links": document("links", {"skipped": "no root"})}

    made = report.page("one\n\n{{plot:ratios}}\n\n{{plot:links}}\n\n{{plot:scaling}}\n\ntwo\n", found)

    assert re.fullmatch(r"one\n\n!\[Bars.*\]\(plots/ratios\.svg\)\n\ntwo\n", made)


def test_pictures_are_drawn_the_same_each_time(tmp_path: Path) -> None:
    """A picture changes only with its data; its axes say what they measure."""
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    results = {"tls": against_codec({"8MiB": [0.8, 0.9]}), "links": links(), "scaling": scaling()}
    found = {name: document(name, result) for name, result in results.items()}

    once, again = (plots.drawn(found, tmp_path / folder) for folder in ("once", "again"))

    assert [path.name for path in once] == ["ratios.svg", "links.svg", "scaling.svg"]
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    texts = [path.read_text("utf-8") for path in once]
    for text, label in zip(texts, ("ratio to the codec", "raw MB/s", "peak memory, MB"), strict=True):
        assert label in text
        assert "<dc:date>" not in text


def test_missing_matplotlib_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page doesn't need it."""
    monkeypatch.setattr(plots, "drawable", lambda: False)

    assert report.pictures({"links": document("links", links())}, tmp_path / "plots") == []
    assert "bulkstream[plot]" in capsys.readouterr().err


def test_committed_page_links_pictures_that_are_there() -> None:
    """A picture is committed with its page."""
    linked = re.findall(r"\]\((plots/[^)]+)\)", (report.DOCS / report.PAGE).read_text("utf-8"))

    assert [path for path in linked if not (report.DOCS / path).is_file()] == []


def test_committed_page_is_what_the_results_make() -> None:
    """Nobody edits docs/performance.md by hand: `make performance-docs` writes it."""
    template = report.TEMPLATE.read_text("utf-8")

    assert (report.DOCS / report.PAGE).read_text("utf-8") == report.page(template, report.documents(RESULTS))
