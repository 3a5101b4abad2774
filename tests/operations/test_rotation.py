from contextlib import closing
from typing import Any

import pytest

from keystead.api import scheduled as api_service
from keystead.api.scheduled import rotate_due
from keystead.clock import iso8601
from keystead.domain.keys.key import DAY
from keystead.store.reader import open_reader
from tests.harness import OnDisk, Service


def run(service: Service) -> bool:
    """What the server's timer does."""
    service.store.begin()
    batch = service.pipeline.open_batch()
    more = rotate_due(service.pipeline, batch)
    batch.write()
    service.store.commit()
    return more


def shown(service: Service, key_id: str) -> dict[str, Any]:
    found: dict[str, Any] = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
    return found


def versions(service: Service, key_id: str) -> list[dict[str, str]]:
    """The versions of a key, the oldest first."""
    found: list[dict[str, str]] = service.ok("ListKeyVersions", KeyId=key_id, PageSize="100")["KeyVersions"][
        "KeyVersion"
    ]
    return found[::-1]


def rotating(service: Service, days: int = 30) -> str:
    return service.key(EnableAutomaticRotation="true", RotationInterval=f"{days}d")


def test_a_key_without_rotation_shows_none() -> None:
    service = Service()
    metadata = shown(service, service.key(RotationInterval="7d"))
    assert metadata["AutomaticRotation"] == "Disabled"
    assert not {"RotationInterval", "NextRotationDate"} & metadata.keys()


def test_dates_and_states_of_the_policy() -> None:
    service = Service()
    key_id = rotating(service, 365)
    metadata = shown(service, key_id)
    assert (metadata["AutomaticRotation"], metadata["RotationInterval"]) == ("Enabled", "31536000s")
    assert metadata["NextRotationDate"] == iso8601(service.clock.now() + 365 * DAY)
    for action, more in (("DisableKey", {}), ("ScheduleKeyDeletion", {"PendingWindowInDays": "7"})):
        service.ok(action, KeyId=key_id, **more)
        assert shown(service, key_id)["AutomaticRotation"] == "Suspended"
        assert shown(service, key_id)["NextRotationDate"] == metadata["NextRotationDate"]
    service.ok("CancelKeyDeletion", KeyId=key_id)
    assert shown(service, key_id)["AutomaticRotation"] == "Enabled"
    service.ok("UpdateRotationPolicy", KeyId=key_id, EnableAutomaticRotation="true", RotationInterval="168h")
    assert shown(service, key_id)["RotationInterval"] == "604800s"
    service.ok("UpdateRotationPolicy", KeyId=key_id, EnableAutomaticRotation="false")
    assert shown(service, key_id)["AutomaticRotation"] == "Disabled"


def test_a_key_is_rotated_when_it_is_due_and_not_before() -> None:
    service = Service()
    key_id, other = rotating(service, 7), service.key()
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    service.clock.advance(7 * DAY - 1)
    run(service)
    assert len(versions(service, key_id)) == 1
    service.clock.advance(1)
    run(service)
    run(service)
    assert len(versions(service, key_id)) == 2
    assert len(versions(service, other)) == 1
    metadata = shown(service, key_id)
    assert metadata["PrimaryKeyVersion"] == versions(service, key_id)[1]["KeyVersionId"]
    assert metadata["LastRotationDate"] == iso8601(service.clock.now())
    assert metadata["NextRotationDate"] == iso8601(service.clock.now() + 7 * DAY)
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"
    record = next(one for one in service.records if one.kind == "ServiceEvent")
    assert (record.action, record.caller_type, record.status) == ("RotateKey", "service", 200)
    assert key_id in record.resources


