"""The list of aliases, and how they are created, moved and deleted."""

import pytest

from tests.console.test_keys import HOSTILE, owner, user
from tests.harness import Service


def aliases(service: Service) -> dict[str, str]:
    """All aliases and the keys that they stand for."""
    return {
        one["AliasName"]: one["KeyId"]
        for one in service.ok("ListAliases", PageSize="100")["Aliases"]["Alias"]
    }


def test_where_there_is_none_the_page_says_what_to_do_next() -> None:
    shown = owner(Service()).get("/aliases")
    assert "There is no alias yet" in shown.text


def test_an_alias_is_created_moved_and_deleted() -> None:
    service = Service()
    browser, first, second = owner(service), service.key(), service.key()
    shown = browser.post("/aliases", {"alias": "tls/web", "key": first})
    assert "The alias was created" in shown.text
    assert aliases(service) == {"alias/tls/web": first}
    assert first in browser.get("/aliases/change", alias="alias/tls/web").text
    shown = browser.post("/aliases/move", {"alias": "alias/tls/web", "key": second})
    assert "The alias was moved" in shown.text
    assert second in shown.text
    assert aliases(service) == {"alias/tls/web": second}
    for typed in ("", "tls/web", "alias/other"):
        shown = browser.post("/aliases/delete", {"alias": "alias/tls/web", "typed_alias": typed})
        assert "Type the alias as it stands above" in shown.text
    shown = browser.post("/aliases/delete", {"alias": "alias/tls/web", "typed_alias": "alias/tls/web"})
    assert "The alias was deleted" in shown.text
    assert aliases(service) == {}


def test_the_list_goes_on_after_fifty() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    for number in range(51):
        service.ok("CreateAlias", KeyId=key_id, AliasName=f"alias/{number}-")
    assert "Page 1 of 2" in browser.get("/aliases").text
    assert "alias/50-" in browser.get("/aliases", page="2").text
    assert "There is no such page" in browser.get("/aliases", page="9").text


@pytest.mark.parametrize("name", ["", "with space", "alias/acs/oss", "a" * 256, HOSTILE])
def test_a_name_that_no_alias_may_have_is_told_beside_the_field(name: str) -> None:
    service = Service()
    key_id = service.key()
    shown = owner(service).post("/aliases", {"alias": name, "key": key_id})
    assert shown.status == 400
    assert "An alias is alias/" in shown.text
    assert key_id in shown.html  # what was typed is kept
    assert "<script>alert" not in shown.html
    assert aliases(service) == {}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "by its ID"),
        ("nowhere", "There is no such key in this region"),
        ("alias/tls", "not one of its aliases"),
        ("<script>", "This is not the ID of a key"),
    ],
)
def test_a_key_that_an_alias_can_not_stand_for_is_told_beside_the_field(key: str, said: str) -> None:
    service = Service()
    service.ok("CreateAlias", KeyId=service.key(), AliasName="alias/tls")
    browser, before = owner(service), aliases(service)
    for path, fields in (("/aliases", {"alias": "new"}), ("/aliases/move", {"alias": "alias/tls"})):
        shown = browser.post(path, {**fields, "key": key})
        assert shown.status == 400, path
        assert said in shown.text, path
        assert "<script>" not in shown.html
    assert aliases(service) == before


def test_an_alias_that_is_not_there_any_more_is_told() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    for shown in (
        browser.get("/aliases/change", alias="alias/gone"),
        browser.get("/aliases/change", alias="gone"),
        browser.get("/aliases/change"),
        browser.get("/aliases/change", alias=f"alias/{HOSTILE}"),
        browser.post("/aliases/move", {"alias": "alias/gone", "key": key_id}),
        browser.post("/aliases/delete", {"alias": "alias/gone", "typed_alias": "alias/gone"}),
    ):
        assert shown.status == 404
        assert "There is no such alias here" in shown.text
        assert "<script>" not in shown.html


def test_who_may_only_look_is_offered_nothing_and_a_forged_form_is_refused() -> None:
    service = Service()
    key_id, other = service.key(), service.key()
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/tls")
    before = aliases(service)
    browser = user(service, "kms:ListAliases", "kms:DescribeKey")
    assert "Needs the permission kms:CreateAlias" in browser.get("/aliases").text
    change = browser.get("/aliases/change", alias="alias/tls").text
    assert "Needs the permission kms:UpdateAlias" in change
    assert "Needs the permission kms:DeleteAlias" in change
    for path, fields, permission in (
        ("/aliases", {"alias": "new", "key": key_id}, "kms:CreateAlias"),
        ("/aliases/move", {"alias": "alias/tls", "key": other}, "kms:UpdateAlias"),
        ("/aliases/delete", {"alias": "alias/tls", "typed_alias": "alias/tls"}, "kms:DeleteAlias"),
    ):
        shown = browser.post(path, fields)
        assert shown.status == 403, path
        assert f"The permission {permission} is missing" in shown.text
    assert aliases(service) == before
    assert user(service, "kms:DescribeKey", name="bob").get("/aliases").status == 403
