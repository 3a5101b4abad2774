import json

from keystead.domain.policies import of_everybody, valid


def test_the_default_policy_is_one() -> None:
    assert valid(json.loads(of_everybody("1000000000000001")))


def test_users_and_roles_may_be_named() -> None:
    document = json.loads(of_everybody("1"))
    for principal in ("acs:ram::1:user/ops@x", "acs:ram::1:role/r", "acs:ram::*:root"):
        document["Statement"][0]["Principal"] = {"RAM": principal}
        assert valid(document)
    document["Statement"][0]["Principal"] = {"RAM": "acs:ram::1:user/"}
    assert not valid(document)
    assert not valid("text")
