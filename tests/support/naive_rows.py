"""The row check, once more: a loop over single bytes, with nothing of the real one's."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Sifted:
    """What is kept, and of each bad row: file, line, byte, kind of fault, bytes."""

    kept: list[bytes] = field(default_factory=list)
    rejects: list[tuple[str, int, int, str, bytes]] = field(default_factory=list)


def records_of(data: bytes) -> list[bytes]:
    """Split a file into records, line ends included."""
    records, begin, quoted = [], 0, False
    for at, byte in enumerate(data):
        if byte == ord('"'):
            quoted = not quoted
        elif byte == ord("\n") and not quoted:
            records.append(data[begin : at + 1])
            begin = at + 1
    return records + ([data[begin:]] if begin < len(data) else [])


def fields_of(record: bytes) -> int:
    """Count the fields of a record."""
    count, quoted = 1, False
    for byte in record:
        quoted ^= byte == ord('"')
        count += byte == ord(",") and not quoted
    return count


def fault_of(record: bytes, fields: int) -> str:
    """Name what is wrong with a record, or nothing."""
    if fields_of(record) != fields:
        return "blank line" if record in {b"\n", b"\r\n", b"\r"} else "fields"
    try:
        record.decode("utf-8")
    except UnicodeDecodeError:
        return "UTF-8"
    return ""


def sifted(files: list[bytes], fields: int) -> Sifted:
    """Sift files; those before the last get the line feed that they lack."""
    found, holding = Sifted(), [n for n, data in enumerate(files) if data]
    for number in holding:
        line, offset = 1, 0
        for record in records_of(files[number]):
            whole = record
            if not record.endswith(b"\n") and number != holding[-1]:
                whole += b"\n"
            if fault := fault_of(record, fields):
                found.rejects.append((f"file{number}", line, offset, fault, whole))
            else:
                found.kept.append(whole)
            line, offset = line + record.count(b"\n"), offset + len(record)
    return found
