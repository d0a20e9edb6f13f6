"""Plans of faults: how they are written, and whom they strike. No sockets."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bulkstream.errors import UsageError
from bulkstream.sandbox.faults import (
    AnyFault,
    Burst,
    Call,
    Deck,
    ExpireToken,
    Fault,
    FaultPlan,
    ForgetExecution,
    IgnoredCommit,
    Latency,
    LostPart,
    Status,
    call_of,
    load_plan,
    read_plan,
    written,
)
from bulkstream.sandbox.faults.deeds import DECISIVE

KINDS: tuple[type[Fault], ...] = get_args(get_args(AnyFault)[0])
PART = Call("part", stream=1, execution=1001, part=3)
DOCS = Path(__file__).parents[2] / "docs" / "faults.md"
DATASET = "0" * 8 + "-0000-0000-0000-" + "0" * 12

STREAM, INSTANCE = "/v1/streams/7", "/api/data/v1/streams/7"


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("POST", "/oauth/token", Call("token")),
        ("POST", "/v1/streams/", Call("create_stream")),
        ("GET", "/api/data/v1/streams", Call("list_streams")),
        ("GET", "/v1/streams/search", Call("search_streams")),
        ("GET", STREAM, Call("get_stream", 7)),
        ("PATCH", STREAM, Call("update_stream", 7)),
        ("POST", f"{STREAM}/executions", Call("create", 7)),
        ("GET", f"{INSTANCE}/executions", Call("list_executions", 7)),
        ("GET", f"{INSTANCE}/executions/1001", Call("get_execution", 7, 1001)),
        ("PUT", f"{STREAM}/executions/1001/part/3", Call("part", 7, 1001, None, 3)),
        ("PUT", f"{INSTANCE}/data/d-1/parts/3", Call("part", 7, None, "d-1", 3)),
        ("PUT", f"{STREAM}/executions/1001/commit", Call("commit", 7, 1001)),
        ("PUT", f"{INSTANCE}/data/d-1/commit", Call("commit", 7, None, "d-1")),
        ("PUT", f"{INSTANCE}/data/d-1/abort", Call("abort", 7, None, "d-1")),
        ("PUT", f"{STREAM}/executions/abort", Call("abort", 7)),
        ("GET", f"/v1/datasets/{DATASET}", Call("get_dataset")),
        ("GET", f"/v1/datasets/{DATASET}/data", Call("export")),
        ("GET", "/v1/streams/../x", Call("other")),
        ("GET", "/elsewhere", Call("other")),
    ],
)
def test_both_dialects_have_the_same_names(method: str, path: str, call: Call) -> None:
    """A request line says which call it is, and of what."""
    assert call_of(method, path) == call


def test_an_announcement_is_a_call_of_its_own() -> None:
    """In the instance dialect a part's address starts the multipart too; in the public one it does not."""
    assert call_of("PUT", f"{INSTANCE}/data/d-1/parts/3", announces=True).endpoint == "start_part"
    assert call_of("PUT", f"{STREAM}/executions/1001/part/3", announces=True).endpoint == "part"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("[[fault]]\nkind = 'status'", "fault 1 (status): at: Field required"),
        ("[[fault]]\nkind = 'status'\nat = 'prt'", "fault 1 (status): at: 'prt' is no endpoint"),
        ("[[fault]]\nkind = 'status'\nat = []", "fault 1 (status): at: 'nothing' is no endpoint"),
        ("[[fault]]\nkind = 'status'\nat = 'part'\nretry = 1", "fault 1 (status): retry: Unexpected keyword"),
        ("[[fault]]\nkind = 'status'\nat = 'part'\nstatus = 99", "fault 1 (status): status: Input should be"),
        ("[[fault]]\nkind = 'status'\nat = 'part'\nprobability = 2", "fault 1 (status): probability: Input"),
        ("[[fault]]\nkind = 'status'\nat = 'part'\nretry_after = \"a\\r\\nb\"", "fault 1 (status): retry_after:"),
        ("[[fault]]\nkind = 'stall'\nat = 'any'\n[[fault]]\nkind = 'nope'\nat = 'any'", "fault 2: Input tag 'nope'"),
        ("[[fault]]\nat = 'any'", "fault 1: Unable to extract tag"),
        ("[[fault]]\nkind = 'bandwidth'\nat = 'part'", "fault 1 (bandwidth): give read, write, or both"),
        ("[[fault]]\nkind = 'lost_part'\nat = 'commit'", "fault 1 (lost_part): at: this kind is for 'part' only"),
        ("[[fault]]\nkind = 'latency'\nat = 'any'\nseconds = nan", "fault 1 (latency): seconds: Input should be"),
        ("sede = 1", "sede: Extra inputs"),
        ("[[fault]", "is not TOML"),
    ],
)
def test_a_wrong_script_names_table_and_field(tmp_path: Path, script: str, said: str) -> None:
    """Whoever wrote it finds the place."""
    path = tmp_path / "faults.toml"
    path.write_text(script)

    with pytest.raises(UsageError) as caught:
        load_plan(path)

    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(UsageError, match=r"none\.toml can't be read"):
        load_plan(tmp_path / "none.toml")


