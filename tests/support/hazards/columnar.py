"""Files of Arrow's formats and frames, read by pyarrow's readers of whole tables, and by the frames themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import feather, ipc, orc

from bulkstream.model import ColumnType
from tests.support.hazards.made import Format, Made, types_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.hazards.tables import Hazard


def scalars(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return a table's rows as scalars, which know their types."""
    return list(zip(*table.columns, strict=True))


def _file(source: Any, table: pa.Table, hazard: Hazard) -> Made:
    return Made(source, tuple(table.column_names), scalars(table), types_of(hazard))


def _parquet(hazard: Hazard, folder: Path) -> Made:
    path = folder / "rows.parquet"
    pq.write_table(hazard.arrow, path, row_group_size=2)
    return _file(path, pq.read_table(path), hazard)


def _hive(hazard: Hazard, folder: Path) -> Made:
    """Write the rows into three folders, in the order in which these are read, the last being that of null."""
    home, table = folder / "hive", hazard.arrow
    size = -(-table.num_rows // 3) or 1
    for number, value in enumerate(("a b", "ü=1", None)):
        place = home / f"part={'__HIVE_DEFAULT_PARTITION__' if value is None else quote(value)}"
        place.mkdir(parents=True)
        pq.write_table(table.slice(number * size, size), place / "rows.parquet")
    order = sorted(home.glob("*/*.parquet"))
    kind = ds.partitioning(pa.schema([("part", pa.string())]), flavor="hive")
    found = ds.dataset(order, partitioning=kind, partition_base_dir=str(home)).to_table()
    return Made(home, tuple(found.column_names), scalars(found), (*types_of(hazard), ColumnType.STRING))


def _ipc_file(hazard: Hazard, folder: Path) -> Made:
    path = folder / "rows.arrow"
    with ipc.new_file(path, hazard.arrow.schema) as writer:
        writer.write_table(hazard.arrow, max_chunksize=2)
    with pa.memory_map(str(path)) as file:
        return _file(path, ipc.open_file(file).read_all(), hazard)


def _ipc_stream(hazard: Hazard, folder: Path) -> Made:
    path = folder / "rows.arrows"
    with ipc.new_stream(path, hazard.arrow.schema) as writer:
        writer.write_table(hazard.arrow, max_chunksize=2)
    with pa.memory_map(str(path)) as file:
        return _file(path, ipc.open_stream(file).read_all(), hazard)


def _feather(hazard: Hazard, folder: Path) -> Made:
    path = folder / "rows.feather"
    feather.write_feather(hazard.arrow, path, compression="lz4")
    return _file(path, feather.read_table(path), hazard)


def _orc(hazard: Hazard, folder: Path) -> Made:
    hazard = hazard.without("big") if hazard.name != "extreme values" else hazard.without("big", "moment")
    path = folder / "rows.orc"
    orc.write_table(hazard.arrow, path)
    return _file(path, orc.read_table(path), hazard)


def _arrow_frame(hazard: Hazard, _: Path) -> Made:
    return _file(hazard.arrow, hazard.arrow, hazard)


def _polars(hazard: Hazard, _: Path) -> Made:
    frame = pl.DataFrame(hazard.arrow)
    return Made(frame, tuple(frame.columns), frame.rows(), types_of(hazard))


def _pandas(hazard: Hazard, _: Path) -> Made:
    frame = hazard.arrow.to_pandas()
    rows = [
        tuple(None if pd.isna(value) else value for value in row) for row in frame.itertuples(index=False, name=None)
    ]
    return Made(frame, tuple(frame.columns), rows, types_of(hazard, **_pandas_types(frame)))


def _pandas_types(frame: pd.DataFrame) -> dict[str, ColumnType]:
    """Return what becomes of kinds that pandas has no type for: integers with gaps, objects where there are none."""
    if frame.empty:
        return dict.fromkeys(("decimal", "date"), ColumnType.STRING)
    return {"long": ColumnType.DOUBLE} if "id" in frame and frame["id"].dtype == "float64" else {}


FORMATS = (
    Format("Parquet", _parquet),
    Format("Parquet, folder with partitions", _hive),
    Format("Arrow IPC file", _ipc_file),
    Format("Arrow IPC stream", _ipc_stream),
    Format("Feather, lz4", _feather),
    Format("ORC", _orc),
    Format("pyarrow table", _arrow_frame),
    Format("polars frame", _polars),
    Format("pandas frame", _pandas),
)
