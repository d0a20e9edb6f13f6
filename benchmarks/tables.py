"""The tables of docs/performance.md, one function per comparison: from a result to lines of Markdown. All pure."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Result = dict[str, Any]
SPREAD = "lowest to highest"
JUDGED = ("median", SPREAD, "bound", "")
DASH = "—"
PEERS = {"bulkstream to pydomo": "pydomo", "bulkstream to script": "split", "bulkstream to pigz": "pigz"}
"""How the names of the contenders begin that a bound is for."""
JUDGED_PARTS = 1000
"""Of fewer parts, the difference of two loads is mostly noise."""
JUDGED_MBIT = 100
"""On a faster link, the codec may be the limit, and then no level is better than another for it."""


def number(value: float, digits: int = 3) -> str:
    """Write a figure with as many significant digits."""
    return f"{float(f'{value:.{digits}g}'):,.12g}"


def size(raw_bytes: float) -> str:
    """Write bytes in the decimal unit that suits them."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if raw_bytes >= factor:
            return f"{number(raw_bytes / factor)} {unit}"
    return f"{raw_bytes} B"


def end_to_end(result: Result) -> list[str]:
    """Tell what each part size makes of the codec's speed, and the speeds themselves."""
    loads = {f"upload, parts of {name}": load for name, load in result["loads"].items()}
    judged = [row(f"{name}, to the codec", *against(load["ratio"], result["bound"])) for name, load in loads.items()]
    contenders = {f"codec alone, {result['threads']} threads": result["codec"], **loads}
    rates = [
        row(name, *spread(each["mb_s"]), number(each["cpu_s_per_gb"]["median"]), peak(each["peak_rss_mb"]))
        for name, each in contenders.items()
    ]
    heads = ("MB/s, median", SPREAD, "processor s/GB", "peak memory, MB")
    return [*table(("ratio", *JUDGED), judged), "", *table(("speed", *heads), rates)]


def peers(result: Result) -> list[str]:
    """Tell how many times as fast as the others a load is."""
    bounds = {
        name: bound for key, bound in result["bounds"].items() for name in result["mb_s"] if name.startswith(PEERS[key])
    }
    rows = []
    for name, speed in result["mb_s"].items():
        ratio = result["bulkstream_to"].get(name)
        judged = against(ratio, bounds.get(name)) if ratio else (DASH,) * 4
        rows.append(row(name, number(speed["median"]), *judged))
    return table(("", "MB/s, median", "bulkstream to it, median", *JUDGED[1:]), rows)


def links(result: Result) -> list[str]:
    """Tell how much of each link is used, and what `auto` makes of the best level's speed."""
    judged, rates = [], []
    for link in result["links"]:
        name, best = f"{link['mbit']} Mbit/s", link["auto_to_best"]
        bound = result["bound_auto"] if link["mbit"] == JUDGED_MBIT else None
        judged += [
            row(f"{name}: share in use while sending", *against(link["share_while_sending"], result["bound_share"])),
            row(f"{name}: `auto` to level {best['best_level']}", *against(best["ratio"], bound)),
        ]
        rates += [
            row(name, _level(level, result), *spread(load["mb_s"]), number(load["share"]["median"]), load["ratio"])
            for level, load in link["loads"].items()
        ]
    heads = ("level", "raw MB/s, median", SPREAD, "share of the link", "compression ratio")
    return [*table(("", *JUDGED), judged), "", *table(("link", *heads), rates)]


def scaling(result: Result) -> list[str]:
    """Tell how time and memory grow with the size, and what a part costs."""
    bound = result["bound_exponent"]
    exponents = [
        row("time", *at_most(result["time_exponent"], bound)),
        row("memory, three largest", number(result["memory_exponent"]), DASH, DASH),
    ]
    sizes = [
        row(size(each["raw_bytes"]), f"{each['parts']:,}", *spread(each["seconds"]), *spread(each["peak_rss_mb"]))
        for each in result["sizes"]
    ]
    begins = f"exponent from {size(result['exponent_from_bytes'])}"
    columns = ("parts", "seconds, median", SPREAD, "peak memory, MB, median", SPREAD)
    growth = [*table((begins, "", "bound", ""), exponents), "", *table(("size", *columns), sizes)]
    return [*growth, "", *_counts(result)]


def loop_stall(result: Result) -> list[str]:
    """Tell how late a coroutine wakes, and whether a load ever exceeds its bound."""
    bound = result["bound_ms"]
    names = {
        "nothing": "nothing",
        "codec": "the codec in another process",
        "upload": "a load on the same loop",
        "table": "a load of an Arrow table, 1 M rows",
        "objects": "a load of a pandas frame with Python objects, 1 M rows",
        "dicts": "a load of a generator of dicts, 1 M rows",
        "later": "a load of an asynchronous generator of dicts, 1 M rows",
    }
    rows = []
    for beside, told in result["beside"].items():
        delays = [number(told[key]["median"]) for key in ("p50_ms", "p99_ms", "max_ms")]
        free = beside in {"nothing", "codec"}
        rows.append(row(names[beside], *delays, *(_stall(told) if free else at_most(told["max_ms"]["high"], bound))))
    heads = ("median, ms", "p99, ms", "largest, ms", "largest of all rounds, ms", "bound", "")
    peak_mb = f"Peak memory of the process with the load: {number(result['peak_rss_mb'])} MB."
    return [*table(("beside", *heads), rows), "", peak_mb]