def test_python_is_checked_like_a_script() -> None:
    """The dataclasses themselves refuse what makes no sense."""
    with pytest.raises(ValidationError):
        Status(at="part", status=1000)
    with pytest.raises(ValidationError):
        FaultPlan((Status(at="part"), "stall"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_does_something_and_is_documented(kind: type[Fault]) -> None:
    """Nothing can be asked for that does not happen, and docs/faults.md has a section with each name and field."""
    documented = DOCS.read_text("utf-8")

    assert kind in DECISIVE or kind.accompanies
    assert f"| `{kind.__dataclass_fields__['kind'].default}` |" in documented
    for field in set(kind.__dataclass_fields__) - set(Fault.__dataclass_fields__) - {"kind"}:
        assert f"`{field}`" in documented


def test_the_examples_of_the_documentation_are_valid() -> None:
    """Every indented TOML block of docs/faults.md is a script."""
    scripts = [block.partition("```")[0] for block in DOCS.read_text("utf-8").split("```toml\n")[1:]]
    plans = [read_plan(script.encode()) for script in scripts]

    assert plans
    assert {type(fault) for plan in plans for fault in plan.faults} == set(KINDS)


ENDPOINT = st.sampled_from(["part", "commit", "any"])
FAULT = st.one_of(
    st.builds(
        Status,
        at=ENDPOINT,
        probability=st.none() | st.floats(0, 1),
        count=st.none() | st.integers(1, 5),
        after=st.integers(0, 3),
        status=st.integers(200, 599),
        retry_after=st.none() | st.sampled_from(["3", "soon", ""]),
    ),
    st.builds(Latency, at=ENDPOINT, probability=st.floats(0, 1), seconds=st.floats(0, 1)),
    st.builds(Burst, at=ENDPOINT, seconds=st.floats(0, 1)),
    st.builds(IgnoredCommit, ends=st.sampled_from(["never", "failed"])),
    st.builds(LostPart, part=st.none() | st.integers(0, 9) | st.tuples(st.integers(0, 9), st.integers(0, 9))),
)
PLAN = st.builds(FaultPlan, st.lists(FAULT, max_size=6).map(tuple), st.integers(0, 99))
CALLS = st.lists(st.sampled_from([PART, Call("part", 1, 1001, None, 4), Call("commit", 1, 1001), Call("token")]))


@given(PLAN)
def test_a_plan_reads_back_from_json(plan: FaultPlan) -> None:
    """What GET /admin/faults shows is what PUT takes."""
    assert read_plan(orjson.dumps(written(plan)), json=True) == plan


@given(PLAN, CALLS)
def test_the_same_seed_and_requests_make_the_same_faults(plan: FaultPlan, calls: list[Call]) -> None:
    """Whatever the plan, a second run is like the first."""
    first, second = Deck(plan), Deck(plan)

    assert [first.draw(call, n) for n, call in enumerate(calls)] == [
        second.draw(call, n) for n, call in enumerate(calls)
    ]
    assert first.struck == second.struck


@given(PLAN, CALLS)
def test_no_fault_strikes_more_often_than_it_may(plan: FaultPlan, calls: list[Call]) -> None:
    """`count` holds, with and without `probability`."""
    deck = Deck(plan)
    for n, call in enumerate(calls):
        deck.draw(call, n)

    assert all(fault.most is None or n <= fault.most for fault, n in zip(plan.faults, deck.struck, strict=True))


def struck(deck: Deck, calls: list[Call]) -> list[int]:
    """Which of some calls are struck, by their place."""
    return [n for n, call in enumerate(calls) if deck.draw(call, 0.0).decisive]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Status(at="part"), [0]),
        (Status(at="part", count=2), [0, 1]),
        (Status(at="part", after=3), [3]),
        (Status(at="part", count=2, after=1), [1, 2]),
        (Status(at="part", probability=1), [0, 1, 2, 3, 4]),
        (Status(at="part", probability=1, count=3), [0, 1, 2]),
        (Status(at="part", probability=0), []),
        (Status(at=("commit", "part"), part=3), [0]),
        (Status(at="part", part=(1, 2)), []),
        (Status(at="commit"), []),
    ],
)
def test_a_fault_strikes_those_that_it_selects(fault: Status, expected: list[int]) -> None:
    """`at`, `part`, `after`, `count` and `probability`, five parts of number 3 in a row."""
    assert struck(Deck(FaultPlan((fault,))), [PART] * 5) == expected


