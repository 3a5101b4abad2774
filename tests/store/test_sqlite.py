import json
import os
import re
import sqlite3
import tempfile
from contextlib import closing
from itertools import takewhile
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from keystead.clock import FixedClock
from keystead.domain.accounts import AccessKey, AccessKeyStatus
from keystead.domain.audit import COLUMNS, GENESIS, Head, columns, link
from keystead.domain.keys.key import KeyFilter, Wrapped
from keystead.domain.keys.lifecycle import Event
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError
from keystead.store import migrate, nonce_tables, sqlite
from keystead.store.migrate import Migration
from keystead.store.nonce_tables import RECENT_NONCES
from keystead.store.ports import StoreFailure
from keystead.store.reader import Wanted, open_reader
from keystead.store.sqlite import SqliteStore, check_version
from tests.harness import OnDisk, Service
from tests.store.test_contract import ACCOUNT, REGION, alias, found, key
from tests.unit.domain.test_audit import FIRST, RECORD
from tests.unsealed import with_versions_by_their_ids, without_seals


def opened(path: Path) -> SqliteStore:
    return SqliteStore.open(path / "k.db", clock=FixedClock(), entropy=SeededEntropy())


def filled(path: Path) -> SqliteStore:
    store = opened(path)
    store.begin()
    found(store)
    store.keys.add(*key(1), {})
    store.commit()
    return store


def test_it_is_kept_over_a_reopening(tmp_path: Path) -> None:
    store = filled(tmp_path)
    server_id = store.server_id
    store.close()
    again = opened(tmp_path)
    again.begin()
    assert again.server_id == server_id
    assert again.keys.page(ACCOUNT, REGION, KeyFilter(), 0, 10).items == ("key-1",)
    again.close()
    assert (tmp_path / "k.db").stat().st_mode & 0o777 == 0o600


