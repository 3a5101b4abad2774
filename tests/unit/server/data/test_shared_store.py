"""Servers that open one database: the first makes what is in it, the others join, and none does either in the wrong place."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg import sql

from keystead.clock import SystemClock
from keystead.crypto import root_key
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server import rootkey
from keystead.server.data import node
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.root_key_choice import Choice
from keystead.server.data.root_keys import Made, RootKeys
from keystead.server.data.store_place import place_of
from keystead.server.data.world import OpenedStore
from keystead.server.operator import answer_here
from keystead.store.lookups import Wanted
from tests.postgres import OWNER, Cluster

CLOCK, ENTROPY = SystemClock(), SystemEntropy()


def opened(data: Path, url: str, **more: object) -> OpenedStore:
    data.mkdir(mode=0o700, exist_ok=True)
    return open_store(DataDirectory(data), CLOCK, ENTROPY, shared=place_of(url, ""), **more)  # type: ignore[arg-type]


@contextmanager
def server(data: Path, url: str, **more: object) -> Iterator[OpenedStore]:
    world = opened(data, url, **more)
    try:
        yield world
    finally:
        world.store.close()


def refused(data: Path, url: str, **more: object) -> str:
    """The message and hint of a start that can't be."""
    with pytest.raises(OperatorError) as caught:
        opened(data, url, **more).store.close()
    return f"{caught.value.message}; {caught.value.hint}"


def with_root_key(data: Path, of: Path) -> Path:
    """A new data directory with the root key of another."""
    data.mkdir(mode=0o700)
    shutil.copy(of / "root.key", data)
    return data


def test_the_first_makes_what_the_second_joins(tmp_path: Path, database_url: str) -> None:
    one = tmp_path / "one"
    with server(one, database_url) as first:
        assert first.first_start
        assert (one / "root-access-key.json").exists()
        found = node.joined(DataDirectory(one))
        assert found is not None
        assert (found.server, found.epoch) == (first.server_id.partition(".")[0], 1)
        assert found.store == database_url.replace(":5432/", "/")
        assert not (one / "keystead.db").exists()
        with server(with_root_key(tmp_path / "two", one), database_url) as second:
            assert not second.first_start
            assert second.account == first.account
            assert second.server_id != first.server_id
            assert not (tmp_path / "two" / "root-access-key.json").exists()
            assert len(first.store.keyring.all()) == len(second.store.keyring.all()) == 1
    with server(one, database_url) as again:
        assert (again.first_start, again.account) == (False, first.account)
        assert again.server_id == f"{found.server}.2"


