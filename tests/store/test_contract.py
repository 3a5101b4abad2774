"""What every store must do."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from keystead.clock import FixedClock
from keystead.crypto.row_seals import RowSeals
from keystead.domain.accounts import (
    AccessKey,
    AccessKeyStatus,
    Account,
    AccountStatus,
    RootKeyFacts,
    ServiceSecret,
    WrappingKey,
)
from keystead.domain.audit import GENESIS, Head, link
from keystead.domain.authorities import KeptAuthority
from keystead.domain.identities import (
    Attachment,
    CustomPolicy,
    Group,
    Kind,
    Member,
    PolicyVersion,
    User,
)
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import (
    Key,
    KeyFilter,
    KeySpec,
    KeyUsage,
    KeyVersion,
    Origin,
    ProtectionLevel,
    Wrapped,
)
from keystead.domain.keys.lifecycle import Event, KeyState
from keystead.domain.sessions import IDLE, LONGEST, How, Session, Ticket, TicketKind
from keystead.domain.sign_in import KnownAddress, LoginProfile, MfaDevice, PasswordPolicy
from keystead.entropy import SeededEntropy
from keystead.errors import AliasTaken
from keystead.store import database, listing
from keystead.store.database_store import DatabaseStore
from keystead.store.identity_ports import Identity
from keystead.store.memory import MemoryStore
from keystead.store.ports import Page, Store, StoreFailure
from keystead.store.postgresql.session import Place
from keystead.store.postgresql.store import PostgresStore
from tests.databases import Databases, new_sqlite
from tests.unit.domain.test_audit import RECORD

ACCOUNT, REGION = "1000000000000001", "cn-hangzhou"


def key(number: int, **changes: object) -> tuple[Key, KeyVersion]:
    made = Key(
        account=ACCOUNT,
        region=REGION,
        key_id=f"key-{number}",
        spec=KeySpec.AES_256,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        origin=Origin.ALIYUN_KMS,
        protection=ProtectionLevel.SOFTWARE,
        state=KeyState.ENABLED,
        description="密",
        created=number,
        primary_version=f"version-{number}",
        rotated=number,
        instance="kst-1",
    )
    made = msgspec.structs.replace(made, **changes)
    version = KeyVersion(
        account=made.account,
        region=made.region,
        key_id=made.key_id,
        version_id=made.primary_version,
        number=1,
        spec=made.spec,
        usage=made.usage,
        origin=made.origin,
        created=made.created,
        material=Wrapped(1, b"material"),
    )
    return made, version


def alias(name: str, key_id: str) -> Alias:
    return Alias(account=ACCOUNT, region=REGION, name=name, key_id=key_id, created=1)


def shared_with(*principals: str) -> str:
    """A policy of a key; `root` is the owner's own."""
    named = [f"acs:ram::{one if ':' in one else f'{ACCOUNT}:{one}'}" for one in principals]
    statement = {"Effect": "Allow", "Action": "*", "Principal": {"RAM": named}, "Resource": "*"}
    return json.dumps({"Version": "1", "Statement": [statement]})


def found(store: Store) -> None:
    store.keyring.add(WrappingKey(generation=1, root_fingerprint="f", blob=b"w", created=1))
    store.accounts.add(Account(account_id=ACCOUNT, created=1))


def fresh(kind: str, folder: Path) -> Store:
    """A new store: of the embedded kind in a folder, or in the PostgreSQL database of an URL."""
    if kind == "memory":
        return MemoryStore(entropy=SeededEntropy())
    store: DatabaseStore
    if kind.startswith("postgresql:"):
        store = PostgresStore.open(Place(kind, "here"), "a", "here", FixedClock())
    else:
        store = new_sqlite(folder / "k.db", FixedClock(), SeededEntropy())
    store.begin()
    sealer = RowSeals(bytes(32), SeededEntropy())
    if store.has_seals():
        store.protect(sealer)
    else:
        store.seal_all(sealer)
    store.commit()
    return store


def check_seals(store: Store) -> None:
    """In a batch: what the store has kept up as it went is what there is."""
    if isinstance(store, DatabaseStore):
        assert store.seals is not None
        store.seals.flush()
        assert store.examine().found == ()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kind = request.param if request.param != "postgresql" else request.getfixturevalue("emptied_url")
    made = fresh(kind, tmp_path)
    made.begin()
    found(made)
    made.commit()
    made.begin()
    yield made
    check_seals(made)
    made.rollback()
    made.close()


def test_what_is_added_is_found_as_it_was(store: Store) -> None:
    made, version = key(1)
    store.keys.add(made, version, {"b": "2", "a": ""})
    assert store.keys.get(ACCOUNT, REGION, "key-1") == made
    assert store.keys.version(ACCOUNT, "version-1") == version
    assert store.keys.tags(ACCOUNT, REGION, "key-1") == {"a": "", "b": "2"}
    assert store.keys.get(ACCOUNT, "cn-beijing", "key-1") is None
    assert store.keys.get("2", REGION, "key-1") is None
    assert store.keys.version(ACCOUNT, "version-2") is None
    assert store.keys.tags(ACCOUNT, REGION, "key-2") == {}
    assert [one.generation for one in store.keyring.all()] == [1]
    assert [one.account_id for one in store.accounts.all()] == [ACCOUNT]


