"""Writes `config/bulkstream.toml` from the settings' own definitions: `python -m tests.support.settings_file`."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bulkstream.settings import Settings
from bulkstream.size import GIB, KIB, MIB

PATH = Path(__file__).parents[2] / "config" / "bulkstream.toml"

HEAD = """\
# Every setting of bulkstream, with its default, unit and meaning.
#
# Copy what you want to change to ~/.config/bulkstream/config.toml, or name a file in BULKSTREAM_CONFIG. A flag beats
# the environment, which beats a profile, which beats the top level of this file, which beats the default. Settings
# that have no default are shown as comments. Sizes are bytes, or text with a unit: 64MiB (2^20), 50MB (10^6).
"""

TAIL = """\

# A profile is a set of the tables above under a name of its own, chosen with --profile nightly:
#
# [profiles.nightly.connection]
# url = "https://acme.domo.com"
#
# [profiles.nightly.upload]
# part_size = "128MiB"
"""

EXAMPLES = {
    "url": '"https://acme.domo.com"',
    "dialect": '"instance"',
    "token": '"…"',
    "client_id": '"…"',
    "client_secret": '"…"',
    "dir": '"/var/lib/bulkstream"',
    "ca_bundle": '"/etc/ssl/company-ca.pem"',
    "deadline": '"06:00"',
    "sheet": '"2026"',
    "spool": '"/var/spool/bulkstream"',
    "reject_file": '"rejected.csv"',
}
"""What is shown for settings without a default."""


def rendered() -> str:
    """Return what the file must hold."""
    tables = [_table(name, field.annotation) for name, field in Settings.model_fields.items()]
    return HEAD + "".join(tables) + TAIL


def _table(name: str, group: Any) -> str:
    assert issubclass(group, BaseModel)
    lines = [f"\n[{name}]\n"]
    for key, field in group.model_fields.items():
        lines.append(f"# {field.description}\n")
        default = _value(key, field.default)
        lines.append(f"{key} = {default}\n" if field.default is not None else f"# {key} = {EXAMPLES[key]}\n")
    return "".join(lines)


def _value(key: str, value: object) -> str:
    if key.endswith("_size") and isinstance(value, int):
        unit, name = next((u, n) for u, n in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if value % u == 0)
        return f'"{value // unit}{name}"'
    return json.dumps(value.value if isinstance(value, StrEnum) else value)


if __name__ == "__main__":
    PATH.write_text(rendered(), "utf-8")
