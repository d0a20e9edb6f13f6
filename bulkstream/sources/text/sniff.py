r"""Which dialect has a text? Told from the beginning of it, and never against what is plainly RFC 4180.

The rule, over the records of the sample, blank lines left out:

1. Lines end in CR if there are CRs and no LF outside quotes; else in LF or CRLF.
2. If the text is valid RFC 4180 and all records have the same number of fields, two or more, it is RFC 4180, whatever
   else might read it too.
3. Else another dialect is taken if by it there are at least two records, all have the same number of fields, two or
   more, every quoted field ends at a delimiter or a line end, and the delimiter is no punctuation (some field does not
   begin with a blank). Of several, the one with the most fields. One record is enough if all its fields are quoted
   and it is no RFC 4180.
4. Else RFC 4180, or failing that another, is taken if that holds for nine records of ten, the first among them: the
   rest are bad rows. So is what would be RFC 4180 but for quotes inside unquoted fields, which its reader will refuse.
5. Else it is RFC 4180: one column, one record, nothing at all, or something that its reader will refuse.

What is cut off at the end of the sample does not count, but must not be most of it, unless RFC 4180 would refuse the
rest: a field of a megabyte leaves few records to judge by.

What is tried: delimiters `, ; tab | \x01`, with these quotes and escapes, the first that fits:

* `'` as quote, if as many fields are in such quotes as there are records, and with commas only where `"` fails;
* `"` as quote;
* `"` with a backslash as escape, if each backslash stands before a delimiter, a quote, a backslash, a line end or `N`
  (for null), and at least one before a delimiter or a quote;
* no quotes, if no field is in quotes from its beginning to its end.

It is certain if nothing else would have done, there are quotes in the dialect, and none stands inside a field.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bulkstream.sources.text.dialect import RFC4180, LineEnd, TextDialect
from bulkstream.sources.text.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

SNIFFED_BYTES = 128 << 10
"""Bytes that are looked at: each way of reading costs about 20 ms."""

_DELIMITERS = ",;\t|\x01"
_ENOUGH = 0.9
_STRAY = "; but there are quotes inside unquoted fields, which RFC 4180 does not know (perhaps quote=none)"
_QUOTED = re.compile(rb'"[^"]*+"')
_BACKSLASHED = re.compile(rb"\\(.|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sniffed:
    """A dialect, and in one sentence why it is believed.

    Attributes:
        certain: No other was possible.
    """

    dialect: TextDialect
    reason: str
    certain: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a sample looks in one dialect.

    Attributes:
        records: How many were seen whole.
        fields: How many most of them have.
        share: Of those records; 0 if the first is none of them.
        quoted: Fields in quotes.
        broken: There is text behind a quoted field, or nothing ends it.
        cut_off: The last record is not whole, and may be most of the sample.
        stray: There are quotes inside fields that do not begin with one.
        punctuated: A blank stands behind every delimiter.
    """

    dialect: TextDialect
    records: int
    fields: int
    share: float
    quoted: int
    broken: bool
    cut_off: bool
    stray: bool
    punctuated: bool

    @property
    def sound(self) -> bool:
        """Whether every quoted field ends where it should."""
        return not self.broken and not self.cut_off

    @property
    def tabular(self) -> bool:
        """Whether there are columns at all."""
        return self.sound and self.fields > 1 and self.share >= _ENOUGH

    @property
    def perfect(self) -> bool:
        """Whether all records agree."""
        return self.tabular and self.share == 1

    @property
    def refused(self) -> bool:
        """Whether quotes stand where this dialect's reader does not take them, and there are no columns either."""
        return self.broken or (self.stray and not self.tabular)


def sniffed(sample: bytes, *, whole: bool) -> Sniffed:
    """Tell a text's dialect from its beginning, in UTF-8.

    Args:
        sample: Some KiB, or all of it.
        whole: It is all of the text; else the last record counts as cut off.
    """
    data, whole = sample[:SNIFFED_BYTES], whole and len(sample) <= SNIFFED_BYTES
    plain = _read(replace(RFC4180, ends=_line_end(data, whole=whole)), data, whole=whole)
    found = [replace(each, cut_off=each.cut_off and not plain.refused) for each in _others(plain, data, whole=whole)]
    others = [each for each in found if _convincing(each, plain) and not _same_table(each, plain)]
    perfect = sorted((each for each in others if each.perfect), key=lambda each: -each.fields)
    if (plain.perfect and not plain.stray) or (plain.tabular and not perfect):
        told = _agreement(plain) + (_STRAY if plain.stray else "")
        return Sniffed(plain.dialect, told, certain=plain.perfect and not plain.stray and not perfect)
    if perfect:
        best = perfect[0]
        alone = len(perfect) == 1 and best.dialect.quote is not None and not best.stray
        return Sniffed(best.dialect, _agreement(best), certain=alone)
    if others:
        best = max(others, key=lambda each: each.share)
        return Sniffed(best.dialect, _agreement(best), certain=False)
    return _nothing_found(plain, data)