def price(result: Result) -> list[str]:
    """Tell what journal and gate leave of the speed, and the speeds themselves."""
    loads = result["loads"].items()
    judged = [row(f"parts of {name}", *against(load["ratio"], result["bound"])) for name, load in loads]
    rates = [
        row(f"parts of {name}, {words}", *spread(load[key]["mb_s"]), number(load[key]["cpu_s_per_gb"]["median"]))
        for name, load in loads
        for key, words in (("safe", "with both"), ("bare", "with neither"))
    ]
    heads = ("MB/s, median", SPREAD, "processor s/GB")
    return [*table(("with to without", *JUDGED), judged), "", *table(("speed", *heads), rates)]


def startup(result: Result) -> list[str]:
    """Tell how long each command takes."""
    rows = [row(f"`{name}`", *spread(told)) for name, told in result["ms"].items()]
    return table((f"{result['runs']} runs each", "ms, median", SPREAD), rows)


def unpack(result: Result) -> list[str]:
    """Tell what a load of packed rows makes of the limit, and the speeds themselves."""
    judged, rates = [], []
    names = {
        "unpack": "isal unpacks, one thread",
        "pack": "isal packs, one thread",
        "limit": "both, two threads: the limit",
        "calculated": "both, calculated",
    }
    for size_, load in result["loads"].items():
        name = f"upload, parts of {size_}"
        judged.append(row(f"{name}, to the limit", *against(load["ratio"], result["bound"])))
        judged.append(row(f"{name}, once Python has started", *against(load["once_started"], None)))
        judged.append(row(f"{name}, to the calculated limit", *against(load["to_calculated"], None)))
        rates.append(row(name, *spread(load["mb_s"])))
    alone = [row(name, *spread(result["alone"][key])) for key, name in names.items()]
    return [*table(("ratio", *JUDGED), judged), "", *table(("raw MB/s", "median", SPREAD), [*alone, *rates])]


def columnar(result: Result) -> list[str]:
    """Tell what a load of Parquet makes of the limit, the speeds themselves, and the memory."""
    judged, rates = [], []
    names = {
        "render": "pyarrow reads and writes CSV, two threads",
        "pack": "isal packs, two threads",
        "limit": "both, two threads: the limit",
    }
    for size_, load in result["loads"].items():
        name = f"upload, parts of {size_}"
        judged.append(row(f"{name}, to the limit", *against(load["ratio"], result["bound"])))
        judged.append(row(f"{name}, once Python has started", *against(load["once_started"], None)))
        rates.append(row(name, *spread(load["mb_s"]), f"{load['peak_rss_mb']:,}"))
    alone = [row(name, *spread(result["alone"][key]), "") for key, name in names.items()]
    return [
        *table(("ratio", *JUDGED), judged),
        "",
        *table(("MB/s as CSV", "median", SPREAD, "peak MB"), [*alone, *rates]),
    ]


TABLES: Mapping[str, Callable[[Result], list[str]]] = {
    "end_to_end": end_to_end,
    "tls": end_to_end,
    "peers": peers,
    "links": links,
    "scaling": scaling,
    "loop_stall": loop_stall,
    "price": price,
    "startup": startup,
    "unpack": unpack,
    "columnar": columnar,
}


def table(heads: Iterable[str], rows: Iterable[str]) -> list[str]:
    """Return the lines of a table."""
    heads = list(heads)
    return [row(*heads), row(*["---"] * len(heads)), *rows]


def row(*cells: object) -> str:
    """Return a line of a table."""
    return "|" + "|".join(f" {cell} " if cell != "" else " " for cell in cells) + "|"


def spread(told: Result) -> tuple[str, str]:
    """Return the cells of a spread: its median, and its extremes."""
    return number(told["median"]), f"{number(told['low'])} to {number(told['high'])}"


def against(told: Result, bound: float | None) -> tuple[str, str, str, str]:
    """Return the cells of a spread whose median should be at least the bound."""
    if bound is None:
        return (*spread(told), DASH, DASH)
    shown, verdict = _judged(told["median"], bound, operator.ge)
    return shown, spread(told)[1], f"at least {number(bound)}", verdict


def at_most(value: float, bound: float) -> tuple[str, str, str]:
    """Return the cells of a figure that should be at most the bound."""
    shown, verdict = _judged(value, bound, operator.le)
    return shown, f"at most {number(bound)}", verdict


def peak(mb: float) -> str:
    """Return the cell of a peak of memory; 0 stands for one that nobody noted."""
    return number(mb) if mb else DASH


def _judged(value: float, bound: float, holds: Callable[[float, float], bool]) -> tuple[str, str]:
    """Return a figure, with a digit more where rounding would belie the verdict, and the verdict."""
    met = holds(value, bound)
    shown = next((text for text in (number(value), number(value, 4)) if holds(_value(text), bound) == met), str(value))
    return shown, "met" if met else "**not met**"


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def _stall(told: Result) -> tuple[str, str, str]:
    return number(told["max_ms"]["high"]), DASH, DASH


def _level(level: str, result: Result) -> str:
    return f"`auto`, answers {number(result['delay_ms'])} ms late" if level == "delayed" else f"`{level}`"


def _counts(result: Result) -> list[str]:
    rows = []
    for each in result["counts"]:
        bound = result["bound_part_ms"] if each["parts"] >= JUDGED_PARTS else None
        told = each["ms_per_part"]
        judged = at_most(told["median"], bound) if bound else (number(told["median"]), DASH, DASH)
        seconds = (number(each[key]["median"]) for key in ("small_s", "large_s"))
        rows.append(row(f"{each['parts']:,}", *seconds, judged[0], spread(told)[1], *judged[1:]))
    small = f"parts of {result['small_part_bytes'] >> 10} KiB"
    heads = ("seconds, median", "in large parts", "ms per part more, median", SPREAD, "bound", "")
    return table((small, *heads), rows)