def test_what_the_root_key_wraps_can_be_wrapped_anew(store: Store) -> None:
    one = ServiceSecret(name="b", root_fingerprint="f", blob=b"1", created=1)
    other = ServiceSecret(name="a", root_fingerprint="f", blob=b"2", created=2)
    assert store.keyring.secrets() == ()
    for secret in (one, other):
        store.keyring.put_secret(secret)
    assert store.keyring.secrets() == (other, one)
    anew = ServiceSecret(name="b", root_fingerprint="g", blob=b"3", created=1)
    store.keyring.put_secret(anew)
    assert store.keyring.secrets() == (other, anew)
    wrapping_key = WrappingKey(generation=1, root_fingerprint="g", blob=b"4", created=1)
    store.keyring.put(wrapping_key)
    assert store.keyring.all() == (wrapping_key,)
    second = WrappingKey(generation=2, root_fingerprint="g", blob=b"5", created=2)
    store.keyring.add(second)
    assert store.keyring.all() == (wrapping_key, second)
    store.keyring.remove(second)
    assert store.keyring.all() == (wrapping_key,)


def test_which_root_key_it_is_is_noted_and_replaced(store: Store) -> None:
    assert store.keyring.root() is None
    facts = RootKeyFacts(fingerprint="f", provider="file", parameters="", since=1)
    store.keyring.put_root(facts)
    assert store.keyring.root() == facts
    other = RootKeyFacts(fingerprint="g", provider="passphrase", parameters="{}", since=2)
    store.keyring.put_root(other)
    assert store.keyring.root() == other
    store.rollback()
    store.begin()
    assert store.keyring.root() is None


def test_a_version_is_its_account_s(store: Store) -> None:
    made, version = key(1)
    store.keys.add(made, version, {})
    assert store.keys.version(ACCOUNT, "version-1") == version  # now it is remembered
    assert store.keys.version("2", "version-1") is None
    assert store.keys.has_version("version-1")
    assert not store.keys.has_version("version-2")


def test_a_key_is_shared_with_the_accounts_that_its_policy_names(store: Store) -> None:
    def shares(guest: str, number: int = 1) -> bool:
        return store.keys.shares(ACCOUNT, REGION, f"key-{number}", guest)

    made, version = key(1, policy=shared_with("root", "2:root", "3:user/a", "3:user/b"))
    store.keys.add(made, version, {})
    store.keys.add(*key(2), {})
    assert [shares(guest) for guest in ("2", "3", "4", ACCOUNT, "*")] == [True, True, False, False, False]
    assert not shares("2", 2)
    assert not store.keys.shares(ACCOUNT, "cn-beijing", "key-1", "2")
    assert [store.keys.hosts(guest) for guest in ("2", "4", ACCOUNT)] == [(ACCOUNT,), (), ()]

    made = msgspec.structs.replace(made, policy=shared_with("4:user/a", "5*:root"))
    store.keys.put(made)
    store.keys.put(msgspec.structs.replace(made, description="other"))
    # Of a pattern only the policy itself knows whom it means.
    assert [shares(guest) for guest in ("2", "4", "51", "61")] == [True] * 4
    assert [store.keys.hosts(guest) for guest in ("2", ACCOUNT)] == [(ACCOUNT,), ()]

    with store.savepoint() as undo:
        store.keys.put(msgspec.structs.replace(made, policy=""))
        assert not shares("4")
        undo()
    assert shares("4")
    store.keys.put(msgspec.structs.replace(made, policy=shared_with("2:root")))
    assert [shares(guest) for guest in ("2", "4")] == [True, False]
    store.keys.remove(made)
    assert not shares("2")
    assert store.keys.hosts("2") == ()


def test_a_put_key_is_found_at_once_and_after_a_commit(store: Store) -> None:
    made, version = key(1)
    store.keys.add(made, version, {})
    assert store.keys.get(ACCOUNT, REGION, "key-1") == made
    changed = msgspec.structs.replace(made.after(Event.DISABLE), description="new")
    store.keys.put(changed)
    assert store.keys.get(ACCOUNT, REGION, "key-1") == changed
    store.commit()
    store.begin()
    assert store.keys.get(ACCOUNT, REGION, "key-1") == changed


def test_rotations_the_longest_due_first(store: Store) -> None:
    for number, interval in ((1, 30), (2, 10), (3, None), (4, 20)):
        made, version = key(number)
        store.keys.add(msgspec.structs.replace(made, rotated=100, rotation_interval=interval), version, {})
    assert store.keys.rotating(109, 9) == ()
    assert [one.key_id for one in store.keys.rotating(130, 9)] == ["key-2", "key-4", "key-1"]
    assert [one.key_id for one in store.keys.rotating(130, 2)] == ["key-2", "key-4"]
    found = store.keys.rotating(110, 9)[0]
    store.keys.put(found.after(Event.DISABLE))
    assert [one.key_id for one in store.keys.rotating(120, 9)] == ["key-4"]
    store.keys.put(found)
    store.keys.put(msgspec.structs.replace(found, rotation_interval=None))
    assert [one.key_id for one in store.keys.rotating(120, 9)] == ["key-4"]


def test_tags_and_protection_are_replaced(store: Store) -> None:
    made, version = key(1)
    store.keys.add(made, version, {"a": "1", "b": "2"})
    store.keys.put_tags(ACCOUNT, REGION, "key-1", {"c": "3", "a": "4"})
    assert store.keys.tags(ACCOUNT, REGION, "key-1") == {"a": "4", "c": "3"}
    store.keys.put_tags(ACCOUNT, REGION, "key-1", {})
    assert store.keys.tags(ACCOUNT, REGION, "key-1") == {}
    protected = msgspec.structs.replace(made, protected=True, protection_reason="密")
    store.keys.put(protected)
    store.commit()
    store.begin()
    assert store.keys.get(ACCOUNT, REGION, "key-1") == protected
    other, version = key(2)
    store.keys.add(msgspec.structs.replace(other, protected=True, protection_reason="b"), version, {})
    found = store.keys.get(ACCOUNT, REGION, "key-2")
    assert found is not None
    assert (found.protected, found.protection_reason) == (True, "b")


def after(version: KeyVersion, version_id: str, now: int) -> KeyVersion:
    return msgspec.structs.replace(version.next(version_id, now), material=version.material)


