"""Whoever writes to the database himself is found out before anything is used, and what he did is named."""

import shutil
from pathlib import Path

import apsw
import pytest

from keystead.store.sealed import SERVER, UNSEALED
from tests.security.tampering import Manipulation, catalogue, make, opened, tamper, uncovered


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("world")
    return make(folder)


def check(manipulation: Manipulation, texts: list[str]) -> str:
    """What is wrong with what was found."""
    table, kind = manipulation.table, manipulation.kind
    where = f"{table.name}: {kind}"
    if not texts:
        return f"{where}: not noticed"
    about = [text for text in texts if text.startswith(f"{table.name} ")]
    if not about:
        return f"{where}: noticed, and not named: {texts}"
    if not all(any(name in text for text in about) for name in manipulation.names):
        return f"{where}: {manipulation.names} are not in {texts}"
    return ""


def copy_of(world: tuple[Path, Path], folder: Path) -> Path:
    database = folder / "k.db"
    for left in folder.glob("k.db*"):
        left.unlink()
    shutil.copy(world[1], database)
    return database


def test_the_world_itself_is_whole_and_every_table_and_column_is_covered(
    world: tuple[Path, Path], tmp_path: Path
) -> None:
    for path in world:
        shutil.copy(path, tmp_path / "k.db")
        store = opened(tmp_path / "k.db")
        assert store.seals is not None
        assert store.seals.blocked.found == {}
        store.close()
        (tmp_path / "k.db").unlink()
    connection = apsw.Connection(str(copy_of(world, tmp_path)))
    assert uncovered(connection) == []
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert set(UNSEALED) < names  # no reason for a table that is none
    connection.execute("ALTER TABLE keys ADD COLUMN planted TEXT")
    connection.execute("CREATE TABLE overrides (key_id TEXT)")
    assert uncovered(connection) == ["keys.planted", "overrides"]
    connection.close()


@pytest.mark.parametrize("running", [False, True])
def test_each_manipulation_is_noticed_and_named(
    world: tuple[Path, Path], tmp_path: Path, running: bool
) -> None:
    wrong, count = [], 0
    for manipulation in catalogue(world[1]):
        database = copy_of(world, tmp_path)
        if running:
            store = opened(database)
            store.commit()
            tamper(database, world[0], manipulation)
            store.begin()
        else:
            tamper(database, world[0], manipulation)
            store = opened(database)
        assert store.seals is not None
        blocked = store.seals.blocked
        wrong.append(check(manipulation, [one.text for one in blocked.found.values()]))
        if manipulation.table.kind == SERVER and not blocked.everything:
            wrong.append(f"{manipulation.table.name}: {manipulation.kind}: the server goes on")
        if manipulation.table.kind != SERVER and blocked.everything:
            wrong.append(f"{manipulation.table.name}: {manipulation.kind}: the whole server stops")
        store.close()
        count += 1
    assert [one for one in wrong if one] == []
    assert count >= 60
