"""Every setting, its default, unit and meaning, and where it may come from.

A flag beats the environment, which beats the chosen profile, which beats the file's top level, which beats the
default. The file is TOML (`config/bulkstream.toml` shows all of it); its place is `BULKSTREAM_CONFIG`, or
`bulkstream/config.toml` under `XDG_CONFIG_HOME`. Secrets come from the environment or the file, never from flags.
"""

from __future__ import annotations

import os
import tomllib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bulkstream.budget import parse_bad_rows
from bulkstream.deadline import checked_deadline
from bulkstream.errors import SecurityWarning, UsageError
from bulkstream.exposure import exposed, remedy, told
from bulkstream.model import Binary, Check, Dialect, Format, HeaderMode, OnFailure, Verify
from bulkstream.rate import RateSchedule
from bulkstream.secret import Secret
from bulkstream.size import GIB, KIB, MIB, Size

if TYPE_CHECKING:
    from collections.abc import Mapping

Auto = Literal["auto"]


def _checked_rate(text: str) -> str:
    """Return the text of a rate or a schedule if it is one."""
    RateSchedule.parse(text)
    return text


Rate = Annotated[str, AfterValidator(_checked_rate)]
Deadline = Annotated[str, AfterValidator(checked_deadline)]


def _without_password(url: str) -> str:
    """Return an address that holds no credentials; settings are shown, and so are addresses in errors."""
    try:
        held = urlsplit(url if "://" in url else f"https://{url}")
        named = held.username is not None or held.password is not None
    except ValueError:  # no address at all, which is told where it is used
        return url
    if named:
        raise ValueError("holds a user name or password; leave it out, credentials are set apart")
    return url


Address = Annotated[str, AfterValidator(_without_password)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)


class Connection(_Group):
    """Which account to talk to, and how to get there."""

    url: Address | None = Field(None, description="base address, e.g. https://acme.domo.com or https://api.domo.com")
    dialect: Dialect | None = Field(
        None, description="instance or public; unset: public for api.domo.com or a client id, else instance"
    )
    token: Secret | None = Field(None, description="developer token (instance); better kept in BULKSTREAM_TOKEN")
    client_id: str | None = Field(None, description="client id (public)")
    client_secret: Secret | None = Field(
        None, description="client secret (public); better kept in BULKSTREAM_CLIENT_SECRET"
    )
    allow_http: bool = Field(
        False, description="send credentials unencrypted, to hosts other than this machine too; better use https"
    )
    ca_bundle: Path | None = Field(
        None, description="PEM file of certificate authorities to trust instead of the system's"
    )
    connect_timeout_s: float = Field(10.0, gt=0, description="seconds to open a connection, TLS included")
    stall_timeout_s: float = Field(60.0, gt=0, description="seconds without a byte moved before a request is given up")
    start_multipart: bool = Field(True, description="announce each part before its body (instance dialect only)")


class Retry(_Group):
    """When a failed request is sent again."""

    attempts: int = Field(10, ge=1, description="most times that one request is sent")
    base_s: float = Field(
        0.2, ge=0, description="seconds; the first wait is drawn from 0 to this, each next bound doubles"
    )
    cap_s: float = Field(30.0, ge=0, description="seconds; upper bound of a drawn wait")
    budget: int = Field(
        500, ge=0, description="tokens that all requests share; a retry takes 5, success gives them back"
    )
    max_retry_after_s: float = Field(900.0, ge=0, description="seconds; a longer Retry-After is not waited for")


