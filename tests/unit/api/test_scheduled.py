from keystead.api import scheduled as api_service
from keystead.api.scheduled import delete_due, purge_nonces
from keystead.domain.keys.key import DAY
from tests.harness import Service


def run(service: Service, job: object) -> bool:
    assert callable(job)
    service.store.begin()
    batch = service.pipeline.open_batch()
    more = bool(job(service.pipeline, batch))
    batch.write()
    service.store.commit()
    return more


def test_a_key_is_deleted_when_it_is_due_and_not_before() -> None:
    service = Service()
    key_id = service.key(Tags='[{"TagKey":"a"}]')
    service.ok("CreateAlias", AliasName="alias/a", KeyId=key_id)
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    service.clock.advance(7 * DAY - 1)
    assert not run(service, delete_due)
    assert service.ok("DescribeKey", KeyId=key_id)
    service.clock.advance(1)
    run(service, delete_due)
    assert service.refused("DescribeKey", KeyId=key_id) == "Forbidden.KeyNotFound"
    assert service.refused("DescribeKey", KeyId="alias/a") == "Forbidden.AliasNotFound"
    assert service.refused("Decrypt", CiphertextBlob=blob) == "InvalidParameter"
    record = next(one for one in service.records if one.kind == "ServiceEvent")
    assert (record.action, record.caller_type, record.status) == ("DeleteKey", "service", 200)
    assert key_id in record.resources


def test_the_material_of_every_version_is_forgotten() -> None:
    service = Service()
    key_id = service.key()
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    service.ok("CreateKeyVersion", KeyId=key_id)
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    vault = service.world.vault
    assert len(vault._material) == 2
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    service.clock.advance(7 * DAY)
    run(service, delete_due)
    assert vault._material == {}


def test_a_backlog_is_deleted_in_pieces() -> None:
    service = Service()
    api_service._AT_ONCE, before = 2, api_service._AT_ONCE
    try:
        for _ in range(3):
            service.ok("ScheduleKeyDeletion", KeyId=service.key(), PendingWindowInDays="7")
        service.clock.advance(7 * DAY)
        assert run(service, delete_due)
        assert not run(service, delete_due)
        assert service.ok("ListKeys")["TotalCount"] == 0
    finally:
        api_service._AT_ONCE = before


def test_nonces_are_purged_and_a_clock_that_goes_back_revives_nothing() -> None:
    service = Service()
    request = service.request("ListKeys")
    assert service.send(request).status == 200
    service.clock.advance(902)
    run(service, purge_nonces)
    assert service.store.nonces.horizon() == int(service.clock.now()) - 902
    service.clock.advance(-902)
    answer = service.answer(request)[0]
    assert (answer.response.status, answer.code) == (400, "InvalidTimeStamp.Expired")
    service.clock.advance(1)
    assert service.ok("ListKeys")