def test_versions_are_kept_by_number(store: Store) -> None:
    made, first = key(1)
    store.keys.add(made, first, {})
    store.keys.add(*key(2), {})
    second = after(first, "version-a", 7)
    third = after(second, "version-0", 8)
    for version in (second, third):
        store.keys.add_version(version)
    store.keys.put(made.rotated_to(third))
    found = store.keys.get(ACCOUNT, REGION, "key-1")
    assert found is not None
    assert (found.primary_version, found.rotated) == ("version-0", 8)
    assert store.keys.version(ACCOUNT, "version-a") == second
    assert store.keys.versions(ACCOUNT, REGION, "key-1", 0, 2) == Page((third, second), 3)
    assert store.keys.versions(ACCOUNT, REGION, "key-1", 2, 2) == Page((first,), 3)
    assert store.keys.versions(ACCOUNT, REGION, "key-1", 3, 2) == Page((), 3)
    assert store.keys.versions(ACCOUNT, "elsewhere", "key-1", 0, 2) == Page((), 0)


def test_versions_and_access_keys_are_walked_in_order(store: Store) -> None:
    for number in (2, 1, 3):
        store.keys.add(*key(number), {})
    versions = [key(number)[1] for number in (1, 2, 3)]
    assert store.keys.versions_after(("", "", "", 0), 2) == tuple(versions[:2])
    assert store.keys.versions_after(versions[1].place, 2) == tuple(versions[2:])
    assert store.keys.versions_after(versions[2].place, 2) == ()
    rotated = msgspec.structs.replace(versions[0], version_id="version-9", number=2)
    store.keys.add_version(rotated)
    assert store.keys.versions_after(versions[0].place, 1) == (rotated,)
    made = [
        AccessKey(
            access_key_id=name,
            account=ACCOUNT,
            status=AccessKeyStatus.ACTIVE,
            created=1,
            secret=Wrapped(1, b"s"),
        )
        for name in ("b", "a", "c")
    ]
    for one in made:
        store.accounts.add_access_key(one)
    assert store.accounts.access_keys_after("", 2) == (made[1], made[0])
    assert store.accounts.access_keys_after("b", 2) == (made[2],)
    assert store.accounts.access_keys_after("c", 2) == ()


def test_a_removed_key_takes_versions_tags_and_aliases_along(store: Store) -> None:
    for number in (1, 2):
        store.keys.add(*key(number), {"a": "b"})
        store.aliases.add(alias(f"alias/{number}", f"key-{number}"))
    store.keys.add_version(after(key(1)[1], "version-1b", 9))
    assert store.keys.remove(key(1)[0]) in (("version-1", "version-1b"), ("version-1b", "version-1"))
    assert store.keys.versions(ACCOUNT, REGION, "key-1", 0, 9) == Page((), 0)
    assert store.keys.version(ACCOUNT, "version-1b") is None
    assert store.keys.get(ACCOUNT, REGION, "key-1") is None
    assert store.keys.version(ACCOUNT, "version-1") is None
    assert store.keys.tags(ACCOUNT, REGION, "key-1") == {}
    assert store.aliases.get(ACCOUNT, REGION, "alias/1") is None
    assert store.keys.page(ACCOUNT, REGION, KeyFilter(), 0, 10).items == ("key-2",)
    assert store.aliases.page(ACCOUNT, REGION, 0, 10).total == 1
    assert store.keys.tags(ACCOUNT, REGION, "key-2") == {"a": "b"}


def test_a_rollback_and_an_undone_savepoint_leave_nothing_and_no_stale_read(store: Store) -> None:
    made, version = key(1)
    store.keys.add(made, version, {})
    store.commit()
    store.begin()
    assert store.keys.get(ACCOUNT, REGION, "key-1") == made
    with store.savepoint() as undo:
        store.keys.put(made.after(Event.DISABLE))
        assert store.keys.get(ACCOUNT, REGION, "key-1") != made
        store.aliases.add(alias("alias/a", "key-1"))
        undo()
    assert store.keys.get(ACCOUNT, REGION, "key-1") == made
    assert store.aliases.get(ACCOUNT, REGION, "alias/a") is None
    with pytest.raises(ZeroDivisionError), store.savepoint():
        store.keys.remove(made)
        raise ZeroDivisionError
    assert store.keys.get(ACCOUNT, REGION, "key-1") == made
    with store.savepoint():
        store.aliases.add(alias("alias/kept", "key-1"))
    store.keys.put(made.after(Event.DISABLE))
    store.rollback()
    store.begin()
    assert store.keys.get(ACCOUNT, REGION, "key-1") == made
    assert store.aliases.get(ACCOUNT, REGION, "alias/kept") is None


def test_a_rollback_without_a_batch_is_fine(store: Store) -> None:
    store.rollback()
    store.rollback()
    store.begin()


def test_an_alias_is_unique(store: Store) -> None:
    for number in (1, 2):
        store.keys.add(*key(number), {})
    store.aliases.add(alias("alias/a", "key-1"))
    with pytest.raises(AliasTaken):
        store.aliases.add(alias("alias/a", "key-2"))
    assert store.aliases.get(ACCOUNT, REGION, "alias/a") == alias("alias/a", "key-1")


def test_a_moved_alias_keeps_its_place(store: Store) -> None:
    for number in (1, 2):
        store.keys.add(*key(number), {})
    for name in ("alias/a", "alias/b", "alias/c"):
        store.aliases.add(alias(name, "key-1"))
    assert store.aliases.get(ACCOUNT, REGION, "alias/a") is not None
    store.aliases.put(alias("alias/a", "key-2"))
    assert store.aliases.get(ACCOUNT, REGION, "alias/a") == alias("alias/a", "key-2")
    assert [one.name for one in store.aliases.page(ACCOUNT, REGION, 0, 10).items] == [
        "alias/a",
        "alias/b",
        "alias/c",
    ]
    assert [one.name for one in store.aliases.page_of_key(ACCOUNT, REGION, "key-1", 1, 1).items] == [
        "alias/c"
    ]
    assert store.aliases.page_of_key(ACCOUNT, REGION, "key-2", 0, 10).total == 1


