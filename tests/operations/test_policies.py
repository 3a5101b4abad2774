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
    ("policy", "place"),
    [
        ("[", "it is not JSON at line 1, column 2"),
        ("[]", "it must be an object"),
        ("{}", "has no Statement"),
        ('{"Version": "1", "Statement": []}', "Statement: "),
        ('{"Version": "2", "Statement": [{}]}', "Version: "),
        ('{"Version": "1", "Statement": [[]]}', "Statement[0]: "),
        (text(Effect="Perhaps"), "Statement[0].Effect: "),
        (text(Action=[]), "Statement[0].Action: "),
        (text(Action=["ecs:*"]), "Statement[0].Action: "),
        (text(Resource=["acs:kms:*:*:key/1"]), "Statement[0].Resource: "),
        (text(Principal={}), "Statement[0].Principal: "),
        (text(Principal={"RAM": ["me"]}), "Statement[0].Principal.RAM: "),
        (text(Principal={"RAM": f"acs:ram::{'1' * 16}:user/"}), "Statement[0].Principal.RAM: "),
        (text(Condition=[]), "Statement[0].Condition: "),
        (text(Condition={"Perhaps": {"acs:SourceIp": "1"}}), "Statement[0].Condition.Perhaps.acs:SourceIp: "),
        (text(Condition={"Bool": {"kms:Secret": "true"}}), "Statement[0].Condition.Bool.kms:Secret: "),
        (text(Sid=1), "Statement[0].Sid: "),
        (text(Extra=1), "Statement[0].Extra: "),
        (text(Sid="x" * 129), "Statement[0].Sid: "),
        (text(Sid="é"), "Statement[0].Sid: "),
        (text(Sid=["x"]), "Statement[0].Sid: "),
        (text(**{"\ud800\x00": 1}), "Statement[0].\\ud800\\u0000: "),
        (text(Effect="Deny"), "Statement[0]: denies the account's root user kms:SetKeyPolicy"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_place(policy: str, place: str) -> None:
    service = Service()
    key_id = service.key()
    for action, more in (("SetKeyPolicy", {"KeyId": key_id}), ("CreateKey", {})):
        status, members = service.call(action, Policy=policy, **more)
        assert (status, members["Code"]) == (400, "InvalidParameter")
        assert members["Message"].startswith(f'The specified parameter "Policy" is not valid: {place}')
    assert json.loads(service.ok("GetKeyPolicy", KeyId=key_id)["Policy"])["Statement"][0]["Effect"] == "Allow"


def test_users_and_roles_and_other_accounts_may_be_named() -> None:
    service = Service()
    key_id = service.key()
    for principal in ("acs:ram::1:user/ops@x", "acs:ram::1:role/r", "acs:ram::*:root"):
        service.ok("SetKeyPolicy", KeyId=key_id, Policy=text(Principal={"RAM": principal}))


def test_a_policy_has_32_768_bytes_at_most() -> None:
    service = Service()
    key_id = service.key()
    longest = text(Sid="x" * 128).ljust(32_768)
    service.ok("SetKeyPolicy", KeyId=key_id, Policy=longest)
    assert service.refused("SetKeyPolicy", KeyId=key_id, Policy=longest + " ") == "InvalidParameter"
