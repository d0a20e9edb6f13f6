"""Settings: where they come from, which wins, and that the documented file is the truth."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from bulkstream.errors import UsageError
from bulkstream.settings import Settings, Upload, load_settings, overridden
from bulkstream.size import MIB, parse_size
from tests.support import settings_file

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str) -> dict[str, str]:
    """Write a settings file and return the environment that names it."""
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return {"BULKSTREAM_CONFIG": str(path), "HOME": str(path.parent)}


def test_documented_file_is_what_the_code_says() -> None:
    """Every setting stands in config/bulkstream.toml with its default and meaning, and nothing else does."""
    assert settings_file.PATH.read_text("utf-8") == settings_file.rendered()


def test_documented_file_loads_as_the_defaults() -> None:
    """A user who copies the whole file changes nothing."""
    assert Settings(**tomllib.loads(settings_file.PATH.read_text("utf-8"))) == Settings()


def test_flag_beats_environment_beats_profile_beats_file(tmp_path: Path) -> None:
    """Each place that settings come from yields to the one above it."""
    environ = write(
        tmp_path / "c.toml",
        """
        [connection]
        url = "file"
        client_id = "file"
        token = "file"
        [upload]
        level = 2
        part_size = "1MiB"
        [profiles.night.connection]
        url = "profile"
        client_id = "profile"
        [profiles.night.upload]
        part_size = "2MiB"
        """,
    )
    environ["BULKSTREAM_URL"] = "environment"

    settings = load_settings({"upload": {"level": 3, "workers": None}}, environ=environ, profile="night")

    assert settings.connection.url == "environment"
    assert settings.connection.client_id == "profile"
    assert settings.connection.token is not None
    assert settings.connection.token.reveal() == "file"
    assert (settings.upload.level, settings.upload.part_size, settings.upload.workers) == (3, 2 * MIB, "auto")


def test_settings_are_found_in_the_users_configuration_folder(tmp_path: Path) -> None:
    """Without BULKSTREAM_CONFIG the file under XDG_CONFIG_HOME counts."""
    (tmp_path / "bulkstream").mkdir()
    write(tmp_path / "bulkstream" / "config.toml", "[upload]\nlevel = 7\n")

    assert load_settings(environ={"XDG_CONFIG_HOME": str(tmp_path)}).upload.level == 7


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    """A shell script that exports an empty token has no token."""
    environ = {"BULKSTREAM_TOKEN": "", "HOME": str(tmp_path)}

    assert load_settings(environ=environ).connection.token is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[upload]\nlevl = 1\n", "upload.levl"),
        ("[upload]\nlevel = 13\n", "upload.level"),
        ('[upload]\npart_size = "64 megs"\n', "'64 megs' is not a size"),
        ("[upload\n", "can't be read"),
        ("[profiles.day.upload]\nlevel = 1\n", "no profile 'night'; it has: day"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(tmp_path: Path, text: str, words: str) -> None:
    """The message says which file and which setting, so that it can be corrected at once."""
    environ = write(tmp_path / "c.toml", text)
    profile = "night" if "profiles" in text else None

    with pytest.raises(UsageError, match=words) as caught:
        load_settings(environ=environ, profile=profile)
    assert "c.toml" in str(caught.value)


def test_a_missing_settings_file_is_an_error_only_where_it_was_named(tmp_path: Path) -> None:
    """A wrong BULKSTREAM_CONFIG must not silently mean the defaults."""
    with pytest.raises(UsageError, match="BULKSTREAM_CONFIG"):
        load_settings(environ={"BULKSTREAM_CONFIG": str(tmp_path / "none.toml")})
    assert load_settings(environ={"HOME": str(tmp_path)}) == Settings()


def test_secrets_are_not_shown_by_settings_or_errors(tmp_path: Path) -> None:
    """Neither the text of the settings nor a validation error repeats a secret."""
    environ = {"BULKSTREAM_TOKEN": "s3cret-token", "BULKSTREAM_DIALECT": "nonsense", "HOME": str(tmp_path)}

    with pytest.raises(UsageError) as caught:
        load_settings(environ=environ)
    settings = load_settings(environ={**environ, "BULKSTREAM_DIALECT": "public"})

    assert "s3cret" not in str(caught.value) + repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("text", "size"),
    [("64MiB", 64 * MIB), ("50 MB", 50_000_000), ("65536", 65_536), ("1.5kib", 1536), ("2GB", 2_000_000_000)],
)
def test_sizes_are_read_in_binary_and_decimal_units(text: str, size: int) -> None:
    """MiB is 2^20 and MB is 10^6."""
    assert parse_size(text) == size


def test_overriding_keeps_the_rest_and_checks_the_new() -> None:
    """A value given to one upload replaces the client's, and is validated like one from a file."""
    settings = Upload(level=3)

    assert overridden(settings, {"part_size": "8MiB", "level": None}) == Upload(level=3, part_size=8 * MIB)
    with pytest.raises(UsageError, match=r"upload|concurrency"):
        overridden(settings, {"concurrency": 0})
