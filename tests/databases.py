"""The databases that tests run a service over.

Where a test leaves it open which kind that is, TEST_STORE says it: memory (if nothing is said), sqlite or postgresql.
To make a database costs more than most tests do: one in PostgreSQL is emptied for the next, one of SQLite is a copy.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import apsw
import psycopg
from psycopg import sql

from keystead.api.checkpoints import ensure_key
from keystead.clock import Clock, FixedClock
from keystead.crypto import root_key
from keystead.crypto.vault import Vault
from keystead.domain.audit import Record
from keystead.entropy import Entropy, SeededEntropy, uuid4
from keystead.server.data.protection import protect
from keystead.server.data.world import EPHEMERAL_ACCOUNT, OpenedStore, found, open_in_memory
from keystead.store.database_store import DatabaseStore
from keystead.store.memory import MemoryStore
from keystead.store.ports import Store
from keystead.store.postgresql import schema
from keystead.store.postgresql.session import Place, open_connection
from keystead.store.postgresql.store import PostgresStore
from keystead.store.record_rows import SELECT_RECORD, record_of
from keystead.store.sqlite import SqliteStore
from tests.postgres import SUPERUSER, Cluster

KINDS = ("memory", "sqlite", "postgresql")
KIND = os.environ.get("TEST_STORE", KINDS[0])
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
_OTHERS = (
    "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() "
    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


class Databases:
    """Those of a cluster that have our tables and nothing in them. Each has a URL, and is used by one test at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._connections: dict[str, psycopg.Connection[Any]] = {}
        self._free: list[str] = []
        self._of: dict[Path, str] = {}

    def of(self, data: Path) -> str:
        """The URL of the one of a data directory: always the same, and nobody else's."""
        if (known := data.resolve()) not in self._of:
            self._of[known] = self.take()
        return self._of[known]

    def take(self) -> str:
        """The URL of one that nobody uses."""
        if not self._free:
            return self._make()
        url = self._free.pop()
        self._connections[url].execute(_OTHERS)
        self._connections[url].execute("SELECT pg_temp.empty()")
        return url

    def give_back(self, url: str) -> None:
        """Let another test have it."""
        self._free.append(url)

    @contextmanager
    def one(self) -> Iterator[str]:
        """One for a while."""
        url = self.take()
        try:
            yield url
        finally:
            self.give_back(url)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _make(self) -> str:
        name, template = f"emptied_{len(self._connections) + 1}", "with_schema"
        if not self._connections:
            self._cluster.create_database(template)
            with open_connection(Place(self._cluster.url(template), "here")) as connection:
                schema.migrate(connection, "here", int(FixedClock().now()))
        self._cluster.create_database(name, template=template)
        made = psycopg.connect(
            host=str(self._cluster.folder),
            port=self._cluster.port,
            user=SUPERUSER,
            dbname=name,
            autocommit=True,
        )
        tables = made.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('migrations', 'fence')"
        ).fetchall()
        deletes = [sql.SQL("DELETE FROM {};").format(sql.Identifier(table)) for (table,) in tables]
        made.execute("SET session_replication_role = replica")  # in any order, whatever refers to what
        made.execute(
            sql.SQL(
                "CREATE FUNCTION pg_temp.empty() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {} "
                "DELETE FROM fence; INSERT INTO fence (one, revision) VALUES (1, 0); PERFORM setval('audit_position_seq', 1, false); END $$"
            ).format(sql.SQL(" ").join(deletes))
        )
        url = self._cluster.url(name)
        self._connections[url] = made
        return url


class _Given:
    """The databases of this process of tests, once there are some."""

    databases: Databases | None = None


def give(databases: Databases | None) -> None:
    """Say where databases are to be had, for those who ask without a fixture."""
    _Given.databases = databases


def given() -> Databases:
    """Where databases are to be had."""
    assert _Given.databases is not None, "no PostgreSQL was started"
    return _Given.databases


def variables(data: Path) -> dict[str, str]:
    """What tells a server, or a command, where the data of a directory is; nothing, where that is the directory itself."""
    return {"KEYSTEAD_STORE": given().of(data)} if KIND == "postgresql" else {}


@cache
def _file() -> bytes:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "keystead.db"
        SqliteStore.open(path, clock=FixedClock(), entropy=SeededEntropy()).close()
        connection = apsw.Connection(str(path))
        connection.execute("DELETE FROM meta")  # the server that it was of
        connection.close()
        return path.read_bytes()


def new_sqlite(path: Path, clock: Clock, entropy: Entropy) -> SqliteStore:
    """A store that is as if it were just made there."""
    path.write_bytes(_file())
    path.chmod(0o600)
    return SqliteStore.open(path, clock=clock, entropy=entropy)


def new_world(
    user: object, clock: Clock, entropy: Entropy, kind: str = KIND
) -> tuple[OpenedStore, tuple[str, str]]:
    """A world as of `open_in_memory`, over a store of this kind, which lives as long as its user."""
    if kind == "memory":
        return open_in_memory(clock, entropy)
    store = _new_store(user, clock, entropy, kind)
    root = root_key.ephemeral(entropy)
    vault = Vault(root, entropy)
    store.begin(alone=True)
    protect(store, vault, clock)
    ensure_key(store, vault, int(clock.now()))
    access_key = found(store, vault, EPHEMERAL_ACCOUNT, int(clock.now()), entropy)
    store.commit()
    opened = OpenedStore(
        store=store,
        vault=vault,
        root=root,
        account=EPHEMERAL_ACCOUNT,
        server_id=store.server_id,
        first_start=True,
    )
    return opened, access_key


def _new_store(user: object, clock: Clock, entropy: Entropy, kind: str) -> DatabaseStore:
    if kind == "sqlite":
        folder = Path(tempfile.mkdtemp(dir=MEMORY))
        embedded = new_sqlite(folder / "keystead.db", clock, entropy)
        weakref.finalize(user, _remove, embedded, folder)
        return embedded
    databases = given()
    url = databases.take()
    shared = PostgresStore.open(Place(url, "here"), uuid4(entropy), "here", clock)
    # At the end of the process the databases are gone before this is.
    weakref.finalize(user, _return, shared, databases, url).atexit = False
    return shared


def _remove(store: DatabaseStore, folder: Path) -> None:
    store.close()
    shutil.rmtree(folder)


def _return(store: DatabaseStore, databases: Databases, url: str) -> None:
    store.close()
    databases.give_back(url)


def records_of(store: Store) -> list[Record]:
    """All records, oldest first."""
    if isinstance(store, MemoryStore):
        return [record for record, _ in store.audit.records.values()]
    assert isinstance(store, DatabaseStore)
    return [record_of(row)[0] for row in store._database.rows(f"{SELECT_RECORD} ORDER BY position")]
