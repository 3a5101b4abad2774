"""Makes of a database one of the version before rows were sealed."""

from pathlib import Path
from typing import Any

import apsw

from keystead.crypto import root_key, wrapping
from keystead.entropy import SystemEntropy
from keystead.store.sealed import SEALED

FIRST = 15  # the first migration that such a database may not have


def without_seals(data: Path) -> None:
    """Take all seals from the database of a data directory, as if there never had been any."""
    root = root_key.read_file(data / "root.key", SystemEntropy())
    connection = apsw.Connection(str(data / "keystead.db"))
    with connection:
        rows: list[Any] = connection.execute("SELECT generation, blob FROM wrapping_keys").fetchall()
        for generation, blob in rows:
            key = root.unwrap(wrapping._wrapping_key_facts(generation), blob)
            old = root.wrap(wrapping._unsealed_facts(generation), key)
            connection.execute("UPDATE wrapping_keys SET blob = ? WHERE generation = ?", (old, generation))
        connection.execute("DELETE FROM service_secrets")
        for table in SEALED:
            connection.execute(f"ALTER TABLE {table.name} DROP COLUMN seal")
        for name in ("seals", "root_key", "key_uses", "minutes"):
            connection.execute(f"DROP TABLE {name}")
        connection.execute("INSERT INTO meta VALUES ('revision', 7)")
        connection.execute("DELETE FROM migrations WHERE number >= ?", (FIRST,))
        connection.pragma("user_version", FIRST - 1)
    connection.close()
