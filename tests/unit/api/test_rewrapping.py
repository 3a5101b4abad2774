import json

import pytest

from keystead.api.batch import Batch
from keystead.api.rewrapping import DESTROYED, Rewrapping
from keystead.crypto.authority import open_authority
from keystead.domain.sign_in import MfaDevice
from keystead.errors import OperatorError, StoredRowAltered
from tests.harness import Service


def run(service: Service, rewrapping: Rewrapping, *, commit: bool = True) -> Batch:
    """One batch with the job in it."""
    service.store.begin()
    batch = service.pipeline.open_batch()
    assert rewrapping(service.pipeline, batch) is False
    if commit:
        batch.write()
        service.store.commit()
    else:
        service.store.rollback()
    return batch


def finish(service: Service, rewrapping: Rewrapping) -> None:
    run(service, rewrapping)
    for _ in range(1000):
        if not rewrapping.busy:
            return
        run(service, rewrapping)
    raise AssertionError("it does not come to its end")


def filled() -> Service:
    service = Service()
    service.operate("RotateAuthority")
    service.operate("CreateAccessKey")
    service.call("CreateVirtualMFADevice", Version="2015-05-01", VirtualMFADeviceName="phone")
    return service


def generations(service: Service) -> set[int]:
    """By which all is wrapped that is wrapped."""
    store, account = service.store, service.pipeline.home.account
    return {
        *(one.material.generation for one in store.keys.versions_after(("", "", "", 0), 1000)),
        *(one.secret.generation for one in store.accounts.access_keys_after("", 1000)),
        *(one.generation for one in store.identities.all(MfaDevice, account)),
        *(one.key.generation for one in store.authorities.all()),
    }


@pytest.mark.parametrize("at_once", [1, 2, 3, 1000])
def test_all_is_wrapped_anew_and_the_old_one_destroyed(at_once: int) -> None:
    service, rewrapping = filled(), Rewrapping(at_once)
    keys = [service.key() for _ in range(4)]
    blobs = [service.ok("Encrypt", KeyId=key, Plaintext="a")["CiphertextBlob"] for key in keys]
    finish(service, rewrapping)
    assert generations(service) == {1}
    before = service.store.keys.versions_after(("", "", "", 0), 1)[0]
    service.operate("RotateWrappingKey")
    finish(service, rewrapping)
    assert generations(service) == {2}
    assert [row.generation for row in service.store.keyring.all()] == [2]
    event = service.records[-1]
    assert (event.action, json.loads(event.parameters)) == (DESTROYED, {"Destroyed": "1", "Newest": "2"})
    run(service, rewrapping)
    with pytest.raises(OperatorError, match="does not open"):
        service.world.vault.prove_version(before)  # the old one is gone
    for blob in blobs:
        assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "a"
    open_authority(service.world.vault, service.store.authorities.all()[0])
    service.key()
    assert generations(service) == {2}
    assert not rewrapping.busy


def test_a_generation_that_was_undone_is_never_used() -> None:
    service, rewrapping = filled(), Rewrapping(10)
    run(service, rewrapping)
    run(service, rewrapping)
    # Made and seen in one batch that fails, and made anew in the next.
    for commit in (False, True):
        service.store.begin()
        batch = service.pipeline.open_batch()
        row = service.world.vault.new_wrapping_key(1, 2)
        service.store.keyring.add(row)
        for _ in range(3):  # whoever runs it twice in one batch
            rewrapping(service.pipeline, batch)
        assert service.world.vault.newest == 1
        if commit:
            service.store.commit()
        else:
            service.store.rollback()
    key = service.key()
    assert generations(service) == {1}
    finish(service, rewrapping)
    assert generations(service) == {2}
    blob = service.ok("Encrypt", KeyId=key, Plaintext="a")["CiphertextBlob"]
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "a"


def test_a_batch_that_fails_at_any_step_costs_nothing() -> None:
    service, rewrapping = filled(), Rewrapping(1)
    keys = [service.key() for _ in range(3)]
    service.operate("RotateWrappingKey")
    for _ in range(1000):
        run(service, rewrapping, commit=False)
        for key in keys:
            service.ok("Encrypt", KeyId=key, Plaintext="a")
        run(service, rewrapping)
        if not rewrapping.busy:
            break
    # What was skipped since its batch failed is found by whoever begins again.
    finish(service, Rewrapping(1))
    assert generations(service) == {2}
    for key in keys:
        service.ok("Encrypt", KeyId=key, Plaintext="a")


def test_one_more_rotation_while_one_goes_on() -> None:
    service, rewrapping = filled(), Rewrapping(1)
    for _ in range(3):
        service.key()
    service.operate("RotateWrappingKey")
    for _ in range(3):
        run(service, rewrapping)
    service.operate("RotateWrappingKey")
    finish(service, rewrapping)
    assert generations(service) == {3}
    assert [row.generation for row in service.store.keyring.all()] == [3]


def test_a_service_without_a_ca_of_its_own_and_without_keys() -> None:
    service, rewrapping = Service(), Rewrapping(10)
    service.operate("RotateWrappingKey")
    finish(service, rewrapping)
    assert generations(service) == {2}
    assert service.store.authorities.all() == ()


def test_a_row_that_was_altered_ends_it_and_the_old_generation_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    service, rewrapping = filled(), Rewrapping(10)
    service.key()
    service.operate("RotateWrappingKey")

    def altered(behind: tuple[str, str, str, int], limit: int) -> tuple[()]:
        raise StoredRowAltered

    monkeypatch.setattr(service.store.keys, "versions_after", altered)
    run(service, rewrapping)
    assert rewrapping.busy
    run(service, rewrapping)
    assert not rewrapping.busy
    run(service, rewrapping)
    assert len(service.store.keyring.all()) == 2