def test_the_settings_that_durability_rests_on(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for name, value in (
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("secure_delete", 1),
        ("application_id", migrate.APPLICATION_ID),
    ):
        assert store._connection.pragma(name) == value, name
    store.close()


@pytest.mark.parametrize(
    ("version", "fine"), [("3.51.2", False), ("3.50.9", False), ("3.51.3", True), ("3.54.1", True)]
)
def test_an_old_sqlite_is_refused(version: str, fine: bool) -> None:
    if fine:
        check_version(version)
    else:
        with pytest.raises(OperatorError, match="too old"):
            check_version(version)


def test_what_is_no_database_or_damaged_is_told(tmp_path: Path) -> None:
    (tmp_path / "k.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(OperatorError, match="damaged"):
        opened(tmp_path)
    (tmp_path / "k.db").unlink()
    (tmp_path / "k.db").mkdir()
    with pytest.raises(OperatorError, match="cannot open"):
        opened(tmp_path)


def test_a_cut_off_database_is_told(tmp_path: Path) -> None:
    filled(tmp_path).close()
    os.truncate(tmp_path / "k.db", (tmp_path / "k.db").stat().st_size // 2)
    with pytest.raises(OperatorError, match="damaged"):
        opened(tmp_path)


@pytest.mark.parametrize("application", [0, 7])
def test_another_programs_database_is_left_alone(tmp_path: Path, application: int) -> None:
    other = sqlite3.connect(tmp_path / "k.db")
    other.execute(f"PRAGMA application_id = {application}")
    other.execute("CREATE TABLE t (x)")
    other.close()
    before = (tmp_path / "k.db").read_bytes()
    with pytest.raises(OperatorError, match="another program"):
        opened(tmp_path)
    assert (tmp_path / "k.db").read_bytes() == before


def test_a_newer_database_and_an_altered_migration_are_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    raw = sqlite3.connect(tmp_path / "k.db")
    raw.execute("INSERT INTO migrations VALUES (99, 'future', 'x', 0)")
    raw.commit()
    with pytest.raises(OperatorError, match="newer keystead"):
        opened(tmp_path)
    raw.execute("DELETE FROM migrations WHERE number = 99")
    raw.execute("UPDATE migrations SET checksum = 'x'")
    raw.commit()
    raw.close()
    with pytest.raises(OperatorError, match="not the one"):
        opened(tmp_path)


def test_a_failing_migration_leaves_nothing(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "m.db"))
    good = Migration(1, "good", "CREATE TABLE a (x); CREATE TABLE b (x);")
    bad = Migration(2, "bad", "CREATE TABLE c (x); CREATE TABLE a (x);")
    with pytest.raises(OperatorError, match="table a already exists"):
        migrate.migrate(connection, 1, (good, bad))
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema ORDER BY name")]
    assert names == ["a", "b", "migrations"]
    migrate.migrate(connection, 1, (good, Migration(2, "bad", "CREATE TABLE c (x);")))
    assert connection.pragma("user_version") == 2


def test_a_deleted_replaced_or_grown_file_fails_every_commit_until_it_is_back(tmp_path: Path) -> None:
    store = filled(tmp_path)
    database = tmp_path / "k.db"

    def fails() -> bool:
        try:
            store.begin()
            store.nonces.add([(os.urandom(1)[0] + 1000 * len(os.listdir(tmp_path)), os.urandom(16))])
            store.commit()
        except StoreFailure:
            store.rollback()
            return True
        return False

    assert not fails()
    database.rename(tmp_path / "aside")
    assert fails()
    database.write_bytes((tmp_path / "aside").read_bytes())
    assert fails()
    (tmp_path / "aside").rename(database)
    assert not fails()
    with database.open("ab") as file:
        file.write(b"x" * 4096)
    assert fails()
    store.close()


def commits(store: SqliteStore) -> bool:
    try:
        store.begin()
        store.nonces.add([(1, os.urandom(16))])
        store.commit()
    except StoreFailure:
        store.rollback()
        return False
    return True


def test_a_deleted_or_replaced_log_fails_every_batch_until_it_is_back(tmp_path: Path) -> None:
    store = filled(tmp_path)
    log, aside = tmp_path / "k.db-wal", tmp_path / "aside"
    log.rename(aside)
    assert not commits(store)
    with pytest.raises(StoreFailure, match="deleted"):
        store.begin()
    log.write_bytes(aside.read_bytes())
    with pytest.raises(StoreFailure, match="replaced"):
        store.begin()
    aside.rename(log)
    assert commits(store)
    store.close()


def test_a_log_that_was_replaced_before_the_first_commit_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path).close()
    store = opened(tmp_path)
    log = tmp_path / "k.db-wal"
    log.rename(tmp_path / "aside")
    log.touch()
    assert not commits(store)
    store.close()


def test_a_long_log_is_written_back_and_commits_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_WAL_PAGES", 5)
    store = filled(tmp_path)
    size = (tmp_path / "k.db").stat().st_size
    for number in range(50):
        store.begin()
        store.keys.add(*key(number + 2), {})
        store.commit()
    assert (tmp_path / "k.db").stat().st_size > size
    store.begin()
    assert store.keys.page(ACCOUNT, REGION, KeyFilter(), 0, 1).total == 51
    store.close()


class Failing(apsw.VFSFile):
    """A file whose writes or syncs fail as long as told."""

    main = False

    def xWrite(self, data: bytes, offset: int) -> None:
        if FaultVfs.fail == "write" or (FaultVfs.fail == "database" and self.main):
            raise apsw.FullError
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        if FaultVfs.fail == "sync":
            raise apsw.IOError
        super().xSync(flags)


class FaultVfs(apsw.VFS):
    fail = ""

    def __init__(self) -> None:
        super().__init__("faults", "")

    def xOpen(self, name: object, flags: list[int]) -> apsw.VFSFile:
        file = Failing("", name, flags)  # type: ignore[arg-type]
        file.main = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)
        return file


def faulty(folder: Path) -> SqliteStore:
    filled(folder).close()
    connection = apsw.Connection(str(folder / "k.db"), vfs="faults")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    sqlite._configure(connection)
    return SqliteStore(connection, folder / "k.db", "id", FixedClock())


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_a_failed_write_or_sync_is_a_store_failure_and_heals(tmp_path: Path, kind: str) -> None:
    vfs = FaultVfs()
    store = faulty(tmp_path)
    store.begin()
    store.aliases.add(alias("alias/before", "key-1"))
    store.commit()
    FaultVfs.fail = kind
    try:
        with pytest.raises(StoreFailure):
            store.begin()
            store.aliases.add(alias("alias/lost", "key-1"))
            store.commit()
        store.rollback()
        with pytest.raises(StoreFailure):
            store.begin()
            store.keys.remove(key(1)[0])
            store.commit()
        store.rollback()
    finally:
        FaultVfs.fail = ""
    store.begin()
    assert store.aliases.get(ACCOUNT, REGION, "alias/lost") is None
    store.aliases.add(alias("alias/after", "key-1"))
    store.commit()
    store.close()
    del vfs
    again = opened(tmp_path)
    again.begin()
    assert [one.name for one in again.aliases.page(ACCOUNT, REGION, 0, 9).items] == [
        "alias/before",
        "alias/after",
    ]
    again.close()