def test_a_decisive_fault_keeps_the_request_from_later_ones() -> None:
    """So that two faults in a row strike two requests in a row; what accompanies strikes the same request."""
    first, second, slow = Status(at="part", status=500), Status(at="part", status=503), Latency(at="part", count=5)
    deck = Deck(FaultPlan((first, slow, second)))

    assert [deck.draw(PART, 0.0).decisive for _ in range(3)] == [first, second, None]
    assert deck.struck == (1, 3, 1)


def test_another_seed_is_another_course() -> None:
    """The seed is not decoration."""
    courses = {
        tuple(struck(Deck(FaultPlan((Status(at="any", probability=0.5),), seed=n)), [PART] * 20)) for n in range(9)
    }

    assert len(courses) == 9


def test_a_burst_strikes_everything_until_it_is_over() -> None:
    """Once triggered, by time and not by number; it struck once."""
    burst = Burst(at="part", after=1, seconds=10.0)
    deck = Deck(FaultPlan((burst,)))

    found = [deck.draw(call, now).decisive for call, now in ((PART, 0.0), (PART, 1.0), (Call("token"), 10.9))]
    assert found == [None, burst, burst]
    assert deck.draw(PART, 11.0).decisive is None
    assert deck.struck == (1,)


def test_a_forgotten_execution_is_unknown_to_every_call_for_a_while() -> None:
    """And no other execution is."""
    fault = ForgetExecution(at="part", seconds=10.0)
    deck = Deck(FaultPlan((fault,)))
    deck.draw(PART, 0.0)

    assert deck.draw(Call("get_execution", 1, 1001), 5.0).decisive is fault
    assert deck.draw(Call("get_execution", 1, 1002), 5.0).decisive is None
    assert deck.draw(Call("commit", 1, 1001), 10.0).decisive is None


def test_the_token_call_brings_no_token_that_could_expire() -> None:
    """A client could never get past it."""
    assert Deck(FaultPlan((ExpireToken(at="any"),))).draw(Call("token"), 0.0).decisive is None
