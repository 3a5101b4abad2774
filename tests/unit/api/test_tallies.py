import json

import pytest

from keystead.api import tallies as module
from keystead.api.scheduled import delete_due, write_all_tallies, write_tallies
from keystead.domain.keys.key import DAY
from keystead.domain.keys.uses import Place, Use, User
from keystead.store.ports import StoreFailure
from tests.harness import Service


@pytest.fixture
def service(any_service: Service) -> Service:
    return any_service


def run(service: Service, *jobs: object, fails: bool = False) -> list[bool]:
    """Run jobs in one batch, and commit it unless that fails."""
    service.store.begin()
    batch = service.pipeline.open_batch()
    more = [bool(job(service.pipeline, batch)) for job in jobs if callable(job)]
    batch.write()
    if fails:
        service.store.rollback()
    else:
        service.store.commit()
        service.pipeline.committed(batch)
    return more


def place(service: Service, key_id: str) -> Place:
    return service.account, service.region, key_id


def told(service: Service, key_id: str) -> list[tuple[User, Use]]:
    service.store.begin()
    found = service.pipeline.tallies.uses(service.store, place(service, key_id))
    service.store.rollback()
    return found


def stored(service: Service, key_id: str) -> int:
    """The calls that the store knows."""
    service.store.begin()
    found = service.store.tallies.uses(place(service, key_id))
    service.store.rollback()
    return sum(use.calls for use in found.values())


def test_what_is_told_is_the_same_before_and_after_it_is_written(service: Service) -> None:
    key_id = service.key()
    for _ in range(3):
        service.clock.advance(1)
        service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    before = told(service, key_id)
    assert [(user.action, use.calls) for user, use in before] == [("Encrypt", 3)]
    assert stored(service, key_id) == 0
    assert run(service, write_tallies) == [False]
    assert (told(service, key_id), stored(service, key_id)) == (before, 3)
    assert run(service, write_tallies, write_tallies) == [False, False]
    assert stored(service, key_id) == 3
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    assert told(service, key_id)[0][1].calls == 4


def test_a_write_that_fails_is_done_by_the_next_one(service: Service) -> None:
    key_id = service.key()
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    run(service, write_tallies, fails=True)
    assert stored(service, key_id) == 0
    assert run(service, write_tallies, write_all_tallies) == [False, False]
    assert stored(service, key_id) == 1
    assert sum(use.calls for _, use in told(service, key_id)) == 1


def test_a_call_whose_batch_failed_is_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    key_id = service.key()

    def fail() -> None:
        raise StoreFailure("full")

    with monkeypatch.context() as patched:
        patched.setattr(service.store, "commit", fail)
        with pytest.raises(StoreFailure):
            service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    service.store.rollback()
    assert told(service, key_id) == []


def test_many_are_written_in_pieces_or_all_at_once_at_the_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 3)
    monkeypatch.setattr(module.Tallies.write, "__defaults__", (3,))
    monkeypatch.setattr(module, "MANY", 5)
    keys = [service.key() for _ in range(4)]
    assert not service.pipeline.tallies.many
    for key_id in keys:
        blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
        service.ok("Decrypt", CiphertextBlob=blob)
    assert service.pipeline.tallies.many  # 8 of them
    assert run(service, write_tallies) == [True]
    assert sum(stored(service, key_id) for key_id in keys) == 3
    assert run(service, write_tallies) == [True]
    assert run(service, write_tallies) == [False]
    assert [stored(service, key_id) for key_id in keys] == [2] * 4
    assert not service.pipeline.tallies.many
    for key_id in keys:
        service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    assert run(service, write_all_tallies) == [False]
    assert [stored(service, key_id) for key_id in keys] == [3] * 4


def test_the_uses_of_a_deleted_key_go_with_it(service: Service) -> None:
    key_id = service.key()
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    run(service, write_tallies)
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")  # known in memory only
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    service.clock.advance(7 * DAY)
    run(service, delete_due)
    assert run(service, write_tallies) == [False]
    assert stored(service, key_id) == 0
    assert told(service, key_id) == []


