"""An SFTP server on the loopback, in a thread, over a folder; it can drop its connections."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import asyncssh

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self


class SftpServerThread:
    """Serves `folder` as its root; as a context manager.

    Attributes:
        host_key: What a known_hosts file must name.
        port: Where it listens.
        connections: Those made so far.
        drop_after: Reads after which the connection is dropped, once.
    """

    def __init__(self, folder: Path, authorized: asyncssh.SSHKey | None = None, password: str = "") -> None:
        self.folder = folder
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.drop_after = 0
        self.port = 0
        self._authorized = authorized
        self._password = password
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def known_host(self) -> str:
        """Return the line of a known_hosts file."""
        return f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode()}"

    def count_read(self) -> None:
        """Note a read; drop the connection if it is the one."""
        if self.drop_after:
            self.drop_after -= 1
            if not self.drop_after:
                self.connections[-1].abort()

    async def _serve(self) -> None:
        server = await asyncssh.create_server(
            lambda: _Logins(self, self._authorized, self._password),
            "127.0.0.1",
            0,
            server_host_keys=[self.host_key],
            sftp_factory=lambda channel: _Files(channel, self),
        )
        self.port = server.get_port()
        self._ready.set()
        await self._end.wait()
        server.close()
        for connection in self.connections:
            connection.abort()
        await server.wait_closed()


class _Logins(asyncssh.SSHServer):
    def __init__(self, server: SftpServerThread, authorized: asyncssh.SSHKey | None, password: str) -> None:
        self._server = server
        self._authorized = authorized
        self._password = password

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.connections.append(conn)

    def public_key_auth_supported(self) -> bool:
        return self._authorized is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._authorized is not None and key.public_data == self._authorized.public_data

    def password_auth_supported(self) -> bool:
        return bool(self._password)

    def validate_password(self, username: str, password: str) -> bool:
        return password == self._password


class _Files(asyncssh.SFTPServer):
    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], server: SftpServerThread) -> None:
        super().__init__(channel, chroot=str(server.folder).encode())
        self._server = server

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        self._server.count_read()
        data = super().read(file_obj, offset, size)
        assert isinstance(data, bytes)
        return data
