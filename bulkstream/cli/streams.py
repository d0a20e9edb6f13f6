"""`bulkstream streams …`: the API's calls about streams."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bulkstream.cli.options import AsJson, Columns, Mode, Profile, SchemaFile, StreamId
from bulkstream.cli.run import told
from bulkstream.errors import UsageError
from bulkstream.model import Column, ColumnType, Dialect, SearchKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bulkstream.api import ApiClient

streams = typer.Typer(
    help="Create, look at, change, delete and search streams.", no_args_is_help=True, rich_markup_mode=None
)


_KEYS = f"What to search by: {', '.join(SearchKey)}."


@streams.command()
def create(
    name: Annotated[str, typer.Option(help="Name of the dataset.", metavar="NAME")],
    column: Columns = None,
    schema: SchemaFile = None,
    mode: Annotated[Mode, typer.Option(help="What an execution does unless it says otherwise.")] = Mode.REPLACE,
    key: Annotated[list[str] | None, typer.Option(help="Key column of an upsert; repeatable.", metavar="COL")] = None,
    description: Annotated[str, typer.Option(help="Of the dataset.", metavar="TEXT")] = "",
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Create a stream and the dataset that it feeds."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_stream

        columns = columns_of(column, schema)
        stream = call(
            lambda client: client.streams.create(
                name=name, columns=columns, update_method=mode.upper(), key_columns=key or (), description=description
            ),
            profile,
        )
        show_stream(stream, as_json=as_json)


@streams.command()
def get(stream: StreamId, as_json: AsJson = False, profile: Profile = None) -> None:
    """Show a stream."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_stream

        show_stream(call(lambda client: client.streams.get(stream), profile), as_json=as_json)


@streams.command()
def update(
    stream: StreamId,
    name: Annotated[str | None, typer.Option(help="New name of the dataset (instance).", metavar="NAME")] = None,
    description: Annotated[str | None, typer.Option(help="New description (instance).", metavar="TEXT")] = None,
    column: Columns = None,
    schema: SchemaFile = None,
    mode: Annotated[Mode | None, typer.Option(help="New update method (public).")] = None,
    key: Annotated[list[str] | None, typer.Option(help="New key column (public); repeatable.", metavar="COL")] = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Change a stream, as far as the dialect allows it."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_stream

        given: dict[str, Any] = {"name": name, "description": description, "mode": mode, "key": key}
        given["columns"] = columns_of(column, schema) or None
        changed = call(lambda client: client.streams.update(stream, _changes(client, given)), profile)
        show_stream(changed, as_json=as_json)


@streams.command()
def delete(
    stream: StreamId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Delete a stream; its dataset stays."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_done

        confirm(f"Delete stream {stream}?", yes=yes)
        call(lambda client: client.streams.delete(stream), profile)
        show_done(f"deleted stream {stream}", {"deleted": stream}, as_json=as_json)


@streams.command(name="list")
def list_(as_json: AsJson = False, profile: Profile = None) -> None:
    """List all streams."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, gathered, show_streams

        show_streams(call(lambda client: gathered(client.streams.list()), profile), as_json=as_json)


@streams.command()
def search(
    key: Annotated[SearchKey, typer.Argument(metavar="KEY", help=_KEYS, show_choices=False, show_default=False)],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="What it is; a name may hold *.", show_default=False)],
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Search streams by one property."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, gathered, show_streams

        show_streams(call(lambda client: gathered(client.streams.search(key, value)), profile), as_json=as_json)


def columns_of(given: "Sequence[str] | None", schema: "Path | None") -> tuple[Column, ...]:
    """Read `NAME:TYPE` options, or a schema file.

    Raises:
        UsageError: Both were given, or one of them makes no sense.
    """
    if given and schema:
        raise UsageError("give columns either by --column or by --schema")
    if schema:
        from bulkstream.cli.upload import schema_of

        return schema_of(schema) or ()
    return tuple(_column(text) for text in given or ())


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is lost.

    Raises:
        UsageError: There is nobody to ask.
        typer.Abort: The answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on", hint="Say --yes.")
    typer.confirm(question, abort=True, err=True)


def _column(text: str) -> Column:
    name, colon, kind = text.rpartition(":")
    if not colon or not name or kind.upper() not in ColumnType.__members__:
        raise UsageError(f"{text!r} is no NAME:TYPE", hint=f"Types are {', '.join(ColumnType)}.")
    return Column(name, ColumnType(kind.upper()))


def _changes(client: "ApiClient", given: dict[str, Any]) -> dict[str, Any]:
    """Return the dialect's JSON for what was given.

    Raises:
        UsageError: Nothing was given, or the dialect can't change it.
    """
    instance = client.dialect is Dialect.INSTANCE
    changes = _instance_changes(given) if instance else _public_changes(given)
    possible = {"name", "description", "columns"} if instance else {"mode", "key"}
    if lost := sorted(name for name, value in given.items() if value is not None and name not in possible):
        raise UsageError(f"the {client.dialect} dialect can't change: {', '.join(lost)}")
    if not changes:
        raise UsageError("nothing to change was given")
    return changes


def _instance_changes(given: dict[str, Any]) -> dict[str, Any]:
    source = {name: given[name] for name in ("name", "description") if given[name] is not None}
    changes: dict[str, Any] = {"dataSource": source} if source else {}
    if given["columns"]:
        columns = [{"name": column.name, "type": str(column.type)} for column in given["columns"]]
        changes["schemaDefinition"] = {"columns": columns}
    return changes


def _public_changes(given: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {"updateMethod": given["mode"].upper()} if given["mode"] else {}
    return changes | ({"keyColumnNames": given["key"]} if given["key"] else {})
