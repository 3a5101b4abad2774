"""Searches places for known secrets, in the encodings in which programs leak them."""

import base64
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes


class Finding(NamedTuple):
    """A secret where none may be. It names the secret and never shows it."""

    secret: str
    encoding: str
    place: str


def encodings(secret: bytes) -> dict[str, bytes]:
    """What to search for, by the name of the encoding; at least 8 bytes of secret, or chance finds it everywhere."""
    assert len(secret) >= 8
    text = secret.decode("latin-1")
    found = {
        "raw": secret,
        "hex": secret.hex().encode(),
        "HEX": secret.hex().upper().encode(),
        "percent": quote_from_bytes(secret, safe="").encode(),
        "percent of every byte": "".join(f"%{byte:02X}" for byte in secret).encode(),
        "percent of every byte, lower case": "".join(f"%{byte:02x}" for byte in secret).encode(),
        "UTF-16 LE": text.encode("utf-16-le"),
        "UTF-16 BE": text.encode("utf-16-be"),
        "escaped": "".join(f"\\x{byte:02x}" for byte in secret).encode(),
    }
    for name, alphabet in (("base64", b"+/"), ("base64url", b"-_")):
        for shift in range(3):
            # What the neighbours' bits would change is cut off at both ends.
            whole = base64.b64encode(bytes(shift) + secret, alphabet).rstrip(b"=")
            begin, end = -(-8 * shift // 6), 8 * (shift + len(secret)) // 6
            found[f"{name} at {shift}"] = whole[begin:end]
    return found


def search(secrets: Mapping[str, bytes], places: Mapping[str, bytes]) -> list[Finding]:
    """Every secret in every place, in every encoding."""
    wanted = [(name, *pair) for name, secret in secrets.items() for pair in encodings(secret).items()]
    return [
        Finding(name, encoding, place)
        for place, content in places.items()
        for name, encoding, pattern in wanted
        if pattern in content
    ]


def files(*roots: Path) -> dict[str, bytes]:
    """The content of every file below the roots, by path; names of files and targets of links are content too."""
    found: dict[str, bytes] = {}
    names: list[str] = []
    for root in roots:
        for path in sorted(root.rglob("*")):
            names.append(str(path.relative_to(root)))
            if path.is_symlink():
                names.append(str(path.readlink()))
            elif path.is_file():
                found[str(path)] = path.read_bytes()
    found["names of files"] = "\n".join(names).encode()
    return found


def rows(database: Path) -> bytes:
    """All values of a database one after another: in the file itself, a long one lies in pieces on several pages."""
    return b"\n".join(_values(database))


def _values(database: Path) -> Iterator[bytes]:
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        connection.text_factory = bytes
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table.decode()}"'):
                yield from (value if isinstance(value, bytes) else str(value).encode() for value in row)
    finally:
        connection.close()
