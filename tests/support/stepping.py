"""Cancelling a task at a chosen `await`: an event loop that shows, after each of its turns, where all tasks stand."""

from __future__ import annotations

import ast
import asyncio
import gc
import types
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bulkstream
from bulkstream.errors import BulkstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

PACKAGE = Path(bulkstream.__file__).parent

Place = tuple[str, int]
"""A function, as `file:qualified name`, and a line of it."""


class SteppingLoop(asyncio.SelectorEventLoop):
    """A loop that calls `on_turn` after each turn, and knows which tasks come from which."""

    def __init__(self) -> None:
        super().__init__()
        self.on_turn: Callable[[], None] = lambda: None
        self.family: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self.set_task_factory(self._born)  # type: ignore[arg-type]

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]
        self.on_turn()

    def _born(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> Any:
        task = asyncio.Task(work, loop=loop, **options)
        if asyncio.current_task(loop) in self.family:
            self.family.add(task)
        return task


@dataclass
class Victim:
    """A piece of work that is run to its end, or cancelled as soon as it, or a task of its own, stands at a place."""

    target: Place | None = None
    places: set[Place] = field(default_factory=set)
    struck: bool = False

    async def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run it; return its task, which is done."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppingLoop)
        task = asyncio.Task(work, loop=loop)
        loop.family.add(task)
        loop.on_turn = lambda: self._look(loop, task)
        try:
            await asyncio.wait({task})
        finally:
            loop.on_turn = lambda: None
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not isinstance(failure, BulkstreamError):
            raise failure
        return task

    def _look(self, loop: SteppingLoop, task: asyncio.Task[Any]) -> None:
        if task.done() or self.struck:
            return
        found = {place for each in list(loop.family) if not each.done() for place in places_of(each)}
        self.places |= found
        if self.target in found:
            self.struck = task.cancel()


def places_of(task: asyncio.Task[Any]) -> Iterator[Place]:
    """Yield where in the package a task is suspended, from its outermost function to its innermost."""
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame, following = _suspended(awaited)
        if frame is not None and (file := Path(frame.f_code.co_filename)).is_relative_to(PACKAGE):
            yield f"{file.relative_to(PACKAGE)}:{frame.f_code.co_qualname}", frame.f_lineno
        awaited = following


def _suspended(awaited: Any) -> tuple[types.FrameType | None, Any]:
    """Return the frame of something that is awaited, and what that awaits itself."""
    for kind, frame, following in (
        (types.CoroutineType, "cr_frame", "cr_await"),
        (types.AsyncGeneratorType, "ag_frame", "ag_await"),
        (types.GeneratorType, "gi_frame", "gi_yieldfrom"),
    ):
        if isinstance(awaited, kind):
            return getattr(awaited, frame), getattr(awaited, following)
    # A step of an asynchronous generator, or a coroutine's iterator: they show what they are of to the collector only.
    inner = (types.AsyncGeneratorType, types.CoroutineType)
    return None, next((each for each in gc.get_referents(awaited) if isinstance(each, inner)), None)


def awaiting_functions(*names: str) -> Iterator[str]:
    """Yield all functions of some modules or folders of the package that await, as `file:qualified name`."""
    for name in names:
        root = PACKAGE / name
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            for qualified in _awaiting(ast.parse(path.read_text("utf-8")), ""):
                yield f"{path.relative_to(PACKAGE)}:{qualified}"


def _awaiting(node: ast.AST, scope: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.AsyncFunctionDef):
            if any(isinstance(each, ast.Await | ast.AsyncWith | ast.AsyncFor) for each in _own(child)):
                yield scope + child.name
            yield from _awaiting(child, f"{scope}{child.name}.<locals>.")
        elif isinstance(child, ast.FunctionDef):
            yield from _awaiting(child, f"{scope}{child.name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _awaiting(child, f"{scope}{child.name}.")
        else:
            yield from _awaiting(child, scope)


def _own(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Walk a function without the functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef | ast.Lambda):
            yield node
            waiting.extend(ast.iter_child_nodes(node))
