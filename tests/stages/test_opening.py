"""Opening: one execution comes into being, whatever becomes of the answers, and nobody else's is harmed."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream.errors import (
    ApiDisconnected,
    ApiError,
    Conflict,
    NotFound,
    NotReady,
    ServerFault,
    StreamBusy,
    Unauthorized,
)
from bulkstream.journal import Unkept
from bulkstream.ledger import Ledger
from bulkstream.model import Outcome
from bulkstream.stages import Ending, Holder, Opening, Terms
from bulkstream.stages.opening import MOST_ROUNDS
from tests.support.scripted_client import ScriptedClient, exchange, execution

if TYPE_CHECKING:
    from bulkstream.api import Execution

NOW = 1000.0
"""Time of the scripted server."""


@dataclass
class Desk:
    """An opening, and what was said."""

    client: ScriptedClient
    terms: Terms = field(default_factory=lambda: Terms(stream_id=1))
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.opening = Opening(self.client, self.terms, self.said.append, "us")  # type: ignore[arg-type]

    async def opened(self) -> Execution | Exception:
        try:
            return await self.opening.open()
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            return error


def lost() -> ApiError:
    return ApiDisconnected(exchange())


def taken(attempts: int = 1) -> Conflict:
    error = Conflict(exchange(409))
    error.attempts = attempts
    return error


def held_by(run_id: str, *, active: bool = False) -> Any:
    async def holder(_: Execution, asking: str) -> Holder | None:
        return None if asking == run_id else Holder(run_id, active)

    return holder


async def test_first_answer_is_the_execution() -> None:
    """Where all goes well, one request is made, and nothing is asked about others."""
    desk = Desk(ScriptedClient())

    assert await desk.opened() == execution()
    assert (desk.client.calls, desk.said) == (["create"], [])


async def test_orphan_of_a_lost_answer_is_aborted() -> None:
    """What came into being while the answer was lost is ours: it goes, and another is created."""
    desk = Desk(ScriptedClient({"create": [lost(), None]}, found=[execution(number=5, created=NOW)]))

    assert await desk.opened() == execution()
    assert desk.client.calls == ["create", "list", "abort 5", "create"]
    assert desk.said == ["the answer that created execution 5 was lost: aborting it"]


async def test_lost_answer_that_created_nothing_is_asked_for_again() -> None:
    """An empty listing leads to another attempt, after the wait of a retry."""
    desk = Desk(ScriptedClient({"create": [lost(), None]}))

    assert await desk.opened() == execution()
    assert desk.client.calls == ["create", "list", "create"]
    assert desk.client.waited == [1]


async def test_orphan_that_turns_up_late_is_aborted() -> None:
    """An execution that shows only as the next attempt's conflict is still known as ours."""
    client = ScriptedClient()

    async def turn_up() -> None:
        client.found.append(execution(number=5, created=NOW + 1))
        raise taken()

    client._steps["create"] = deque([lost(), turn_up, None])
    desk = Desk(client)

    assert await desk.opened() == execution()
    assert client.calls == ["create", "list", "create", "list", "abort 5", "create"]


async def test_orphan_of_an_attempt_that_was_retried_inside_is_aborted() -> None:
    """A conflict in answer to a second attempt may be with what the first one created."""
    desk = Desk(ScriptedClient({"create": [taken(attempts=2), None]}, found=[execution(number=5, created=NOW)]))

    assert await desk.opened() == execution()
    assert "abort 5" in desk.client.calls


@pytest.mark.parametrize("created", [NOW - 3, NOW + 301, None], ids=["before", "long after", "no time"])
async def test_execution_that_may_be_anybody_s_is_not_taken_for_an_orphan(created: float | None) -> None:
    """Only one that began soon after we had asked is ours; others are named and left alone."""
    desk = Desk(ScriptedClient({"create": [lost()]}, found=[execution(number=5, created=created)]))

    error = await desk.opened()

    assert isinstance(error, StreamBusy)
    assert (error.execution_id, error.run_id) == (5, None)
    assert desk.client.calls == ["create", "list"]
    assert not desk.opening.in_doubt, "the server has told what is open, and it is not ours"


