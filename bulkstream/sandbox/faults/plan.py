"""Plans of faults: a seed and a list, from TOML, from JSON or from Python."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, cast

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bulkstream.errors import UsageError
from bulkstream.sandbox.faults.kinds import AnyFault

if TYPE_CHECKING:
    from pathlib import Path

    from bulkstream.sandbox.bodies import Json

_HINT = "docs/faults.md shows every kind with its fields."


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class FaultPlan:
    """What goes wrong.

    Attributes:
        faults: In the order in which they are asked; the first that strikes a request decides.
        seed: Same seed and same order of requests, same faults.
    """

    faults: tuple[AnyFault, ...] = ()
    seed: int = 0


class _Script(BaseModel):
    """A plan as it is written."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 0
    fault: tuple[AnyFault, ...] = Field(())


_PLAN = TypeAdapter(FaultPlan)


def load_plan(path: Path) -> FaultPlan:
    """Read a script, which is TOML.

    Raises:
        UsageError: It can't be read, or something in it is wrong; names table and field.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    return read_plan(text, name=str(path))


def read_plan(text: bytes, *, name: str = "the script", json: bool = False) -> FaultPlan:
    """Read a script from memory.

    Args:
        text: TOML, or JSON of the same shape.
        name: How errors call it.
        json: Which of the two it is.

    Raises:
        UsageError: Something in it is wrong; names table and field.
    """
    try:
        document = orjson.loads(text) if json else tomllib.loads(text.decode())
    except ValueError as error:  # of either parser, or no UTF-8
        raise UsageError(f"{name} is not {'JSON' if json else 'TOML'}: {error}", hint=_HINT) from None
    try:
        script = _Script.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"{name}: {_explained(error)}", hint=_HINT) from None
    return FaultPlan(script.fault, script.seed)


def written(plan: FaultPlan) -> Json:
    """A plan as the JSON script that reads back as this plan."""
    found = cast("dict[str, Any]", _PLAN.dump_python(plan, mode="json", exclude_defaults=False))
    faults = [{name: value for name, value in fault.items() if value is not None} for fault in found["faults"]]
    return {"seed": plan.seed, "fault": faults}


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong, by table and field."""
    first = error.errors(include_input=False, include_url=False)[0]
    said = first["msg"].removeprefix("Value error, ")
    match first["loc"]:
        case ("fault", int(index), str(kind), str(field), *_):
            return f"fault {index + 1} ({kind}): {field}: {said}"
        case ("fault", int(index), *rest):
            return f"fault {index + 1}{f' ({rest[0]})' if rest else ''}: {said}"
        case where:
            return f"{'.'.join(map(str, where)) or 'the whole'}: {said}"
