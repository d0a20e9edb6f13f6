"""Rendering: Arrow record batches as the server's CSV, without Python per row and without the GIL.

Arrow itself writes the lines; `texts.py` first turns each column into one that Arrow writes as the server reads it.
Null is an empty field and an empty string `""`. Text is quoted whether it needs to be or not: joining fields so that
some go bare took 70 ns more for a row of TPC-H lineitem, and compressing the quotes takes 20.

What a value is written as depends on it and on the two types of its column, never on other values: the same rows in
other batches are the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.errors import BadValue, MissingExtra
from bulkstream.model import Column
from bulkstream.sources.infer import Inferred
from bulkstream.sources.render.arrow_types import column_type, reason_of, require_text
from bulkstream.sources.render.misfit import Misfit
from bulkstream.sources.render.texts import written
from bulkstream.sources.text_field import is_silent, told_type

try:
    import pyarrow as pa
    from pyarrow import csv
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from bulkstream.model import Binary
    from bulkstream.sources.layout import Layout, Slot

BATCH_ROWS = 65_536
"""Rows that Arrow writes in one go; its own default, 1,024, takes a fifth longer on TPC-H lineitem."""


def typed(schema: pa.Schema) -> tuple[Inferred, ...]:
    """Return the type of column for each field of a schema.

    Fields whose values can't be written as CSV have one too: they need not be loaded, and a `Renderer` refuses them.
    """
    return tuple(map(_typed, schema))


def _typed(field: pa.Field) -> Inferred:
    kind, reason = told_type(field) or (column_type(field.type), reason_of(field.type))
    return Inferred(Column(field.name, kind), reason, 0, misfits={} if is_silent(field) else None)


class Renderer:
    """Turns batches into CSV lines without a header; may be called in several threads at once.

    Attributes:
        needed: Numbers of the source's columns that batches must hold, in this order and no others.

    Raises:
        SchemaError: Values of a needed column can't be written as CSV.
    """

    def __init__(self, schema: pa.Schema, layout: Layout, binary: Binary) -> None:
        self.needed = tuple(dict.fromkeys(slot.source for slot in layout if slot.source is not None))
        self._places = {n: place for place, n in enumerate(self.needed)}
        self._names = {n: schema.field(n).name for n in self.needed}
        self._layout = layout
        self._options = csv.WriteOptions(include_header=False, batch_size=BATCH_ROWS)
        for n in self.needed:
            require_text(schema.field(n).name, schema.field(n).type, binary)

    def __repr__(self) -> str:
        return f"Renderer({len(self.needed)} of {len(self._layout)} columns filled)"

    def __call__(self, batch: pa.RecordBatch) -> pa.Buffer:
        """Return the lines of a batch.

        Raises:
            BadValue: A value has no form in CSV; its row is counted within the batch.
        """
        columns = [self._column(batch, slot) for slot in self._layout]
        names = [str(n) for n in range(len(columns))]
        sink = pa.BufferOutputStream()
        if columns:
            csv.write_csv(pa.RecordBatch.from_arrays(columns, names), sink, self._options)
        return sink.getvalue()

    def _column(self, batch: pa.RecordBatch, slot: Slot) -> pa.Array:
        if slot.source is None:
            return pa.nulls(batch.num_rows, pa.string())
        try:
            return written(batch.column(self._places[slot.source]), slot.column.type)
        except Misfit as bad:
            raise BadValue(self._names[slot.source], bad.row, bad.reason, hint=bad.hint) from None