def test_a_failed_write_back_of_the_log_fails_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vfs = FaultVfs()
    store = faulty(tmp_path)
    monkeypatch.setattr(sqlite, "_WAL_PAGES", 1)
    FaultVfs.fail = "database"
    try:
        for number in range(2, 12):
            store.begin()
            store.keys.add(*key(number), {})
            store.commit()
    finally:
        FaultVfs.fail = ""
    before = (tmp_path / "k.db").read_bytes()
    assert commits(store)
    assert (tmp_path / "k.db").read_bytes() != before
    store.close()
    del vfs
    again = opened(tmp_path)
    again.begin()
    assert again.keys.page(ACCOUNT, REGION, KeyFilter(), 0, 1).total == 11
    again.close()


def test_a_statement_that_fails_is_a_store_failure(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.begin()
    store._connection.execute("DROP TABLE tags")
    with pytest.raises(StoreFailure, match="no such table"):
        store.keys.tags(ACCOUNT, REGION, "key-1")
    store._connection.execute("DROP TABLE recent_nonces")
    with pytest.raises(StoreFailure):
        store.nonces.add([(1, b"a")])
    store.rollback()
    store.close()


def test_records_of_an_older_schema_are_kept_in_their_order(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "k.db"))
    migrate.migrate(connection, 1, migrate.known()[:5])
    connection.execute("INSERT INTO meta VALUES ('server_id', 'chain'), ('revision', 0), ('horizon', 0)")
    previous, rows = GENESIS, []
    for number in range(1, 30):
        record = msgspec.structs.replace(FIRST, chain="chain", sequence=number)
        previous = link(previous, record)
        rows.append((*columns(record)[:-1], previous))
    places = ", ".join("?" * len(rows[0]))
    for row in reversed(rows):
        connection.execute(f"INSERT INTO audit ({', '.join(COLUMNS[:-1])}, hash) VALUES ({places})", row)
    connection.close()
    store = opened(tmp_path)
    store.begin()
    assert store.audit.head("chain") == Head(29, previous)
    record = msgspec.structs.replace(RECORD, chain="chain", sequence=30, revision=7)
    store.audit.append([(record, link(previous, record))])
    store.commit()
    store.close()
    reader = open_reader(tmp_path / "k.db")
    (verdict,) = reader.verify()
    assert (verdict.bad, verdict.head.count) == ("", 30)
    assert [one.sequence for one in reader.all()] == list(range(1, 31))
    reader.close()


def test_the_heads_of_chains_of_an_older_schema_are_found_without_a_scan(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "k.db"))
    migrate.migrate(connection, 1, migrate.known()[:6])
    connection.execute("INSERT INTO meta VALUES ('server_id', 'a'), ('revision', 0), ('horizon', 0)")
    places = ", ".join("?" * len(COLUMNS))
    for chain, sequence in [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("b", 3), ("a", 3)]:
        record = msgspec.structs.replace(RECORD, chain=chain, sequence=sequence)
        values = (*columns(record)[:-1], f"{chain}{sequence}".encode())
        connection.execute(f"INSERT INTO audit ({', '.join(COLUMNS[:-1])}, hash) VALUES ({places})", values)
    connection.close()
    store = opened(tmp_path)
    store.begin()
    heads = [store.audit.head(chain) for chain in ("a", "b", "c")]
    assert heads == [Head(3, b"a3"), Head(3, b"b3"), Head()]
    record = msgspec.structs.replace(RECORD, chain="c", sequence=1)
    store.audit.append([(record, b"c1")])
    assert [store.audit.head(chain) for chain in ("a", "b", "c")] == [*heads[:2], Head(1, b"c1")]
    asked: list[str] = []

    def trace(_: object, sql: str, __: object) -> bool:
        asked.append(sql)
        return True

    store._connection.exec_trace = trace
    store.audit.head("a")
    store._connection.exec_trace = None
    (sql,) = asked
    plan = store._connection.execute(f"EXPLAIN QUERY PLAN {sql}", ("a",)).fetchall()
    assert [str(row[3]).split(" ")[0] for row in plan] == ["SEARCH"]
    store.rollback()
    store.close()