def test_authorities_are_replaced_together(store: Store) -> None:
    assert store.authorities.all() == ()
    old = KeptAuthority(certificate="old", key=Wrapped(1, b"\x00key"), expires=9, retires=5)
    new = KeptAuthority(certificate="new\n", key=Wrapped(1, b"key"), expires=10)
    store.authorities.replace([old, new])
    assert store.authorities.all() == (old, new)
    store.commit()
    store.begin()
    store.authorities.replace([new])
    assert store.authorities.all() == (new,)
    store.rollback()
    store.begin()
    assert store.authorities.all() == (old, new)
    with store.savepoint() as undo:
        store.authorities.replace([])
        assert store.authorities.all() == ()
        undo()
    assert store.authorities.all() == (old, new)


def test_keys_are_counted_by_state_in_all_regions(store: Store) -> None:
    assert store.keys.amounts() == {}
    for number in range(3):
        store.keys.add(*key(number), {})
    other, version = key(3, region="cn-beijing", state=KeyState.DISABLED)
    store.keys.add(other, version, {})
    store.aliases.add(alias("alias/a", "key-1"))
    assert store.keys.amounts() == {KeyState.ENABLED: 3, KeyState.DISABLED: 1}
    store.keys.put(key(0, state=KeyState.DISABLED)[0])
    store.keys.remove(other)
    assert store.keys.amounts() == {KeyState.ENABLED: 2, KeyState.DISABLED: 1}


def test_access_keys(store: Store) -> None:
    def made(name: str, status: AccessKeyStatus = AccessKeyStatus.ACTIVE) -> AccessKey:
        return AccessKey(
            access_key_id=name, account=ACCOUNT, status=status, created=1, secret=Wrapped(1, b"s")
        )

    store.accounts.add_access_key(made("b"))
    store.accounts.add_access_key(made("a"))
    assert store.accounts.access_key("a") == made("a")
    assert store.accounts.access_key("c") is None
    store.accounts.put_access_key(made("a", AccessKeyStatus.INACTIVE))
    assert store.accounts.access_key("a") == made("a", AccessKeyStatus.INACTIVE)
    assert [one.access_key_id for one in store.accounts.access_keys(ACCOUNT)] == ["b", "a"]
    assert store.accounts.access_keys("2") == ()
    store.accounts.put_access_key(msgspec.structs.replace(made("b"), expires=7))
    assert [one.access_key_id for one in store.accounts.expired_access_keys(7)] == ["b"]
    assert store.accounts.expired_access_keys(6) == ()
    store.accounts.remove_access_key("a")
    assert store.accounts.access_key("a") is None


def test_access_keys_keep_who_made_them_what_for_and_their_last_use(store: Store) -> None:
    made = AccessKey(
        access_key_id="a",
        account=ACCOUNT,
        status=AccessKeyStatus.ACTIVE,
        created=1,
        secret=Wrapped(1, b"s"),
        description="密 for nginx",
        creator="alice",
    )
    store.accounts.add_access_key(made)
    assert store.accounts.access_key("a") == made
    store.accounts.note_use({"a": 7, "gone": 8})
    assert store.accounts.access_key("a") == msgspec.structs.replace(made, last_used=7)
    assert store.accounts.access_key("gone") is None
    changed = msgspec.structs.replace(made, description="d", creator="bob", last_used=9)
    store.accounts.put_access_key(changed)
    assert store.accounts.access_key("a") == changed
    assert store.accounts.access_keys(ACCOUNT) == (changed,)


def test_nonces_are_remembered_until_purged_and_the_horizon_never_goes_back(store: Store) -> None:
    store.nonces.add([(10, b"a" * 16), (20, b"a" * 16)])
    assert store.nonces.seen(10, b"a" * 16)
    assert not store.nonces.seen(10, b"b" * 16)
    assert store.nonces.horizon() == 0
    store.nonces.purge(5)
    assert store.nonces.horizon() == 0
    store.nonces.purge(15)
    assert store.nonces.horizon() == 10
    assert not store.nonces.seen(10, b"a" * 16)
    assert store.nonces.seen(20, b"a" * 16)
    store.nonces.add([(3, b"c" * 16)])
    store.nonces.purge(4)
    assert store.nonces.horizon() == 10
    store.rollback()
    store.begin()
    assert store.nonces.horizon() == 0
    assert not store.nonces.seen(20, b"a" * 16)


def test_an_undone_purge_leaves_the_horizon(store: Store) -> None:
    store.nonces.add([(10, b"a" * 16)])
    with store.savepoint() as undo:
        store.nonces.purge(10)
        assert store.nonces.horizon() == 10
        undo()
    assert store.nonces.horizon() == 0
    assert store.nonces.seen(10, b"a" * 16)
    store.nonces.purge(10)
    store.commit()
    store.begin()
    assert store.nonces.horizon() == 10


def test_the_horizon_can_be_moved_to_a_second_without_nonces_and_never_back(store: Store) -> None:
    store.nonces.add([(100, b"a" * 16)])
    with store.savepoint() as undo:
        store.nonces.move_horizon(70)
        assert store.nonces.horizon() == 70
        undo()
    assert store.nonces.horizon() == 0
    store.nonces.move_horizon(50)
    store.nonces.move_horizon(40)
    store.commit()
    store.begin()
    assert store.nonces.horizon() == 50
    assert store.nonces.seen(100, b"a" * 16)


