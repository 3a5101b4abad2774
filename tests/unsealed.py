"""Makes of a database one of the version before rows were sealed."""

from pathlib import Path
from typing import Any

import apsw
import msgspec

from keystead.crypto import root_key, wrapping
from keystead.domain.audit import COLUMNS, GENESIS, Record, link
from keystead.entropy import SystemEntropy
from keystead.store import migrate
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
        with_versions_by_their_ids(connection)
        for name in ("seals", "root_key", "key_uses", "minutes"):
            connection.execute(f"DROP TABLE {name}")
        _without_revisions(connection)
        connection.execute("INSERT INTO meta VALUES ('revision', 7)")
        connection.execute("DELETE FROM migrations WHERE number >= ?", (FIRST,))
        connection.pragma("user_version", FIRST - 1)
    connection.close()


def with_versions_by_their_ids(connection: apsw.Connection) -> None:
    """Have the versions of keys, with their seals if they have any, lie as they did before they lay with their keys."""
    statements = [one for step in migrate.known() for one in step.sql.split(";\n")]
    table, index = (
        next(one for one in statements if one.lstrip().startswith(start))
        for start in ("CREATE TABLE key_versions", "CREATE UNIQUE INDEX key_versions_of_account")
    )
    names = [str(row[1]) for row in connection.execute("PRAGMA table_info(key_versions)")]
    columns = ", ".join(names)
    connection.execute("ALTER TABLE key_versions RENAME TO versions")
    connection.execute("DROP INDEX versions_of_account")
    connection.execute(table)
    if "seal" in names:
        connection.execute("ALTER TABLE key_versions ADD COLUMN seal BLOB NOT NULL DEFAULT x''")
    connection.execute(f"INSERT INTO key_versions ({columns}) SELECT {columns} FROM versions")
    connection.execute("DROP TABLE versions")
    connection.execute(index)


def _without_revisions(connection: apsw.Connection) -> None:
    """Make the records such as they were before there was a second format."""
    heads: dict[str, bytes] = {}
    rows: list[Any] = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM audit ORDER BY position"
    ).fetchall()
    for row in rows:
        values = dict(zip(COLUMNS, row, strict=True)) | {"format": 1, "revision": 0}
        record = msgspec.convert(values, Record)
        heads[record.chain] = link(heads.get(record.chain, GENESIS), record)
        connection.execute(
            "UPDATE audit SET format = 1, hash = ? WHERE chain = ? AND sequence = ?",
            (heads[record.chain], record.chain, record.sequence),
        )
    for chain, head in heads.items():
        connection.execute("UPDATE chains SET hash = ? WHERE chain = ?", (head, chain))
    connection.execute("ALTER TABLE audit DROP COLUMN revision")
