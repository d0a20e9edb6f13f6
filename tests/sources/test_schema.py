"""Schema files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import SchemaError
from bulkstream.model import Column, ColumnType
from bulkstream.sources.schema import compare, read_schema, write_schema

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (Column("id", ColumnType.LONG), Column("naïve, name", ColumnType.STRING))
JSON = '[{"name": "id", "type": "long"}, {"name": "naïve, name"}]'
TOML = '[[columns]]\nname = "id"\ntype = "LONG"\n[[columns]]\nname = "naïve, name"\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.json", JSON),
        ("s.json", f'{{"columns": {JSON}}}'),
        ("s.json", f'{{"schema": {{"columns": {JSON}}}}}'),
        ("s.toml", TOML),
    ],
)
def test_all_forms_mean_the_same(tmp_path: Path, name: str, text: str) -> None:
    """A list, a table, Domo's own JSON and TOML are read alike."""
    (tmp_path / name).write_text(text, "utf-8")

    assert read_schema(tmp_path / name) == COLUMNS


@given(
    st.lists(
        st.builds(Column, st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(list(ColumnType))),
        min_size=1,
        unique_by=lambda column: column.name,
    )
)
def test_what_is_written_can_be_read(tmp_path_factory: pytest.TempPathFactory, columns: list[Column]) -> None:
    """Writing and reading a schema changes nothing."""
    path = tmp_path_factory.mktemp("schema") / "s.json"
    path.write_bytes(write_schema(columns))

    assert read_schema(path) == tuple(columns)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"name": "a", "type": "INT"}]', "column 1, 'a': INT is no type; there are STRING, LONG"),
        ('[{"type": "LONG"}]', "column 1 has no name"),
        ('[{"name": "a"}, {"name": "a"}]', "'a' stands there twice"),
        ("{}", "holds no columns"),
        ("5", "holds no columns"),
        ("{", "can't be read"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_column(tmp_path: Path, text: str, words: str) -> None:
    """The message leads to the place in the file."""
    (tmp_path / "s.json").write_text(text, "utf-8")

    with pytest.raises(SchemaError, match=words):
        read_schema(tmp_path / "s.json")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A schema that isn't there is not an empty one."""
    with pytest.raises(SchemaError, match="can't be read"):
        read_schema(tmp_path / "none.json")


def test_schemas_are_compared_in_words() -> None:
    """Each column that differs is told with both sides."""
    assert compare(COLUMNS, COLUMNS) == ()
    assert compare(COLUMNS[:1], COLUMNS) == ("1 columns instead of 2",)
    assert compare((Column("id"), COLUMNS[1]), COLUMNS) == ("column 1 is 'id' STRING instead of 'id' LONG",)
