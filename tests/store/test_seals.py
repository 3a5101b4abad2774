"""What the seals of a store say: while it is written to, and of each part of them that is altered."""

from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from keystead.domain.accounts import AccessKey, AccessKeyStatus
from keystead.domain.keys.key import Wrapped
from keystead.errors import StoredRowAltered
from keystead.store.sealed import KEY_BUCKETS, KEYS, META, SESSIONS, bucket_of
from keystead.store.seals import NOTHING, PRIME, Record, Sums, unpacked
from keystead.store.sqlite import SqliteStore
from tests.security.tampering import opened
from tests.store.test_contract import ACCOUNT, REGION, alias, found, fresh, key
from tests.unit.domain.test_audit import RECORD


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    made = fresh("sqlite", tmp_path)
    assert isinstance(made, SqliteStore)
    made.begin()
    found(made)
    for number in range(3):
        made.keys.add(*key(number, deletion_at=number), {"a": "b"})
        made.aliases.add(alias(f"alias/{number}", f"key-{number}"))
    made.commit()
    return made


def tamper(store: SqliteStore, sql: str, *values: Any) -> None:
    """As another program, on the running store."""
    connection = apsw.Connection(str(store._path))
    connection.execute(sql, values)
    connection.close()


def texts(store: SqliteStore) -> list[str]:
    return [one.text for one in store.blocked.found.values()]


def whole(store: SqliteStore) -> bool:
    store.begin()
    assert store.seals is not None
    held = store.examine().found == ()
    store.rollback()
    return held


# --- numbers


def test_sums_are_kept_as_72_bytes_modulo_the_prime_and_do_not_depend_on_the_order() -> None:
    sums = NOTHING.plus(2**256 - 1, 7).plus(5, 2**40).plus(11, 3)
    assert NOTHING.plus(11, 3).plus(5, 2**40).plus(2**256 - 1, 7) == sums
    assert len(sums.packed()) == 72
    assert unpacked(sums.packed()) == sums.reduced
    assert sums.reduced.plain < PRIME
    assert sums.plus(11, 3, -1).plus(5, 2**40, -1).plus(2**256 - 1, 7, -1) == NOTHING
    assert NOTHING.plus(5, 7, -1).reduced == Sums(-1, PRIME - 5, PRIME - 35)


def test_a_record_is_packed_and_read_and_fits_into_a_page() -> None:
    keys = tuple(NOTHING.plus(number, number).packed() for number in range(len(KEY_BUCKETS)))
    record = Record(7, NOTHING.plus(5, 6), keys)
    assert Record.of(record.packed()) == record
    assert len(record.packed()) + 60 < 4000


def test_scopes_and_buckets() -> None:
    assert KEYS.scope_of_key(("a", "r", "k")) == "key a r k"
    assert bucket_of("key a r k") in KEY_BUCKETS
    assert bucket_of("alias a r k") in KEY_BUCKETS
    assert bucket_of("account 1") == "account 1"
    assert META.scope_of_key(("name",)) == bucket_of("server") == "server"
    assert SESSIONS.scope_of_key((b"digest",)) is None


# --- a store that is written to


def test_what_is_undone_leaves_no_trace_in_the_sums(store: SqliteStore) -> None:
    store.begin()
    store.aliases.add(alias("alias/kept", "key-0"))
    with store.savepoint() as undo:
        store.keys.remove(key(1)[0])
        store.aliases.add(alias("alias/undone", "key-0"))
        undo()
    with pytest.raises(ZeroDivisionError), store.savepoint():
        store.aliases.remove(alias("alias/kept", "key-0"))
        raise ZeroDivisionError
    with store.savepoint():
        store.aliases.add(alias("alias/both", "key-0"))
    store.commit()
    assert whole(store)
    store.begin()
    store.keys.remove(key(1)[0])
    store.rollback()
    assert whole(store)
    store.begin()
    assert store.aliases.get(ACCOUNT, REGION, "alias/both") is not None
    store.close()


