"""`bulkstream executions …`: the API's calls about executions."""

from typing import TYPE_CHECKING, Annotated

import typer

from bulkstream.cli.options import AsJson, ExecutionId, Mode, Profile, StreamId
from bulkstream.cli.run import told
from bulkstream.cli.streams import confirm
from bulkstream.errors import UsageError
from bulkstream.model import UpdateMethod

if TYPE_CHECKING:
    from bulkstream.api import ApiClient, Execution

executions = typer.Typer(
    help="Create, look at, change, commit and abort executions.", no_args_is_help=True, rich_markup_mode=None
)


@executions.command()
def create(
    stream: StreamId,
    mode: Annotated[Mode | None, typer.Option(help="Overrides the stream's own for this execution.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="Key column of an upsert; repeatable.", metavar="COL")] = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Open an execution."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_execution

        method = UpdateMethod(mode.upper()) if mode else None
        execution = call(
            lambda client: client.executions.create(stream, update_method=method, key_columns=tuple(key or ())), profile
        )
        show_execution(execution, as_json=as_json)


@executions.command()
def get(stream: StreamId, execution: ExecutionId, as_json: AsJson = False, profile: Profile = None) -> None:
    """Show an execution."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_execution

        show_execution(call(lambda client: client.executions.get(stream, execution), profile), as_json=as_json)


@executions.command()
def update(
    stream: StreamId,
    execution: ExecutionId,
    mode: Annotated[Mode, typer.Option(help="New update method.")],
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Change an execution (instance dialect)."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_execution

        changes = {"updateMethod": mode.upper()}
        changed = call(lambda client: client.executions.update(stream, execution, changes), profile)
        show_execution(changed, as_json=as_json)


@executions.command()
def delete(
    stream: StreamId,
    execution: ExecutionId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Delete an execution and its parts (instance dialect)."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_done

        confirm(f"Delete execution {execution} of stream {stream}?", yes=yes)
        call(lambda client: client.executions.delete(stream, execution), profile)
        show_done(f"deleted execution {execution}", {"deleted": execution}, as_json=as_json)


@executions.command(name="list")
def list_(stream: StreamId, as_json: AsJson = False, profile: Profile = None) -> None:
    """List a stream's executions."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, gathered, show_executions

        show_executions(call(lambda client: gathered(client.executions.list(stream)), profile), as_json=as_json)


@executions.command()
def commit(stream: StreamId, execution: ExecutionId, as_json: AsJson = False, profile: Profile = None) -> None:
    """Commit an open execution with the parts that it has."""
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_execution

        async def found_and_committed(client: "ApiClient") -> "Execution":
            return await client.executions.commit(await client.executions.get(stream, execution))

        show_execution(call(found_and_committed, profile), as_json=as_json)


@executions.command()
def abort(
    stream: StreamId,
    execution: Annotated[
        int | None, typer.Argument(metavar="EXECUTION", help="Id; default: the open one.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Abort an execution, or whichever is open.

    The dataset stays as it was.
    """
    with told(as_json=as_json):
        from bulkstream.cli.api import call, show_execution

        async def found_and_aborted(client: "ApiClient") -> "Execution":
            target = await _open_one(client, stream) if execution is None else execution
            await client.executions.abort(await client.executions.get(stream, target))
            return await client.executions.get(stream, target)

        show_execution(call(found_and_aborted, profile), as_json=as_json)


async def _open_one(client: "ApiClient", stream: int) -> int:
    """Find the stream's open execution.

    Raises:
        UsageError: None is open.
    """
    from bulkstream.api import ExecutionState

    async for each in client.executions.list(stream):
        if each.state is ExecutionState.OPEN:
            return each.id
    raise UsageError(f"stream {stream} has no open execution")
