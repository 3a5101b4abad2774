"""The list of keys, and how one is created."""

import json

import pytest

from keystead.console.visit import SESSION
from keystead.domain.keys.algorithms import SYMMETRIC, USAGES
from keystead.domain.keys.key import KeySpec, KeyUsage
from tests.at_console import Console
from tests.console.browser import Browser, Shown
from tests.harness import Service
from tests.ram import Ram, allow

HOSTILE = "\"><script>alert(1)</script>'{{7*7}}"


def owner(service: Service) -> Browser:
    browser = Browser(service)
    browser.sign_in_as_owner()
    return browser


def user(service: Service, *actions: str, name: str = "alice") -> Browser:
    """The browser of a user whose only policy allows these."""
    Ram(service).user(name, allow(*actions))
    browser = Browser(service)
    browser.cookies[SESSION] = Console(service, name).token  # without the time that a password takes
    return browser


def create(browser: Browser, **fields: str) -> Shown:
    return browser.post(
        "/keys/create", {"usage": "ENCRYPT/DECRYPT", "spec_encrypt": "Aliyun_AES_256", **fields}
    )


def only_key(service: Service) -> dict[str, str]:
    """What DescribeKey tells of the one key that there is."""
    (found,) = service.ok("ListKeys")["Keys"]["Key"]
    told: dict[str, str] = service.ok("DescribeKey", KeyId=found["KeyId"])["KeyMetadata"]
    return told


# --- the list


def test_where_there_is_no_key_the_list_says_what_to_do_next() -> None:
    shown = owner(Service()).get("/keys")
    assert "Create your first key" in shown.text
    assert 'href="/console/tour"' in shown.html
    assert 'href="/console/keys/create"' in shown.html


def test_a_key_is_found_by_any_of_its_names() -> None:
    service = Service()
    browser = owner(service)
    key_id = service.key(Description="of the web", Tags='[{"TagKey": "team", "TagValue": "edge"}]')
    other = service.key(Description="another")
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/tls")
    both = browser.get("/keys")
    assert key_id in both.html
    assert other in both.html
    assert "2 keys" in both.text
    for query in (key_id[4:20], "TLS", "the WEB", "edge", "team"):
        shown = browser.get("/keys", query=query)
        assert key_id in shown.html, query
        assert other not in shown.html, query
        assert "1 key that fit" in shown.text
    assert "No key of this region fits" in browser.get("/keys", query="nothing of the kind").text


def test_keys_are_filtered_by_what_they_are() -> None:
    service = Service()
    browser = owner(service)
    disabled, pair = service.key(), service.key(KeySpec="EC_P256", Tags='[{"TagKey": "a", "TagValue": "b"}]')
    service.ok("DisableKey", KeyId=disabled)
    for query, wanted in (
        ({"state": "Disabled"}, disabled),
        ({"state": "Enabled"}, pair),
        ({"spec": "EC_P256"}, pair),
        ({"usage": "SIGN/VERIFY"}, pair),
        ({"tag_key": "a"}, pair),
        ({"tag_key": "a", "tag_value": "b"}, pair),
    ):
        shown = browser.get("/keys", **query)
        assert wanted in shown.html, query
        assert "1 key that fit" in shown.text, query
    assert "0 keys" in browser.get("/keys", tag_key="a", tag_value="c").text
    # What nobody can choose is no filter.
    assert "2 keys" in browser.get("/keys", state="Broken", spec="DES", usage="x", page="-1").text


def test_the_list_goes_on_after_fifty_and_keeps_the_filter() -> None:
    service = Service()
    browser = owner(service)
    for number in range(51):
        service.key(Description=f"number-{number}-")
    first = browser.get("/keys", query="number")
    assert "Page 1 of 2" in first.text
    assert "number-0-" not in first.html
    assert "query=number&amp;page=2" in first.html
    second = browser.get("/keys", query="number", page="2")
    assert "number-0-" in second.html
    assert "Page before" in second.text
    assert "There is no such page" in browser.get("/keys", page="3").text


def test_keys_are_those_of_the_region_that_was_chosen() -> None:
    service = Service()
    browser = owner(service)
    here, there = service.key(), service.key(RegionId="cn-beijing")
    assert there not in browser.get("/keys").html
    missing = browser.get(f"/keys/{there}")
    assert missing.status == 404
    assert "It may be in another region" in missing.text
    shown = browser.post("/preferences", {"region": "cn-beijing", "page": f"/keys/{there}"})
    assert shown.status == 200
    assert there in shown.html
    listed = browser.get("/keys")
    assert there in listed.html
    assert here not in listed.html


@pytest.mark.parametrize("name", ["nowhere", "alias", "..%2f", "%3Cscript%3E", "a" * 70, "acs:kms:x"])
def test_a_key_that_there_is_not_is_told_plainly(name: str) -> None:
    shown = owner(Service()).get(f"/keys/{name}")
    assert shown.status == 404
    assert "<script>" not in shown.html


