"""Where the bytes of a remote object come from: one small interface for buckets, web servers and SFTP.

An *origin* knows how to look at one object and how to read a range of it, once. What may go wrong on the way is
repaired here: `resumed` asks again where the bytes broke off, so that only what is missing is transferred again.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from bulkstream.errors import SourceChanged, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from bulkstream.settings import Connection, Retry

T = TypeVar("T")

STRANGER_ATTEMPTS = 3
"""A place that never answered is more likely misspelt than at fault."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object as its place tells it.

    Attributes:
        size: Bytes.
        tag: Its entity tag; empty if there is none.
        modified: When it was last modified, as its place writes it; empty if it doesn't tell.
        ranges: Whether it can be read from any byte on.
    """

    size: int
    tag: str = ""
    modified: str = ""
    ranges: bool = True

    def difference(self, name: str, now: Found) -> str | None:
        """Say in a sentence how it differs now, or None if it doesn't."""
        if now.size != self.size:
            return f"{name} had {self.size:,} bytes and now has {now.size:,}"
        both = self.tag and now.tag
        if (now.tag != self.tag) if both else (now.modified != self.modified):
            return f"{name} was modified or replaced during the load"
        return None

    def check(self, name: str, now: Found) -> None:
        """Refuse to go on with another version of the object.

        Raises:
            SourceChanged: It is another one now.
        """
        if (difference := self.difference(name, now)) is not None:
            raise SourceChanged(difference, hint="Load again when nobody writes to it.")


class Interrupted(Exception):
    """Bytes did not arrive, and may arrive if they are asked for again; never leaves this package.

    Attributes:
        wait_s: Seconds that the server asked to wait.
    """

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Origin(Protocol):
    """One object at its place.

    Attributes:
        name: For messages, without secrets.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    async def look(self) -> Found:
        """Ask for size and version.

        Raises:
            Interrupted: Asking again may help.
            SourceError: It would not.
        """

    def pieces(self, start: int, stop: int, found: Found) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a range in order, in pieces of any size, all of one version.

        Raises:
            Interrupted: Asking again may help; pieces already yielded are good.
            SourceChanged: The object is not the one that was `found`.
            SourceError: Asking again would not help.
        """


@dataclass(frozen=True, slots=True)
class Terms:
    """How patiently, and how much at once, remote objects are read.

    Attributes:
        attempts: Most times in a row that a range is asked for without one byte arriving.
        first_attempts: The same for the first look at a place, which is perhaps misspelt.
        base_s: Seconds; the first wait is drawn from 0 to this, each next bound doubles.
        cap_s: Seconds; upper bound of a drawn wait.
        connect_s: Seconds to open a connection.
        stall_s: Seconds without a byte until a request is given up.
        ca_bundle: PEM file of certificate authorities to trust instead of the system's.
        range_bytes: Most bytes that one request asks for.
        ahead: Ranges of one stream that are in flight at once.
    """

    attempts: int = 10
    first_attempts: int = STRANGER_ATTEMPTS
    base_s: float = 0.2
    cap_s: float = 30.0
    connect_s: float = 10.0
    stall_s: float = 60.0
    ca_bundle: Path | None = None
    range_bytes: int = 8 << 20
    ahead: int = 4
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[float, float], float] = random.uniform

    @classmethod
    def of(cls, connection: Connection, retry: Retry) -> Terms:
        """Take over what is set for talking to the API, where it is the same question."""
        return cls(
            attempts=retry.attempts,
            first_attempts=min(retry.attempts, STRANGER_ATTEMPTS),
            base_s=retry.base_s,
            cap_s=retry.cap_s,
            connect_s=connection.connect_timeout_s,
            stall_s=connection.stall_timeout_s,
            ca_bundle=connection.ca_bundle,
        )

    async def pause(self, failures: int, error: Interrupted) -> None:
        """Wait before asking again after so many failures in a row."""
        bound = min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 32))
        await self.sleep(max(min(error.wait_s, self.cap_s), self.jitter(0.0, bound)))


async def looked(name: str, look: Callable[[], Awaitable[T]], terms: Terms, attempts: int) -> T:
    """Ask until there is an answer.

    Raises:
        SourceError: There is none after so many attempts, or the answer is a refusal.
    """
    failures = 0
    while True:
        try:
            async with asyncio.timeout(terms.stall_s):
                return await look()
        except (Interrupted, TimeoutError) as error:
            failures += 1
            await _again(name, error, failures, attempts, terms)


async def resumed(origin: Origin, found: Found, start: int, stop: int, terms: Terms) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a range in order, asking again where they break off.

    Raises:
        SourceChanged: The object is not the one that was `found`.
        SourceUnreadable: Nothing arrived at the last of so many attempts.
        SourceError: The place refused.
    """
    failures = 0
    while start < stop:
        try:
            async with aclosing(origin.pieces(start, stop, found)) as pieces:
                while piece := await _next(pieces, terms.stall_s):
                    start, failures = start + len(piece), 0
                    yield piece
            if start < stop:
                raise Interrupted("the bytes ended early")  # noqa: TRY301 - one way for all that breaks off
        except Interrupted as error:
            failures += 1
            await _again(origin.name, error, failures, terms.attempts, terms)


async def whole(origin: Origin, found: Found, start: int, stop: int, terms: Terms) -> list[bytes]:
    """Return the pieces of a range; raises what `resumed` does."""
    return [piece async for piece in resumed(origin, found, start, stop, terms)]


async def _next(pieces: AsyncGenerator[bytes, None], stall_s: float) -> bytes:
    """Return the next piece, empty at the end."""
    try:
        async with asyncio.timeout(stall_s):
            return await anext(pieces, b"")
    except TimeoutError:
        raise Interrupted(f"nothing arrived for {stall_s:g} s") from None


async def _again(name: str, error: Interrupted | TimeoutError, failures: int, attempts: int, terms: Terms) -> None:
    """Wait for the next attempt, if there is one."""
    reason = error if isinstance(error, Interrupted) else Interrupted(f"no answer within {terms.stall_s:g} s")
    if failures >= attempts:
        raise SourceUnreadable(
            f"{name}: {reason} (tried {failures} times)",
            hint="Check the address and the network between here and there, and try again later.",
        ) from None
    await terms.pause(failures, reason)