def test_a_trial_is_no_use_and_a_refusal_is_one(service: Service) -> None:
    key_id = service.key()
    service.call("Encrypt", KeyId=key_id, Plaintext="x", DryRun="true")
    service.ok("DescribeKey", KeyId=key_id)
    service.ok("CreateKeyVersion", KeyId=service.key())
    assert told(service, key_id) == []
    service.ok("DisableKey", KeyId=key_id)
    service.refused("Encrypt", KeyId=key_id, Plaintext="x")
    ((user, use),) = told(service, key_id)
    assert (user.action, use.calls, use.refused) == ("Encrypt", 1, 1)


def test_both_keys_of_a_re_encryption_are_used() -> None:
    service = Service()
    old, new = service.key(), service.key()
    blob = service.ok("Encrypt", KeyId=old, Plaintext="x")["CiphertextBlob"]
    service.ok("ReEncrypt", CiphertextBlob=blob, DestinationKeyId=new)
    versions = {
        key_id: service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["PrimaryKeyVersion"]
        for key_id in (old, new)
    }
    assert [(user.action, user.version) for user, _ in told(service, new)] == [("ReEncrypt", versions[new])]
    assert sorted((user.action, user.version) for user, _ in told(service, old)) == [
        ("Encrypt", versions[old]),
        ("ReEncrypt", versions[old]),
    ]


def test_a_call_that_uses_a_version_twice_is_one_use() -> None:
    service = Service()
    key_id = service.key()
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.ok("ReEncrypt", CiphertextBlob=blob, DestinationKeyId=key_id)
    assert {(user.action, use.calls) for user, use in told(service, key_id)} == {
        ("Encrypt", 1),
        ("ReEncrypt", 1),
    }


def test_the_version_that_a_ciphertext_needs_is_the_one_that_is_used() -> None:
    service = Service()
    key_id = service.key()
    first = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["PrimaryKeyVersion"]
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    made = service.ok("CreateKeyVersion", KeyId=key_id)["KeyVersion"]["KeyVersionId"]
    service.ok("Decrypt", CiphertextBlob=blob)
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    assert {(user.action, user.version) for user, _ in told(service, key_id)} == {
        ("Encrypt", first),
        ("Decrypt", first),
        ("Encrypt", made),
    }


def test_the_key_of_a_service_that_a_call_makes_is_used_by_it() -> None:
    service = Service()
    service.ok("GenerateDataKey", KeyId="alias/acs/oss")
    aliases = service.ok("ListAliases")["Aliases"]["Alias"]
    assert [user.action for user, _ in told(service, aliases[0]["KeyId"])] == ["GenerateDataKey"]


def test_minutes_are_told_before_and_after_they_are_written(service: Service) -> None:
    def counted() -> dict[int, tuple[int, int]]:
        service.store.begin()
        found = service.pipeline.tallies.minutes(service.store, service.account, 0)
        service.store.rollback()
        return found

    minute = int(service.clock.now()) // 60
    service.key()
    service.refused("Encrypt", KeyId="nowhere", Plaintext="x")
    assert counted() == {minute: (2, 1)}
    run(service, write_tallies, write_tallies, write_all_tallies)
    assert counted() == {minute: (2, 1)}
    service.key()
    assert counted() == {minute: (3, 1)}
    service.clock.advance(module.KEPT * 60)
    service.key()
    run(service, write_tallies)
    assert counted() == {minute: (3, 1), minute + module.KEPT: (1, 0)}
    service.clock.advance(60)
    service.key()
    run(service, write_tallies)
    assert counted() == {minute + module.KEPT: (1, 0), minute + module.KEPT + 1: (1, 0)}


def test_what_the_service_does_itself_is_no_call() -> None:
    service = Service()
    key_id = service.key()
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    service.clock.advance(7 * DAY)
    run(service, delete_due)
    service.store.begin()
    now = int(service.clock.now()) // 60
    assert service.pipeline.tallies.minutes(service.store, service.account, now) == {}
    assert json.loads(service.records[-1].resources)
