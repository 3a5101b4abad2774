import json

from keystead.api.events import record_event
from keystead.domain.keys.key import Key
from tests.harness import Service


def test_what_the_service_does_is_a_record_of_the_keys_account_and_region() -> None:
    service = Service()
    key_id = service.key(RegionId="cn-beijing")
    key = service.store.keys.get(service.account, "cn-beijing", key_id)
    assert isinstance(key, Key)
    service.store.begin()
    batch = service.pipeline.open_batch()
    record_event(batch, service.clock, service.entropy, key, "DoThing")
    record_event(batch, service.clock, service.entropy, key, "DoThing", {"Why": "because"})
    batch.write()
    service.store.commit()
    first, second = service.records[-2:]
    assert (first.kind, first.action, first.caller_type, first.principal) == (
        "ServiceEvent", "DoThing", "service", "keystead",
    )  # fmt: skip
    assert (first.account, first.region, first.status, first.code) == (
        service.account, "cn-beijing", 200, "",
    )  # fmt: skip
    assert first.time == int(service.clock.now() * 1000)
    assert json.loads(first.resources) == [f"acs:kms:cn-beijing:{service.account}:key/{key_id}"]
    assert (json.loads(first.parameters), json.loads(second.parameters)) == ({}, {"Why": "because"})
    assert first.request_id != second.request_id
    assert second.sequence == first.sequence + 1
