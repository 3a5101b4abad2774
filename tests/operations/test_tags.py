import json

import pytest

from tests.harness import Service


def tag(**tags: str) -> str:
    return json.dumps([{"TagKey": name, "TagValue": value} for name, value in tags.items()])


def listed(service: Service, key_id: str) -> dict[str, str]:
    rows = service.ok("ListResourceTags", KeyId=key_id)["Tags"]["Tag"]
    assert {row["KeyId"] for row in rows} <= {key_id}
    return {row["TagKey"]: row["TagValue"] for row in rows}


def test_tags_are_added_replaced_and_removed() -> None:
    service = Service()
    key_id, other = service.key(Tags=tag(first="1")), service.key()
    service.ok("TagResource", KeyId=key_id, Tags=tag(second="2", third=""))
    service.ok("TagResource", KeyId=key_id, Tags=tag(first="one"))
    assert listed(service, key_id) == {"first": "one", "second": "2", "third": ""}
    assert listed(service, other) == {}
    service.ok("UntagResource", KeyId=key_id, TagKeys='["second", "none"]')
    assert listed(service, key_id) == {"first": "one", "third": ""}


def test_a_key_has_at_most_twenty_tags() -> None:
    service = Service()
    key_id = service.key()
    service.ok("TagResource", KeyId=key_id, Tags=tag(**{f"k{number}": "v" for number in range(20)}))
    assert service.refused("TagResource", KeyId=key_id, Tags=tag(more="v")) == "InvalidParameter"
    service.ok("TagResource", KeyId=key_id, Tags=tag(k0="other"))
    assert len(listed(service, key_id)) == 20


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("TagResource", {"Tags": tag(a="b")}, "MissingParameter"),
        ("TagResource", {"KeyId": "KEY"}, "MissingParameter"),
        ("TagResource", {"KeyId": "none", "Tags": tag(a="b")}, "Forbidden.KeyNotFound"),
        ("TagResource", {"KeyId": "alias/a", "Tags": tag(a="b")}, "Unsupported.Alias"),
        ("TagResource", {"KeyId": "KEY", "Tags": tag(aliyun="b")}, "InvalidParameter"),
        ("TagResource", {"KeyId": "KEY", "Tags": "[1]"}, "InvalidParameter"),
        ("UntagResource", {"KeyId": "KEY", "TagKeys": "[]"}, "InvalidParameter"),
        ("UntagResource", {"KeyId": "KEY", "TagKeys": "{}"}, "InvalidParameter"),
        ("UntagResource", {"KeyId": "KEY", "TagKeys": "[1]"}, "InvalidParameter"),
        ("UntagResource", {"KeyId": "KEY", "TagKeys": json.dumps(["x"] * 21)}, "InvalidParameter"),
        ("UntagResource", {"KeyId": "KEY", "TagKeys": json.dumps(["x" * 129])}, "InvalidParameter"),
        ("UntagResource", {"TagKeys": '["a"]'}, "MissingParameter"),
        ("ListResourceTags", {}, "MissingParameter"),
    ],
)
def test_what_is_refused(action: str, parameters: dict[str, str], code: str) -> None:
    service = Service()
    key_id = service.key()
    given = {name: value.replace("KEY", key_id) for name, value in parameters.items()}
    assert service.refused(action, **given) == code


def test_a_key_that_is_to_be_deleted_keeps_its_tags() -> None:
    service = Service()
    key_id = service.key(Tags=tag(a="b"))
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    assert service.refused("TagResource", KeyId=key_id, Tags=tag(c="d")) == "Rejected.PendingDeletion"
    assert service.refused("UntagResource", KeyId=key_id, TagKeys='["a"]') == "Rejected.PendingDeletion"
    assert listed(service, key_id) == {"a": "b"}