def test_nonces_of_an_older_schema_are_remembered_once(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "k.db"))
    migrate.migrate(connection, 1, migrate.known()[:6])
    connection.execute("INSERT INTO meta VALUES ('server_id', 'a'), ('revision', 0), ('horizon', 0)")
    rows = [(10, b"a" * 16), (10, b"b" * 16), (10, b"a" * 16)]
    connection.executemany("INSERT INTO recent_nonces VALUES (?, ?)", rows)
    connection.close()
    store = opened(tmp_path)
    store.begin()
    assert all(store.nonces.seen(*row) for row in rows)
    # The table itself keeps it so, whoever writes to it.
    with pytest.raises(apsw.ConstraintError):
        store._connection.execute("INSERT INTO recent_nonces VALUES (?, ?)", rows[0])
    store.rollback()
    store.close()


def test_keys_of_an_older_schema_are_users(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "k.db"))
    migrate.migrate(connection, 1, migrate.known()[:6])
    connection.execute("INSERT INTO meta VALUES ('server_id', 'a'), ('revision', 0), ('horizon', 0)")
    connection.execute("INSERT INTO accounts (account, created) VALUES (?, 0)", (ACCOUNT,))
    for number, state in enumerate(["Enabled", "Disabled", "Enabled"]):
        connection.execute(
            "INSERT INTO keys (account, region, key_id, spec, usage, origin, protection, state, description, created, "
            "primary_version, rotated, instance) VALUES (?, ?, ?, 'Aliyun_AES_256', 'ENCRYPT/DECRYPT', 'Aliyun_KMS', "
            "'SOFTWARE', ?, '', 0, 'v', 0, '')",
            (ACCOUNT, REGION, f"key-{number}", state),
        )
        connection.execute(
            "INSERT INTO stretches VALUES (?, 0, ?, 1) "
            "ON CONFLICT (listing, stretch, facets) DO UPDATE SET amount = amount + 1",
            (f"keys {ACCOUNT} {REGION}", f"{state} Aliyun_AES_256 ENCRYPT/DECRYPT Aliyun_KMS SOFTWARE"),
        )
    connection.close()
    store = opened(tmp_path)
    store.begin()

    def listed(**facets: frozenset[str]) -> tuple[str, ...]:
        page = store.keys.page(ACCOUNT, REGION, KeyFilter(**facets), 0, 10)
        assert page.total == len(page.items)
        return page.items

    assert listed() == ("key-0", "key-1", "key-2")
    assert listed(states=frozenset({"Enabled"})) == ("key-0", "key-2")
    assert listed(creator_types=frozenset({"User"}), creators=frozenset({ACCOUNT})) == listed()
    assert listed(creator_types=frozenset({"Service"})) == ()
    first = store.keys.get(ACCOUNT, REGION, "key-0")
    assert first is not None
    assert first.service == ""
    store.keys.put(first.after(Event.DISABLE))
    store.keys.remove(first)
    assert listed() == ("key-1", "key-2")
    assert listed(states=frozenset({"Enabled"})) == ("key-2",)
    store.rollback()
    store.close()


@pytest.mark.parametrize(
    "count", [1, RECENT_NONCES - 1, RECENT_NONCES, RECENT_NONCES + 1, 2 * RECENT_NONCES + 3]
)
def test_a_nonce_is_known_wherever_it_lies(count: int, tmp_path: Path) -> None:
    store = opened(tmp_path)
    rows = [(10 + number % 3, number.to_bytes(16, "big")) for number in range(count)]
    for row in rows:
        store.begin()
        assert not store.nonces.seen(*row)
        store.nonces.add([row])
        store.commit()

    def lying(table: str) -> int:
        return len(store._connection.execute(f"SELECT 1 FROM {table}").fetchall())

    assert (lying("nonces"), lying("recent_nonces")) == (
        count - count % RECENT_NONCES, count % RECENT_NONCES,
    )  # fmt: skip
    for _ in range(2):
        store.begin()
        assert all(store.nonces.seen(*row) for row in rows)
        assert not store.nonces.seen(99, rows[0][1])
        store.rollback()
        store.close()
        store = opened(tmp_path)
    store.begin()
    store.nonces.purge(11)
    assert [store.nonces.seen(*row) for row in rows] == [row[0] == 12 for row in rows]
    assert store.nonces.horizon() == min(11, max(row[0] for row in rows))
    store.commit()
    store.close()


