"""A store moved there and back: all of it or nothing, and never to be used in both places."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from keystead.crypto import root_key
from keystead.domain.audit import Record
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.store_place import place_of
from keystead.store.postgresql.place import Place
from keystead.store.reader import open_reader
from keystead.store.transfer import carrying
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
    made = next(one for one in records(place(database_url)) if one.action == "MoveStore")
    told = json.loads(made.parameters)
    assert (made.chain, made.sequence, made.kind, made.principal) == (
        moved.chain, 1, "ServiceEvent", "keystead"
    )  # fmt: skip
    assert (told["From"], told["To"]) == (str(data), place(database_url).shown)
    assert "keys=4" in told["Rows"].split()
    back = world.move(database_url, data)
    assert back.amounts["keys"] == 5
    world.use(data)
    there = records(data / "keystead.db")
    heads = dict(one.split("=") for one in json.loads(_of(there, back.chain).parameters)["Heads"].split())
    assert {told["Heads"].split("=")[0], moved.chain} < heads.keys()
    assert len({(one.chain, one.sequence) for one in there}) == len(there)
    assert [one.revision for one in there if one.chain == back.chain][0] > made.revision
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
    cuts, step = 0, 0
    while True:
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