def test_two_years_with_the_server_stopped_for_months(on_disk: OnDisk) -> None:
    """One rotation makes up for all that were missed; from there the interval counts anew."""
    service = on_disk
    key_id = rotating(service, 30)
    service.store.close()
    begin = service.clock.now()
    blobs: list[str] = []
    days = 0
    periods = [range(1, 100), range(250, 600), range(601, 731)]
    for period in periods:
        for day in period:
            service.clock.advance((day - days) * DAY)
            days = day
            if day == period[0]:
                service.start()
            run(service)
            if day % 10 == 0:
                blobs.append(service.ok("Encrypt", KeyId=key_id, Plaintext=str(day))["CiphertextBlob"])
        service.store.close()
    service.start()
    made = [one["CreationDate"] for one in versions(service, key_id)]
    expected = [0, 30, 60, 90, *range(250, 731, 30)]
    assert made == [iso8601(begin + day * DAY) for day in expected]
    assert shown(service, key_id)["NextRotationDate"] == iso8601(begin + (expected[-1] + 30) * DAY)
    opened = [service.ok("Decrypt", CiphertextBlob=blob) for blob in blobs]
    assert [int(one["Plaintext"]) for one in opened] == [
        day for period in periods for day in period if day % 10 == 0
    ]
    assert len({one["KeyVersionId"] for one in opened}) >= len(expected) - 1
    service.store.close()
    with closing(open_reader(service.place)) as reader:
        assert not [verdict.bad for verdict in reader.verify() if verdict.bad]
        assert [one.action for one in reader.all()].count("RotateKey") == len(expected) - 1


def test_a_suspended_key_is_rotated_once_it_is_enabled_again() -> None:
    service = Service()
    key_id = rotating(service, 7)
    service.ok("DisableKey", KeyId=key_id)
    service.clock.advance(20 * DAY)
    run(service)
    assert len(versions(service, key_id)) == 1
    service.ok("EnableKey", KeyId=key_id)
    run(service)
    assert len(versions(service, key_id)) == 2


def test_a_shorter_interval_whose_time_is_past_rotates_at_once() -> None:
    service = Service()
    key_id = rotating(service, 365)
    service.clock.advance(100 * DAY)
    service.ok("UpdateRotationPolicy", KeyId=key_id, EnableAutomaticRotation="true", RotationInterval="30d")
    assert shown(service, key_id)["NextRotationDate"] < iso8601(service.clock.now())
    run(service)
    assert len(versions(service, key_id)) == 2


def test_a_rotation_by_hand_moves_the_next() -> None:
    service = Service()
    key_id = rotating(service, 30)
    service.clock.advance(20 * DAY)
    service.ok("CreateKeyVersion", KeyId=key_id)
    service.clock.advance(20 * DAY)
    run(service)
    assert len(versions(service, key_id)) == 2


def test_a_backlog_is_rotated_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    monkeypatch.setattr(api_service, "_AT_ONCE", 2)
    keys = [rotating(service, 7) for _ in range(3)]
    service.clock.advance(7 * DAY)
    assert [run(service), run(service)] == [True, False]
    assert [len(versions(service, key_id)) for key_id in keys] == [2, 2, 2]


@pytest.mark.parametrize("action", ["CreateKey", "UpdateRotationPolicy"])
def test_what_is_refused(action: str) -> None:
    service = Service()
    about = {} if action == "CreateKey" else {"KeyId": service.key()}
    on = {**about, "EnableAutomaticRotation": "true"}
    assert service.refused(action, **on) == "MissingParameter"
    for wrong in ("6d", "731d", "7", "x"):
        assert service.refused(action, **on, RotationInterval=wrong) == "InvalidParameter"
    for right in ("7d", "730d"):
        service.ok(action, **on, RotationInterval=right)


def test_the_policy_of_an_enabled_key_only() -> None:
    service = Service()
    key_id = service.key()
    on = {"KeyId": key_id, "EnableAutomaticRotation": "true", "RotationInterval": "7d"}
    assert service.refused("UpdateRotationPolicy", KeyId=key_id) == "MissingParameter"
    service.ok("DisableKey", KeyId=key_id)
    assert service.refused("UpdateRotationPolicy", **on) == "Rejected.Disabled"
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    assert service.refused("UpdateRotationPolicy", **on) == "Rejected.PendingDeletion"