async def test_resumed_run_looks_for_what_earlier_processes_have_asked_for() -> None:
    """Each process's question counts; the orphan of any goes before the first creation."""
    terms = Terms(stream_id=1, asked=(100.0, 500.0))
    desk = Desk(ScriptedClient(found=[execution(number=5, created=99.0)]), terms)

    assert await desk.opened() == execution()
    assert desk.client.calls == ["list", "abort 5", "create"]


async def test_resumed_run_leaves_alone_what_began_much_later() -> None:
    """A run that is resumed days later does not abort a load that somebody else has begun meanwhile."""
    terms = Terms(stream_id=1, asked=(100.0,))
    desk = Desk(ScriptedClient(found=[execution(number=5, created=90_000.0)]), terms)

    assert isinstance(await desk.opened(), StreamBusy)
    assert desk.client.calls == ["list"]


@pytest.mark.parametrize(
    ("holder", "text", "hint", "run_id"),
    [
        (None, "not by a run of this machine", "--take-over", None),
        (held_by("dead"), "left open by run dead", "`bulkstream resume dead`", "dead"),
        (held_by("live", active=True), "loaded right now, by run live", "Wait until that run ends.", "live"),
    ],
    ids=["foreign", "dead", "live"],
)
async def test_conflict_names_whose_execution_is_open(holder: Any, text: str, hint: str, run_id: str | None) -> None:
    """Without a lost answer nothing is aborted; the error says who has the stream and what to do."""
    client = ScriptedClient({"create": [taken()]}, found=[execution(number=5, created=NOW)])
    desk = Desk(client, Terms(stream_id=1, holder=holder))

    error = await desk.opened()

    assert isinstance(error, StreamBusy)
    assert text in str(error)
    assert hint in error.hint
    assert (error.execution_id, error.run_id) == (5, run_id)
    assert client.calls == ["create", "list"]


async def test_foreign_execution_is_named_with_its_time() -> None:
    """People know their loads by when they began."""
    client = ScriptedClient({"create": [taken()]}, found=[execution(number=5, created=NOW)])

    assert "since 1970-01-01 00:16:40 UTC" in str(await Desk(client).opened())


@pytest.mark.parametrize(
    ("holder", "is_taken"),
    [(None, True), (held_by("dead"), True), (held_by("live", active=True), False)],
    ids=["foreign", "dead", "live"],
)
async def test_stream_is_taken_over_from_all_but_the_living(holder: Any, is_taken: bool) -> None:
    """--take-over aborts what nobody of this machine works on, and never what one of our processes loads."""
    client = ScriptedClient({"create": [taken(), None]}, found=[execution(number=5, created=NOW - 900)])
    desk = Desk(client, Terms(stream_id=1, holder=holder, take_over=True))

    opened = await desk.opened()

    assert (opened == execution()) is is_taken
    assert ("abort 5" in client.calls) is is_taken
    assert (desk.said == ["taking stream 1 over: aborting execution 5"]) is is_taken


async def test_orphan_that_another_run_claims_is_left_alone() -> None:
    """While our answer was lost, another run of ours may have been quicker."""
    client = ScriptedClient({"create": [lost()]}, found=[execution(number=5, created=NOW)])
    desk = Desk(client, Terms(stream_id=1, holder=held_by("other")))

    assert isinstance(await desk.opened(), StreamBusy)
    assert not any(call.startswith("abort") for call in client.calls)


async def test_orphan_that_our_own_journal_claims_is_aborted() -> None:
    """A run is no stranger to itself."""
    client = ScriptedClient({"create": [lost(), None]}, found=[execution(number=5, created=NOW)])

    assert await Desk(client, Terms(stream_id=1, holder=held_by("us"))).opened() == execution()
    assert "abort 5" in client.calls


@pytest.mark.parametrize("gone", [Conflict(exchange(409)), NotFound(exchange(404))])
async def test_execution_that_ends_while_it_is_aborted_is_no_failure(gone: ApiError) -> None:
    """What is to be aborted and isn't open any more is what was wanted; creation is asked for anew."""
    client = ScriptedClient({"create": [taken(), None], "abort": [gone]}, found=[execution(number=5, created=0)])

    assert await Desk(client, Terms(stream_id=1, take_over=True)).opened() == execution()
    assert client.calls == ["create", "list", "abort 5", "create"]