def test_the_revision_counts_batches_that_changed_something(store: SqliteStore) -> None:
    assert store.seals is not None
    store.begin()
    before = store.seals.revision
    store.nonces.add([(1, b"n" * 16)])
    store.commit()
    store.begin()
    assert store.seals.revision == before
    with store.savepoint() as undo:
        store.aliases.add(alias("alias/undone", "key-0"))
        undo()
    store.commit()
    store.begin()
    assert store.seals.revision == before
    store.aliases.add(alias("alias/a", "key-0"))
    store.aliases.add(alias("alias/b", "key-0"))
    store.commit()
    store.begin()
    assert store.seals.revision == before + 1
    store.seals.advance(before + 10)
    store.aliases.add(alias("alias/c", "key-0"))
    store.commit()
    store.close()
    again = opened(store._path)
    assert again.seals is not None
    assert again.seals.revision == before + 11
    again.close()


def test_no_later_record_is_of_an_earlier_revision_whatever_becomes_of_the_seals(store: SqliteStore) -> None:
    def recorded(number: int) -> int:
        record = msgspec.structs.replace(RECORD, sequence=number, revision=store.revision)
        store.audit.append([(record, b"hash")])
        return record.revision

    store.begin()
    before = store.revision
    assert recorded(1) == before
    store.aliases.add(alias("alias/a", "key-0"))
    assert recorded(2) == before + 1
    with store.savepoint() as undo:
        store.aliases.add(alias("alias/b", "key-0"))
        undo()
    assert recorded(3) == before + 1
    store.commit()
    store.begin()
    assert recorded(4) == before + 1
    store.commit()
    assert store.seals is not None
    sealer = store.seals.codes.sealer
    tamper(store, "DELETE FROM seals")
    store.begin()
    assert recorded(5) == before + 1  # what it is can't be known
    store.commit()
    store.begin()
    store.unprotect()
    assert recorded(6) == before + 1
    store.seal_all(sealer)
    assert recorded(7) == before + 2
    store.commit()
    store.begin()
    assert recorded(8) == before + 2
    store.close()


def test_positions_are_given_once_over_restarts_and_rollbacks(store: SqliteStore) -> None:
    positions = "SELECT position FROM aliases ORDER BY position"
    store.begin()
    store.aliases.add(alias("alias/3", "key-0"))
    store.rollback()
    store.begin()
    store.aliases.add(alias("alias/3", "key-0"))
    store.aliases.remove(alias("alias/3", "key-0"))
    store.commit()
    store.close()
    again = opened(store._path)
    again.aliases.add(alias("alias/4", "key-0"))
    again.commit()
    assert [row[0] for row in again._database.rows(positions)] == [1, 2, 3, 5]
    again.close()


# --- what is altered while it runs


def test_only_what_was_altered_is_refused_and_work_by_the_clock_goes_on(store: SqliteStore) -> None:
    told: list[str] = []
    store.blocked.alarm = lambda one: told.append(one.text)
    tamper(store, "UPDATE keys SET state = 'Disabled' WHERE key_id = 'key-0'")
    store.begin()
    assert len(told) == 1
    assert told[0].startswith(f"keys {ACCOUNT} {REGION} key-0: the row was altered")
    for _ in range(2):
        with pytest.raises(StoredRowAltered):
            store.keys.get(ACCOUNT, REGION, "key-0")
    with pytest.raises(StoredRowAltered):
        store.keys.put(key(0, description="new")[0])
    assert store.keys.get(ACCOUNT, REGION, "key-1") is not None
    assert [one.key_id for one in store.keys.due(5, 2)] == ["key-1", "key-2"]
    assert store.aliases.get(ACCOUNT, REGION, "alias/0") is not None
    store.keys.put(key(1, description="new")[0])
    store.commit()
    assert len(told) == 1
    store.close()