def _convincing(reading: _Reading, plain: _Reading) -> bool:
    """Whether a reading may be held against RFC 4180."""
    if reading.records == 1:
        return reading.tabular and reading.quoted == reading.fields and plain.broken
    return reading.tabular and not reading.punctuated


def _same_table(reading: _Reading, plain: _Reading) -> bool:
    """Whether a reading only differs from plain CSV in that quotes are text, where plain CSV has columns as well."""
    return plain.tabular and reading.dialect == replace(plain.dialect, quote=None)


def _nothing_found(plain: _Reading, data: bytes) -> Sniffed:
    """Fall back to RFC 4180."""
    if not plain.records:
        return Sniffed(plain.dialect, "there is no whole record to tell it from", certain=not data)
    if plain.sound and plain.fields == 1 and plain.share == 1:
        divisible = any(delimiter.encode() in data for delimiter in _DELIMITERS)
        return Sniffed(plain.dialect, "no delimiter divides the records alike: one column", certain=not divisible)
    return Sniffed(plain.dialect, "no dialect gives all records the same number of fields", certain=False)


def _others(plain: _Reading, data: bytes, *, whole: bool) -> Iterator[_Reading]:
    """Yield the best reading for each delimiter that occurs."""
    for delimiter in _DELIMITERS:
        if delimiter.encode() not in data:
            continue
        best: _Reading | None = None
        for dialect in _variants(replace(plain.dialect, delimiter=delimiter), data):
            if dialect == plain.dialect:
                continue
            reading = _read(dialect, data, whole=whole)
            if not _fits_in(reading, data, plain):
                continue
            if best is None or (reading.sound, reading.share) > (best.sound, best.share):
                best = reading
            if reading.perfect:
                break
        if best is not None:
            yield best


def _variants(usual: TextDialect, data: bytes) -> Iterator[TextDialect]:
    """Yield what may go with a delimiter, the likeliest first."""
    if b"'" in data:
        yield replace(usual, quote="'")
    yield usual
    if _escapes(usual, data):
        yield replace(usual, escape="\\")
    if b'"' in data:
        yield replace(usual, quote=None)


def _fits_in(reading: _Reading, data: bytes, plain: _Reading) -> bool:
    """Whether a way of quoting has what speaks for it."""
    match reading.dialect.quote:
        case "'":
            return reading.quoted >= max(1, reading.records)
        case None:
            usual = replace(reading.dialect, quote=plain.dialect.quote)
            return not _read(usual, data, whole=True).quoted
        case _:
            return True


def _read(dialect: TextDialect, data: bytes, *, whole: bool) -> _Reading:
    spans = [span for span in Tokens(dialect).spans(data) if span.ended or whole]
    cut_off = not whole and not (spans and spans[-1].end * 2 > len(data))
    spans = [span for span in spans if span.fields > 1 or data[span.start : span.end].strip(b"\r\n")]
    counts = Counter(span.fields for span in spans)
    (fields, often) = counts.most_common(1)[0] if counts else (0, 0)
    agree = bool(spans) and spans[0].fields == fields
    delimiter = dialect.delimiter.encode()
    return _Reading(
        dialect,
        len(spans),
        fields,
        often / len(spans) if agree else 0.0,
        sum(span.quoted for span in spans),
        broken=any(span.trailing or span.open for span in spans),
        cut_off=cut_off,
        stray=any(span.stray for span in spans),
        punctuated=0 < data.count(delimiter) == data.count(delimiter + b" "),
    )


def _escapes(usual: TextDialect, data: bytes) -> bool:
    """Whether backslashes stand before what needs an escape, and nowhere else."""
    following = set(_BACKSLASHED.findall(data))
    needing = {usual.delimiter.encode(), b'"'}
    return bool(following & needing) and following <= needing | {b"\\", b"\r", b"\n", b"N", b""}


def _line_end(data: bytes, *, whole: bool) -> LineEnd:
    if b"\r" not in data:
        return LineEnd.LF
    outside = _QUOTED.sub(b"", data)
    if not whole:
        outside, _, _ = outside.partition(b'"')  # which the end of the sample keeps open
    return LineEnd.CR if b"\r" in outside and b"\n" not in outside else LineEnd.LF


def _agreement(reading: _Reading) -> str:
    """Say how many records have how many fields."""
    count = f"{reading.records:,}" if reading.share == 1 else f"{reading.share:.1%} of {reading.records:,}"
    return f"{count} sampled records have {reading.fields:,} fields each"