class Upload(_Group):
    """How a source is cut, compressed, sent and finalized."""

    part_size: Size = Field(
        64 * MIB,
        ge=KIB,
        le=2 * GIB,
        description="raw bytes per part; if unset, 24MiB of what has to be unpacked or decoded first",
    )
    max_parts: int = Field(
        1000,
        ge=1,
        description="parts to aim at; larger sources get larger parts, up to 256MiB, unless part_size is set",
    )
    max_record_size: Size = Field(256 * MIB, ge=KIB, le=2 * GIB, description="bytes; a longer record is an error")
    concurrency: Annotated[int, Field(ge=1, le=256)] | Auto = Field(
        "auto", description="uploads in flight; auto: 4 at first, then what fills the link"
    )
    workers: Annotated[int, Field(ge=1, le=256)] | Auto = Field(
        "auto", description="compression threads; auto: one per usable core"
    )
    level: Annotated[int, Field(ge=0, le=12)] | Auto = Field(
        "auto",
        description="gzip effort: 0-3 isal, 4-12 libdeflate; auto: 1 at first, higher while the link is the limit",
    )
    limit_rate: Rate = Field(
        "unlimited",
        description="compressed bytes per second, e.g. 50MB/s, or by hours: 08:00-18:00=10MB/s, else=unlimited",
    )
    header: HeaderMode = Field(HeaderMode.AUTO, description="whether files begin with a header record: auto, yes, no")
    format: Format = Field(
        Format.AUTO,
        description="form of the sources: auto (by their first bytes), csv, parquet, arrow, orc, jsonl, excel",
    )
    encoding: str = Field("auto", description="of text, e.g. cp1252; auto: UTF-8, or UTF-16 by its byte order mark")
    dialect: str = Field(
        "auto",
        description="of CSV: auto (sniffed), or some of delimiter=; quote=' escape=\\; also delimiter=tab, quote=none",
    )
    columns: tuple[str, ...] = Field(
        (), description="columns to load, in this order: NAME, or NEW=NAME to rename one; none: all"
    )
    binary: Binary = Field(Binary.REFUSE, description="what to do with binary columns: refuse, base64")
    sheet: str | None = Field(
        None, description="sheet of an Excel file: its name or its number from 1; unset: the first"
    )
    evolve: bool = Field(False, description="add columns to the dataset and widen types where the source needs it")
    check: Check = Field(
        Check.AUTO,
        description="what is checked of each row: off, rows (number of fields, UTF-8), types (their values as well), "
        "auto (rows; types where they were guessed from a sample, for a new dataset)",
    )
    max_bad_rows: Annotated[int | float, BeforeValidator(parse_bad_rows)] = Field(
        0, description="bad rows to leave out: a number, or a share such as 0.1% or 0.001; one more ends the load"
    )
    reject_file: Path | None = Field(
        None, description="where left-out rows go; unset: rejected-RUN_ID.csv beside the journal, or where you are"
    )
    on_failure: OnFailure = Field(OnFailure.ABORT, description="what to do with the open execution: abort, keep")
    spool: Path | None = Field(
        None, description="folder for copies of standard input and named pipes, from which they can be read again"
    )
    sample_size: Size = Field(4 * MIB, ge=KIB, le=GIB, description="bytes of each source's sample for type inference")
    journal: bool = Field(True, description="keep a journal of each run, so that it can be resumed after a crash")
    commit_wait_s: float = Field(
        1200.0, ge=0, description="seconds to wait for a server that refuses a commit as too soon after the last one"
    )
    commit_timeout_s: float = Field(600.0, gt=0, description="seconds to wait for a commit to reach its end")
    abort_timeout_s: float = Field(10.0, gt=0, description="seconds that an abort may take, retries included")
    verify: Verify = Field(
        Verify.ROWS, description="what is compared after a commit: off, rows (counts), full (reads the dataset back)"
    )
    verify_timeout_s: float = Field(
        30.0, ge=0, description="seconds that the server's account may lag behind a commit before it counts as wrong"
    )
    deadline: Deadline | None = Field(
        None, description="give up a load that can't end by then: 06:00, 2026-11-25T06:00, or from its start on, 2h"
    )
    progress_interval_s: float = Field(
        5.0, gt=0, description="seconds between progress lines where there is no terminal"
    )


READING = frozenset(
    {
        "header",
        "format",
        "encoding",
        "dialect",
        "columns",
        "binary",
        "sheet",
        "evolve",
        "sample_size",
        "max_record_size",
    }
)
"""Fields of `Upload` that decide which rows a source gives: a run that goes on has those that it was begun with."""

DAY_S = 86_400


class State(_Group):
    """Where the journals of runs are kept, and how long."""

    dir: Path | None = Field(
        None, description="folder for journals; unset: bulkstream under XDG_STATE_HOME, else ~/.local/state"
    )
    keep_days: float = Field(30.0, ge=0, description="days after which journals of finished runs are removed")

    def old_before(self, now: float) -> float:
        """Return before when a run must have begun to be old; both in seconds since the epoch."""
        return now - self.keep_days * DAY_S


class Settings(_Group):
    """All settings of one load or one client."""

    connection: Connection = Connection()
    retry: Retry = Retry()
    upload: Upload = Upload()
    state: State = State()


ENVIRONMENT = {
    "BULKSTREAM_URL": "url",
    "BULKSTREAM_DIALECT": "dialect",
    "BULKSTREAM_TOKEN": "token",
    "BULKSTREAM_CLIENT_ID": "client_id",
    "BULKSTREAM_CLIENT_SECRET": "client_secret",
}
"""Variables and the fields of `Connection` that they set; an empty variable counts as unset."""

PLACES = ("BULKSTREAM_CONFIG", "BULKSTREAM_STATE_DIR", "XDG_CONFIG_HOME", "HOME")
"""Variables that say where files are."""

SECRETS = frozenset({"token", "client_secret"})
"""Fields whose values are never shown."""


def config_path(environ: Mapping[str, str]) -> Path | None:
    """Where the settings file is: `BULKSTREAM_CONFIG`, else the user's own if it exists.

    Raises:
        UsageError: `BULKSTREAM_CONFIG` names no file.
    """
    if named := environ.get("BULKSTREAM_CONFIG"):
        if not Path(named).is_file():
            raise UsageError(f"BULKSTREAM_CONFIG names {named}, which is no file")
        return Path(named)
    default = users_config_path(environ)
    return default if default.is_file() else None


def users_config_path(environ: Mapping[str, str]) -> Path:
    """Where the user's own settings file belongs, whether it exists or not."""
    return xdg_home(environ, "XDG_CONFIG_HOME", ".config") / "bulkstream" / "config.toml"