def test_a_row_that_changes_behind_the_librarys_back_is_noticed_as_it_is_read(store: SqliteStore) -> None:
    """As when pages of the file are overwritten: nothing says that anybody wrote."""
    store.begin()
    store._connection.execute("UPDATE keys SET state = 'Disabled' WHERE key_id = 'key-0'")
    store._forget()
    with pytest.raises(StoredRowAltered):
        store.keys.get(ACCOUNT, REGION, "key-0")
    assert [text.split(":")[0] for text in texts(store)] == [f"keys {ACCOUNT} {REGION} key-0"]
    store.rollback()
    store.close()


def access_key(name: str) -> AccessKey:
    return AccessKey(
        access_key_id=name,
        account=ACCOUNT,
        status=AccessKeyStatus.ACTIVE,
        created=1,
        secret=Wrapped(1, b"s"),
    )


def test_last_uses_pass_over_what_was_altered(store: SqliteStore) -> None:
    store.begin()
    for name in ("one", "other"):
        store.accounts.add_access_key(access_key(name))
    store.commit()
    tamper(store, "UPDATE access_keys SET status = 'Inactive' WHERE access_key_id = 'one'")
    store.begin()
    store.accounts.note_use({"one": 5, "other": 5, "none": 5})
    with pytest.raises(StoredRowAltered):
        store.accounts.access_key("one")
    other = store.accounts.access_key("other")
    assert other is not None
    assert other.last_used == 5
    with pytest.raises(StoredRowAltered):
        store.accounts.access_keys(ACCOUNT)
    store.commit()
    store.close()


def test_a_removed_row_is_no_row_that_never_was(store: SqliteStore) -> None:
    tamper(store, "DELETE FROM tags WHERE key_id = 'key-0'")
    store.begin()
    assert texts(store) == [f"tags {ACCOUNT} {REGION} key-0 a: the row was removed"]
    with pytest.raises(StoredRowAltered):
        store.keys.tags(ACCOUNT, REGION, "key-0")
    assert store.keys.tags(ACCOUNT, REGION, "key-1") == {"a": "b"}
    assert store.keys.get(ACCOUNT, REGION, "key-0") is not None
    store.close()


def test_a_removed_version_of_a_key_is_named_by_its_number(store: SqliteStore) -> None:
    _, version = key(0)
    store.begin()
    for number in (2, 3):
        store.keys.add_version(
            msgspec.structs.replace(version, number=number, version_id=f"version-0-{number}")
        )
    store.commit()
    tamper(store, "DELETE FROM key_versions WHERE version_id = 'version-0-2'")
    store.begin()
    assert texts(store) == [f"key_versions {ACCOUNT} {REGION} key-0 2: the row was removed"]
    with pytest.raises(StoredRowAltered):
        store.keys.version(ACCOUNT, "version-0-2")
    with pytest.raises(StoredRowAltered):
        store.keys.versions(ACCOUNT, REGION, "key-0", 0, 10)
    assert store.keys.version(ACCOUNT, "version-1") is not None
    store.close()


def test_several_in_one_account_stop_that_account_and_no_other(store: SqliteStore) -> None:
    store.begin()
    for name in ("a", "b", "c"):
        store.accounts.add_access_key(access_key(name))
    store.commit()
    tamper(store, "DELETE FROM access_keys WHERE access_key_id IN ('a', 'b')")
    store.begin()
    (told,) = texts(store)
    assert told.startswith(f"rows of account {ACCOUNT}: several rows")
    for name in ("a", "c"):
        with pytest.raises(StoredRowAltered):
            store.accounts.access_key(name)
    assert store.keys.get(ACCOUNT, REGION, "key-0") is not None
    store.close()


def test_another_writer_that_alters_nothing_is_told_of_and_stops_nothing(store: SqliteStore) -> None:
    told: list[int] = []
    store.blocked.foreign = told.append
    store.begin()
    store.commit()
    assert told == []
    tamper(store, "PRAGMA user_version = 99")
    store.begin()
    assert told == [0]
    store.commit()
    store.begin()
    assert told == [0]
    store.close()