@pytest.mark.parametrize("again", [[(10, b"a" * 16)], [(10, b"c" * 16), (10, b"c" * 16)]])
def test_a_nonce_is_not_remembered_twice(store: Store, again: list[tuple[int, bytes]]) -> None:
    store.nonces.add([(10, b"a" * 16), (10, b"b" * 16)])
    store.commit()
    store.begin()
    with pytest.raises(StoreFailure):
        store.nonces.add(again)
    store.rollback()
    store.begin()
    assert store.nonces.seen(10, b"a" * 16)
    assert not store.nonces.seen(10, b"c" * 16)
    store.nonces.add([(11, b"a" * 16)])
    assert store.nonces.seen(11, b"a" * 16)


def test_the_head_follows_what_is_appended(store: Store) -> None:
    assert store.audit.head("a server") == Head()
    previous, rows = GENESIS, []
    for number in (1, 2):
        record = msgspec.structs.replace(RECORD, chain="a server", sequence=number)
        previous = link(previous, record)
        rows.append((record, previous))
    store.audit.append(rows)
    assert store.audit.head("a server") == Head(2, previous)
    store.rollback()
    store.begin()
    assert store.audit.head("a server") == Head()


def test_due_keys_the_longest_due_first(store: Store) -> None:
    for number, due in ((1, 30), (2, 10), (3, 20), (4, None)):
        made, version = key(number)
        store.keys.add(made, version, {})
        if due is not None:
            store.keys.put(made.scheduled(due))
    assert [one.key_id for one in store.keys.due(20, 10)] == ["key-2", "key-3"]
    assert [one.key_id for one in store.keys.due(99, 1)] == ["key-2"]
    assert store.keys.due(9, 10) == ()


STEPS = some.lists(
    some.tuples(some.sampled_from(["add", "disable", "remove"]), some.integers(0, 30)), max_size=40
)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@given(steps=STEPS, offset=some.integers(0, 20), limit=some.integers(1, 7))
def test_pages_are_right_while_keys_come_and_go(
    kind: str, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], offset: int, limit: int
) -> None:
    check_pages(fresh(kind, tmp_path_factory.mktemp("pages")), steps, offset, limit)


@settings(max_examples=25)  # each costs four times as much as over SQLite
@given(steps=STEPS, offset=some.integers(0, 20), limit=some.integers(1, 7))
def test_pages_are_right_in_postgresql_while_keys_come_and_go(
    databases: Databases, steps: list[tuple[str, int]], offset: int, limit: int
) -> None:
    with databases.one() as url:
        check_pages(fresh(url, Path()), steps, offset, limit)


def check_pages(store: Store, steps: list[tuple[str, int]], offset: int, limit: int) -> None:
    before, listing.STRETCH = listing.STRETCH, 4
    try:
        store.begin()
        found(store)
        model: dict[int, str] = {}
        created = 0
        for action, number in steps:
            alive = sorted(model)
            if action == "add":
                created += 1
                store.keys.add(*key(created), {})
                model[created] = "Enabled"
            elif alive:
                chosen = alive[number % len(alive)]
                stored = store.keys.get(ACCOUNT, REGION, f"key-{chosen}")
                assert stored is not None
                if action == "disable":
                    store.keys.put(stored.after(Event.DISABLE))
                    model[chosen] = "Disabled"
                else:
                    store.keys.remove(stored)
                    del model[chosen]
        for states in (frozenset(), frozenset({"Disabled"}), frozenset({"Enabled", "Disabled"})):
            wanted = [f"key-{one}" for one, state in sorted(model.items()) if not states or state in states]
            page = store.keys.page(ACCOUNT, REGION, KeyFilter(states=states), offset, limit)
            assert page.total == len(wanted)
            assert list(page.items) == wanted[offset : offset + limit]
        nothing = KeyFilter(specs=frozenset({"RSA_2048"}), usages=frozenset({"x"}))
        assert store.keys.page(ACCOUNT, REGION, nothing, 0, 1).total == 0
    finally:
        store.rollback()
        store.close()
        listing.STRETCH = before


def test_read_caches_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CACHED", 2)
    for number in range(5):
        store.keys.add(*key(number), {})
    for _ in range(2):
        for number in range(5):
            assert store.keys.get(ACCOUNT, REGION, f"key-{number}") is not None


def test_material_is_replaced_and_expires(store: Store) -> None:
    for number, expires in ((1, 30), (2, 10), (3, None)):
        made, version = key(number)
        changes = {"check": b"c", "expires": expires, "policy": shared_with("root")}
        store.keys.add(msgspec.structs.replace(made, **changes), version, {})
    assert store.keys.expiring(9, 9) == ()
    assert [one.key_id for one in store.keys.expiring(30, 9)] == ["key-2", "key-1"]
    assert [one.key_id for one in store.keys.expiring(30, 1)] == ["key-2"]
    store.keys.put(store.keys.expiring(10, 9)[0].without_material())
    assert [one.key_id for one in store.keys.expiring(30, 9)] == ["key-1"]
    found = store.keys.get(ACCOUNT, REGION, "key-2")
    assert found is not None
    assert (found.absent, found.check, found.policy, found.expires) == (True, b"c", shared_with("root"), None)
    version = key(2)[1]
    assert store.keys.version(ACCOUNT, "version-2") == version
    changed = msgspec.structs.replace(version, material=Wrapped(1, b"other"))
    store.keys.put_version(changed)
    assert store.keys.version(ACCOUNT, "version-2") == changed


