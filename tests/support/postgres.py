"""A PostgreSQL server for tests: its data in a temporary folder, on a free loopback port, gone with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PASSWORD = "g3heim&/@"
"""Of the user `guarded`, the only one who needs one."""

_HBA = """
host all guarded 127.0.0.1/32 scram-sha-256
local all all trust
host all all 127.0.0.1/32 trust
"""
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "listen_addresses": "127.0.0.1",
    "timezone": "America/New_York",
    "datestyle": "German",
}
_LIMIT_S = 60


@dataclass(frozen=True)
class Postgres:
    """A server that runs.

    Attributes:
        url: For `open_query`; its user may do everything.
    """

    port: int
    url: str

    def as_user(self, user: str, database: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str) -> None:
        """Run statements, each committed by itself."""
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - an extra

        with dbapi.connect(self.url, autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ask(self, query: str, *before: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, behind other statements of its session."""
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - an extra

        with dbapi.connect(self.url) as connection, connection.cursor() as cursor:
            for each in (*before, query):
                cursor.execute(each)
            return list(cursor.fetchall())


def programs() -> Path | None:
    """Return the folder of the newest server's programs, None where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: folder.parent.name, default=None)


@contextmanager
def serving(folder: Path) -> Iterator[Postgres]:
    """Start a server with the programs of a folder, and end it."""
    home = Path(tempfile.mkdtemp(prefix="bulkstream-pg-"))
    data, who = home / "data", _unprivileged()
    if who:
        shutil.chown(home, who["user"])
    try:
        _run(
            folder, "initdb", "-D", data, "-U", "bulk", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", who=who
        )
        (data / "pg_hba.conf").write_text(_HBA)
        port = _free_port()
        settings = {**_SETTINGS, "port": str(port), "unix_socket_directories": str(home)}
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        _run(folder, "pg_ctl", "-D", data, "-l", home / "log", "-w", "start", who=who)
        try:
            server = Postgres(port, f"postgresql://bulk@127.0.0.1:{port}/postgres")
            server.run(f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            _run(folder, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", who=who)
    finally:
        shutil.rmtree(home)


def _unprivileged() -> Mapping[str, Any]:
    """Say as whom the server runs, which refuses to do so as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _run(folder: Path, program: str, *arguments: str | Path, who: Mapping[str, Any]) -> None:
    subprocess.run(
        [folder / program, *arguments],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_LIMIT_S,
        **who,
    )
