"""The service over SQLite on a faulty disk: the same pipeline and commit as a server, without its sockets."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from keystead.api.pipeline import Answer, Pipeline
from keystead.client.access_key import read_access_key
from keystead.clock import FixedClock
from keystead.crypto import root_key
from keystead.crypto.vault import Vault
from keystead.entropy import SeededEntropy, SystemEntropy
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.protection import protect
from keystead.store import sqlite
from keystead.store.reader import open_reader
from keystead.store.seal_check import examine
from keystead.store.seals import Codes
from keystead.store.sqlite import SqliteStore
from keystead.store.sqlite_database import SqliteDatabase
from keystead.store.tables import Keyring
from tests.faulty_vfs import NAME
from tests.harness import Service

State = dict[str, list[tuple[Any, ...]]]


def prepare(folder: Path) -> DataDirectory:
    """A data directory after its first start, with the server stopped."""
    directory = DataDirectory(str(folder))
    directory.prepare()
    open_store(directory, FixedClock(), SeededEntropy(b"first start")).store.close()
    return directory


class Durable(Service):
    """A service on a copy of the database; `store.begin` to `commit` is what a server's sequencer does."""

    def __init__(self, directory: DataDirectory, database: Path, seed: bytes) -> None:
        self.clock = FixedClock()
        self.entropy = SeededEntropy(seed)
        connection = apsw.Connection(str(database), vfs=NAME)
        # Files of this kind have no shared memory; one connection needs none.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        sqlite._configure(connection)
        self.connection = connection
        sqlite_store = SqliteStore(connection, database, _server_id(connection), self.clock)
        self.sqlite = sqlite_store
        vault = Vault(root_key.read_file(directory.root_key, self.entropy), self.entropy)
        sqlite_store.begin()
        vault.load(sqlite_store.keyring.all(), sqlite_store.keyring.secrets())
        protect(sqlite_store, vault, self.clock)
        assert sqlite_store.blocked.found == {}
        self.account = sqlite_store.accounts.all()[0].account_id
        sqlite_store.rollback()
        self.access_key = read_access_key(directory.root_access_key)
        self.region = "cn-hangzhou"
        self.pipeline = Pipeline(
            store=sqlite_store,
            vault=vault,
            clock=self.clock,
            entropy=self.entropy,
            region=self.region,
            account=self.account,
            server_id=sqlite_store.server_id,
        )
        self._nonce = 0
        self._seed = seed.hex()

    def run(self, calls: list[tuple[str, dict[str, str]]]) -> tuple[list[Answer], State]:
        """The calls in one batch that is open still, and the state as it will be; `sqlite.commit` is next."""
        self.sqlite.begin()
        batch = self.pipeline.open_batch()
        answers = []
        for action, parameters in calls:
            request = self.request(action, parameters)
            answers.append(self.pipeline.answer_now(batch, request))
        batch.write()
        return answers, state(self.connection)

    def close(self) -> None:
        self.sqlite.close()


def members(answer: Answer) -> dict[str, Any]:
    found = json.loads(answer.response.body)
    assert isinstance(found, dict)
    return found


def state(connection: apsw.Connection) -> State:
    """Every row of every table, but for the sums of the rows, which are written as the batch ends (see `broken_seals`)."""
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'seals' ORDER BY name"
    ).fetchall()
    return {str(name): connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}


def broken_seals(connection: apsw.Connection, root: Path) -> list[str]:
    """What does not hold of the seals of a database whose root key is in this file."""
    database, entropy = SqliteDatabase(connection), SystemEntropy()
    vault = Vault(root_key.read_file(root, entropy), entropy)
    vault.load(Keyring(database).all(), Keyring(database).secrets())
    return [one.text for one in examine(database, Codes(vault.row_seals())).found]


def reopened(database: Path, root: Path) -> tuple[State, list[str]]:
    """The state that an ordinary start finds, and what is wrong with it."""
    try:
        connection = apsw.Connection(str(database))
        with closing(connection):
            wrong = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            wrong += [str(row) for row in connection.execute("PRAGMA foreign_key_check")]
            found = state(connection)
            wrong += broken_seals(connection, root)
        with closing(open_reader(database)) as reader:
            wrong += [verdict.bad for verdict in reader.verify() if verdict.bad]
    except (apsw.Error, OperatorError) as error:
        return {}, [str(error)]
    return found, wrong


def _server_id(connection: apsw.Connection) -> str:
    return str(connection.execute("SELECT value FROM meta WHERE name = 'server_id'").fetchall()[0][0])
