"""Files behind SFTP, by asyncssh: one connection for all files of a server, made again when it is lost.

Whom to trust and how to log in is OpenSSH's business: `~/.ssh/known_hosts`, `~/.ssh/config`, the keys and the agent
named there. A password comes from `BULKSTREAM_SFTP_PASSWORD` only.
"""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import asynccontextmanager
from glob import has_magic
from typing import TYPE_CHECKING, Any, cast

from bulkstream.errors import MissingExtra, SourceMissing, SourceUnreadable
from bulkstream.sources.places.origin import Found, Interrupted, looked
from bulkstream.sources.places.patterns import below, literal_folder, matching
from bulkstream.sources.places.remote_blob import RemoteBlob

try:
    import asyncssh
except ImportError:
    raise MissingExtra("asyncssh", "sftp") from None

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from bulkstream.sources.places.address import RemoteAddress
    from bulkstream.sources.places.background import Background
    from bulkstream.sources.places.origin import Terms

PASSWORD = "BULKSTREAM_SFTP_PASSWORD"  # noqa: S105 - the variable's name
PIECE_BYTES = 1 << 20
_DEEPEST = 32
"""Folders below a folder; links to folders are not followed, but mounts can make a tree as deep as they like."""


class SftpServer:
    """A connection to a server, made when it is needed.

    Attributes:
        name: Its URL.
    """

    def __init__(self, address: RemoteAddress, terms: Terms) -> None:
        host, colon, port = address.place.rpartition(":")
        self.name = address.named("")
        self._options: dict[str, Any] = {"host": host if colon else port, "connect_timeout": terms.connect_s}
        if colon and port.isdecimal():
            self._options["port"] = int(port)
        if address.user:
            self._options["username"] = address.user
        self._turn = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    def __repr__(self) -> str:
        return f"SftpServer({self.name!r}, {'connected' if self._client else 'not connected'})"

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[asyncssh.SFTPClient]:
        """Lend the client to who reads `name`; its errors mean what `Origin` says."""
        client = None
        try:
            client = await self._connected()
            yield client
        except asyncssh.SFTPError as error:
            if isinstance(error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
                self._drop(client)
            raise _failure(name, error) from None
        except asyncssh.HostKeyNotVerifiable as error:
            hint = "Log in once with ssh and compare the key, or add it to ~/.ssh/known_hosts."
            raise SourceUnreadable(f"{self.name}: the server's key is not known: {error}", hint=hint) from None
        except asyncssh.PermissionDenied:
            hint = f"Check user and keys (ssh-agent, ~/.ssh/config), or set {PASSWORD}."
            raise SourceUnreadable(f"{self.name}: the server refused the login", hint=hint) from None
        except (asyncssh.Error, OSError) as error:
            if isinstance(error, SourceMissing | SourceUnreadable):
                raise
            self._drop(client)
            reason = error.strerror if isinstance(error, OSError) else None
            raise Interrupted(reason or str(error) or type(error).__name__) from None

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.abort()
            await self._connection.wait_closed()

    async def _connected(self) -> asyncssh.SFTPClient:
        async with self._turn:
            if self._client is None:
                login = {"password": os.environ[PASSWORD]} if os.environ.get(PASSWORD) else {}
                self._connection = await asyncssh.connect(**self._options, **login)
                self._client = await self._connection.start_sftp_client()
            return self._client

    def _drop(self, client: asyncssh.SFTPClient | None) -> None:
        """Forget a connection that is lost, if it is still this one."""
        if client is not None and client is self._client and self._connection is not None:
            self._connection.abort()
            self._connection = self._client = None


class SftpFile:
    """One file on an SFTP server.

    Attributes:
        name: Its URL.
    """

    def __init__(self, server: SftpServer, path: str, name: str) -> None:
        self.name = name
        self._server = server
        self._path = path

    def __repr__(self) -> str:
        return f"SftpFile({self.name!r})"

    async def look(self) -> Found:
        """Ask for size and time of modification; raises what `Origin.look` does."""
        async with self._server.client(self.name) as client:
            attributes = await client.stat(self._path)
        if stat.S_ISDIR(attributes.permissions or 0):
            raise SourceUnreadable(
                f"{self.name} is a directory", hint="End its URL with a slash to load all files in it."
            )
        return _found(attributes)

    async def pieces(self, start: int, stop: int, found: Found) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a range, each piece by several requests side by side; raises what `Origin.pieces` does."""
        async with self._server.client(self.name) as client, client.open(self._path, "rb") as file:
            found.check(self.name, _found(await file.stat()))
            while start < stop and (data := await file.read(min(PIECE_BYTES, stop - start), start)):
                start += len(data)
                yield cast("bytes", data)


async def find_sftp_files(address: RemoteAddress, background: Background, terms: Terms) -> list[RemoteBlob]:
    """Return the files behind a URL: one, those that a pattern matches, or those in a folder if it ends in a slash.

    Raises:
        SourceMissing: There is none.
        SourceUnreadable: The server refused, is not known or can't be reached.
        UsageError: The pattern makes no sense.
    """
    server = background.shared((address.user, address.place), lambda: SftpServer(address, terms))
    key = address.key
    folder = not key or key.endswith("/")
    if not (folder or has_magic(key)):
        origin = SftpFile(server, _path(key), address.named(key))
        return [
            RemoteBlob(origin, await looked(origin.name, origin.look, terms, terms.first_attempts), background, terms)
        ]
    name, top = address.named(key), key.rstrip("/") if folder else literal_folder(key)
    depth = _DEEPEST if folder or "**" in key.split("/") else key.removeprefix(top).strip("/").count("/")
    files = await looked(name, lambda: _walked(server, name, top, depth), terms, terms.first_attempts)
    keys = below((key for key, found in files.items() if found.size), top) if folder else matching(files, key)
    if not keys:
        raise SourceMissing(
            f"{name}: {'the folder holds no file with data' if folder else 'the pattern matches no file'}"
        )
    origins = {key: SftpFile(server, _path(key), address.named(key)) for key in keys}
    return [RemoteBlob(origin, files[key], background, terms) for key, origin in origins.items()]


async def _walked(server: SftpServer, name: str, top: str, depth: int) -> dict[str, Found]:
    """Return the files in a folder and so many levels below."""
    files: dict[str, Found] = {}
    async with server.client(name) as client:
        folders = [(top, depth)]
        for folder, left in folders:
            async for entry in client.scandir(_path(folder)):
                key = f"{folder}/{entry.filename!s}" if folder else str(entry.filename)
                attributes = entry.attrs
                if stat.S_ISLNK(attributes.permissions or 0):
                    attributes = await client.stat(_path(key))
                elif stat.S_ISDIR(attributes.permissions or 0) and left and entry.filename not in (".", ".."):
                    folders.append((key, left - 1))
                if stat.S_ISREG(attributes.permissions or 0):
                    files[key] = _found(attributes)
    return files


def _path(key: str) -> str:
    """Return the path of a key: from the root, or, behind `~/`, from where the login leads."""
    return (key[2:] or ".") if key.startswith("~/") or key == "~" else f"/{key}"


def _found(attributes: asyncssh.SFTPAttrs) -> Found:
    return Found(attributes.size or 0, modified=str(attributes.mtime or ""))


def _failure(name: str, error: asyncssh.SFTPError) -> Exception:
    match error:
        case asyncssh.SFTPNoSuchFile() | asyncssh.SFTPNoSuchPath():
            return SourceMissing(f"{name}: no such file", hint="Check the path; it begins at the root, or with ~/.")
        case asyncssh.SFTPConnectionLost() | asyncssh.SFTPNoConnection():
            return Interrupted(error.reason or "the connection was lost")
        case _:
            return SourceUnreadable(f"{name}: {error.reason or type(error).__name__}")