def test_keys_are_found_by_their_tags(store: Store) -> None:
    for number in range(1, 5):
        made, version = key(number)
        tags = {"n": str(number % 2), "all": ""} if number < 4 else {}
        store.keys.add(made, version, tags)
    assert store.keys.tagged(ACCOUNT, REGION, {}, "", 9) == ("key-1", "key-2", "key-3")
    assert store.keys.tagged(ACCOUNT, REGION, {}, "key-1", 1) == ("key-2",)
    assert store.keys.tagged(ACCOUNT, REGION, {"n": "1"}, "", 9) == ("key-1", "key-3")
    assert store.keys.tagged(ACCOUNT, REGION, {"n": "1", "all": ""}, "key-1", 9) == ("key-3",)
    assert store.keys.tagged(ACCOUNT, REGION, {"n": "1", "all": "x"}, "", 9) == ()
    assert store.keys.tagged(ACCOUNT, "cn-beijing", {}, "", 9) == ()


def these(*values: str) -> frozenset[str]:
    return frozenset(values)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (KeyFilter(ids=these("key-2", "key-4", "none")), [2, 4]),
        (KeyFilter(aliases=these("alias/a", "alias/b", "alias/none")), [1, 3]),
        (KeyFilter(instances=these("kst-1")), [3, 4]),
        (KeyFilter(instances=these("")), []),
        (KeyFilter(tag_keys=these("team")), [1, 2, 3]),
        (KeyFilter(tag_values=these("web")), [1, 4]),
        (KeyFilter(tag_keys=these("team"), tag_values=these("web")), [1]),
        (KeyFilter(tag_keys=these("team", "env"), tag_values=these("web", "db")), [1, 2, 4]),
        (KeyFilter(tag_keys=these("team", "x")), [1, 2, 3]),
        (KeyFilter(tag_values=these("", "y")), [3]),
        (KeyFilter(aliases=these("alias/b", "alias/c")), [3]),
        (KeyFilter(tag_keys=these("team"), instances=these("kst-1")), [3]),
        (KeyFilter(tag_keys=these("team"), ids=these("key-1", "key-2"), states=these("Disabled")), [2]),
        (KeyFilter(aliases=these("alias/a"), ids=these("key-4")), []),
        (KeyFilter(creators=these(ACCOUNT, "1")), [1, 2, 3, 4]),
        (KeyFilter(creators=these("1")), []),
        (KeyFilter(creator_types=these("User")), [1, 2, 3, 4]),
        (KeyFilter(creator_types=these("Service"), ids=these("key-1")), []),
        (KeyFilter(creator_types=these("User", "Service"), states=these("Disabled")), [2]),
    ],
)
def test_keys_are_found_by_name_tag_and_instance(store: Store, where: KeyFilter, found: list[int]) -> None:
    tags = {1: {"team": "web"}, 2: {"team": "db"}, 3: {"team": "", "x": "y"}, 4: {"env": "web"}}
    for number in tags:
        made, version = key(number, instance="kst-1" if number > 2 else "")
        store.keys.add(made, version, tags[number])
    store.keys.put(key(2, instance="")[0].after(Event.DISABLE))
    other, version = key(9, region="elsewhere", instance="kst-1")
    store.keys.add(other, msgspec.structs.replace(version, region="elsewhere"), {"team": "web"})
    store.aliases.add(alias("alias/a", "key-1"))
    store.aliases.add(alias("alias/b", "key-3"))
    store.aliases.add(alias("alias/c", "key-3"))
    ids = tuple(f"key-{number}" for number in found)
    assert store.keys.page(ACCOUNT, REGION, where, 0, 10) == Page(ids, len(ids))
    assert store.keys.page(ACCOUNT, REGION, where, 1, 1) == Page(ids[1:2], len(ids))


def test_tags_are_looked_for_with_a_value_or_with_any(store: Store) -> None:
    for number, tags in enumerate(({"a": "1"}, {"a": "2", "b": "1"}, {"b": ""}, {}), 1):
        made, version = key(number)
        store.keys.add(made, version, tags)

    def tagged(after: str = "", limit: int = 9, **tags: str | None) -> list[str]:
        return [one[4:] for one in store.keys.tagged(ACCOUNT, REGION, tags, after, limit)]

    assert tagged() == ["1", "2", "3"]
    assert tagged(a=None) == ["1", "2"]
    assert tagged(a="1") == ["1"]
    assert tagged(a=None, b="1") == ["2"]
    assert tagged(a=None, b=None) == ["2"]
    assert tagged(b="") == ["3"]
    assert tagged("key-1", 1) == ["2"]


# --- accounts, users, groups and policies

OTHER = "1000000000000002"
ALICE = User(account=ACCOUNT, user_id="2" + "0" * 17, name="alice", created=1, updated=1, display_name="密")
TEAM = Group(account=ACCOUNT, group_id="g1", name="team", created=1, updated=1)
POLICY = CustomPolicy(account=ACCOUNT, name="p", created=1, updated=1)
FIRST = PolicyVersion(account=ACCOUNT, policy="p", number=1, document='{"Version": "1"}', created=1)
# In an order in which each refers only to what is there.
EVERYTHING: tuple[Identity, ...] = (
    ALICE,
    TEAM,
    Member(account=ACCOUNT, group_id="g1", user_id=ALICE.user_id, joined=2),
    POLICY,
    FIRST,
    Attachment(
        account=ACCOUNT, kind=Kind.USER, holder=ALICE.user_id, policy_type="Custom", policy="p", attached=3
    ),
    LoginProfile(account=ACCOUNT, user_id=ALICE.user_id, password="$1", created=1, changed=2),
    PasswordPolicy(account=ACCOUNT),
    MfaDevice(account=ACCOUNT, name="phone", generation=1, seed=b"1\x00\xff"),
    KnownAddress(account=ACCOUNT, user_id=ALICE.user_id, address="1", seen=1),
)
CHANGED: tuple[Identity, ...] = (
    msgspec.structs.replace(
        ALICE, name="bob", updated=9, mobile="1", email="2", comments="3", display_name=""
    ),
    msgspec.structs.replace(TEAM, name="crew", updated=9, comments="c"),
    msgspec.structs.replace(EVERYTHING[2], joined=9),
    msgspec.structs.replace(POLICY, updated=9, description="d", current=2, latest=3),
    msgspec.structs.replace(FIRST, document="密", created=9),
    msgspec.structs.replace(EVERYTHING[5], attached=9),
    LoginProfile(
        account=ACCOUNT,
        user_id=ALICE.user_id,
        password="$2",
        created=3,
        changed=4,
        past="$1\n$0",
        reset_required=True,
        mfa_bind_required=True,
        last_login=5,
    ),
    PasswordPolicy(
        account=ACCOUNT,
        min_length=9,
        lowercase=False,
        uppercase=False,
        numbers=False,
        symbols=False,
        hard_expiry=True,
        max_age=1,
        reuse=2,
        max_attempts=3,
    ),
    MfaDevice(
        account=ACCOUNT, name="phone", generation=1, seed=b"2", user_id=ALICE.user_id, activated=1, step=2
    ),
    KnownAddress(account=ACCOUNT, user_id=ALICE.user_id, address="1", seen=2),
)