@given(
    some.lists(
        some.tuples(some.integers(0, 4), some.integers(0, 5), some.sampled_from("kkkkkkup")), max_size=40
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_few_or_many_known_by_heart_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[int, int, str]]
) -> None:
    monkeypatch.setattr(nonce_tables, "KNOWN_NONCES", 3)
    monkeypatch.setattr(nonce_tables, "RECENT_NONCES", 4)
    store = opened(Path(tempfile.mkdtemp(dir=tmp_path)))
    kept: set[tuple[int, bytes]] = set()
    for second, number, end in steps:
        nonce = (second, bytes([number]) * 16)
        store.begin()
        assert store.nonces.seen(*nonce) is (nonce in kept)
        if nonce not in kept:
            store.nonces.add([nonce])
        if end == "u":
            store.rollback()
            continue
        kept.add(nonce)
        if end == "p":
            store.nonces.purge(second)
            kept = {one for one in kept if one[0] > second}
        store.commit()
    store.close()


def test_nonces_of_a_batch_that_is_undone_are_forgotten_and_those_before_are_not(tmp_path: Path) -> None:
    store = opened(tmp_path)
    before = [(1, number.to_bytes(16, "big")) for number in range(RECENT_NONCES - 1)]
    store.begin()
    store.nonces.add(before)
    store.commit()
    store.begin()
    store.nonces.add([(2, b"x" * 16), (2, b"y" * 16)])  # these put all in their places
    store.rollback()
    store.begin()
    assert not store.nonces.seen(2, b"x" * 16)
    assert all(store.nonces.seen(*row) for row in before)
    store.nonces.add([(2, b"x" * 16)])
    store.commit()
    assert store._connection.execute("SELECT count(*) FROM nonces").fetchall() == [(RECENT_NONCES,)]
    store.close()


