"""The typed client: every call of the Streams API, in either dialect."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from bulkstream.api.auth import credentials_for
from bulkstream.api.datasets import Datasets
from bulkstream.api.executions import Executions
from bulkstream.api.instance import Instance
from bulkstream.api.public import Public
from bulkstream.api.retry import Clock, Retrier
from bulkstream.api.streams import Streams
from bulkstream.api.transport import Transport
from bulkstream.api.wire import Answer, Request, decoded, unexpected
from bulkstream.errors import Unauthorized
from bulkstream.model import Dialect
from bulkstream.reporter import Notice
from bulkstream.settings import Settings, load_settings

if TYPE_CHECKING:
    import aiohttp

    from bulkstream.api.dialect import Calls
    from bulkstream.api.model import WireT
    from bulkstream.settings import Connection

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
        """
        self.settings = settings
        self.dialect = dialect_of(settings.connection)
        self.calls: Calls = Public() if self.dialect is Dialect.PUBLIC else Instance()
        self.retries = 0
        self._on_notice = on_notice
        self._transport = Transport(settings.connection, session)
        self._retrier = Retrier(settings.retry, clock or Clock())
        self._credentials = credentials_for(self.dialect, settings.connection, self._fetch_token)

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

    async def send(self, request: Request, *, sent: Callable[[int], None] | None = None) -> Answer:
        """Send a request, again where that is allowed and may help.

        Raises:
            ApiError: The last attempt's.
        """
        used = await self._credentials.headers()

        async def attempt() -> Answer:
            nonlocal used
            try:
                return await self._transport.send(request, used, sent=sent)
            except Unauthorized:
                if not await self._credentials.renew(used):
                    raise
            used = await self._credentials.headers()
            return await self._transport.send(request, used, sent=sent)

        return await self._retrier.run(request, attempt, noted=self._noted)

    async def fetch(self, request: Request) -> Any:
        """Send a request and decode the JSON of its answer.

        Raises:
            ApiError: As `send` does, or the answer is no JSON.
        """
        return decoded(request, self._address(request), await self.send(request))

    async def read(self, request: Request, kind: type[WireT], **known: Any) -> WireT:
        """Send a request and read its answer as a model; `known` fills fields that the server leaves out.

        Raises:
            ApiError: As `fetch` does, or the answer has another shape.
        """
        answer = await self.send(request)
        return self.shaped(request, answer, kind, known | _object(decoded(request, self._address(request), answer)))

    def shaped(self, request: Request, answer: Answer, kind: type[WireT], document: Any) -> WireT:
        """Read a decoded JSON document as a model.

        Raises:
            UnexpectedAnswer: It has another shape.
        """
        try:
            return kind.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the document"
            what = f"JSON that is no {kind.__name__}: {where}: {first['msg']}"
            raise unexpected(request, self._address(request), answer, what) from None

    async def listed(self, request: Request, kind: type[WireT], *keys: str) -> list[WireT]:
        """Send a request and read its answer as a list of models, bare or under one of `keys`.

        Raises:
            ApiError: As `fetch` does, or the answer has another shape.
        """
        answer = await self.send(request)
        document = decoded(request, self._address(request), answer)
        if isinstance(document, dict):
            document = next((document[key] for key in keys if isinstance(document.get(key), list)), document)
        if not isinstance(document, list):
            raise unexpected(request, self._address(request), answer, "JSON that is no list")
        return [self.shaped(request, answer, kind, each) for each in document]

    async def stream(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body of an answer as it arrives; only its beginning is retried."""
        used = await self._credentials.headers()
        async for block in self._transport.stream(request, used):
            yield block

    async def _fetch_token(self, request: Request) -> Any:
        """Fetch a token without credentials on the request other than its own."""

        async def attempt() -> Answer:
            return await self._transport.send(request, {})

        answer = await self._retrier.run(request, attempt, noted=self._noted)
        token = _object(decoded(request, self._address(request), answer))
        if not isinstance(token.get("access_token"), str):
            raise unexpected(request, self._address(request), answer, "JSON without an access_token")
        return token

    def _noted(self, text: str) -> None:
        self.retries += 1
        if self._on_notice is not None:
            self._on_notice(Notice(text))

    def _address(self, request: Request) -> str:
        return f"{self._transport.base}{request.path}"


def dialect_of(connection: Connection) -> Dialect:
    """Choose the dialect: as set, else by the address, else by the kind of credentials."""
    if connection.dialect is not None:
        return connection.dialect
    host = (connection.url or "").removeprefix("https://").split("/")[0]
    by_credentials = connection.client_id is not None and connection.token is None
    return Dialect.PUBLIC if host == "api.domo.com" or by_credentials else Dialect.INSTANCE


def _object(document: Any) -> dict[str, Any]:
    """Return a JSON object without its nulls at the top; anything else as an object with no fields."""
    return {k: v for k, v in document.items() if v is not None} if isinstance(document, dict) else {}
