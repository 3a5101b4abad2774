import json

import pytest

from tests.harness import Service

STATEMENT = {
    "Effect": "Allow",
    "Action": ["kms:*"],
    "Principal": {"RAM": ["acs:ram::1000000000000001:root"]},
    "Resource": ["*"],
}


def text(**changes: object) -> str:
    return json.dumps({"Version": "1", "Statement": [{**STATEMENT, **changes}]})


def test_a_policy_is_kept_as_it_came() -> None:
    service = Service()
    key_id = service.key()
    default = json.loads(service.ok("GetKeyPolicy", KeyId=key_id)["Policy"])
    assert default["Statement"][0]["Principal"] == {"RAM": [f"acs:ram::{service.account}:*"]}
    for policy in (
        text(),
        text(Sid="one", Condition={"Bool": {"acs:SecureTransport": "true"}}),
        text(Action="kms:Get*"),
    ):
        service.ok("SetKeyPolicy", KeyId=key_id, Policy=policy, PolicyName="default")
        assert service.ok("GetKeyPolicy", KeyId=key_id, PolicyName="default")["Policy"] == policy
    created = service.key(Policy=text(Sid="born"))
    assert service.ok("GetKeyPolicy", KeyId=created)["Policy"] == text(Sid="born")
    assert service.refused("GetKeyPolicy", KeyId=key_id, PolicyName="p") == "Forbidden.ResourceNotFound"
    assert service.refused("SetKeyPolicy", KeyId=key_id, Policy=text(), PolicyName="p") == (
        "Forbidden.ResourceNotFound"
    )
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    assert service.refused("SetKeyPolicy", KeyId=key_id, Policy=text()) == "Rejected.PendingDeletion"
    service.ok("GetKeyPolicy", KeyId=key_id)


@pytest.mark.parametrize(
    "policy",
    [
        "[",
        "[]",
        "{}",
        '{"Version": "1", "Statement": []}',
        '{"Version": "2", "Statement": [{}]}',
        '{"Version": "1", "Statement": [[]]}',
        text(Effect="Perhaps"),
        text(Action=[]),
        text(Action=["ecs:*"]),
        text(Resource=["acs:kms:*:*:key/1"]),
        text(Principal={}),
        text(Principal={"RAM": ["me"]}),
        text(Condition=[]),
        text(Sid=1),
        text(Extra=1),
        text(Sid="x" * 129),
        text(Sid="é"),
        text(Sid=["x"]),
    ],
)
def test_what_is_no_policy_is_refused(policy: str) -> None:
    service = Service()
    key_id = service.key()
    assert service.refused("SetKeyPolicy", KeyId=key_id, Policy=policy) == "InvalidParameter"
    assert service.refused("CreateKey", Policy=policy) == "InvalidParameter"


def test_a_policy_has_32_768_bytes_at_most() -> None:
    service = Service()
    key_id = service.key()
    longest = text(Sid="x" * 128).ljust(32_768)
    service.ok("SetKeyPolicy", KeyId=key_id, Policy=longest)
    assert service.refused("SetKeyPolicy", KeyId=key_id, Policy=longest + " ") == "InvalidParameter"