def test_another_writers_change_is_seen_in_the_next_batch(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.begin()
    assert store.keys.get(ACCOUNT, REGION, "key-1") is not None
    store.commit()
    raw = sqlite3.connect(tmp_path / "k.db")
    raw.execute("UPDATE keys SET description = 'other'")
    raw.commit()
    raw.close()
    store.begin()
    again = store.keys.get(ACCOUNT, REGION, "key-1")
    assert again is not None
    assert again.description == "other"
    store.close()


def test_a_reader_sees_one_moment_and_needs_a_database(tmp_path: Path) -> None:
    store = filled(tmp_path)
    reader = open_reader(tmp_path / "k.db")
    assert reader.list(Wanted()) == []
    assert list(reader.verify(Head())) == []
    reader.close()
    store.close()
    with pytest.raises(OperatorError, match="cannot read"):
        open_reader(tmp_path / "none.db")


def test_a_reader_sees_what_is_committed_while_a_batch_is_open(tmp_path: Path) -> None:
    store = filled(tmp_path)
    rows = [
        (msgspec.structs.replace(RECORD, chain=store.server_id, sequence=number), b"h") for number in (1, 2)
    ]
    store.begin()
    store.audit.append(rows[:1])
    store.commit()
    store.begin()
    store.audit.append(rows[1:])
    reader = open_reader(tmp_path / "k.db")
    assert [record.sequence for record in reader.all()] == [1]
    found = reader.all()
    assert next(found).sequence == 1
    store.commit()
    assert [record.sequence for record in found] == []
    assert [record.sequence for record in reader.all()] == [1, 2]
    reader.close()
    store.close()


def test_what_a_killed_server_left_in_the_log_is_read(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.begin()
    store.audit.append([(msgspec.structs.replace(RECORD, chain=store.server_id, sequence=1), b"h")])
    store.commit()
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("k.db", "k.db-wal"):
        (killed / name).write_bytes((tmp_path / name).read_bytes())
    store.close()
    reader = open_reader(killed / "k.db")
    assert [record.sequence for record in reader.all()] == [1]
    reader.close()
    again = opened(killed)
    again.begin()
    assert again.audit.head(store.server_id) == Head(1, b"h")
    again.close()


def test_access_keys_of_an_older_schema_are_kept(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "k.db"))
    migrate.migrate(connection, 1, tuple(takewhile(lambda one: one.name != "access_keys", migrate.known())))
    connection.execute("INSERT INTO meta VALUES ('server_id', 'chain'), ('revision', 0), ('horizon', 0)")
    connection.execute("INSERT INTO accounts (account, created) VALUES (?, 1)", (ACCOUNT,))
    connection.execute("INSERT INTO wrapping_keys VALUES (1, 'f', x'00', 1)")
    connection.execute(
        "INSERT INTO access_keys (access_key_id, account, status, created, generation, secret) "
        "VALUES ('old', ?, 'Inactive', 5, 1, x'73')",
        (ACCOUNT,),
    )
    connection.close()
    store = opened(tmp_path)
    store.begin()
    old = AccessKey(
        access_key_id="old",
        account=ACCOUNT,
        status=AccessKeyStatus.INACTIVE,
        created=5,
        secret=Wrapped(1, b"s"),
    )
    assert store.accounts.access_keys(ACCOUNT) == (old,)
    store.accounts.note_use({"old": 6})
    store.commit()
    store.close()
    again = opened(tmp_path)
    again.begin()
    assert again.accounts.access_key("old") == msgspec.structs.replace(old, last_used=6)
    again.close()


SIGN_IN_TABLES = (
    "tickets",
    "sessions",
    "known_addresses",
    "mfa_devices",
    "password_policies",
    "login_profiles",
)
LATEST_TABLES = ("service_secrets",)
NEW_TABLES = (
    *LATEST_TABLES,
    "guests",
    "attachments",
    "policy_versions",
    "policies",
    "members",
    "user_groups",
    "users",
)


def schema(connection: apsw.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
    return {name: " ".join(sql.split()) for name, sql in rows}


def without_identities(path: Path) -> None:
    """Make of a database of this version one of the version before."""
    without_seals(path.parent)
    connection = apsw.Connection(str(path))
    connection.pragma("foreign_keys", 0)
    with connection:
        for table in (*SIGN_IN_TABLES, *NEW_TABLES):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX access_keys_expire")
        connection.execute("DROP INDEX key_versions_of_account")
        for column in ("name", "status"):
            connection.execute(f"ALTER TABLE accounts DROP COLUMN {column}")
        for column in ("user_id", "expires"):
            connection.execute(f"ALTER TABLE access_keys DROP COLUMN {column}")
        connection.execute("DELETE FROM migrations WHERE number > 10")
    before = apsw.Connection(":memory:")
    migrate.migrate(before, 1, tuple(takewhile(lambda one: one.name != "identities", migrate.known())))
    assert schema(connection) == schema(before)
    before.close()
    connection.close()


def test_accounts_access_keys_and_keys_of_the_version_before_go_on(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")

    def signed(access_key: tuple[str, str], action: str, **parameters: str) -> tuple[int, dict[str, str]]:
        request = Service.request(service, action, parameters, access_key=access_key)
        response = service.send(request)
        return response.status, json.loads(response.body)

    def made(**parameters: str) -> tuple[str, str]:
        status, members = service.operate("CreateAccessKey", **parameters)
        assert status == 200
        return members["AccessKey"]["AccessKeyId"], members["AccessKey"]["AccessKeySecret"]

    second, inactive, deleted = made(Description="nginx"), made(), made()
    service.operate("UpdateAccessKey", AccessKeyId=inactive[0], Status="Inactive")
    service.operate("DeleteAccessKey", AccessKeyId=deleted[0])
    deny = {
        "Effect": "Deny",
        "Action": "kms:Decrypt",
        "Principal": {"RAM": f"acs:ram::{service.account}:root"},
        "Resource": "*",
    }
    policy = json.dumps({"Version": "1", "Statement": [deny]})
    key_id = service.key(Policy=policy)
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/a")
    status, sealed = signed(second, "Encrypt", KeyId="alias/a", Plaintext="x")
    assert status == 200
    _, listed = service.operate("ListAccessKeys")
    root, account = service.access_key, service.account
    service.store.close()
    without_identities(tmp_path / "data" / "keystead.db")

    service.start()
    assert (service.access_key, service.account) == (root, account)
    _, accounts = service.operate("ListAccounts")
    assert [
        (one["AccountId"], one["AccountName"], one["Status"]) for one in accounts["Accounts"]["Account"]
    ] == [(account, "", "Active")]
    # Whom the policy of a key names had no say until now: its account itself goes on.
    for access_key in (root, second):
        status, opened_ = signed(access_key, "Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
        assert (status, opened_["Plaintext"]) == (200, "x")
        assert signed(access_key, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")[0] == 200
        assert signed(access_key, "CancelKeyDeletion", KeyId=key_id)[0] == 200
    assert signed(inactive, "ListKeys")[1]["Code"] == "Forbidden.AccessKey"
    assert signed(deleted, "ListKeys")[1]["Code"] == "InvalidAccessKeyId.NotFound"
    _, now = service.operate("ListAccessKeys")
    assert [one["AccessKeyId"] for one in now["AccessKeys"]["AccessKey"]] == [
        one["AccessKeyId"] for one in listed["AccessKeys"]["AccessKey"]
    ]
    assert service.ok("GetKeyPolicy", KeyId=key_id)["Policy"] == policy
    status, _ = signed(root, "CreateUser", Version="2015-05-01", UserName="alice")
    assert status == 200
    service.store.close()


def test_users_of_the_version_before_go_on_and_may_be_given_passwords(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")
    assert service.ok("CreateUser", Version="2015-05-01", UserName="alice")
    service.store.close()
    without_seals(tmp_path / "data")
    connection = apsw.Connection(str(tmp_path / "data" / "keystead.db"))
    with connection:
        for table in (*LATEST_TABLES, "guests", *SIGN_IN_TABLES):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX key_versions_of_account")
        connection.execute("DELETE FROM migrations WHERE number > 11")
    before = apsw.Connection(":memory:")
    migrate.migrate(before, 1, tuple(takewhile(lambda one: one.name != "sign_in", migrate.known())))
    assert schema(connection) == schema(before)
    before.close()
    connection.close()
    service.start()
    password = "Correct-horse-1"
    service.ok("CreateLoginProfile", Version="2015-05-01", UserName="alice", Password=password)
    service.store.close()
    service.start()
    status, members = service.console("CreateSession", UserName="alice", Password=password)
    assert status == 200
    service.store.close()
    service.start()  # a restart ends no session
    assert service.console("GetSession", members["SessionToken"])[1]["UserName"] == "alice"
    service.store.close()


def test_whom_policies_of_the_version_before_name_is_known(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")
    stranger = "acs:ram::1000000000000002:root"

    def shared(*principals: str) -> str:
        statement = {"Effect": "Allow", "Action": "*", "Principal": {"RAM": principals}, "Resource": "*"}
        return json.dumps({"Version": "1", "Statement": [statement]})

    documents = [
        "",
        shared(f"acs:ram::{service.account}:*"),
        shared(stranger, "acs:ram::1000000000000003:user/a", "acs:ram::1000000000000003:user/b"),
        shared(stranger).replace("acs:", "\\u0061cs:"),  # as some other programs write letters
        shared("acs:ram::100*:root", stranger),
    ]
    made = [service.key(**({"Policy": one} if one else {})) for one in documents]
    guests = "SELECT * FROM guests ORDER BY key_id, guest"
    before = service.store._database.rows(guests)  # type: ignore[attr-defined]
    assert len(before) == 2 + 1 + 2
    service.store.close()
    without_identities(tmp_path / "data" / "keystead.db")
    # What was taken then, and would be no longer.
    raw = apsw.Connection(str(tmp_path / "data" / "keystead.db"))
    raw.execute("UPDATE keys SET policy = 'no JSON' WHERE key_id = ?", (made[0],))
    raw.close()
    service.start()
    assert service.store._database.rows(guests) == before  # type: ignore[attr-defined]
    service.ok("SetKeyPolicy", KeyId=made[0], Policy=documents[1])
    service.store.close()


def of_migration_19(data: Path) -> apsw.Connection:
    """The database of a data directory, made one of the version that knew so many."""
    connection = apsw.Connection(str(data / "keystead.db"))
    with connection:
        with_versions_by_their_ids(connection)
        connection.execute("DELETE FROM migrations WHERE number > 19")
        connection.pragma("user_version", 19)
    with closing(apsw.Connection(":memory:")) as before:
        migrate.migrate(before, 1, tuple(one for one in migrate.known() if one.number < 20))
        assert schema(connection) == schema(before)
    return connection


@pytest.mark.parametrize(
    ("altered", "named"),
    [
        ("DELETE FROM keys WHERE key_id = ?", "keys .* the row was removed"),
        ("UPDATE key_versions SET account = '1' WHERE key_id = ?", "key_versions 1 .* the row was altered"),
        ("UPDATE key_versions SET generation = 77 WHERE key_id = ?", "key_versions .* the row was altered"),
    ],
)
def test_versions_that_lost_what_they_refer_to_are_named_and_stop_no_start(
    tmp_path: Path, altered: str, named: str
) -> None:
    service = OnDisk(tmp_path / "data")
    lost, kept = service.key(), service.key()
    blob = service.ok("Encrypt", KeyId=kept, Plaintext="x")["CiphertextBlob"]
    service.store.close()
    with closing(of_migration_19(tmp_path / "data")) as connection:
        connection.execute(altered, (lost,))
        assert connection.changes() == 1
    service.start()
    assert isinstance(service.store, SqliteStore)
    assert any(re.search(named, one.text) for one in service.store.blocked.found.values())
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"
    service.store.close()


def test_what_keeps_a_migration_from_being_applied_is_told(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")
    service.key()
    service.store.close()
    with closing(of_migration_19(tmp_path / "data")) as connection:
        connection.execute("CREATE VIEW mine AS SELECT x FROM nowhere")
        before = schema(connection)
    with pytest.raises(OperatorError) as caught:
        service.start()
    assert "can't be brought up to date (migration 20): error in view mine" in caught.value.message
    assert "another program has changed the database" in caught.value.hint
    with closing(apsw.Connection(str(tmp_path / "data" / "keystead.db"))) as connection:
        assert (schema(connection), connection.pragma("user_version")) == (before, 19)
        connection.execute("DROP VIEW mine")
    service.start()
    service.store.close()


def test_a_disk_that_fills_up_during_a_migration_is_told_as_that(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")
    for _ in range(50):
        service.key()
    service.store.close()
    with closing(of_migration_19(tmp_path / "data")) as connection:
        connection.execute("VACUUM")
        connection.pragma("max_page_count", connection.pragma("page_count"))
        with pytest.raises(apsw.FullError):
            migrate.migrate(connection, 1)
        assert connection.pragma("user_version") == 19
        connection.pragma("max_page_count", 100_000)
        migrate.migrate(connection, 1)


def test_versions_of_the_version_before_lie_with_their_keys(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")
    blobs = {}
    service.key(Origin="EXTERNAL")  # without material it has no version
    for key_id in (service.key(), service.key()):
        for number in (1, 2):
            blobs[key_id, number] = service.ok("Encrypt", KeyId=key_id, Plaintext=f"{number}")[
                "CiphertextBlob"
            ]
            service.ok("CreateKeyVersion", KeyId=key_id)
    versions = {key_id: service.ok("ListKeyVersions", KeyId=key_id) for key_id, _ in blobs}
    assert all(one["TotalCount"] == 3 for one in versions.values())
    service.store.close()
    with closing(of_migration_19(tmp_path / "data")):
        pass
    service.start()
    assert isinstance(service.store, SqliteStore)
    assert not service.store.examine().found
    for (key_id, number), blob in blobs.items():
        assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == f"{number}"
        listed = service.ok("ListKeyVersions", KeyId=key_id)
        assert listed | {"RequestId": ""} == versions[key_id] | {"RequestId": ""}
    service.ok("CreateKeyVersion", KeyId=next(iter(versions)))
    service.store.close()


def test_a_version_is_found_by_the_index_of_its_account(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")
    assert isinstance(service.store, SqliteStore)
    connection = service.store._connection
    asked: list[str] = []

    def trace(_: object, sql: str, __: object) -> bool:
        asked.append(sql)
        return True

    connection.exec_trace = trace
    service.store.keys.version(service.account, "none")
    connection.exec_trace = None
    (sql,) = asked
    (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {sql}", (service.account, "none")).fetchall()
    assert "versions_of_account (account=? AND version_id=?)" in str(plan[3])
    service.store.close()
