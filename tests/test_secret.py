"""A secret comes out by `reveal` and by nothing else."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr, ValidationError

from bulkstream.api import ApiClient
from bulkstream.api.auth import token_request
from bulkstream.errors import SecurityWarning, UsageError
from bulkstream.secret import Secret
from bulkstream.settings import Connection, Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = "0123456789abcdef-secret"


@dataclass(frozen=True)
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        "{}".format,
        "{:>40}".format,
        "{!r}".format,
        lambda secret: f"{secret}{secret!r}{secret:s}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - one of the ways
        lambda secret: repr([secret, {"a": secret}, (secret,)]),
        lambda secret: repr(Holder(secret)) + str(asdict(Holder(secret))) + str(vars(Holder(secret))),
        lambda secret: repr(copy.copy(secret)) + repr(copy.deepcopy([secret])),
        lambda secret: repr(ValueError(secret)) + str(KeyError(secret)),
    ],
)
def test_no_way_of_printing_shows_it(shown: Callable[[Secret], str]) -> None:
    """Logging, formatting, containers, dataclasses, copies and exceptions show a mask."""
    assert TEXT not in shown(Secret(TEXT))
    assert "***" in shown(Secret(TEXT)).replace(" ", "")


@pytest.mark.parametrize("taking", [vars, pickle.dumps, json.dumps, iter, len])
def test_what_takes_things_apart_is_refused(taking: Callable[[Secret], object]) -> None:
    """There is no dictionary, no state, no JSON, no characters and no length."""
    with pytest.raises(TypeError) as caught:
        taking(Secret(TEXT))

    assert TEXT not in str(caught.value)


def test_secrets_compare_by_their_text() -> None:
    """As values; with nothing but each other, and whatever characters they hold."""
    assert Secret(TEXT) == Secret(TEXT) != Secret(TEXT + "x")
    assert Secret("p\u00e4ss\udc80") == Secret("p\u00e4ss\udc80")
    assert Secret(TEXT) != TEXT
    assert len({Secret(TEXT), Secret(TEXT)}) == 1
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)
    with pytest.raises(AttributeError):
        Secret(TEXT).reveal = lambda: ""  # type: ignore[method-assign]


def test_settings_hold_secrets_and_show_none() -> None:
    """They take text, a secret, and pydantic's own kind; no dump gives it back."""
    for given in (TEXT, Secret(TEXT), SecretStr(TEXT)):
        settings = Settings.model_validate({"connection": {"token": given, "client_secret": given}})

        shown = repr(settings) + str(settings.model_dump()) + settings.model_dump_json() + str(vars(settings))
        assert settings.connection.token == Secret(TEXT)
        assert TEXT not in shown


@pytest.mark.parametrize("fields", [{"token": [TEXT]}, {"tokn": TEXT}, {"url": f"https://me:{TEXT}@acme.domo.com"}])
def test_an_invalid_setting_is_not_repeated(fields: dict[str, object]) -> None:
    """pydantic shows what it was given, if it is not told otherwise."""
    with pytest.raises(ValidationError) as caught:
        Connection.model_validate(fields)

    assert TEXT not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[connection]\ntoken = "{0}"\nclient_secret = "{0}"\nnonsense = 1\n',
        '[connection]\ntoken = ["{0}"]\n',
        'token = "{0}"\n',
        '[[connection]]\ntoken = "{0}"\n',
        'connection = "x"\n',
        '[profiles.other.connection]\ntoken = "{0}"\n',
        '[connection]\ntoken = "{0}"\ntoken = "{0}"\n',
        '[connection]\ntoken = "{0}\n',
    ],
)
def test_no_variable_of_ours_holds_a_secret_of_a_wrong_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A traceback with the frames' variables, as some programs log it, shows no secret of file or environment."""
    path = tmp_path / "settings.toml"
    path.write_text(text.format(TEXT), "utf-8")
    path.chmod(0o600)
    profile = "none" if "profiles" in text else None

    _surround(monkeypatch, path)

    with pytest.raises(UsageError) as caught:
        load_settings(profile=profile)

    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert caught.value.__context__ is None
    assert "in load_settings" in shown
    assert TEXT not in shown


def _surround(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Set the environment up; in a frame of its own, since those of the traceback must not know the secret."""
    for name, value in (("CONFIG", str(path)), ("DIALECT", "nonsense"), ("TOKEN", TEXT), ("CLIENT_SECRET", TEXT)):
        monkeypatch.setenv(f"BULKSTREAM_{name}", value)


def test_requests_and_clients_show_no_secret() -> None:
    """Nor do their parts, down to the headers."""
    request = token_request("an-id", Secret(TEXT))
    client = ApiClient(Settings(connection=Connection(url="https://acme.domo.com", token=Secret(TEXT))))

    shown = repr(request) + repr(client) + str(vars(client)) + str(vars(client._credentials))

    assert TEXT not in shown
    assert "MDEyMzQ1Njc4OWFiY2Rl" not in shown  # the same in base64


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [
        (f'[connection]\ntoken = "{TEXT}"\n', 0o640, True),
        (f'[connection]\ntoken = "{TEXT}"\n', 0o604, True),
        (f'[connection]\ntoken = "{TEXT}"\n', 0o600, False),
        ("[upload]\nlevel = 1\n", 0o644, False),
    ],
)
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, text: str, mode: int, warned: bool) -> None:
    """By whoever loads settings from it, with the command that mends it."""
    path = tmp_path / "settings.toml"
    path.write_text(text, "utf-8")
    path.chmod(mode)

    if warned:
        with pytest.warns(SecurityWarning, match=f"chmod 600 {path}") as caught:
            load_settings(environ={"BULKSTREAM_CONFIG": str(path)})
        assert caught[0].filename == __file__
    else:
        load_settings(environ={"BULKSTREAM_CONFIG": str(path)})


def test_credentials_travel_unencrypted_only_where_that_is_forced() -> None:
    """It is refused, and warned of where `allow_http` is set."""
    account = {"url": "http://acme.example", "token": TEXT}

    with pytest.raises(UsageError, match="unencrypted"):
        ApiClient(Settings.model_validate({"connection": account}))
    with pytest.warns(SecurityWarning, match="http://acme.example is sent credentials unencrypted"):
        ApiClient(Settings.model_validate({"connection": {**account, "allow_http": True}}))