def xdg_home(environ: Mapping[str, str], name: str, default: str) -> Path:
    """Return one of the user's folders: where the variable says, else below the home (XDG Base Directory)."""
    return Path(environ.get(name) or Path(environ.get("HOME", "~")).expanduser() / default)


def load_settings(
    flags: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    profile: str | None = None,
) -> Settings:
    """Merge all places that settings come from, and check the result.

    Args:
        flags: Values by group and field, as given on the command line; None values count as not given.
        environ: The environment; None means the process's own.
        profile: Name of a table under `[profiles]` in the settings file.

    Raises:
        UsageError: A value is invalid, a field or profile is unknown, or the file can't be read.

    Warns:
        SecurityWarning: The file holds a secret, and others than its owner may read it. It is a warning, which Python
            shows once and anybody can filter, since settings are read before there is a reporter to notify.
    """
    known = _known(os.environ if environ is None else environ)
    path = config_path({name: str(value) for name, value in known.items()})
    merged = _read(path, profile)
    if path is not None and exposed(path):
        warnings.warn(f"{told(path)}. {remedy(path)}", SecurityWarning, stacklevel=2)
    env = {field: known[name] for name, field in ENVIRONMENT.items() if known.get(name)}
    state = {"dir": known.get("BULKSTREAM_STATE_DIR") or None}
    for layer in ({"connection": env, "state": state}, flags or {}):
        _overlay(merged, layer)
    try:
        return Settings(**merged)
    except ValidationError as error:
        wrong = _explain(error, path)
    raise UsageError(wrong)  # only here, so that it does not lead back to the error, which knows the input


def overridden(settings: Upload, values: Mapping[str, Any]) -> Upload:
    """Return upload settings with some values replaced; None values count as not given.

    Raises:
        UsageError: A value is invalid.
    """
    given = settings.model_dump(exclude_unset=True) | {k: v for k, v in values.items() if v is not None}
    try:
        return Upload(**given)
    except ValidationError as error:
        raise UsageError(_explain(error, None)) from None


def _known(environ: Mapping[str, str]) -> dict[str, str | Secret]:
    """Return the variables that count, secrets as such: a frame with all of the environment in it tells too much."""
    secret = {name for name, field in ENVIRONMENT.items() if field in SECRETS}
    names = {*ENVIRONMENT, *PLACES} & environ.keys()
    return {name: Secret(environ[name]) if name in secret else environ[name] for name in names}


def _parsed(path: Path) -> dict[str, Any] | str:
    """Return what a file says, or what is wrong with it."""
    try:
        return _sealed(tomllib.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        return str(error)


def _sealed(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table of the file with every secret as such, wherever it stands."""
    return {name: _secret(value) if name in SECRETS else _inside(value) for name, value in table.items()}


def _secret(value: Any) -> Any:
    """Return text as a secret; of what is no text, its type alone, which the validation refuses."""
    return Secret(value) if isinstance(value, str) else type(value)


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return _sealed(value)
    return [_inside(each) for each in value] if isinstance(value, list) else value


def _read(path: Path | None, profile: str | None) -> dict[str, dict[str, Any]]:
    if path is None:
        if profile is not None:
            raise UsageError(f"profile {profile!r} needs a settings file; name it in BULKSTREAM_CONFIG")
        return {}
    document = _parsed(path)
    if isinstance(document, str):
        raise UsageError(f"{path} can't be read: {document}")
    profiles = document.pop("profiles", {})
    if not isinstance(profiles, dict):
        raise UsageError(f"{path}: profiles is no table", hint="Profiles are written [profiles.nightly.upload].")
    if profile is not None and profile not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise UsageError(f"{path} has no profile {profile!r}; it has: {known}")
    chosen = profiles[profile] if profile is not None else {}
    for groups in (document, chosen):
        _check_tables(path, groups)
    _overlay(document, chosen)
    return document


def _check_tables(path: Path, groups: Any) -> None:
    """Check that groups of settings are tables.

    Raises:
        UsageError: One is something else.
    """
    named = groups if isinstance(groups, dict) else {"the profile": groups}
    if wrong := [name for name, fields in named.items() if not isinstance(fields, dict)]:
        raise UsageError(f"{path}: {', '.join(wrong)} is no table", hint="A group of settings is written [upload].")


def _overlay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Lay one layer of `{group: {field: value}}` over another, in place."""
    for group, fields in above.items():
        given = {name: value for name, value in fields.items() if value is not None}
        below[group] = {**below.get(group, {}), **given}


def _explain(error: ValidationError, path: Path | None) -> str:
    found: dict[str, list[str]] = {}
    for each in error.errors(include_input=False):
        # Behind group and field stand names of pydantic's own, for the kinds of value that a field may have.
        field = ".".join(map(str, each["loc"][:2]))
        said = "is no setting" if each["type"] == "extra_forbidden" else each["msg"]
        found.setdefault(field, []).append(said.removeprefix("Value error, ").removeprefix("Input "))
    where = f" ({path})" if path else ""
    return f"invalid settings{where}: " + "; ".join(f"{field} {' or '.join(said)}" for field, said in found.items())