def everything(store: Store, account: str = ACCOUNT) -> list[Identity]:
    identities = store.identities
    return [
        *identities.all(User, account),
        *identities.all(Group, account),
        *identities.all(Member, account),
        *identities.all(CustomPolicy, account),
        *identities.versions(account, "p"),
        *identities.all(Attachment, account),
        *identities.all(LoginProfile, account),
        *identities.all(PasswordPolicy, account),
        *identities.all(MfaDevice, account),
        *identities.all(KnownAddress, account),
    ]


def test_accounts_are_replaced_and_found_by_id(store: Store) -> None:
    assert store.accounts.get(ACCOUNT) == Account(account_id=ACCOUNT, created=1)
    assert store.accounts.get(OTHER) is None
    store.accounts.add(Account(account_id=OTHER, created=2, name="team 密"))
    disabled = Account(account_id=OTHER, created=2, name="x", status=AccountStatus.DISABLED)
    store.accounts.put(disabled)
    assert store.accounts.get(OTHER) == disabled
    assert [one.account_id for one in store.accounts.all()] == [ACCOUNT, OTHER]
    store.commit()
    store.begin()
    assert store.accounts.get(OTHER) == disabled
    with store.savepoint() as undo:
        store.accounts.put(msgspec.structs.replace(disabled, status=AccountStatus.ACTIVE))
        undo()
    assert store.accounts.get(OTHER) == disabled
    store.accounts.put(msgspec.structs.replace(disabled, name="y"))
    store.rollback()
    store.begin()
    assert store.accounts.get(OTHER) == disabled


def test_access_keys_keep_whose_they_are(store: Store) -> None:
    made = AccessKey(
        access_key_id="a",
        account=ACCOUNT,
        status=AccessKeyStatus.ACTIVE,
        created=1,
        secret=Wrapped(1, b"s"),
        user_id=ALICE.user_id,
    )
    root = msgspec.structs.replace(made, access_key_id="b", user_id="")
    store.accounts.add_access_key(made)
    store.accounts.add_access_key(root)
    assert store.accounts.access_keys(ACCOUNT) == (made, root)
    store.accounts.put_access_key(msgspec.structs.replace(made, status=AccessKeyStatus.INACTIVE))
    store.accounts.note_use({"a": 7})
    store.commit()
    store.begin()
    found = msgspec.structs.replace(made, status=AccessKeyStatus.INACTIVE, last_used=7)
    assert store.accounts.access_key("a") == found
    assert store.accounts.access_key("b") == root


def test_users_groups_and_policies_are_found_as_they_were_oldest_first(store: Store) -> None:
    assert everything(store) == []
    for one in EVERYTHING:
        store.identities.add(one)
    assert everything(store) == list(EVERYTHING)
    for one in CHANGED:
        store.identities.put(one)
    assert everything(store) == list(CHANGED)
    store.commit()
    store.begin()
    assert everything(store) == list(CHANGED)
    second = msgspec.structs.replace(ALICE, user_id="1" * 18, name="alan")
    store.identities.add(second)
    store.identities.put(CHANGED[0])
    assert store.identities.all(User, ACCOUNT) == (CHANGED[0], second)
    store.identities.add(msgspec.structs.replace(FIRST, number=2))
    assert [one.number for one in store.identities.versions(ACCOUNT, "p")] == [1, 2]
    assert store.identities.versions(ACCOUNT, "q") == ()
    assert everything(store, OTHER) == []
    assert store.identities.versions(OTHER, "p") == ()
    store.identities.remove(msgspec.structs.replace(FIRST, number=2))
    store.identities.remove(second)
    for one in reversed(CHANGED):
        store.identities.remove(one)
    assert everything(store) == []


def test_what_is_undone_of_users_groups_and_policies_is_as_if_it_never_was(store: Store) -> None:
    for one in EVERYTHING:
        store.identities.add(one)
    store.commit()
    store.begin()
    with store.savepoint() as undo:
        for one in CHANGED:
            store.identities.put(one)
        assert everything(store) == list(CHANGED)
        undo()
    assert everything(store) == list(EVERYTHING)
    with pytest.raises(ZeroDivisionError), store.savepoint():
        for one in reversed(EVERYTHING):
            store.identities.remove(one)
        assert everything(store) == []
        raise ZeroDivisionError
    assert everything(store) == list(EVERYTHING)
    with store.savepoint():
        for one in CHANGED:
            store.identities.put(one)
    assert everything(store) == list(CHANGED)
    store.rollback()
    store.begin()
    assert everything(store) == list(EVERYTHING)


