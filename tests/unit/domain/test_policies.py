import json

import pytest

from keystead.access.documents import key_document
from keystead.domain.policies import guests, of_everybody


def test_the_default_policy_is_one_of_the_account_as_a_whole() -> None:
    (statement,) = key_document(of_everybody("1000000000000001"))
    assert statement.principals is not None
    assert statement.principals.has_account("1000000000000001")
    assert not statement.principals.has_account("1000000000000002")
    assert statement.about("kms:Decrypt", "acs:kms:cn-hangzhou:1000000000000001:key/k")


@pytest.mark.parametrize(
    ("principals", "found"),
    [
        (["acs:ram::1:root", "acs:ram::1:user/a"], set()),
        ("acs:ram::2:user/a", {"2"}),
        (["acs:ram::2:user/a", "acs:ram::2:*", "acs:ram::3:root"], {"2", "3"}),
        (["acs:ram::*:root", "acs:ram::1?:user/a", "acs:ram::3:role/*"], {"*", "3"}),
    ],
)
def test_the_guests_of_a_policy_are_the_other_accounts_that_it_names(
    principals: object, found: set[str]
) -> None:
    statement = {"Effect": "Deny", "Action": "kms:*", "Principal": {"RAM": principals}, "Resource": "*"}
    policy = json.dumps({"Version": "1", "Statement": [statement, {**statement, "Effect": "Allow"}]})
    assert key_document(policy)
    assert guests(policy, "1") == found


def test_no_policy_has_no_guests() -> None:
    assert guests("", "1") == set()
    assert guests(of_everybody("1"), "1") == set()
