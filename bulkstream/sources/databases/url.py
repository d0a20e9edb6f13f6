"""Where a database is: the URL of `--from`, which must hold no password."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from bulkstream.errors import UsageError

KNOWN = "postgresql://user@host/database, sqlite:///file.db or duckdb:///file.db"
PASSWORD_VARIABLE = "BULKSTREAM_DB_PASSWORD"  # noqa: S105 - its name, not its value

_SECRETS = frozenset({"password", "sslpassword"})
_IN_URL = (
    f"Take it out of the URL, since other users can see command lines, and set {PASSWORD_VARIABLE}"
    " or PGPASSWORD, or use ~/.pgpass or PGSERVICE."
)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A database's URL, taken apart.

    Attributes:
        kind: `postgresql`, `sqlite` or `duckdb`.
        name: For messages: without user and parameters.
        path: Of the file, for a database that is one; empty for DuckDB without a file.
        text: As given.
    """

    kind: str
    name: str
    path: str
    text: str

    def with_password(self, password: str, **defaults: str) -> str:
        """Return the URL for the driver, with parameters where it does not have them itself."""
        parts = urlsplit(self.text)
        named = {key for key, _ in parse_qsl(parts.query, keep_blank_values=True)}
        added = {key: value for key, value in defaults.items() if key not in named}
        if password:
            added["password"] = password
        more = [f"{key}={quote(value, safe='')}" for key, value in added.items()]
        query = "&".join(filter(None, [parts.query, *more]))
        return urlunsplit(parts._replace(query=query, fragment=""))


def parsed(url: str) -> DatabaseUrl:
    """Take a URL apart.

    Raises:
        UsageError: It names no database that can be read, or holds a password. Its text is never repeated.
    """
    try:
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        parameters = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise _refused("the database's URL can't be read") from None
    if ":" in user or _SECRETS & {key.lower() for key, _ in parameters}:
        raise UsageError("the database's URL holds a password", hint=_IN_URL)
    if "@" in parts.path + parts.query or "#" in url:
        raise _refused("the database's URL has an @ or a # where none can be", "Write them as %40 and %23.")
    match parts.scheme:
        case "postgresql" | "postgres":
            return DatabaseUrl("postgresql", f"postgresql://{host}{parts.path}", "", url)
        case "sqlite" | "duckdb" as kind:
            return _file(kind, url)
        case scheme:
            named = f" {scheme}:" if scheme.isalnum() and "://" in url else ""
            raise _refused(f"no database can be read by the URL's scheme{named}")


def _file(kind: str, url: str) -> DatabaseUrl:
    """Take `sqlite:///relative`, `sqlite:////absolute` or `duckdb:` apart."""
    parts = urlsplit(url)
    if parts.netloc or parts.query:
        raise _refused(
            f"a {kind} URL has neither a host nor parameters", f"Write {kind}:///file.db, or {kind}:////path/file.db."
        )
    path = unquote(parts.path[1:] if url.startswith(f"{kind}:///") else parts.path)
    if kind == "sqlite" and not path:
        raise _refused("the URL names no file", "Write sqlite:///file.db, or sqlite:////path/file.db.")
    return DatabaseUrl(kind, f"{kind}:{path}" if path else kind, path, url)


def _refused(message: str, hint: str = "") -> UsageError:
    return UsageError(message, hint=hint or f"Name one by {KNOWN}.")