def test_a_key_of_another_account_is_not_there() -> None:
    service = Service()
    key_id = service.key()
    status, made = service.operate("CreateAccount")
    assert status == 200
    browser = Browser(service)
    browser.sign_in_as_owner(made["Account"]["AccountId"])
    assert browser.get(f"/keys/{key_id}").status == 404
    assert key_id not in browser.get("/keys").html


def test_what_people_typed_is_shown_as_text_everywhere() -> None:
    service = Service()
    browser = owner(service)
    key_id = service.key(Description=HOSTILE)
    for path in ("/keys", f"/keys/{key_id}", f"/keys/{key_id}/deletion", f"/keys/{key_id}/use"):
        shown = browser.get(path)
        assert "<script>alert" not in shown.html, path
        assert "49" not in shown.text.replace(key_id, "") or "{{7*7}}" in shown.text
    assert "<script>alert" not in browser.get("/keys", query=HOSTILE).html
    assert "<script>alert" not in create(browser, alias=HOSTILE, description=HOSTILE).html


def test_without_permission_to_list_nothing_is_listed() -> None:
    service = Service()
    service.key()
    shown = user(service, "kms:DescribeKey").get("/keys")
    assert shown.status == 403
    assert "kms:ListKeys" in shown.text


def test_who_may_not_create_keys_sees_which_permission_that_needs() -> None:
    service = Service()
    browser = user(service, "kms:ListKeys")
    shown = browser.get("/keys")
    assert 'href="/console/keys/create"' not in shown.html
    assert "Needs the permission kms:CreateKey" in shown.text
    form = browser.get("/keys/create")
    assert "Needs the permission kms:CreateKey" in form.text
    assert "Needs the permission kms:CreateAlias" in form.text
    forged = create(browser)
    assert forged.status == 403
    assert "kms:CreateKey" in forged.text
    assert service.ok("ListKeys")["TotalCount"] == 0


# --- a new key


def test_a_key_is_created_as_the_form_says() -> None:
    service = Service()
    shown = create(
        owner(service),
        description="of the web\r\nservers",
        rotate="true",
        days="30",
        alias="tls",
        tag_key="team",
        tag_value="a",
        protected="true",
    )
    assert "The key was created" in shown.text
    told = only_key(service)
    assert told["Description"] == "of the web\nservers"
    assert told["RotationInterval"] == f"{30 * 86400}s"
    assert told["DeletionProtection"] == "Enabled"
    aliases = service.ok("ListAliases")["Aliases"]["Alias"]
    assert [one["AliasName"] for one in aliases] == ["alias/tls"]
    tags = service.ok("ListResourceTags", KeyId=told["KeyId"])["Tags"]["Tag"]
    assert [(one["TagKey"], one["TagValue"]) for one in tags] == [("team", "a")]


@pytest.mark.parametrize("usage", list(KeyUsage))
def test_every_usage_has_a_choice_that_is_right_from_the_start(usage: KeyUsage) -> None:
    service = Service()
    browser = owner(service)
    fields = {"spec_encrypt": "Aliyun_AES_256", "spec_sign": "EC_P256", "spec_mac": "HMAC_SHA_256"}
    assert "The key was created" in browser.post("/keys/create", {"usage": usage, **fields}).text
    assert only_key(service)["KeyUsage"] == usage


def test_only_what_goes_together_is_taken() -> None:
    service = Service()
    browser = owner(service)
    fields = {KeyUsage.ENCRYPT_DECRYPT: "spec_encrypt", KeyUsage.SIGN_VERIFY: "spec_sign", KeyUsage.GENERATE_VERIFY_MAC: "spec_mac"}  # fmt: skip
    form = browser.get("/keys/create").html
    created = 0
    for usage, field in fields.items():
        for spec in KeySpec:
            fits = usage in USAGES[spec]
            assert (f'name="{field}" value="{spec}"' in form) is fits
            if spec.startswith("RSA") and fits:
                continue  # slow to make, and another of its kind was tried
            shown = browser.post("/keys/create", {"usage": usage, field: spec})
            assert ("The key was created" in shown.text) is fits, (usage, spec)
            created += fits
    assert service.ok("ListKeys")["TotalCount"] == created


@pytest.mark.parametrize("spec", ["RSA_2048", "EC_SM2"])
def test_only_symmetric_keys_take_material_or_rotate_by_themselves(spec: str) -> None:
    service = Service()
    browser = owner(service)
    assert KeySpec(spec) not in SYMMETRIC
    shown = create(browser, spec_encrypt=spec, origin="EXTERNAL")
    assert "Only the material of a symmetric key can be imported" in shown.text
    shown = create(browser, spec_encrypt=spec, rotate="true", days="30")
    assert "rotates by itself" in shown.text
    # The field is shown in which the fault is, whatever else was chosen.
    assert 'data-part="rotation"' not in shown.html
    assert "rotates by itself" in create(browser, origin="EXTERNAL", rotate="true", days="30").text
    assert service.ok("ListKeys")["TotalCount"] == 0


