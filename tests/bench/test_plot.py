"""The picture: labelled, and drawn only where it can be."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bulkstream.bench.plot import check_plot, frontier, plot
from bulkstream.errors import UsageError
from tests.support.made_findings import findings, stages

pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")


def words_of(path: Path) -> str:
    return "\n".join(re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text("utf-8")))


def test_svg_has_its_labels_as_text(tmp_path: Path) -> None:
    """Axes and units are named, every cell has its rate, every level its number, and auto is marked."""
    plot(findings((1, 5000.0)), tmp_path / "bench.svg")

    words = words_of(tmp_path / "bench.svg")
    for label in (
        "Part size (raw)",
        "Uploads in flight (connections)",
        "Throughput (MB/s of raw CSV)",
        "Compression ratio (raw bytes / sent bytes)",
        "Compression speed on 4 threads (MB/s of raw CSV)",
        "auto begins",
        "recommended",
        "4 MiB",
        "404",
        "libdeflate",
    ):
        assert label in words
    assert "sending can take" not in words


def test_slow_link_is_drawn_beside_the_ladder(tmp_path: Path) -> None:
    """Where the link is the limit, what it takes of each level stands beside the level's speed."""
    plot(findings((1, 20.0)), tmp_path / "bench.svg")

    assert "sending can take" in words_of(tmp_path / "bench.svg")


def test_png_is_a_picture_of_some_size(tmp_path: Path) -> None:
    """The suffix chooses the format, in whatever case."""
    plot(findings((1, 5000.0)), tmp_path / "bench.PNG")

    data = (tmp_path / "bench.PNG").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20]) > 1500


def test_frontier_leaves_out_what_is_beaten_in_both() -> None:
    """A level that is slower and sends more than another is not on the line."""
    ladder = stages((1, 1.0)).ladder
    beaten = replace(ladder[3], level=9, ratio=2.0)

    assert [rung.level for rung in frontier(ladder)] == [0, 1, 2, 3]
    assert [rung.level for rung in frontier((*ladder[1:], beaten))] == [1, 2, 3]


@pytest.mark.parametrize(("name", "words"), [("a.pdf", "a .png or a .svg"), ("none/a.png", "no folder none")])
def test_picture_that_cannot_be_drawn_is_refused(name: str, words: str) -> None:
    """Found out before anything is measured."""
    with pytest.raises(UsageError, match=words):
        check_plot(Path(name))


def test_missing_matplotlib_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(UsageError, match="matplotlib") as caught:
        check_plot(Path("a.png"))
    assert "pip install 'bulkstream[plot]'" in caught.value.hint
