"""Saving tuned values: the profile can be loaded, and not a byte beside it has changed."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.bench import Choice, edited, save_profile
from bulkstream.errors import UsageError
from bulkstream.settings import load_settings
from bulkstream.size import MIB

if TYPE_CHECKING:
    from pathlib import Path

CHOICE = Choice(level=4, concurrency=8, workers=3, part_bytes=16 * MIB)
TABLE = 'level = 4\nconcurrency = 8\nworkers = 3\npart_size = "16MiB"\n'

FILE = """\
# mine
[connection]
url = "https://acme.domo.com" # the account

[profiles.fast.upload] # tuned in May
part_size = "1MiB" # small
header = "no"
# a last word

[profiles.night.upload]
level = 9
"""


def test_values_are_put_into_a_table_that_is_there() -> None:
    """They replace what they have to, where it stands; comments and other keys stay."""
    new = edited(FILE, "fast", CHOICE)

    assert new == FILE.replace(
        'part_size = "1MiB" # small\nheader = "no"\n',
        'part_size = "16MiB" # small\nheader = "no"\nlevel = 4\nconcurrency = 8\nworkers = 3\n',
    )


def test_new_table_is_appended() -> None:
    """What was there stays as it was, to the byte."""
    assert edited(FILE, "slow", CHOICE) == f"{FILE}\n[profiles.slow.upload]\n{TABLE}"
    assert edited("[upload]\nlevel = 1", "slow", CHOICE) == f"[upload]\nlevel = 1\n\n[profiles.slow.upload]\n{TABLE}"
    assert edited("", "a b", CHOICE) == f'[profiles."a b".upload]\n{TABLE}'


def test_saving_twice_changes_nothing_more() -> None:
    """The second edit finds what the first has written."""
    once = edited(FILE, "slow", CHOICE)

    assert edited(once, "slow", CHOICE) == once


def test_lines_that_end_in_crlf_keep_doing_so() -> None:
    """A file from Windows is not mixed."""
    new = edited(FILE.replace("\n", "\r\n"), "fast", CHOICE)

    assert new.count("\n") == new.count("\r\n") == FILE.count("\n") + 3


@pytest.mark.parametrize(
    "text",
    [
        "[profiles]\nfast = {upload = {level = 1}}\n",
        "[profiles.fast]\nupload.level = 1\n",
        "profiles = 3\n",
        'x = """\n[profiles.fast.upload]\n"""\n',
        "[profiles.fast.upload]\nlevel = [\n1]\n",
    ],
)
def test_form_that_cannot_be_edited_is_refused(text: str) -> None:
    """Rather than harm the file, the error shows what to write."""
    with pytest.raises(UsageError, match="without touching the rest") as caught:
        edited(text, "fast", CHOICE)
    assert "[profiles.fast.upload]; level = 4; concurrency = 8" in caught.value.hint


@given(
    before=st.lists(st.sampled_from(FILE.splitlines()), max_size=12),
    name=st.text(min_size=1, max_size=8),
    cr=st.booleans(),
)
def test_any_file_is_edited_truly_or_refused(before: list[str], name: str, *, cr: bool) -> None:
    """Whatever lines stand there, the result says the same as before plus the values, and keeps every comment."""
    text = ("\r\n" if cr else "\n").join(before)
    try:
        old = tomllib.loads(text)
        new = edited(text, name, CHOICE)
    except (tomllib.TOMLDecodeError, UsageError):
        return

    old.setdefault("profiles", {}).setdefault(name, {}).setdefault("upload", {}).update(tomllib.loads(TABLE))
    assert tomllib.loads(new) == old
    assert [line for line in new.splitlines() if line.startswith("#")] == [b for b in before if b.startswith("#")]


@pytest.mark.parametrize("name", ["fast", "new", "über 'quoted\" \\"])
def test_saved_profile_is_loaded(tmp_path: Path, name: str) -> None:
    """What was saved is what `--profile` gives, in a file that nobody else may read since it could not before."""
    path = tmp_path / "settings.toml"
    path.write_text(FILE, "utf-8")
    path.chmod(0o640)

    save_profile(path, name, CHOICE)

    upload = load_settings(environ={"BULKSTREAM_CONFIG": str(path)}, profile=name).upload
    assert (upload.level, upload.concurrency, upload.workers, upload.part_size) == (4, 8, 3, 16 * MIB)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["settings.toml"]


def test_file_and_folder_are_made(tmp_path: Path) -> None:
    """The first profile of a user makes the settings file, for their eyes only."""
    path = tmp_path / "home" / "bulkstream" / "config.toml"

    save_profile(path, "fast", CHOICE)

    assert path.read_text("utf-8") == f"[profiles.fast.upload]\n{TABLE}"
    assert path.stat().st_mode & 0o777 == 0o600


def test_link_stays_a_link(tmp_path: Path) -> None:
    """A settings file that is linked from elsewhere is changed where it is."""
    (tmp_path / "real.toml").write_text(FILE, "utf-8")
    (tmp_path / "link.toml").symlink_to("real.toml")

    save_profile(tmp_path / "link.toml", "slow", CHOICE)

    assert (tmp_path / "link.toml").is_symlink()
    assert "profiles.slow" in (tmp_path / "real.toml").read_text("utf-8")


def test_failed_write_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs neither the settings nor leaves half of them."""
    path = tmp_path / "settings.toml"
    path.write_text(FILE, "utf-8")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        save_profile(path, "fast", CHOICE)
    assert path.read_text("utf-8") == FILE
    assert [each.name for each in tmp_path.iterdir()] == ["settings.toml"]