def test_a_key_without_material_leads_to_the_import() -> None:
    service = Service()
    shown = create(owner(service), origin="EXTERNAL")
    assert shown.path.startswith(f"/console/keys/{only_key(service)['KeyId']}/import")
    assert "This key waits for its material" in shown.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rotate": "true", "days": "6"}, "A whole number from 7 to 730"),
        ({"rotate": "true", "days": "731"}, "A whole number from 7 to 730"),
        ({"rotate": "true", "days": "a week"}, "A whole number from 7 to 730"),
        ({"rotate": "true", "days": ""}, "A whole number from 7 to 730"),
        ({"alias": "alias/acs/kms"}, "does not begin with alias/acs"),
        ({"alias": "has space"}, "An alias is alias/"),
        ({"alias": "a" * 256}, "An alias is alias/"),
        ({"description": "x" * 8193}, "It has 8,193 characters, and 8,192 are the most"),
        ({"tag_key": "aliyun-x"}, "The key of a tag"),
        ({"tag_value": "value alone"}, "The key of a tag"),
        ({"tag_key": "a", "tag_value": "with space"}, "The value of a tag"),
        ({"policy": "{"}, "it is not JSON at line 1"),
        ({"policy": '{"Version": "1", "Statement": []}'}, "must be a list of at least one statement"),
        ({"origin": "EXTERNAL_KEY_STORE"}, "Choose one of these"),
        ({"usage": "PRAY"}, "Choose what the key is for"),
        ({"spec_encrypt": "DES"}, "Choose one of these"),
    ],
)
def test_bad_input_is_told_beside_its_field_and_keeps_what_was_typed(
    fields: dict[str, str], said: str
) -> None:
    service = Service()
    shown = create(owner(service), **{"description": "kept by the form", **fields})
    assert shown.status == 400
    assert said in shown.text
    if "description" not in fields:
        assert "kept by the form" in shown.html
    assert service.ok("ListKeys")["TotalCount"] == 0


@pytest.mark.parametrize("fields", [{"days": "7"}, {"days": "730"}])
def test_the_limits_themselves_are_taken(fields: dict[str, str]) -> None:
    service = Service()
    shown = create(owner(service), rotate="true", alias="a" * 255, description="x" * 8192, **fields)
    assert "The key was created" in shown.text
    assert only_key(service)["RotationInterval"] == f"{int(fields['days']) * 86400}s"


def test_tags_stand_once_and_are_twenty_at_most() -> None:
    service = Service()
    browser = owner(service)

    def tagged(names: list[str]) -> Shown:
        rows = [pair for name in names for pair in (("tag_key", name), ("tag_value", "v"))]
        fields = [("usage", "ENCRYPT/DECRYPT"), ("spec_encrypt", "Aliyun_AES_256"), *rows]
        return browser.post("/keys/create", fields)

    assert "stands here twice" in tagged(["a", "a"]).text
    assert "at most 20 tags" in tagged([f"t{number}" for number in range(21)]).text
    assert service.ok("ListKeys")["TotalCount"] == 0
    assert "The key was created" in tagged([f"t{number}" for number in range(20)]).text


def test_a_taken_alias_is_told_before_there_is_a_key() -> None:
    service = Service()
    service.ok("CreateAlias", KeyId=service.key(), AliasName="alias/tls")
    shown = create(owner(service), alias="alias/tls")
    assert "There is such an alias already" in shown.text
    assert service.ok("ListKeys")["TotalCount"] == 1


def test_an_alias_that_policies_refuse_is_told_before_there_is_a_key() -> None:
    service = Service()
    browser = user(service, "kms:CreateKey", "kms:DescribeKey")
    shown = create(browser, alias="tls")
    assert "Needs the permission kms:CreateAlias" in shown.text
    assert service.ok("ListKeys")["TotalCount"] == 0


def test_a_second_step_that_is_refused_leaves_the_key_and_says_so() -> None:
    service = Service()
    browser = user(service, "kms:CreateKey", "kms:DescribeKey", "kms:CreateAlias")
    shown = create(browser, alias="tls", protected="true")
    told = only_key(service)
    assert "The key was created, but not all of it" in shown.text
    assert "It is not protected against deletion" in shown.text
    assert "kms:SetDeletionProtection" in shown.text
    assert "It has no alias" not in shown.text
    assert f'href="/console/keys/{told["KeyId"]}"' in shown.html


def test_a_policy_that_locks_everybody_out_is_refused() -> None:
    service = Service()
    policy = {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": ["kms:*"],
                "Principal": {"RAM": [f"acs:ram::{service.account}:*"]},
                "Resource": ["*"],
            }
        ],
    }
    shown = create(owner(service), policy=json.dumps(policy))
    assert "nobody could ever change it again" in shown.text
    assert service.ok("ListKeys")["TotalCount"] == 0
