"""What went wrong when no answer arrived: never sent, broken off, or stalled."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from bulkstream.api.mask import masked, masked_bytes, secrets_in
from bulkstream.api.messages import flat
from bulkstream.errors import (
    ApiDisconnected,
    ApiError,
    ApiTimeout,
    ApiUnreachable,
    CertificateRefused,
    Exchange,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.api.wire import Request
    from bulkstream.secret import Secret


class TooSlow(TimeoutError):
    """An answer came in so few bytes that it would take for ever."""


@contextmanager
def told_apart(request: Request, url: str, stall_s: float) -> Iterator[None]:
    """Turn aiohttp's failures into ours.

    Raises:
        ApiError: In the place of an exception of aiohttp or the operating system.
    """
    try:
        yield
    except ApiError:  # some of ours are OSErrors as well
        raise
    except (aiohttp.ClientError, OSError) as error:
        kind, what = failure(error, stall_s)
        secrets = secrets_in(request.headers)
        what = flat(masked(what, secrets), 300)
        raise kind(Exchange(request.method, url, None, what)) from _bare(error, secrets)


def failure(error: Exception, stall_s: float) -> tuple[type[ApiError], str]:
    """Map an exception to the class of our error and its message; the first kind that fits counts."""
    kinds: tuple[tuple[type[Exception], type[ApiError], str], ...] = (
        (aiohttp.ConnectionTimeoutError, ApiUnreachable, "no connection within connect_timeout_s"),
        (TooSlow, ApiTimeout, "the answer came too slowly to end"),
        (TimeoutError, ApiTimeout, f"no byte moved for {stall_s:g} s"),
        (aiohttp.ClientConnectorCertificateError, CertificateRefused, "the certificate is not trusted: {0}"),
        (aiohttp.ClientConnectorError, ApiUnreachable, "no connection: {0}"),
        (aiohttp.ClientHttpProxyError, ApiUnreachable, "no connection: the proxy answered {0}"),
        (aiohttp.InvalidURL, ApiUnreachable, "no connection: the address can't be used"),
        (aiohttp.ClientResponseError, UnexpectedAnswer, "what came back is no HTTP: {0}"),
        (Exception, ApiDisconnected, "the connection broke: {0}"),
    )
    kind, what = next((kind, what) for cause, kind, what in kinds if isinstance(error, cause))
    return kind, what.format(_detail(error))


def _detail(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return str(error.certificate_error)
        case aiohttp.ClientConnectorError():
            return str(error.os_error)
        case aiohttp.ClientResponseError():  # its own text holds the address, and that perhaps a password
            return f"{error.status} {error.message}"
        case _:
            return str(error) or type(error).__name__


def _bare(error: Exception, secrets: Sequence[Secret]) -> Exception:
    """Take from an exception, and from those that led to it, what holds a secret.

    That is what a server said, as far as it repeats one; the headers in aiohttp's `request_info`, which its `repr`
    shows; and the frames of aiohttp, whose variables some programs log.
    """
    left: list[BaseException | None] = [error]
    done: set[int] = set()
    while left:
        each = left.pop()
        if each is None or id(each) in done:
            continue
        done.add(id(each))
        each.__traceback__ = None
        left += [each.__cause__, each.__context__]
        if isinstance(each, aiohttp.ClientResponseError):
            each.request_info = each.request_info._replace(headers=CIMultiDictProxy(CIMultiDict()))
            each.args = (each.request_info, each.history)
        each.args = tuple(_said(value, secrets) for value in each.args)
        for name, value in vars(each).items():
            setattr(each, name, _said(value, secrets))
    return error


def _said(value: Any, secrets: Sequence[Secret]) -> Any:
    """Return a detail of an exception without secrets; of a broken answer's head, only what it was."""
    match value:
        case str():
            return masked(value, secrets)
        case bytes():
            return masked_bytes(value, secrets)
        case aiohttp.http.RawResponseMessage():
            return "an answer that broke off"
        case _:
            return value