async def test_abort_that_fails_ends_the_load() -> None:
    """Somebody's execution that can't be aborted is the server's word, and it is passed on."""
    client = ScriptedClient({"create": [taken()], "abort": [Unauthorized(exchange(401))]}, found=[execution(number=5)])

    assert isinstance(await Desk(client, Terms(stream_id=1, take_over=True)).opened(), Unauthorized)


async def test_conflict_of_a_server_that_lists_nothing_is_busy_without_a_name() -> None:
    """Where the listing fails, the conflict itself is told."""
    client = ScriptedClient({"create": [taken()], "list": [NotFound(exchange(404))]})
    error = await Desk(client).opened()

    assert isinstance(error, StreamBusy)
    assert (error.execution_id, error.run_id) == (None, None)
    assert isinstance(error.__cause__, NotFound)


async def test_lost_answer_of_a_server_that_lists_nothing_is_the_error() -> None:
    """Nobody can tell whether something is open, so that is said, and the first error raised."""
    first = lost()
    desk = Desk(ScriptedClient({"create": [first], "list": [ServerFault(exchange(500))]}))

    assert await desk.opened() is first
    assert desk.opening.in_doubt


async def test_conflict_with_nothing_in_the_listing_is_in_doubt_after_a_lost_answer() -> None:
    """The server says that one is open and doesn't show it: it may be ours."""
    desk = Desk(ScriptedClient({"create": [lost(), taken()]}))

    assert isinstance(await desk.opened(), Conflict)
    assert desk.opening.in_doubt


@pytest.mark.parametrize(
    "error",
    [Unauthorized(exchange(401)), NotFound(exchange(404)), NotReady(exchange(503))],
    ids=lambda e: str(e.status),
)
async def test_certain_refusal_is_raised_at_once(error: ApiError) -> None:
    """What was refused for sure leaves nothing to look for."""
    desk = Desk(ScriptedClient({"create": [error]}))

    assert await desk.opened() is error
    assert (desk.client.calls, desk.opening.in_doubt) == (["create"], False)


async def test_server_that_never_stops_naming_executions_is_given_up() -> None:
    """Rounds are bounded, whatever the server makes up."""
    client = ScriptedClient()

    async def another() -> None:
        client.found.append(execution(number=100 + len(client.calls), created=NOW))
        raise lost()

    client._steps["create"] = deque([another])
    desk = Desk(client)

    assert isinstance(await desk.opened(), ApiDisconnected)
    assert client.calls.count("create") == MOST_ROUNDS
    assert desk.opening.in_doubt, "the last answer was lost, too"


async def test_answers_that_stay_lost_end_when_the_retries_do() -> None:
    """The policy of all requests bounds this one as well."""
    desk = Desk(ScriptedClient({"create": [lost()]}))

    assert isinstance(await desk.opened(), ApiDisconnected)
    assert desk.client.calls.count("create") == 3


@pytest.mark.parametrize("where", ["create", "list", "abort"])
async def test_cancelled_opening_knows_that_it_is_in_doubt(where: str) -> None:
    """Cut off while an answer is awaited, nothing is claimed: an execution may be there."""
    entered = asyncio.Event()

    async def hang() -> None:
        entered.set()
        await asyncio.Event().wait()

    script: dict[str, Any] = {"create": [lost(), None], where: [hang]}
    desk = Desk(ScriptedClient(script, found=[execution(number=5, created=NOW)]))
    task = asyncio.ensure_future(desk.opening.open())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert desk.opening.in_doubt


@pytest.mark.parametrize(
    ("script", "found", "outcome"),
    [
        ({"create": [lost()], "list": [ServerFault(exchange(500))]}, [], Outcome.KEPT),
        ({"create": [lost()]}, [], Outcome.ABORTED),
        ({"create": [taken()]}, [execution(number=5)], Outcome.ABORTED),
        ({"create": [Unauthorized(exchange(401))]}, [], Outcome.ABORTED),
    ],
)
async def test_outcome_says_whether_something_may_be_open(script: Any, found: list[Any], outcome: Outcome) -> None:
    """A run that opened nothing is aborted; one that perhaps has is kept, so that it is looked for."""
    ledger = Ledger()
    client: Any = ScriptedClient(script, found=found)
    ending = Ending(client, Terms(stream_id=1), ledger, Unkept(), lambda _: None)
    with pytest.raises((ApiError, StreamBusy)):
        await ending.open()
    await ending.abort()

    assert ledger.outcome is outcome
