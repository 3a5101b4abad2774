"""What only a store that several servers share must do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, LiteralString

import msgspec
import psycopg
import pytest
from psycopg import sql

from keystead.clock import FixedClock, SystemClock
from keystead.crypto.row_seals import RowSeals
from keystead.domain.audit import Head, link
from keystead.domain.keys.lifecycle import KeyState
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError
from keystead.store.ports import StoreFailure, Superseded
from keystead.store.postgresql import schema
from keystead.store.postgresql.session import Place, Session, open_connection
from keystead.store.postgresql.store import PostgresStore
from tests.cut import Cut
from tests.postgres import Cluster
from tests.store.test_contract import ACCOUNT, REGION, found, key
from tests.unit.domain.test_audit import RECORD

DIGEST = b"d" * 16
PLACE = (ACCOUNT, REGION, "key-1")


def sealer() -> RowSeals:
    return RowSeals(bytes(32), SeededEntropy())


def opened(url: str, server: str) -> PostgresStore:
    return PostgresStore.open(Place(url, "here"), server, f"{server}'s host", SystemClock())


@contextmanager
def joined(url: str, server: str) -> Iterator[PostgresStore]:
    """A server on a database that `world` has made."""
    store = opened(url, server)
    try:
        store.begin()
        store.protect(sealer())
        store.commit()
        yield store
    finally:
        store.close()


@pytest.fixture
def world(emptied_url: str) -> str:
    """The URL of a database with an account and a key."""
    store = opened(emptied_url, "first")
    store.begin(alone=True)
    store.seal_all(sealer())
    found(store)
    made, version = key(1)
    store.keys.add(made, version, {})
    store.commit()
    store.close()
    return emptied_url


@pytest.fixture
def two(world: str) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    with joined(world, "a") as a, joined(world, "b") as b:
        yield a, b


def disable(store: PostgresStore) -> None:
    here = store.keys.get(*PLACE)
    assert here is not None
    store.keys.put(msgspec.structs.replace(here, state=KeyState.DISABLED))


def state(store: PostgresStore) -> str:
    here = store.keys.get(*PLACE)
    assert here is not None
    return str(here.state)


def append(store: PostgresStore, **changes: Any) -> Head:
    """A record more on the own chain."""
    head = store.audit.head(store.server_id)
    record = msgspec.structs.replace(RECORD, chain=store.server_id, sequence=head.count + 1, **changes)
    store.audit.append([(record, link(head.hash, record))])
    return store.audit.head(store.server_id)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, errors


# --- the fence


def test_a_use_of_what_was_changed_elsewhere_is_never_committed(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    a, b = two
    b.begin()
    assert state(b) == "Enabled"  # from here on it is known by heart
    a.begin()
    disable(a)
    a.commit()
    append(b)
    with pytest.raises(Superseded):
        b.commit()
    b.rollback()
    b.begin()
    assert state(b) == "Disabled"
    assert append(b).count == 1
    b.commit()
    assert (a.revision, b.revision) == (a.revision, a.revision)


def test_a_change_of_what_was_changed_elsewhere_is_found_before_it_is_written(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    a, b = two
    b.begin()
    assert state(b) == "Enabled"
    a.begin()
    disable(a)
    a.commit()
    reloads = b.reloads
    with pytest.raises(Superseded), b.savepoint():
        with b.savepoint():
            b.keys.put(msgspec.structs.replace(key(1)[0], description="another"))
    b.rollback()
    b.begin(alone=True)
    assert (state(b), b.reloads > reloads) == ("Disabled", True)
    b.commit()


def test_what_only_uses_goes_on_beside_others_of_its_kind(two: tuple[PostgresStore, PostgresStore]) -> None:
    a, b = two
    for number in range(3):
        for store in (a, b):
            store.begin()
            append(store)
        a.nonces.add([(100 + number, DIGEST)])
        a.commit()
        b.commit()
    assert (a.audit.head(a.server_id).count, b.audit.head(b.server_id).count) == (3, 3)
    a.begin()
    assert a.audit.head(b.server_id) == b.audit.head(b.server_id)
    assert a.audit.has(b.server_id, b.audit.head(b.server_id))
    a.rollback()


def test_nobody_else_s_batch_ends_while_one_is_alone(two: tuple[PostgresStore, PostgresStore]) -> None:
    a, b = two
    b.begin()
    assert state(b) == "Enabled"
    append(b)
    a.begin()
    disable(a)  # from here on it is alone
    thread, errors = in_thread(b.commit)
    thread.join(0.3)
    assert thread.is_alive()
    a.commit()
    thread.join(20)
    assert [type(error) for error in errors] == [Superseded]


def test_a_server_that_stops_in_the_middle_of_a_change_holds_up_the_others_for_seconds_only(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    a, b = two
    a.begin()
    disable(a)  # and then it hangs
    append(a)

    def goes_on() -> bool:
        b.begin()
        append(b)
        try:
            b.commit()
        except StoreFailure:  # it has waited for its lock long enough
            b.rollback()
            return False
        return True

    assert goes_on() or goes_on()
    with pytest.raises(Superseded):  # nothing of it was done, and it may be run anew
        a.commit()
    a.rollback()
    a.begin()
    assert state(a) == "Enabled"
    append(a)
    a.commit()


def test_a_batch_that_was_alone_and_changed_nothing_counts_nothing(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    a, b = two
    a.begin(alone=True)
    before = a.revision
    with a.savepoint() as undo:
        disable(a)
        a.nonces.add([(5, DIGEST)])
        assert a.revision == before + 1
        undo()
    assert state(a) == "Enabled"
    a.commit()
    b.begin()
    assert (a.revision, b.revision) == (before, before)
    b.nonces.add([(5, DIGEST)])
    b.commit()


def test_savepoints_that_were_there_before_the_first_write_are_undone(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    a, _ = two
    a.begin()
    with a.savepoint() as undo, a.savepoint():
        disable(a)
        undo()
    assert state(a) == "Enabled"
    with a.savepoint():
        disable(a)
    a.commit()
    a.begin()
    assert state(a) == "Disabled"
    a.rollback()


def test_a_batch_that_commits_nothing_does_not_see_old_things_long(
    two: tuple[PostgresStore, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = two
    b.begin()
    assert state(b) == "Enabled"
    b.commit()
    a.begin()
    disable(a)
    a.commit()
    b.begin()
    seen = state(b)  # by now it may be either
    b.commit()
    assert seen in ("Enabled", "Disabled")
    monkeypatch.setattr(b._clock, "monotonic", lambda: 1e9)
    b.begin()
    assert state(b) == "Disabled"
    b.commit()


# --- nonces


def test_a_request_that_one_accepted_is_accepted_by_no_other(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    a, b = two
    a.begin()
    a.nonces.add([(100, DIGEST)])
    a.commit()
    b.begin()
    assert not b.nonces.seen(100, DIGEST)
    b.nonces.add([(100, DIGEST), (100, b"e" * 16)])
    append(b)
    with pytest.raises(Superseded):
        b.commit()
    b.rollback()
    b.begin()
    assert b.nonces.seen(100, DIGEST)
    assert not b.nonces.seen(100, b"e" * 16)
    b.nonces.add([(100, b"e" * 16)])
    append(b)
    b.commit()
    assert b.audit.head(b.server_id).count == 1


def test_the_same_request_at_both_at_once(two: tuple[PostgresStore, PostgresStore]) -> None:
    """Many rounds of the same nonces at both: of each, one is accepted."""
    accepted: dict[str, list[tuple[int, bytes]]] = {"a": [], "b": []}

    def serve(name: str, store: PostgresStore) -> None:
        for number in range(40):
            due = [(number, bytes([place]) * 16) for place in range(8)]
            while True:
                store.begin()
                new = [one for one in due if not store.nonces.seen(*one)]
                store.nonces.add(new)
                append(store)
                try:
                    store.commit()
                except Superseded:
                    store.rollback()
                    continue
                accepted[name] += new
                break

    threads = [in_thread(partial(serve, name, store)) for name, store in zip("ab", two, strict=True)]
    for thread, errors in threads:
        thread.join(60)
        assert not thread.is_alive()
        assert errors == []
    assert len(accepted["a"]) + len(accepted["b"]) == 40 * 8
    assert set(accepted["a"]).isdisjoint(accepted["b"])


def test_only_the_latest_nonces_are_known_by_heart(
    two: tuple[PostgresStore, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keystead.store.postgresql.nonces.KNOWN", 2)
    a, _ = two
    for number in range(4):
        a.begin()
        a.nonces.add([(number, DIGEST)])
        a.commit()
    assert [a.nonces.seen(number, DIGEST) for number in range(4)] == [False, False, True, True]
    a.begin()
    a.nonces.add([(0, DIGEST)])
    with pytest.raises(Superseded):
        a.commit()
    a.rollback()


# --- texts and records


@pytest.mark.parametrize("text", ["\0", "a\0b\ufdd0", "\ufdd00", '密\n\t\\"'])
def test_texts_that_postgresql_has_not(two: tuple[PostgresStore, PostgresStore], text: str) -> None:
    a, b = two
    a.begin()
    made, version = key(2, description=text)
    a.keys.add(made, version, {text: text})
    head = append(a, user_agent=text)
    a.commit()
    b.begin()
    assert b.keys.get(*made.place) == made
    assert b.keys.tags(*made.place) == {text: text}
    assert b.audit.head(a.server_id) == head
    rows = b._database.rows("SELECT user_agent FROM audit WHERE chain = ?", (a.server_id,))
    assert rows == [(text,)]
    b.rollback()


def test_nobody_else_appends_to_a_chain(two: tuple[PostgresStore, PostgresStore], world: str) -> None:
    a, _ = two
    a.begin()
    append(a)
    a.commit()
    with open_connection(Place(world, "here")) as connection:
        connection.execute("UPDATE audit SET sequence = 2 WHERE chain = %s", (a.server_id,))
    a.begin()
    append(a)
    with pytest.raises(StoreFailure, match="another process appends"):
        a.commit()
    a.rollback()
    with pytest.raises(StoreFailure, match="another process appends"):
        a.begin()
    assert a.problems() == ["another process appends to the audit chain of this server"]


# --- connections


def lose_connection(world: str) -> None:
    """As when the database is restarted."""
    with open_connection(Place(world, "here")) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
        )


def test_a_connection_that_was_lost_between_batches_is_made_again(
    two: tuple[PostgresStore, PostgresStore], world: str
) -> None:
    a, b = two
    a.begin()
    append(a)
    a.commit()
    lose_connection(world)
    b.begin()
    with suppress(StoreFailure):  # whether it is noticed by now is the network's
        disable(b)
    b.rollback()
    b.begin()
    disable(b)
    b.commit()
    a.begin()
    append(a)
    with pytest.raises(StoreFailure):
        a.commit()
    a.rollback()
    a.begin()
    assert state(a) == "Disabled"
    assert append(a).count == 2
    a.commit()


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("which", ["answer", "commit"])
def test_what_became_of_a_commit_whose_answer_was_lost_is_found_out(
    world: str, postgres: Cluster, which: str, alone: bool
) -> None:
    name = world.rpartition("/")[2]
    with Cut(postgres.port) as cut, joined(postgres.url(name, port=cut.port), "a") as a:
        a.begin()
        append(a)
        a.commit()
        a.begin()
        if alone:
            disable(a)
        a.nonces.add([(100, DIGEST)])
        head = append(a)
        (cut.lose_answer if which == "answer" else cut.lose_commit)()
        if which == "answer":
            a.commit()
        else:
            with pytest.raises(StoreFailure, match="not carried out"):
                a.commit()
            a.rollback()
        assert cut.losses == 1
        done = which == "answer"
        a.begin()
        assert (a.audit.head(a.server_id) == head, a.nonces.seen(100, DIGEST)) == (done, done)
        assert state(a) == ("Disabled" if done and alone else "Enabled")
        append(a)
        a.commit()
        assert a.audit.head(a.server_id).count == (3 if done else 2)


def test_what_became_of_a_commit_is_not_guessed(
    world: str, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keystead.store.postgresql.store._FOUND_OUT_WITHIN", 0.1)
    name = world.rpartition("/")[2]
    with Cut(postgres.port) as cut, joined(postgres.url(name, port=cut.port), "a") as a:
        a.begin()
        head = append(a)
        lost = a._session.connect

        def gone() -> psycopg.Connection[Any]:
            raise StoreFailure("nobody is there")

        cut.lose_answer()
        monkeypatch.setattr(a._session, "connect", gone)
        with pytest.raises(StoreFailure, match="what became of COMMIT is not known"):
            a.commit()
        a.rollback()
        monkeypatch.setattr(a._session, "connect", lost)
        a.begin()
        assert a.audit.head(a.server_id) == head  # it was committed after all
        assert append(a).count == 2
        a.commit()


def test_a_database_that_is_away_is_not_asked_again_at_once(
    world: str, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keystead.store.postgresql.store._FOUND_OUT_WITHIN", 0.0)
    name = world.rpartition("/")[2]
    with Cut(postgres.port) as cut:
        with joined(postgres.url(name, port=cut.port), "a") as a:
            cut.cut()
            a.begin()
            append(a)
            with pytest.raises(StoreFailure):
                a.commit()
            a.rollback()
            a._session._failed -= 10
            with pytest.raises(StoreFailure, match="connection failed"):
                a.begin()
            with pytest.raises(StoreFailure, match="no connection to here"):
                a.begin()
            a.rollback()
            cut.heal()
            a._session._failed -= 10
            a.begin()
            append(a)
            a.commit()


def test_a_commit_that_no_standby_has_confirmed_is_not_promised(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    a, _ = two
    a.begin()
    append(a)
    connection = a._session.connection
    assert connection is not None
    # As PostgreSQL says it when whoever waits for a standby is interrupted.
    connection.execute(
        "DO $$ BEGIN RAISE WARNING 'canceling the wait for synchronous replication' USING ERRCODE = '01000'; END $$"
    )
    with pytest.raises(StoreFailure, match="primary alone"):
        a.commit()
    a.rollback()
    a.begin()
    assert append(a).count == 2  # it is there, and the chain goes on behind it
    a.commit()


@pytest.mark.parametrize(
    "undone", ["DELETE FROM audit", "UPDATE fence SET revision = revision - 1", "DELETE FROM fence"]
)
def test_a_database_that_went_back_in_time_is_not_used(
    two: tuple[PostgresStore, PostgresStore], world: str, undone: LiteralString
) -> None:
    a, _ = two
    a.begin()
    append(a)
    a.commit()
    with open_connection(Place(world, "here")) as connection:
        connection.execute(sql.SQL(undone))
    lose_connection(world)
    a.begin()
    append(a)
    with pytest.raises(StoreFailure):
        a.commit()
    a.rollback()
    with pytest.raises(StoreFailure, match="has gone back in time"):
        a.begin()
    a.rollback()
    assert "has gone back in time" in a.problems()[0]


def test_a_database_that_goes_back_under_a_connection_is_not_used_either(
    two: tuple[PostgresStore, PostgresStore], world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = two
    a.begin()
    disable(a)
    a.commit()
    with open_connection(Place(world, "here")) as connection:
        connection.execute("UPDATE fence SET revision = revision - 1")
    monkeypatch.setattr(a._clock, "monotonic", lambda: 1e9)
    with pytest.raises(StoreFailure, match="has gone back in time"):
        a.begin()


# --- servers


def test_a_server_runs_once(two: tuple[PostgresStore, PostgresStore], world: str) -> None:
    a, _ = two
    with pytest.raises(OperatorError, match="55P03") as told:
        opened(world, "a")
    assert "no other process" in told.value.hint
    a.begin()
    append(a)
    a.commit()
    a.close()
    with joined(world, "a") as again:
        assert (a.server_id, again.server_id) == ("a.1", "a.2")
        again.begin()
        assert again.audit.head(again.server_id) == Head()
        assert again.audit.head("a.1").count == 1
        again.rollback()
    rows = two[1]._database.rows("SELECT server, epoch, name, stopped IS NULL FROM servers ORDER BY server")
    assert rows == [
        ("a", 2, "a's host", False),
        ("b", 1, "b's host", True),
        ("first", 1, "first's host", False),
    ]


@pytest.mark.parametrize("alone", [False, True])
def test_a_retired_server_commits_no_more(
    two: tuple[PostgresStore, PostgresStore], world: str, alone: bool
) -> None:
    a, b = two
    a.begin()
    append(a)
    with open_connection(Place(world, "here")) as connection:
        connection.execute("UPDATE servers SET retired = 1 WHERE server = 'a'")
    with pytest.raises(StoreFailure, match="was retired"):
        if alone:
            disable(a)
        a.commit()
    a.rollback()
    with pytest.raises(StoreFailure, match="was retired"):
        a.begin()
    a.close()
    with pytest.raises(OperatorError, match="was retired"):
        opened(world, "a")
    b.begin()
    append(b)
    b.commit()


def test_clocks_apart_are_told(world: str) -> None:
    store = PostgresStore.open(Place(world, "here"), "late", "host", FixedClock())
    assert store.problems() == [
        f"the clocks of this machine and of the database are {abs(store._session.skew):.1f} s apart"
    ]
    store.close()
    with joined(world, "a") as a:
        assert a.problems() == []


def test_what_does_not_keep_the_promises_is_warned_of(two: tuple[PostgresStore, PostgresStore]) -> None:
    a, _ = two
    words = " ".join(a.shared.warnings)
    assert "fsync is off" in words
    assert "full_page_writes" not in words
    assert "synchronous_standby_names is empty" in words
    assert "synchronous_commit" not in words


# --- what can't be a store


def test_a_database_of_another_encoding(postgres: Cluster) -> None:
    with (
        postgres.database(encoding="LATIN1") as latin,
        pytest.raises(OperatorError, match="has the encoding LATIN1") as told,
    ):
        opened(latin, "a")
    assert "UTF8" in told.value.hint


def test_a_database_that_is_another_program_s(postgres: Cluster, database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    postgres.run("CREATE TABLE public.theirs ()", name)
    with pytest.raises(OperatorError, match="another program's: it has the table theirs"):
        opened(database_url, "a")
    postgres.run("CREATE TABLE public.migrations (version text)", name)
    with pytest.raises(OperatorError, match="its table migrations is none of ours"):
        opened(database_url, "a")


def test_a_database_of_another_version(database_url: str) -> None:
    opened(database_url, "a").close()
    with open_connection(Place(database_url, "here")) as connection:
        connection.execute("INSERT INTO migrations VALUES (999, 'later', 'x', 1)")
        with pytest.raises(OperatorError, match="written by a newer keystead"):
            opened(database_url, "a")
        connection.execute("DELETE FROM migrations WHERE number = 999")
        connection.execute("UPDATE migrations SET checksum = 'x' WHERE number = 1")
        with pytest.raises(OperatorError, match="step 1 of the schema of here is not the one"):
            opened(database_url, "a")


def test_a_step_that_fails_leaves_nothing(database_url: str) -> None:
    steps = schema.known()
    broken = (*steps, steps[0]._replace(number=len(steps) + 1, sql="CREATE TABLE more (); SELECT 1 / 0"))
    with open_connection(Place(database_url, "here")) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            schema.migrate(connection, "here", 1, broken)
        assert connection.execute("SELECT to_regclass('more')").fetchall() == [(None,)]
        schema.migrate(connection, "here", 1)
        schema.migrate(connection, "here", 2)
        assert connection.execute("SELECT DISTINCT applied FROM migrations").fetchall() == [(1,)]


def test_a_user_with_too_few_rights(postgres: Cluster, database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    postgres.run(sql.SQL("ALTER DATABASE {} OWNER TO postgres").format(sql.Identifier(name)))
    with pytest.raises(OperatorError, match="may not make its tables") as told:
        opened(database_url, "a")
    assert "OWNER" in told.value.hint


def test_a_pooler_in_between(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda info: 0))
    with pytest.raises(OperatorError, match="PgBouncer"):
        opened(world, "a")


def test_a_postgresql_that_is_too_old(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", property(lambda info: 130011))
    with pytest.raises(OperatorError, match="PostgreSQL 13, which is too old"):
        opened(world, "a")


def test_a_database_that_can_only_be_read(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keystead.store.postgresql.session._CONNECTING", {})
    with pytest.raises(OperatorError, match="can only be read"):
        opened(f"{world}?options=-c%20default_transaction_read_only%3Don", "a")


def test_a_database_that_is_not_there(postgres: Cluster) -> None:
    with pytest.raises(OperatorError, match="cannot open the database here") as told:
        opened(postgres.url("nowhere"), "a")
    assert "psql" in told.value.hint


def test_a_place_shows_nothing_secret() -> None:
    place = Place("postgresql://me:secret@host/db", "host/db")
    assert repr(place) == "Place('host/db')"
    assert "secret" not in f"{place!r} {place.shown}"


def test_a_session_without_a_connection_says_so(world: str) -> None:
    session = Session(Place(world, "here"), "a", SystemClock())
    with pytest.raises(StoreFailure, match="no connection"):
        store = PostgresStore(session, Place(world, "here"), "a", 1, SystemClock())
        store._database.rows("SELECT 1")


def test_a_database_that_says_nothing_is_not_waited_for_for_ever(
    world: str, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keystead.store.postgresql.watch.LONGEST", 0.5)
    monkeypatch.setattr("keystead.store.postgresql.store._FOUND_OUT_WITHIN", 0.0)
    name = world.rpartition("/")[2]
    with Cut(postgres.port) as cut, joined(postgres.url(name, port=cut.port), "a") as a:
        for step in ("commit", "read"):
            a.begin()
            append(a)
            cut.stall()
            with pytest.raises(StoreFailure):
                a.commit() if step == "commit" else state(a)
            a.rollback()
            cut.heal()
            a._session._failed -= 10
        a.begin()
        append(a)
        a.commit()