def test_two_that_start_on_an_empty_database_at_once_make_one_world(
    tmp_path: Path, database_url: str
) -> None:
    key = tmp_path / "root.key"
    root_key.create_file(key, ENTROPY)
    directories, worlds = [tmp_path / name for name in "abc"], list[OpenedStore]()
    ready = threading.Barrier(len(directories))

    def start(data: Path) -> None:
        ready.wait()
        worlds.append(opened(data, database_url, root_key_setting=f"file:{key}"))

    threads = [threading.Thread(target=start, args=(data,)) for data in directories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert sorted(world.first_start for world in worlds) == [False, False, True]
        assert len({world.account for world in worlds}) == 1
        assert sum((data / "root-access-key.json").exists() for data in directories) == 1
        assert len(worlds[0].store.accounts.all()) == 1
    finally:
        for world in worlds:
            world.store.close()


def test_one_without_the_root_key_of_the_others_does_not_join(tmp_path: Path, database_url: str) -> None:
    opened(tmp_path / "one", database_url).store.close()
    two = tmp_path / "two"
    told = refused(two, database_url)
    assert "other servers use this database already, and there is no root key at" in told
    assert "copy the file root.key" in told
    assert not (two / "root.key").exists()
    root_key.create_file(two / "root.key", ENTROPY)
    told = refused(two, database_url)
    assert "was sealed under another root key" in told
    assert "copy it from the data directory of the server" in told
    assert node.joined(DataDirectory(two)) is None
    with server(tmp_path / "one", database_url) as world:
        assert world.store.shared is not None
        assert len(world.store.shared.members()) == 1  # who was refused never joined


def test_one_without_a_root_key_that_comes_second_at_an_empty_database_makes_none(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keystead.server.data import shared_store

    one, two = tmp_path / "one", tmp_path / "two"
    join = shared_store.join

    def late(*given: object) -> object:
        found = join(*given)  # type: ignore[arg-type]
        monkeypatch.undo()
        opened(one, database_url).store.close()  # after the second has seen that there is nothing
        return found

    monkeypatch.setattr(shared_store, "join", late)
    assert "there is no root key at" in refused(two, database_url)
    assert (one / "root.key").exists()
    assert not (two / "root.key").exists()
    shutil.copy(one / "root.key", two)
    opened(two, database_url).store.close()


def test_a_passphrase_is_asked_for_before_anything_waits_for_it(tmp_path: Path, database_url: str) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    phrase.chmod(0o600)
    setting = f"passphrase:file:{phrase}"
    with server(tmp_path / "one", database_url, root_key_setting=setting) as first:
        assert first.first_start
        noted = first.store.keyring.root()
        assert noted is not None
        assert noted.provider == setting
    with server(tmp_path / "two", database_url) as second:  # as the database notes it
        assert second.account == first.account
    phrase.write_text("another one\n")
    assert "passphrase" in refused(tmp_path / "three", database_url)


def test_a_directory_is_of_one_kind_of_store(tmp_path: Path, database_url: str) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    open_store(DataDirectory(own), CLOCK, ENTROPY).store.close()
    told = refused(own, database_url)
    assert "has a database of its own" in told
    assert "keystead store copy" in told
    assert not (own / "node.json").exists()
    shared = tmp_path / "shared"
    opened(shared, database_url).store.close()
    with pytest.raises(
        OperatorError, match="is a database that servers share, and no setting says so"
    ) as caught:
        open_store(DataDirectory(shared), CLOCK, ENTROPY)
    assert f'store = "{database_url}"' in caught.value.hint
    assert not (shared / "keystead.db").exists()


def test_a_start_that_never_reached_a_database_leaves_the_directory_free(tmp_path: Path) -> None:
    data = tmp_path / "data"
    told = refused(data, f"postgresql://{str(tmp_path).replace('/', '%2F')}/keystead")
    assert "cannot open the database" in told
    open_store(DataDirectory(data), CLOCK, ENTROPY).store.close()


def test_an_empty_database_is_none_for_a_directory_that_had_one(
    tmp_path: Path, postgres: Cluster, database_url: str
) -> None:
    one = tmp_path / "one"
    opened(one, database_url).store.close()
    with postgres.database() as other:
        told = refused(one, other)
        assert "is empty, although this data directory had one with keys" in told
        assert urlsplit(other).path.lstrip("/") in told
        (one / "last-seen").unlink()
        (one / "ca.pem").touch()
        assert "is empty, although" in refused(one, other)


def test_a_database_that_went_back_in_time_is_refused(
    tmp_path: Path, postgres: Cluster, database_url: str
) -> None:
    one, before = tmp_path / "one", f"{urlsplit(database_url).path[1:]}_before"
    older = f"{database_url.rpartition('/')[0]}/{before}"
    opened(one, database_url).store.close()
    postgres.run(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
            sql.Identifier(before), sql.Identifier(before.removesuffix("_before")), sql.Identifier(OWNER)
        )
    )
    with server(one, database_url) as world:
        answer_here(world, "CreateAccount", {"AccountName": "new"}, "test")
    opened(one, database_url).store.close()  # it notes what there is
    told = refused(one, older)
    assert "the database is an older copy: it is at revision" in told
    assert f"the anchor {one}/last-seen has seen revision" in told
    assert "--accept-older-copy" in told
    with server(one, older, accept_older=True) as world:
        latest = world.store.revision
        actions = [one.action for one in world.store.lookups.records(Wanted(), 0).items]
    assert "AcceptOlderCopy" in actions
    with server(one, older) as world:
        assert world.server_id.endswith(
            ".6"
        )  # the numbers of its runs went on, with those that are forgotten there
        assert world.store.revision == latest
        assert len(world.store.accounts.all()) == 1


def test_one_that_was_retired_does_not_start_again(tmp_path: Path, database_url: str) -> None:
    one = tmp_path / "one"
    with server(one, database_url) as first:
        with server(with_root_key(tmp_path / "two", one), database_url) as second:
            answer = answer_here(first, "RetireNode", {"NodeId": second.server_id.partition(".")[0]}, "test")
            assert b"DeleteConflict.Node" in answer.response.body
        answer_here(first, "RetireNode", {"NodeId": second.server_id.partition(".")[0]}, "test")
    told = refused(tmp_path / "two", database_url)
    assert "was retired from" in told
    assert "give it a new data directory" in told


def test_a_server_that_joins_while_the_root_key_is_rotated_is_not_left_behind(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = tmp_path / "one"
    opened(one, database_url).store.close()
    monkeypatch.setenv("KEYSTEAD_STORE", database_url)
    with_root_key(tmp_path / "two", one)
    make, joined = RootKeys.make, list[OpenedStore]()

    def made_meanwhile(self: RootKeys, choice: Choice) -> Made:
        joined.append(opened(tmp_path / "two", database_url))
        return make(self, choice)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(RootKeys, "make", made_meanwhile)
        with pytest.raises(OperatorError, match="other servers use the database"):
            rootkey.rotate(str(one), "", "file", "test")
    (second,) = joined
    second.store.close()
    before = second.root.fingerprint
    with server(one, database_url) as first:  # as if nothing had been tried
        assert first.root.fingerprint == before
    assert rootkey.rotate(str(one), "", "file", "test").before == before
    assert "was sealed under another root key" in refused(tmp_path / "two", database_url)
