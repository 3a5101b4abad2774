import json

import pytest

from keystead.api.key_policies import refuse_lockout
from keystead.errors import KeyPolicyMalformed

OWNER, OTHER = "1000000000000001", "1000000000000002"


def policy(**changes: object) -> str:
    deny = {
        "Effect": "Deny",
        "Action": "kms:*",
        "Principal": {"RAM": f"acs:ram::{OWNER}:root"},
        "Resource": "*",
        **changes,
    }
    allow = {**deny, "Effect": "Allow", "Action": "*", "Principal": {"RAM": f"acs:ram::{OWNER}:*"}}
    allow.pop("NotAction", None)
    return json.dumps({"Version": "1", "Statement": [allow, deny]})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Action": ["kms:Decrypt", "KMS:setkeypolicy"]},
        {"Action": "*"},
        {"Principal": {"RAM": [f"acs:ram::{OTHER}:root", f"acs:ram::{OWNER}:*"]}},
        {"Principal": {"RAM": ["acs:ram::*:root"]}},
    ],
)
def test_what_would_lock_out_the_owner_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(KeyPolicyMalformed) as refused:
        refuse_lockout(OWNER, policy(**changes))
    assert refused.value.text.startswith(
        'The specified parameter "Policy" is not valid: Statement[1]: denies'
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": "Allow"},
        {"Action": ["kms:Decrypt", "kms:GetKeyPolicy"]},
        {"Principal": {"RAM": f"acs:ram::{OTHER}:root"}},
        {"Principal": {"RAM": f"acs:ram::{OWNER}:user/*"}},
        {"Condition": {"NotIpAddress": {"acs:SourceIp": "192.0.2.0/24"}}},
    ],
)
def test_what_leaves_the_owner_a_way_is_taken(changes: dict[str, object]) -> None:
    refuse_lockout(OWNER, policy(**changes))


def test_all_but_the_setting_may_be_denied_and_no_policy_is_none() -> None:
    refuse_lockout(OWNER, policy().replace('"Deny", "Action": "kms:*"', '"Deny", "NotAction": "kms:*Policy"'))
    refuse_lockout(OWNER, "")
