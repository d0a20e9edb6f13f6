"""The typed client: every call of the Streams API, in either dialect."""

from __future__ import annotations

import copy
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from yarl import URL

from bulkstream.api.address import checked_url, dialect_of, is_loopback, is_unencrypted
from bulkstream.api.answers import Reply
from bulkstream.api.auth import credentials_for, is_token, sealed
from bulkstream.api.datasets import Datasets
from bulkstream.api.executions import Executions
from bulkstream.api.instance import Instance
from bulkstream.api.public import Public
from bulkstream.api.retry import Clock, Retrier
from bulkstream.api.streams import Streams
from bulkstream.api.transport import Transport
from bulkstream.api.watch import UNWATCHED
from bulkstream.api.wire import Request
from bulkstream.errors import ApiError, SecurityWarning, Unauthorized
from bulkstream.model import Dialect
from bulkstream.reporter import Notice
from bulkstream.settings import Settings, load_settings

if TYPE_CHECKING:
    import aiohttp

    from bulkstream.api.dialect import Calls
    from bulkstream.api.document import WireT
    from bulkstream.api.watch import Watch
    from bulkstream.api.wire import Answer
    from bulkstream.secret import Secret

T = TypeVar("T")
Noted = Callable[[Notice], None]


class ApiClient:
    """An account's streams, executions and datasets. Open it with `async with`.

    Attributes:
        settings: What it was made from.
        dialect: Which form of the API it speaks.
        calls: That form's requests.
        retries: Requests that were sent again through this object so far.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        session: aiohttp.ClientSession | None = None,
        on_notice: Noted | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            settings: Account and retry policy.
            session: Connections to use; they stay the caller's.
            on_notice: Is told of every retry.
            clock: Time and chance, for tests.

        Raises:
            UsageError: Address or credentials are missing, or would travel unencrypted.

        Warns:
            SecurityWarning: They do, since `allow_http` is set.
        """
        clock = clock or Clock()
        base = checked_url(settings.connection.url, allow_http=settings.connection.allow_http)
        if is_unencrypted(base):
            warnings.warn(f"{base} is sent credentials unencrypted: allow_http", SecurityWarning, stacklevel=2)
        self.settings = settings
        self.dialect = dialect_of(settings.connection)
        self.calls: Calls = Public() if self.dialect is Dialect.PUBLIC else Instance()
        self.retries = 0
        self._clock = clock
        self._on_notice = on_notice
        self._transport = Transport(base, settings.connection, session, clock.wall)
        self._retrier = Retrier(settings.retry, clock)
        self._credentials = credentials_for(self.dialect, settings.connection, self._fetch_token, clock)

    @classmethod
    def from_env(cls, *, profile: str | None = None) -> Self:
        """Make a client from the environment and the settings file.

        Raises:
            UsageError: As the constructor does, or a setting is invalid.
        """
        return cls(load_settings(profile=profile))

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.base}, {self.dialect}, {self.retries} retries)"

    def scoped(self, on_notice: Noted) -> Self:
        """Return a view of this client that counts and tells its own retries; all else is shared.

        The view needs no closing.
        """
        view = copy.copy(self)
        view.retries = 0
        view._on_notice = on_notice  # noqa: SLF001 - of the same class
        return view

    @property
    def base(self) -> str:
        """The account's address."""
        return self._transport.base

    @staticmethod
    def is_local(url: str) -> bool:
        """Whether an address is on this machine."""
        return is_loopback(URL(url).host or "")

    def server_time(self) -> float:
        """Return the time in seconds since the epoch by the server's clock, as far as its answers have shown it."""
        return self._clock.wall() + self._transport.ahead_s

    async def hold_off(self, what: str, error: ApiError, attempt: int) -> bool:
        """Wait as before a retry, for a call that is not simply repeated; False if there must be no other attempt."""
        return await self._retrier.hold_off(Request(what, "POST", ""), error, attempt, noted=self._noted)

    @property
    def streams(self) -> Streams:
        """Calls about streams."""
        return Streams(self)

    @property
    def executions(self) -> Executions:
        """Calls about executions and their parts."""
        return Executions(self)

    @property
    def datasets(self) -> Datasets:
        """Calls about datasets, in the public dialect."""
        return Datasets(self)

    async def send(self, request: Request, *, watch: Watch = UNWATCHED) -> Answer:
        """Send a request, again where that is allowed and may help.

        Raises:
            ApiError: The last attempt's.
        """

        async def attempt(headers: dict[str, Secret]) -> Answer:
            with watch.attempt():
                return await self._transport.send(request, headers, watch=watch)

        return await self._authorized(request, attempt)

    async def fetch(self, request: Request) -> Any:
        """Send a request and decode the JSON of its answer.

        Raises:
            ApiError: As `send` does, or the answer is no JSON.
        """
        return (await self._reply(request)).document()

    async def read(self, request: Request, kind: type[WireT], **known: Any) -> WireT:
        """Send a request and read its answer as a model; `known` fills fields that the server leaves out.

        Raises:
            ApiError: As `fetch` does, or the answer has another shape.
        """
        return (await self._reply(request)).model(kind, **known)

    async def changed(
        self, request: Request, kind: type[WireT], reread: Callable[[], Awaitable[WireT]], **known: Any
    ) -> WireT:
        """Send a change and return what it made; `reread` is asked where the answer is empty, which any 2xx may be.

        Raises:
            ApiError: As `read` does.
        """
        reply = await self._reply(request)
        return await reread() if reply.empty else reply.model(kind, **known)

    async def listed(self, request: Request, kind: type[WireT], *keys: str) -> list[WireT]:
        """Send a request and read its answer as a list of models, bare or under one of `keys`.

        Raises:
            ApiError: As `fetch` does, or the answer has another shape.
        """
        reply = await self._reply(request)
        return [reply.shaped(kind, each) for each in reply.items(*keys)]

    async def stream(self, request: Request) -> AsyncGenerator[bytes, None]:
        """Yield the body of an answer as it arrives; only its beginning is retried.

        Raises:
            ApiError: As `send` does, or the body breaks off.
        """
        async with AsyncExitStack() as stack:

            async def opened(headers: dict[str, Secret]) -> AsyncIterator[bytes]:
                return await stack.enter_async_context(self._transport.streamed(request, headers))

            async for block in await self._authorized(request, opened):
                yield block

    async def _reply(self, request: Request) -> Reply:
        return Reply(request, self._transport.address(request), await self.send(request))

    async def _authorized(self, request: Request, attempt: Callable[[dict[str, Secret]], Awaitable[T]]) -> T:
        """Run a request with credentials, and once more with new ones where the first were refused."""
        used = await self._credentials.headers()
        try:
            return await self._retrier.run(request, partial(attempt, used), noted=self._noted)
        except Unauthorized as error:
            if not await self._credentials.renew(used):
                raise
            refused = error
        self._noted(f"{request.what}: sending again with a new token: {refused.message}")
        used = await self._credentials.headers()
        try:
            return await self._retrier.run(request, partial(attempt, used), noted=self._noted)
        except ApiError as error:
            error.attempts += refused.attempts
            raise

    async def _fetch_token(self, request: Request) -> dict[str, Any]:
        """Fetch a token, with no credentials on the request other than its own."""
        answer = await self._retrier.run(request, partial(self._transport.send, request, {}), noted=self._noted)
        reply = Reply(request, self._transport.address(request), answer)
        token = sealed(reply.fields())
        if not is_token(token.get("access_token")):
            raise reply.unexpected("JSON without an access_token that can be used")
        return token

    def _noted(self, text: str) -> None:
        self.retries += 1
        if self._on_notice is not None:
            self._on_notice(Notice(text))
