"""Each part of the seals themselves is altered, and what is made from sealed rows beside them."""

import json
from contextlib import closing

import msgspec
import pytest

from keystead.errors import StoredRowAltered
from keystead.store.derived import differences
from keystead.store.postgresql.place import Place
from keystead.store.reader import open_reader
from keystead.store.sealed import RECORD
from keystead.store.sqlite import SqliteStore
from tests.security.tampering import sealer
from tests.store.kept import Where, change, opened, records
from tests.store.test_contract import ACCOUNT, REGION, alias, found, key
from tests.store.test_reader import where
from tests.store.test_seals import store, tamper, texts, whole
from tests.unit.domain import test_audit

__all__ = ["store", "where"]  # the fixtures


def blob(store: SqliteStore, bucket: str) -> bytes:
    return bytes(store._database.rows("SELECT blob FROM seals WHERE bucket = ?", (bucket,))[0][0])


@pytest.mark.parametrize(
    ("sql", "told", "everything"),
    [
        (f"DELETE FROM seals WHERE bucket = '{RECORD}'", "seals record: the sealed record was altered", True),
        (
            f"UPDATE seals SET blob = x'00' WHERE bucket = '{RECORD}'",
            "seals record: the sealed record was",
            True,
        ),
        ("DELETE FROM seals", "seals record: the sealed record was altered or removed", True),
        (
            f"DELETE FROM seals WHERE bucket = 'account {ACCOUNT}'",
            "seals record: the sealed record is not",
            True,
        ),
        (
            f"UPDATE seals SET blob = x'00' WHERE bucket = 'account {ACCOUNT}'",
            f"seals account {ACCOUNT}",
            False,
        ),
        ("UPDATE seals SET blob = x'00' WHERE bucket = 'server'", "seals server: the sums", True),
        ("INSERT INTO seals VALUES ('account x', x'00')", "seals account x", True),
    ],
)
def test_altered_seals_are_named(store: SqliteStore, sql: str, told: str, everything: bool) -> None:
    tamper(store, sql)
    store.begin()
    assert any(one.startswith(told) for one in texts(store)), texts(store)
    assert store.blocked.everything == everything
    with pytest.raises(StoredRowAltered):
        store.accounts.get(ACCOUNT)
    with pytest.raises(StoredRowAltered):
        store.accounts.get("none") if everything else store.accounts.access_keys(ACCOUNT)
    store.close()


def test_an_old_bucket_with_its_old_rows_is_named(store: SqliteStore) -> None:
    """An account's rows and their sums of before fit each other; the record knows better."""
    bucket = f"account {ACCOUNT}"
    rows = store._database.rows("SELECT * FROM accounts")
    old = blob(store, bucket)
    store.begin()
    account = store.accounts.get(ACCOUNT)
    assert account is not None
    store.accounts.put(msgspec.structs.replace(account, name="new"))
    store.commit()
    tamper(store, "UPDATE seals SET blob = ? WHERE bucket = ?", old, bucket)
    tamper(store, f"INSERT OR REPLACE INTO accounts VALUES ({', '.join('?' * len(rows[0]))})", *rows[0])
    store.begin()
    assert texts(store) == [f"seals {bucket}: these rows were put back as they were before"]
    with pytest.raises(StoredRowAltered):
        store.accounts.get(ACCOUNT)
    assert store.keys.get(ACCOUNT, REGION, "key-0") is not None
    store.close()


def test_an_old_record_is_noticed(store: SqliteStore) -> None:
    old = blob(store, RECORD)
    store.begin()
    store.aliases.remove(alias("alias/0", "key-0"))
    store.commit()
    tamper(store, "UPDATE seals SET blob = ? WHERE bucket = ?", old, RECORD)
    store.begin()
    (told,) = texts(store)
    assert told.startswith("aliases of keys ")
    assert told.endswith("a row was removed")
    store.close()


def test_a_batch_on_a_record_that_is_gone_is_not_committed(store: SqliteStore) -> None:
    store.begin()
    assert store.seals is not None
    store.seals.drop()
    store._connection.execute("DELETE FROM seals")
    with pytest.raises(StoredRowAltered):
        store.aliases.remove(alias("alias/0", "key-0"))
    assert store.blocked.everything
    with pytest.raises(StoredRowAltered):
        store.keys.get(ACCOUNT, REGION, "key-1")
    store.rollback()
    store.close()


# --- what is made from sealed rows


