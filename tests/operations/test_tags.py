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


SEVERAL = {"RegionId": "cn-hangzhou", "ResourceType": "key"}


def several(keys: list[str], **tags: str) -> dict[str, str]:
    found = dict(SEVERAL)
    for number, key_id in enumerate(keys, 1):
        found[f"ResourceId.{number}"] = key_id
    for number, (name, value) in enumerate(tags.items(), 1):
        found |= {f"Tag.{number}.Key": name, f"Tag.{number}.Value": value}
    return found


def rows(service: Service, **parameters: str) -> list[tuple[str, str, str]]:
    listed = service.ok("ListTagResources", **{**SEVERAL, **parameters})["TagResources"]["TagResource"]
    assert {row["ResourceType"] for row in listed} <= {"key"}
    return [(row["ResourceId"], row["TagKey"], row["TagValue"]) for row in listed]


def test_several_keys_get_and_lose_tags_together() -> None:
    service = Service()
    one, two, bare = sorted(service.key() for _ in range(3))
    service.ok("TagResources", **several([one, two], team="web", env="a"))
    service.ok("TagResources", **several([two], env="b"))
    all_rows = [(one, "env", "a"), (one, "team", "web"), (two, "env", "b"), (two, "team", "web")]
    assert rows(service) == all_rows
    assert rows(service, **several([two, bare, one])) == all_rows
    assert rows(service, **{"Tag.1.Key": "team", "Tag.1.Value": "web"}) == all_rows
    assert rows(service, **{"Tag.1.Key": "team"}) == all_rows
    assert rows(service, **several([one]), **{"Tag.1.Key": "team", "Tag.1.Value": "other"}) == []
    assert rows(service, **{"Tag.1.Key": "team", "Tag.1.Value": ""}) == []
    both = {"Tag.1.Key": "team", "Tag.1.Value": "web", "Tag.2.Key": "env", "Tag.2.Value": "b"}
    assert rows(service, **both) == all_rows[2:]
    assert rows(service, **several([one]), **both) == []
    service.ok("UntagResources", **several([one, two]), **{"TagKey.1": "team", "TagKey.2": "none"})
    assert rows(service) == [(one, "env", "a"), (two, "env", "b")]
    service.ok("UntagResources", **several([one, two]), All="true")
    assert rows(service) == []


def test_all_of_them_or_none() -> None:
    service = Service()
    one, doomed = service.key(), service.key()
    full = service.key(Tags=json.dumps([{"TagKey": str(number)} for number in range(20)]))
    service.ok("ScheduleKeyDeletion", KeyId=doomed, PendingWindowInDays="7")
    assert service.refused("TagResources", **several([one, doomed], a="1")) == "Rejected.PendingDeletion"
    assert service.refused("TagResources", **several([one, "none"], a="1")) == "InvalidResourceId.NotFound"
    assert service.refused("TagResources", **several([one, full], a="1")) == "InvalidParameter"
    assert rows(service, **several([one])) == []


@pytest.mark.parametrize(
    ("action", "changes", "code"),
    [
        ("TagResources", {"ResourceType": "secret"}, "InvalidParameter"),
        ("TagResources", {"ResourceId.2": "k"}, "InvalidResourceId.NotFound"),
        ("TagResources", {"ResourceId.1": "alias/a"}, "Unsupported.Alias"),
        ("TagResources", {"ResourceId.1.Key": "k"}, "InvalidParameter"),
        ("TagResources", {"Tag.1": "k"}, "InvalidParameter"),
        ("TagResources", {"Tag.1.Extra": "k"}, "InvalidParameter"),
        ("TagResources", {"Tag.2.Key": "a"}, "Duplicate.TagKey"),
        ("TagResources", {"Tag.2.Value": "a"}, "InvalidParameter.TagKey"),
        ("TagResources", {"Tag.1.Key": "acs:x"}, "InvalidParameter.TagKey"),
        ("TagResources", {"Tag.1.Value": "v" * 129}, "InvalidParameter.TagValue"),
        ("UntagResources", {"ResourceId.2": "k", "TagKey.1": "a"}, "InvalidResourceId.NotFound"),
        ("ListTagResources", {"ResourceId.2": "k"}, "InvalidResourceId.NotFound"),
        ("ListTagResources", {"Tag.2.Key": "a"}, "Duplicate.TagKey"),
        ("TagResource", {"KeyId": "$", "Tags": "[]"}, "InvalidParameter"),
        ("TagResources", {f"Tag.{number}.Key": f"n{number}" for number in range(2, 22)}, "InvalidParameter"),
        ("UntagResources", {}, "MissingParameter"),
        ("UntagResources", {"TagKey.1": "k" * 129}, "InvalidParameter"),
    ],
)
def test_wrong_lists_are_refused(action: str, changes: dict[str, str], code: str) -> None:
    service = Service()
    key_id = service.key()
    parameters = {**several([key_id], a="1"), **changes}
    parameters |= {name: key_id for name, value in parameters.items() if value == "$"}
    assert service.refused(action, **parameters) == code


def test_fifty_keys_at_once_and_fifty_keys_a_page() -> None:
    service = Service()
    keys = [service.key() for _ in range(51)]
    service.ok("TagResources", **several(keys[:50], a="1"))
    assert service.refused("TagResources", **several(keys, a="1")) == "InvalidParameter"
    assert service.ok("ListTagResources", **SEVERAL)["NextToken"] == ""
    service.ok("TagResources", **several(keys[50:], a="1"))
    first = service.ok("ListTagResources", **SEVERAL)
    found = [row["ResourceId"] for row in first["TagResources"]["TagResource"]]
    late = service.ok("ListTagResources", **SEVERAL, NextToken=first["NextToken"])
    found += [row["ResourceId"] for row in late["TagResources"]["TagResource"]]
    assert (found, late["NextToken"]) == (sorted(keys), "")
    assert service.refused("TagResources", RegionId="cn-hangzhou", ResourceType="key") == "MissingParameter"
    for missing in ("ResourceId.1", "Tag.1.Key"):
        given = several(keys[:1], a="1")
        del given[missing]
        assert service.call("TagResources", **given)[0] == 400


def test_a_key_is_named_once() -> None:
    service = Service()
    key_id = service.key()
    assert service.refused("TagResources", **several([key_id, key_id], a="1")) == "InvalidParameter"