def test_a_revision_stands_for_what_there_is_of_an_account(store: Store) -> None:
    identities, seen = store.identities, set[int]()

    def is_new(account: str = ACCOUNT) -> bool:
        revision = identities.revision(account)
        assert identities.revision(account) == revision
        known = revision in seen
        seen.add(revision)
        return not known

    assert is_new()
    assert is_new(OTHER)
    store.accounts.add(Account(account_id=OTHER, created=2))
    for one in EVERYTHING:
        identities.add(one)
        assert is_new()
        assert not is_new(OTHER)
    for one in CHANGED:
        identities.put(one)
        assert is_new()
    # What was seen within is not what there is when it was undone, and will not be taken for another thing later.
    with store.savepoint() as undo:
        identities.put(ALICE)
        assert is_new()
        undo()
    is_new()
    identities.put(msgspec.structs.replace(ALICE, name="carol"))
    assert is_new()
    store.commit()
    store.begin()
    within = 0
    with pytest.raises(ZeroDivisionError), store.savepoint():
        identities.put(ALICE)
        within = identities.revision(ACCOUNT)
        raise ZeroDivisionError
    assert identities.revision(ACCOUNT) != within
    identities.put(ALICE)
    within = identities.revision(ACCOUNT)
    store.rollback()
    store.begin()
    assert identities.revision(ACCOUNT) != within
    assert identities.all(User, ACCOUNT)[0].name == "carol"
    for one in reversed(CHANGED):
        identities.remove(one)
        assert is_new()
    assert identities.revision(ACCOUNT) > max(seen - {identities.revision(ACCOUNT)})


# --- sessions


def session(name: str, account: str = ACCOUNT, **changes: object) -> Session:
    made = Session(
        digest=name.encode(), session_id=f"console-{name}", account=account, user_id="", created=1000, used=1000,
        confirmed=1000, how=How.LINK, source="192.0.2.1",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def test_sessions_are_found_as_they_were(store: Store) -> None:
    first = session("a")
    second = session("b", user_id=ALICE.user_id, how=How.PASSWORD, mfa=True, source="", created=1001)
    assert store.sessions.get(b"a") is None
    store.sessions.add(first)
    store.sessions.add(second)
    store.commit()
    store.begin()
    assert store.sessions.get(b"a") == first
    assert store.sessions.of(ACCOUNT) == (first, second)
    assert store.sessions.of(OTHER) == ()
    store.sessions.note_use({b"a": 1060, b"gone": 1})
    store.sessions.put(msgspec.structs.replace(second, used=1100, confirmed=1200))
    store.commit()
    store.begin()
    assert store.sessions.get(b"a") == msgspec.structs.replace(first, used=1060)
    assert store.sessions.get(b"b") == msgspec.structs.replace(second, used=1100, confirmed=1200)
    store.sessions.remove(second)
    store.sessions.remove(second)
    assert store.sessions.get(b"b") is None
    store.rollback()
    store.begin()
    assert store.sessions.get(b"b") is not None


def test_tickets_are_used_once_and_sessions_forgotten_when_they_have_ended(store: Store) -> None:
    ticket = Ticket(digest=b"t", account=ACCOUNT, kind=TicketKind.LINK, expires=100)
    code = Ticket(digest=b"c", account=ACCOUNT, kind=TicketKind.CODE, expires=101)
    for one in (ticket, code):
        store.sessions.add_ticket(one)
    store.commit()
    store.begin()
    assert store.sessions.ticket(b"t") == ticket
    assert store.sessions.ticket(b"c") == code
    store.sessions.purge(99)
    assert store.sessions.ticket(b"t") == ticket
    store.sessions.purge(100)
    assert store.sessions.ticket(b"t") is None
    store.sessions.remove_ticket(code)
    assert store.sessions.ticket(b"c") is None
    day = 100_000
    idle = session("a", created=day, used=day)
    old = session("b", created=day - LONGEST + IDLE, used=day + 1)
    there = session("c", created=day, used=day + 1)
    for made in (idle, old, there):
        store.sessions.add(made)
    store.sessions.purge(day + IDLE - 1)
    assert {one.session_id for one in store.sessions.of(ACCOUNT)} == {f"console-{name}" for name in "abc"}
    store.sessions.purge(day + IDLE)
    assert store.sessions.of(ACCOUNT) == (there,)
    store.commit()
    store.begin()
    store.sessions.purge(day + IDLE)
    assert store.sessions.of(ACCOUNT) == (there,)


def test_all_sessions_and_tickets_of_all_accounts_end_together(store: Store) -> None:
    other = "1000000000000002"
    store.accounts.add(Account(account_id=other, created=1))
    store.sessions.add(session("a"))
    store.sessions.add(msgspec.structs.replace(session("b"), account=other))
    store.sessions.add_ticket(Ticket(digest=b"t", account=other, kind=TicketKind.LINK, expires=100))
    store.commit()
    store.begin()
    assert store.sessions.end_all() == 2
    assert store.sessions.of(ACCOUNT) == store.sessions.of(other) == ()
    assert store.sessions.ticket(b"t") is None
    assert store.sessions.end_all() == 0


def test_a_head_is_on_a_chain_by_number_and_hash(store: Store) -> None:
    first = msgspec.structs.replace(RECORD, chain="a server", sequence=1)
    second = msgspec.structs.replace(first, sequence=2)
    hashes = [link(GENESIS, first)]
    hashes.append(link(hashes[0], second))
    store.audit.append(list(zip((first, second), hashes, strict=True)))
    assert store.audit.has("a server", Head(1, hashes[0]))
    assert store.audit.has("a server", Head(2, hashes[1]))
    assert not store.audit.has("a server", Head(2, hashes[0]))
    assert not store.audit.has("another", Head(1, hashes[0]))
    assert not store.audit.has("a server", Head(3, hashes[1]))