def test_listings_and_guests_that_are_altered_are_named_and_made_anew(store: SqliteStore) -> None:
    store.begin()
    policy = '{"Version": "1", "Statement": [{"Principal": {"RAM": "acs:ram::1000000000000002:root"}}]}'
    store.keys.put(key(0, policy=policy)[0])
    store.commit()
    assert differences(store._database) == []
    tamper(store, "UPDATE stretches SET amount = 7 WHERE listing LIKE 'keys %'")
    tamper(store, "INSERT INTO guests VALUES ('1000000000000003', ?, ?, 'key-1')", ACCOUNT, REGION)
    tamper(store, "DELETE FROM guests WHERE guest = '1000000000000002'")
    assert differences(store._database) == [
        f"stretches keys {ACCOUNT} {REGION}: the listing is counted wrong",
        f"guests 1000000000000002 {ACCOUNT} {REGION} key-0: the policy of the key does not say so, or is left out",
        f"guests 1000000000000003 {ACCOUNT} {REGION} key-1: the policy of the key does not say so, or is left out",
    ]
    store.begin()
    assert texts(store) == []
    store.rebuild()
    store.commit()
    assert differences(store._database) == []
    store.close()


def test_sealing_all_anew_lets_everything_be_used_again(store: SqliteStore) -> None:
    assert store.seals is not None
    tamper(store, "UPDATE keys SET state = 'Disabled' WHERE key_id = 'key-0'")
    store.begin()
    assert store.blocked.found
    before = store.seals.revision
    store.unprotect()
    assert store.seal_all(sealer()) > 10
    store.commit()
    assert whole(store)
    store.begin()
    assert store.keys.get(ACCOUNT, REGION, "key-0") is not None
    assert store.seals.revision > before
    store.close()


# --- by a reader, of either database


@pytest.fixture
def world(where: Where) -> Where:
    made = opened(where)
    made.begin(alone=True)
    made.seal_all(sealer())
    found(made)
    for number in range(3):
        made.keys.add(*key(number), {"a": "b"})
        made.aliases.add(alias(f"alias/{number}", f"key-{number}"))
    made.commit()
    about = [f"acs:kms:{REGION}:{ACCOUNT}:{one}" for one in ("key/key-1", "alias/0", "alias/1")]
    texts = [json.dumps(about), "none", "[1]", '["acs:kms"]']
    records(made, 4, [msgspec.structs.replace(test_audit.RECORD, resources=text) for text in texts])
    made.close()
    return where


def told(where: Where) -> list[str]:
    with closing(open_reader(where)) as reader:
        return [one.text for one in reader.examine(sealer()).found] + list(reader.differences())


_KEY_1 = f"{ACCOUNT} {REGION} key-1"


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        ((), []),
        (
            ("UPDATE keys SET description = 'x' WHERE key_id = 'key-1'",),
            [f"keys {_KEY_1}: the row was altered"],
        ),
        (
            ("UPDATE key_versions SET material = x'00' WHERE key_id = 'key-1'",),
            [f"key_versions {_KEY_1} 1: the row"],
        ),
        (("DELETE FROM tags WHERE key_id = 'key-1'",), [f"tags {_KEY_1} a: the row was removed"]),
        (
            ("DELETE FROM aliases WHERE name = 'alias/1'",),
            [
                f"aliases {ACCOUNT} {REGION} alias/1: the row was removed",
                "stretches aliases ",
                "stretches aliases ",
            ],
        ),
        (("UPDATE seals SET blob = x'00' WHERE bucket = 'server'",), ["seals server: "]),
        (
            ("DELETE FROM seals WHERE bucket = 'record'",),
            ["seals record: the sealed record was altered or removed"],
        ),
        (("UPDATE stretches SET amount = 7 WHERE listing LIKE 'keys %'",), ["stretches keys "]),
        (
            (f"INSERT INTO guests VALUES ('2', '{ACCOUNT}', '{REGION}', 'key-1')",),
            [f"guests 2 {_KEY_1}: the policy of the key does not say so"],
        ),
    ],
)
def test_a_reader_names_what_was_altered(world: Where, statements: tuple[str, ...], names: list[str]) -> None:
    change(world, *statements)
    found = told(world)
    assert len(found) == len(names), found
    assert all(one.startswith(name) for one, name in zip(found, names, strict=True)), found


def test_all_is_streamed_while_it_is_looked_at(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In few rows at once, of one moment, whatever a server does meanwhile."""
    where = Place(database_url, "here")
    store = opened(where)
    store.begin(alone=True)
    store.seal_all(sealer())
    found(store)
    for number in range(20):
        store.keys.add(*key(number), {})
    store.commit()
    monkeypatch.setattr("keystead.store.postgresql.database._AT_ONCE", 3)
    with closing(open_reader(where)) as reader:
        rows = reader._database.each("SELECT key_id FROM keys ORDER BY position")
        first = next(rows)
        store.begin(alone=True)
        store.keys.remove(key(19)[0])
        store.commit()
        assert [first, *rows] == [(f"key-{number}",) for number in range(20)]
        assert next(reader._database.each("SELECT key_id FROM keys")) == ("key-0",)  # and the others are left
        assert reader.examine(sealer()).found == ()
        reader._database.renew()
        assert reader.examine(sealer()).found == ()
    store.begin(alone=True)
    assert len(list(store._database.each("SELECT key_id FROM keys"))) == 19
    store.unprotect()
    assert store.seal_all(sealer()) > 19 * 2
    store.commit()
    store.begin()
    store.protect(sealer())
    store.commit()
    store.close()
