"""A store moved there and back: all of it or nothing, and never to be used in both places."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from psycopg import sql

from keystead.clock import SystemClock
from keystead.crypto import root_key
from keystead.domain.audit import Record
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.store_place import place_of
from keystead.server.move import moving
from keystead.store.postgresql.place import Place
from keystead.store.postgresql.session import FENCE, LOCKS
from keystead.store.reader import open_reader
from keystead.store.transfer import carrying, order
from keystead.store.transfer.postgresql_ends import PostgresTarget
from tests.moving import World
from tests.postgres import Cluster
from tests.unsealed import without_seals


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world") / "data")


@pytest.fixture
def data(world: World, tmp_path: Path) -> Path:
    return world.copied(tmp_path / "data")


def place(url: str) -> Place:
    found = place_of(url, "", {})
    assert found is not None
    return found.place


def records(where: Path | Place) -> list[Record]:
    with closing(open_reader(where)) as reader:
        assert not any(one.bad for one in reader.verify())
        return list(reader.all())


def opens(directory: Path, url: str, world: World) -> str:
    """Why a server does not start there; "" if it does."""
    one = DataDirectory(directory)
    one.lock()
    try:
        opened = open_store(one, world.service.clock, world.service.entropy, shared=place_of(url, "", {}))
    except OperatorError as problem:
        return f"{problem.message}; {problem.hint}"
    finally:
        one.unlock()
    opened.store.close()
    return ""


def refused(world: World, source: Path | str, target: Path | str, **options: Any) -> str:
    with pytest.raises(OperatorError) as caught:
        world.move(source, target, **options)
    assert caught.value.hint
    return f"{caught.value.message}; {caught.value.hint}"


def test_there_and_back_and_there_again(
    world: World, data: Path, tmp_path: Path, postgres: Cluster, database_url: str
) -> None:
    moved = world.move(data, database_url)
    assert (moved.amounts["keys"], moved.amounts["users"], moved.altered) == (4, 1, ())
    assert not (data / "keystead.db").exists()
    world.use(data, database_url)
    made = _of(records(place(database_url)), moved.chain)
    told = json.loads(made.parameters)
    assert (made.chain, made.sequence, made.kind, made.principal) == (
        moved.chain, 1, "ServiceEvent", "keystead"
    )  # fmt: skip
    assert (told["From"], told["To"]) == (str(data), place(database_url).shown)
    assert told["Rows"]["keys"] == 4
    back = world.move(database_url, data)
    assert back.amounts["keys"] == 5
    world.use(data)
    there = records(data / "keystead.db")
    heads = json.loads(_of(there, back.chain).parameters)["Heads"]
    assert {*told["Heads"], moved.chain} < heads.keys()
    assert len({(one.chain, one.sequence) for one in there}) == len(there)
    assert _of(there, back.chain).revision > made.revision
    with postgres.database() as again:
        world.move(data, again)
        world.use(data, again)
        assert sum(one.action == "MoveStore" for one in records(place(again))) == 3


def _of(found: list[Record], chain: str) -> Record:
    return next(one for one in found if one.chain == chain)


def test_from_database_to_database(world: World, data: Path, postgres: Cluster, database_url: str) -> None:
    world.move(data, database_url)
    world.use(data, database_url)
    with postgres.database() as other:
        world.move(database_url, other, root_key=f"file:{data / 'root.key'}")
        assert "was moved to" in opens(data, database_url, world)
        world.use(data, other)


def test_what_was_moved_is_not_used_and_says_where_it_is(world: World, data: Path, database_url: str) -> None:
    world.move(data, database_url)
    for told in (
        opens(data, "", world),
        refused(world, data, database_url),
        refused(world, data, f"{database_url}?connect_timeout=3"),
    ):
        assert f"was moved to {database_url}" in told
        assert f'set store = "{database_url}"' in told
    world.move(database_url, data)
    told = opens(another(data), database_url, world)
    assert f"was moved to {data}" in told
    assert f"keystead serve --data {data}" in told
    assert f"was moved to {data}" in refused(world, database_url, data.with_name("third"))


def another(data: Path) -> Path:
    """One more directory for a server, with the root key."""
    made = data.with_name("another")
    made.mkdir(mode=0o700)
    shutil.copy(data / "root.key", made)
    return made


def test_a_copy_for_a_trial_is_another_server(
    world: World, data: Path, tmp_path: Path, postgres: Cluster, database_url: str
) -> None:
    world.move(data, database_url, trial=True)
    world.use(data)
    made = next(one for one in records(place(database_url)) if one.action == "CopyStore")
    assert json.loads(made.parameters)["SessionsEnded"] == "1"
    other = another(data)
    world.use(other, database_url, anew=True)
    assert "is of a server that shares a database" in refused(world, database_url, other, trial=True)
    tried = tmp_path / "tried"
    world.move(database_url, tried, trial=True, root_key=f"file:{data / 'root.key'}")
    assert opens(other, database_url, world) == ""
    world.use(tried, anew=True)


# --- cut off


class Cut(Exception):
    """Stands for whatever ends a copy."""


def cut_at(number: int) -> Callable[[str, int, int], None]:
    """What ends a copy when it tells for the time of this number how far it is."""
    told = iter(range(number))

    def tell(what: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        if next(told, None) is None:
            raise Cut

    return tell


@pytest.mark.parametrize("way", ["there", "back"])
def test_whatever_cuts_it_off_it_goes_on_from_there(
    way: str, world: World, data: Path, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "AT_ONCE", 3)
    source, target = str(data), database_url
    if way == "back":
        world.move(source, target)
        source, target = database_url, str(data)
    other = another(data)
    cuts, step, moved = 0, 0, None
    while moved is None:
        step += 3
        try:
            moved = world.move(source, target, tell=cut_at(step))
        except Cut:
            cuts += 1
        else:
            break
        if way == "there":
            assert (data / "keystead.db").exists()
            assert "run the same keystead store copy again" in opens(other, target, world)
        else:
            assert "run the same keystead store copy again" in opens(data, "", world)
            assert opens(other, source, world) == ""
    assert cuts > 5
    assert moved.amounts["keys"] == 4
    world.use(data, target if way == "there" else "")


def test_a_copy_that_lacks_but_its_name_gets_it(world: World, data: Path, database_url: str) -> None:
    world.move(data, database_url)
    moved = world.move(database_url, data)
    (data / "keystead.db").rename(data / "copying.db")
    assert "did not come to its end" in opens(data, "", world)
    again = world.move(database_url, data)
    assert (again.chain, again.amounts) == (moved.chain, moved.amounts)
    world.use(data)


def test_the_last_step_of_a_move_is_done_by_the_same_call(
    world: World, data: Path, database_url: str
) -> None:
    world.move(data, database_url)
    held = "UPDATE fence SET held = (SELECT held FROM kept)"
    with psycopg.connect(database_url, autocommit=True) as connection:
        note = json.loads((data / "moved.json").read_text())
        kept = json.dumps({"state": "copying", "move": note["move"], "other": "", "settled": True})
        connection.execute("CREATE TABLE kept (held text)")
        connection.execute("INSERT INTO kept VALUES (%s)", (kept,))
        connection.execute(held)
        connection.execute("DROP TABLE kept")
    assert "not whole yet" in opens(another(data), database_url, world)
    world.move(data, database_url)
    world.use(data, database_url)


def test_a_connection_that_is_lost_is_told_and_it_goes_on(
    world: World, data: Path, postgres: Cluster, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "AT_ONCE", 3)
    name = database_url.rpartition("/")[2]

    def tell(what: str, done: int, total: int) -> None:
        if done > total // 2:
            postgres.run(
                sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(
                    sql.Literal(name)
                )
            )

    assert "run the same command again" in refused(world, data, database_url, tell=tell)
    world.move(data, database_url)
    assert "run the same command again" in refused(world, database_url, data, tell=tell)
    world.move(database_url, data)
    world.use(data)


# --- what is not moved


def test_places_that_are_none(world: World, data: Path, tmp_path: Path, database_url: str) -> None:
    assert "both places are data directories" in refused(world, data, tmp_path / "other")
    assert "both places are the same" in refused(world, database_url, database_url)
    assert "there is no data in" in refused(world, tmp_path / "none", database_url)
    assert "there is no data in" in refused(world, database_url, tmp_path / "none")
    for text in ("", "mysql://host/keystead", "postgresql:/host/keystead"):
        assert "a place is a data directory, or a database" in refused(world, data, text)
    assert "cannot open the database" in refused(world, data, "postgresql://127.0.0.1:1/keystead")


def test_a_place_that_is_not_empty(
    world: World, data: Path, tmp_path: Path, postgres: Cluster, database_url: str
) -> None:
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "notes.txt").touch()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs ()")
        assert "another program's" in refused(world, data, database_url)
        connection.execute("DROP TABLE theirs")
    world.move(data, database_url)
    other = world.copied(tmp_path / "other")
    assert "there is a store in the database" in refused(world, other, database_url)
    assert "there is data in" in refused(world, database_url, other)
    assert "is not empty" in refused(world, database_url, tmp_path / "strange")
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "restoring.db").touch()
    assert "a restore into" in refused(world, database_url, tmp_path / "restored")
    with postgres.database() as third:
        world.move(database_url, third, root_key=f"file:{data / 'root.key'}")
        assert "was moved to" in refused(world, other, database_url)
    assert sorted(one.name for one in other.iterdir()) == sorted(one.name for one in world.data.iterdir())


def test_a_store_that_is_in_use(world: World, data: Path, tmp_path: Path, database_url: str) -> None:
    service = world.service
    service.directory, service.shared = DataDirectory(data), None
    service.start()
    try:
        script = "import sys; from tests.unit.server.move.test_moving import in_use; sys.exit(in_use(*sys.argv[1:]))"
        done = subprocess.run([sys.executable, "-c", script, str(data), database_url], check=False, text=True)
        assert done.returncode == 0
    finally:
        service.stop()
    world.move(data, database_url)
    service.shared = place_of(database_url, "", {})
    service.start()
    try:
        told = refused(world, database_url, tmp_path / "new", root_key=f"file:{data / 'root.key'}")
        assert "is connected to the store" in told
        assert "stop all servers" in told
    finally:
        service.stop()
    world.use(data, database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (LOCKS, FENCE))
        assert "is in use" in refused(world, database_url, tmp_path / "new")


def in_use(data: str, url: str) -> int:
    """Another process: whether a directory that a server has is refused to it."""
    try:
        moving.copy_store(data, url, SystemClock(), SystemEntropy(), tell=lambda *told: None)
    except OperatorError as problem:
        return 0 if "another server holds" in problem.message else 1
    return 1


def test_a_copy_that_is_another_s_or_out_of_date(
    world: World, data: Path, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "AT_ONCE", 3)
    with pytest.raises(Cut):
        world.move(data, database_url, tell=cut_at(9))
    told = refused(world, data, database_url, trial=True)
    assert "was begun without --trial" in told
    assert "DROP DATABASE" in told
    world.use(data)  # nothing but calls: they change what would be copied
    assert "has been used since" in refused(world, data, database_url)
    assert "not whole yet" in refused(world, database_url, tmp_path / "new")


EARLIER = tuple(one._replace(key=("version_id",)) if one.name == "key_versions" else one for one in order.ALL)


def test_a_copy_that_was_begun_in_another_order(
    world: World, data: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "AT_ONCE", 3)
    with monkeypatch.context() as before:
        before.setattr(carrying, "ALL", EARLIER)
        with pytest.raises(Cut):
            world.move(data, database_url, tell=cut_at(9))
    told = refused(world, data, database_url)
    assert "was begun by another version of keystead" in told
    assert "begin anew" in told


def test_a_move_whose_rows_are_all_there_is_ended_by_another_version(
    world: World, data: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(self: object) -> None:
        raise Cut

    with monkeypatch.context() as before:
        before.setattr(carrying, "ALL", EARLIER)
        before.setattr(PostgresTarget, "finish", cut)
        with pytest.raises(Cut):
            world.move(data, database_url)
    assert (data / "moved.db").exists()
    with closing(apsw.Connection(str(data / "moved.db"))) as connection:
        version = connection.pragma("user_version")
        connection.pragma("user_version", version - 1)
        told = refused(world, data, database_url)
        connection.pragma("user_version", version)
    assert "another version of keystead" in told
    assert "run the same keystead store copy with that version, which ends the move" in told
    world.move(data, database_url)
    world.use(data, database_url)


def test_stores_that_are_of_another_version_or_not_sealed(
    world: World, data: Path, tmp_path: Path, database_url: str
) -> None:
    other = world.copied(tmp_path / "other")
    without_seals(other)
    assert "another version of keystead" in refused(world, other, database_url)
    with closing(apsw.Connection(str(data / "keystead.db"))) as connection:
        connection.execute("DELETE FROM service_secrets WHERE name = 'seals'")
    assert "the key of the seals was altered or taken away" in refused(world, data, database_url)


def test_another_root_key(world: World, data: Path, tmp_path: Path, database_url: str) -> None:
    strange = tmp_path / "strange.key"
    root_key.create_file(strange, SystemEntropy())
    assert "another root key" in refused(world, data, database_url, root_key=f"file:{strange}")
    world.move(data, database_url)
    assert "name its file with --root-key" in refused(world, database_url, tmp_path / "new")
    shutil.copy(strange, tmp_path / "new" / "root.key")
    told = refused(world, database_url, tmp_path / "new", root_key=f"file:{data / 'root.key'}")
    assert "is another root key" in told
    (tmp_path / "new" / "root.key").unlink()
    world.move(database_url, tmp_path / "new", root_key=f"file:{data / 'root.key'}")
    assert (tmp_path / "new" / "root.key").read_bytes() == (data / "root.key").read_bytes()
    world.use(tmp_path / "new")


# --- what was altered


def test_rows_and_records_that_were_altered_before_are_told_and_stay_so(
    world: World, data: Path, database_url: str
) -> None:
    with closing(apsw.Connection(str(data / "keystead.db"))) as connection:
        connection.execute("UPDATE keys SET state = 'Enabled' WHERE key_id = ?", (world.keys[2],))
        connection.execute("UPDATE audit SET user_agent = 'another' WHERE sequence = 3")
    moved = world.move(data, database_url)
    row, record = moved.altered
    assert row.startswith("keys 1") or world.keys[2] in row
    assert record.startswith("audit: record 3 of chain ")
    back = world.move(database_url, data)
    assert back.altered == moved.altered
    service = world.service
    service.directory, service.shared = DataDirectory(data), None
    service.start()
    try:
        assert service.refused("Encrypt", KeyId=world.keys[2], Plaintext="x") == "Rejected.StoredDataAltered"
    finally:
        service.stop()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = value - 1 WHERE name = 'horizon'",
        "UPDATE seals SET blob = x'00' WHERE bucket = 'record'",
        "UPDATE seals SET blob = x'00' WHERE bucket = 'server'",
        "UPDATE meta SET value = x'00' WHERE name = 'horizon'",
    ],
)
def test_what_belongs_to_the_server_itself_was_altered(
    statement: str, world: World, data: Path, database_url: str
) -> None:
    with closing(apsw.Connection(str(data / "keystead.db"))) as connection:
        connection.execute(statement)
    assert "was altered" in refused(world, data, database_url)
    assert (data / "keystead.db").exists()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE keys SET description = 'another' WHERE position = 1", "the row was altered"),
        ("DELETE FROM aliases", "aliases differ"),
        ("DELETE FROM nonces", "nonces differ"),
        ("UPDATE nonces SET second = second + 1", "nonces differ"),
        ("UPDATE audit SET user_agent = 'another' WHERE sequence = 3", "record 3 of chain"),
        ("DELETE FROM audit WHERE sequence = 1", "audit differ"),
    ],
)
@pytest.mark.parametrize("way", ["there", "back"])
def test_what_is_not_as_it_was_is_no_store(
    way: str, statement: str, found: str, world: World, data: Path, database_url: str
) -> None:
    source, target = str(data), database_url
    if way == "back":
        world.move(source, target)
        source, target = database_url, str(data)

    def tell(what: str, done: int, total: int) -> None:
        if what != "copying" or done < total:
            return
        if way == "there":
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(statement.encode())
        else:
            with closing(apsw.Connection(str(data / "copying.db"))) as other:
                other.execute(statement)

    assert found in refused(world, source, target, tell=tell)
    assert found in refused(world, source, target)
    assert opens(data, "" if way == "there" else source, world) == ""
    assert (
        opens(another(data), target, world) != "" if way == "there" else not (data / "keystead.db").exists()
    )
