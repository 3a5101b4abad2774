"""The pages about one key: what they show, what they change, and what they refuse."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from keystead.api.catalogue import CATALOGUE
from keystead.console.pages.key_deletion import LONGEST, SHORTEST
from keystead.console.pages.key_material import WAYS
from keystead.domain.products import KMS, RAM
from tests.console.test_keys import HOSTILE, owner, user
from tests.harness import Service, version_of
from tests.live import needs
from tests.operations.test_material import pass_time
from tests.ram import Ram, allow

READS = (
    "kms:DescribeKey",
    "kms:ListAliasesByKeyId",
    "kms:ListResourceTags",
    "kms:ListKeyVersions",
    "kms:GetKeyPolicy",
)
TABS = ("", "/versions", "/policy", "/use", "/snippets", "/deletion")


def described(service: Service, key_id: str) -> dict[str, Any]:
    return dict(service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"])


def tags(service: Service, key_id: str) -> dict[str, str]:
    found = service.ok("ListResourceTags", KeyId=key_id)["Tags"]["Tag"]
    return {one["TagKey"]: one["TagValue"] for one in found}


# --- facts


def test_the_facts_of_a_key_are_shown() -> None:
    service = Service()
    key_id = service.key(Description="of the web", EnableAutomaticRotation="true", RotationInterval="30d")
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/tls")
    shown = owner(service).get(f"/keys/{key_id}")
    told = described(service, key_id)
    for text in (
        key_id,
        told["Arn"],
        "Aliyun_AES_256",
        "ENCRYPT/DECRYPT",
        "of the web",
        "alias/tls",
        "Feb 1, 2026",
    ):
        assert text in shown.text, text
    assert "Import of material" not in shown.text


def test_the_page_of_an_alias_is_that_of_its_key() -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/a/b")
    browser = owner(service)
    assert browser.get("/keys/alias/a/b").path == f"/console/keys/{key_id}"
    assert browser.get("/keys/alias/none").status == 404


def test_a_key_is_disabled_after_it_was_seen_what_breaks_and_enabled_again() -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/tls")
    ram = Ram(service)
    access_key = ram.user("deploy", allow("kms:Encrypt"))
    service.answer(service.request("Encrypt", {"KeyId": key_id, "Plaintext": "x"}, access_key=access_key))
    browser = owner(service)
    before = browser.get(f"/keys/{key_id}/disable")
    assert "1 caller used it within the last 30 days" in before.text
    assert "deploy · Encrypt" in before.text
    assert "alias/tls" in before.text
    assert described(service, key_id)["KeyState"] == "Enabled"
    assert "The key is disabled" in browser.post(f"/keys/{key_id}/disable").text
    assert described(service, key_id)["KeyState"] == "Disabled"
    assert "The key is enabled" in browser.post(f"/keys/{key_id}/enable").text
    assert described(service, key_id)["KeyState"] == "Enabled"


def test_a_caller_of_long_ago_does_not_count_as_one_that_breaks() -> None:
    service = Service()
    key_id = service.key()
    service.ok("Encrypt", KeyId=key_id, Plaintext="x")
    service.clock.advance(31 * 86400)
    shown = owner(service).get(f"/keys/{key_id}/deletion")
    assert "Nobody used it within the last 30 days. It was last used on Jan 2, 2026" in shown.text
    other = service.key()
    assert "Nobody used it since" in owner(service).get(f"/keys/{other}/deletion").text


def test_a_state_that_changed_meanwhile_is_told() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    shown = browser.post(f"/keys/{key_id}/disable")
    assert shown.status == 409
    assert "it may have been changed meanwhile" in shown.text
    assert "Pending deletion" in shown.text
    shown = browser.post(f"/keys/{key_id}/description", {"description": "kept by the form"})
    assert shown.status == 409
    assert "kept by the form" in shown.html


def test_a_description_is_changed_and_taken_away() -> None:
    service = Service()
    browser, key_id = owner(service), service.key(Description="old")
    for text in ("new", "x" * 8192, ""):
        assert "Saved" in browser.post(f"/keys/{key_id}/description", {"description": text}).text
        assert described(service, key_id)["Description"] == text
    shown = browser.post(f"/keys/{key_id}/description", {"description": "y" * 8193})
    assert shown.status == 400
    assert "8,192 are the most" in shown.text
    assert "y" * 8193 in shown.html


def test_deletion_protection_is_given_and_taken_away() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    browser.post(f"/keys/{key_id}/protection", {"protected": "true", "reason": "of the web"})
    assert described(service, key_id)["DeletionProtectionDescription"] == "of the web"
    shown = browser.get(f"/keys/{key_id}/deletion")
    assert "Deletion protection is on" in shown.text
    assert "Schedule the deletion" not in shown.text
    browser.post(f"/keys/{key_id}/protection", {"protected": "false"})
    assert described(service, key_id)["DeletionProtection"] == "Disabled"
    shown = browser.post(f"/keys/{key_id}/protection", {"protected": "true", "reason": "x" * 8193})
    assert shown.status == 400
    assert "8,192 are the most" in shown.text


def test_aliases_are_added() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    assert "The alias was created" in browser.post(f"/keys/{key_id}/aliases", {"alias": "tls"}).text
    browser.post(f"/keys/{key_id}/aliases", {"alias": " Alias/other "})
    assert "alias/other" in browser.get(f"/keys/{key_id}").text
    for text in ("", "alias/", "alias/acs/x", "with space", "a" * 256, HOSTILE):
        shown = browser.post(f"/keys/{key_id}/aliases", {"alias": text})
        assert shown.status == 400
        assert "An alias is alias/" in shown.text
    again = browser.post(f"/keys/{key_id}/aliases", {"alias": "alias/tls"})
    assert "AliasAlreadyExists" in again.text
    assert service.ok("ListAliases")["TotalCount"] == 2


def test_tags_are_added_replaced_and_removed() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    for value in ("a", "b", ""):
        browser.post(f"/keys/{key_id}/tags", {"tag_key": "team", "tag_value": value})
        assert tags(service, key_id) == {"team": value}
    for name, value in (
        ("", "x"),
        ("aliyun", ""),
        ("acs:x", ""),
        ("a" * 129, ""),
        ("a", "b" * 129),
        ("a b", ""),
    ):
        shown = browser.post(f"/keys/{key_id}/tags", {"tag_key": name, "tag_value": value})
        assert shown.status == 400, name
    assert tags(service, key_id) == {"team": ""}
    for number in range(19):
        service.ok("TagResource", KeyId=key_id, Tags=json.dumps([{"TagKey": f"t{number}", "TagValue": ""}]))
    assert "InvalidParameter" in browser.post(f"/keys/{key_id}/tags", {"tag_key": "one-more"}).text
    browser.post(f"/keys/{key_id}/tags/remove", {"tag_key": "team"})
    assert "team" not in tags(service, key_id)


# --- rights


def test_who_may_only_look_is_offered_nothing() -> None:
    service = Service()
    key_id = service.key(Tags='[{"TagKey": "team", "TagValue": "a"}]')
    browser = user(service, *READS)
    for tab in TABS:
        shown = browser.get(f"/keys/{key_id}{tab}")
        assert shown.status == 200, tab
        main = shown.html.partition('<main class="main"')[2]
        offered = ("<button>", 'type="submit"', 'class="danger"', 'class="button primary"')
        assert not [one for one in offered if one in main], tab
        assert tab in ("/snippets", "/use") or "Needs the permission kms:" in shown.text, tab


FORGED: list[tuple[str, dict[str, str], str]] = [
    ("/enable", {}, "kms:EnableKey"),
    ("/disable", {}, "kms:DisableKey"),
    ("/description", {"description": "x"}, "kms:UpdateKeyDescription"),
    ("/protection", {"protected": "true"}, "kms:SetDeletionProtection"),
    ("/aliases", {"alias": "x"}, "kms:CreateAlias"),
    ("/tags", {"tag_key": "x"}, "kms:TagResource"),
    ("/tags/remove", {"tag_key": "x"}, "kms:UntagResource"),
    ("/versions", {}, "kms:CreateKeyVersion"),
    ("/rotation", {"rotate": "true", "days": "30"}, "kms:UpdateRotationPolicy"),
    ("/policy", {"do": "default"}, "kms:SetKeyPolicy"),
    ("/deletion/cancel", {}, "kms:CancelKeyDeletion"),
    ("/import/parameters", {"way": WAYS[0]}, "kms:GetParametersForImport"),
]


def test_a_forged_form_is_refused_by_the_service() -> None:
    service = Service()
    key_id = service.key()
    browser, before = user(service, *READS), described(service, key_id)
    for path, fields, permission in FORGED:
        shown = browser.post(f"/keys/{key_id}{path}", fields)
        assert shown.status == 403, path
        assert f"The permission {permission} is missing" in shown.text
    assert described(service, key_id) == before


def test_what_may_not_be_seen_of_a_key_is_said_and_the_rest_shown() -> None:
    service = Service()
    key_id = service.key()
    browser = user(service, "kms:DescribeKey")
    shown = browser.get(f"/keys/{key_id}")
    assert shown.status == 200
    assert "kms:ListAliasesByKeyId is missing" in shown.text
    assert "kms:ListResourceTags is missing" in shown.text
    assert "kms:GetKeyPolicy is missing" in browser.get(f"/keys/{key_id}/policy").text
    assert "kms:ListKeyVersions is missing" in browser.get(f"/keys/{key_id}/versions").text
    assert "actiontrail:LookupEvents is missing" in browser.get(f"/keys/{key_id}/use").text
    assert "this list may be incomplete" in browser.get(f"/keys/{key_id}/deletion").text
    assert user(service, "kms:ListKeys", name="bob").get(f"/keys/{key_id}").status == 403


def test_the_key_of_a_service_is_shown_and_not_changed() -> None:
    service = Service()
    service.ok("Encrypt", KeyId="alias/acs/mse", Plaintext="x")
    key_id = service.ok("DescribeKey", KeyId="alias/acs/mse")["KeyMetadata"]["KeyId"]
    browser = owner(service)
    shown = browser.get(f"/keys/{key_id}")
    assert "Key of the service MSE" in shown.text
    assert "It is the key of a service, which manages it." in shown.text
    assert "its name" not in shown.text
    assert "It is the name of a service's key" in browser.get("/aliases/change", alias="alias/acs/mse").text


# --- versions


def test_versions_rotation_and_what_stands_against_them() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    first = described(service, key_id)["PrimaryKeyVersion"]
    service.clock.advance(60)
    assert "has a new version" in browser.post(f"/keys/{key_id}/versions").text
    shown = browser.get(f"/keys/{key_id}/versions")
    assert first in shown.text
    assert described(service, key_id)["PrimaryKeyVersion"] in shown.text
    for days, taken in (("6", False), ("7", True), ("730", True), ("731", False), ("", False), ("x", False)):
        shown = browser.post(f"/keys/{key_id}/rotation", {"rotate": "true", "days": days})
        assert ("A whole number from 7 to 730" in shown.text and shown.status == 400) is not taken, days
    assert described(service, key_id)["RotationInterval"] == f"{730 * 86400}s"
    browser.post(f"/keys/{key_id}/rotation", {"rotate": "false"})
    assert described(service, key_id)["AutomaticRotation"] == "Disabled"
    service.ok("DisableKey", KeyId=key_id)
    assert "Not while the key is disabled." in browser.get(f"/keys/{key_id}/versions").text
    assert browser.post(f"/keys/{key_id}/versions").status == 409


def test_what_does_not_rotate_says_why() -> None:
    service = Service()
    browser = owner(service)
    mac = browser.get(f"/keys/{service.key(KeySpec='HMAC_SHA_256')}/versions").text
    assert "such a key has one" in mac
    assert "Automatic rotation" not in mac
    external = browser.get(f"/keys/{service.key(Origin='EXTERNAL')}/versions").text
    assert "Its material is imported" in external
    assert "Automatic rotation" not in external


def test_a_public_key_is_downloaded() -> None:
    service = Service()
    key_id = service.key(KeySpec="EC_P256")
    version = version_of(service, key_id)["KeyVersionId"]
    got = owner(service).post(f"/keys/{key_id}/public-key", {"version": version})
    assert got.html == service.ok("GetPublicKey", KeyId=key_id, KeyVersionId=version)["PublicKey"]
    assert got.headers["content-disposition"] == f'attachment; filename="{version}.pem"'
    assert owner(service).post(f"/keys/{key_id}/public-key", {"version": "none"}).status == 404


# --- import


@pytest.mark.interop
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("spec", "length"), [("Aliyun_AES_256", 32), ("Aliyun_SM4", 16)])
def test_material_is_imported_with_the_commands_that_the_page_shows(
    way: str, spec: str, length: int, tmp_path: Path
) -> None:
    needs("openssl")
    service = Service()
    browser, key_id = owner(service), service.key(Origin="EXTERNAL", KeySpec=spec)
    shown = browser.post(f"/keys/{key_id}/import/parameters", {"way": way})
    assert shown.status == 200
    files = {}
    for what, name in (("pem", "wrapping-key.pem"), ("token", "import-token.txt")):
        fields = {"what": what, "content": _content(shown.html, what)}
        got = browser.post(f"/keys/{key_id}/import/file", fields)
        assert name in got.headers["content-disposition"]
        (tmp_path / name).write_bytes(got.response.body)
        files[what] = got.response.body
    commands = _block(shown.html, "wrap-commands")
    subprocess.run(commands, shell=True, cwd=tmp_path, check=True, timeout=60)
    material = (tmp_path / "material.bin").read_bytes()
    assert len(material) == length
    wrapped = (tmp_path / "wrapped.bin").read_bytes()
    shown = browser.post(
        f"/keys/{key_id}/import",
        {"way": way, "expires": "2026-02-01T00:00"},
        files={"wrapped": ("wrapped.bin", wrapped), "token_file": ("import-token.txt", files["token"])},
    )
    assert "The material was imported" in shown.text, shown.text
    told = described(service, key_id)
    assert (told["KeyState"], told["MaterialExpireTime"]) == ("Enabled", "2026-02-01T00:00:00Z")
    # Again, as base64 and with the token pasted; for good.
    fields = {"way": way, "token": files["token"].decode()}
    encoded = base64.encodebytes(wrapped)
    shown = browser.post(f"/keys/{key_id}/import", fields, files={"wrapped": ("w", encoded)})
    assert "The material was imported" in shown.text
    assert described(service, key_id)["MaterialExpireTime"] == ""


def _content(html: str, what: str) -> str:
    after = html.partition(f'name="what" value="{what}"')[2]
    return after.partition('name="content" value="')[2].partition('"')[0]


def _block(html: str, name: str) -> str:
    import html as entities

    return entities.unescape(html.partition(f'<pre id="{name}"')[2].partition(">")[2].partition("</pre>")[0])


def test_what_is_wrong_with_an_import_is_told_beside_its_field() -> None:
    service = Service()
    browser, key_id = owner(service), service.key(Origin="EXTERNAL")
    shown = browser.post(f"/keys/{key_id}/import", {"way": WAYS[0]})
    assert "Choose the file with the wrapped material" in shown.text
    assert "Paste the import token" in shown.text
    wrapped = {"wrapped": ("w", b"no wrapped material \xff")}
    for moment in ("2026-01-02T03:04", "yesterday", "2025-01-01T00:00"):
        shown = browser.post(f"/keys/{key_id}/import", {"token": "AAAA", "expires": moment}, files=wrapped)
        assert "A date and time in the future" in shown.text, moment
    shown = browser.post(f"/keys/{key_id}/import", {"token": "AAAA"}, files=wrapped)
    assert "This is no import token of this key" in shown.text
    given = service.ok(
        "GetParametersForImport",
        KeyId=key_id,
        WrappingKeySpec="RSA_2048",
        WrappingAlgorithm="RSAES_OAEP_SHA_256",
    )
    shown = browser.post(f"/keys/{key_id}/import", {"token": given["ImportToken"]}, files=wrapped)
    assert "This does not unwrap to material for this key" in shown.text
    pass_time(service, 86400)
    browser.sign_in_as_owner()
    shown = browser.post(f"/keys/{key_id}/import", {"token": given["ImportToken"]}, files=wrapped)
    assert "older than 24 hours" in shown.text
    assert browser.post(f"/keys/{key_id}/import/parameters", {"way": "RSA_2048 ROT13"}).status == 400
    own = browser.get(f"/keys/{service.key()}/import")
    assert "none can be imported" in own.text


def test_material_is_deleted_only_with_the_key_named_and_a_proof() -> None:
    service = Service()
    browser, key_id = owner(service), service.key(Origin="EXTERNAL")
    service.store.begin()
    service.store.commit()
    fields = {"typed_key": "other"}
    shown = browser.post(f"/keys/{key_id}/import/delete", fields)
    assert shown.status == 400
    assert "Type the ID of the key" in shown.text
    service.clock.advance(20 * 60)
    refused = browser.post(f"/keys/{key_id}/import/delete", {"typed_key": key_id})
    assert refused.status == 400
    assert "Nothing was done yet" in refused.text
    shown = browser.post(f"/keys/{key_id}/import/delete", {"typed_key": key_id, "confirm_code": "WRONG"})
    assert "Code from the terminal" in shown.text
    assert shown.status >= 400
    code = _code(service)
    shown = browser.post(f"/keys/{key_id}/import/delete", {"typed_key": key_id, "confirm_code": code})
    assert "The material was deleted" in shown.text


def _code(service: Service) -> str:
    status, made = service.operate("CreateConfirmationCode")
    assert status == 200, made
    return str(made["Code"])


# --- policy


def policy(service: Service, **more: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Action": ["kms:*"],
        "Principal": {"RAM": [f"acs:ram::{service.account}:*"]},
        "Resource": ["*"],
        **more,
    }
    return json.dumps({"Version": "1", "Statement": [statement]}, indent=2)


def test_a_policy_is_shown_changed_and_put_back() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    assert "It is the default" in browser.get(f"/keys/{key_id}/policy").text
    text = policy(service, Sid="only users of ours", Action=["kms:Encrypt"])
    shown = browser.post(f"/keys/{key_id}/policy", {"do": "save", "policy": text.replace("\n", "\r\n")})
    assert "Saved" in shown.text
    assert "only users of ours" in shown.text
    assert json.loads(service.ok("GetKeyPolicy", KeyId=key_id)["Policy"]) == json.loads(text)
    assert (
        "It is the default" in browser.post(f"/keys/{key_id}/policy", {"do": "default", "policy": "x"}).text
    )


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("", "A policy has at least one statement", 0),
        ("{\n  nonsense", "it is not JSON at line 2", 2),
        ('{\n "Version": "2",\n "Statement": []}', "Version", 2),
        ('{"Version": "1",\n"Statement": [\n{"Effect": "Perhaps"}]}', "Statement[0]", 3),
        ("[1]", "", 0),
        ('{"Version": "1", "Version": "1"}', "stands twice", 0),
        ("x" * 32769, "at most 32,768 bytes", 0),
    ],
)
def test_what_is_wrong_with_a_policy_is_told_with_its_line(text: str, said: str, line: int) -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    before = service.ok("GetKeyPolicy", KeyId=key_id)
    shown = browser.post(f"/keys/{key_id}/policy", {"do": "save", "policy": text})
    assert shown.status == 400
    assert said in shown.text
    if line:
        assert f"Line {line}" in shown.text
        checked = browser.post(f"/keys/{key_id}/policy/check", {"policy": text})
        assert f"Line {line}" in checked.text
        assert "<html" not in checked.html
    after = service.ok("GetKeyPolicy", KeyId=key_id)
    assert after["Policy"] == before["Policy"]


def test_a_policy_that_would_lock_the_account_out_is_told_before_it_is_saved() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    text = policy(service, Effect="Deny")
    assert (
        "nobody could ever change it again"
        in browser.post(f"/keys/{key_id}/policy/check", {"policy": text}).text
    )
    shown = browser.post(f"/keys/{key_id}/policy", {"do": "save", "policy": text})
    assert shown.status == 400
    assert '"Deny"' in shown.html.replace("&#34;", '"')


def test_checking_a_policy_saves_nothing() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    text = policy(service, Sid="not yet")
    shown = browser.post(f"/keys/{key_id}/policy", {"do": "check", "policy": text})
    assert shown.status == 200
    assert "Well-formed" in shown.text
    assert "not yet" in shown.html
    assert "not yet" not in service.ok("GetKeyPolicy", KeyId=key_id)["Policy"]
    shown = browser.post(f"/keys/{key_id}/policy/check", {"policy": HOSTILE})
    assert "<script>" not in shown.html


def test_a_misspelt_action_of_a_policy_is_told() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    checked = browser.post(f"/keys/{key_id}/policy/check", {"policy": policy(service, Action="kms:Decript")})
    assert "allows and denies nothing: kms:Decript" in checked.text
    checked = browser.post(f"/keys/{key_id}/policy/check", {"policy": policy(service, Action="kms:*")})
    assert "Well-formed" in checked.text
    assert "denies nothing" not in checked.text


def test_a_policy_needs_a_fresh_proof_and_what_was_typed_is_kept() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    service.clock.advance(20 * 60)
    text = policy(service, Sid="kept by the form")
    shown = browser.post(f"/keys/{key_id}/policy", {"do": "save", "policy": text})
    assert shown.status == 400
    assert "Nothing was done yet" in shown.text
    assert "kept by the form" in shown.html
    shown = browser.post(f"/keys/{key_id}/policy", {"do": "save", "policy": text, "confirm_code": "WRONG"})
    assert shown.status == 400
    assert "kept by the form" in shown.html
    shown = browser.post(
        f"/keys/{key_id}/policy", {"do": "save", "policy": text, "confirm_code": _code(service)}
    )
    assert "Saved" in shown.text


def test_who_can_use_a_key_is_told_by_user() -> None:
    service = Service()
    key_id, ram = service.key(), Ram(service)
    ram.user("alice", allow("kms:Encrypt"))
    browser = owner(service)
    shown = browser.get(f"/keys/{key_id}/policy")
    assert shown.text.partition("SetKeyPolicy")[2].split()[:7] == [
        "alice",
        "yes",
        "no",
        "no",
        "no",
        "no",
        "no",
    ]
    for number in range(50):
        service.send(service.request("CreateUser", {"Version": RAM.version, "UserName": f"u{number:02}"}))
    first = browser.get(f"/keys/{key_id}/policy")
    assert "u48" in first.text
    assert "u49" not in first.text
    assert "users=u49" in first.html
    assert "u49" in browser.get(f"/keys/{key_id}/policy", users="u49").text
    assert "ram:ListUsers is missing" in user(service, *READS, name="bob").get(f"/keys/{key_id}/policy").text


# --- use


def test_the_use_of_a_key_is_told_by_caller_and_its_records_listed() -> None:
    service = Service()
    key_id = service.key()
    access_key = Ram(service).user("deploy", allow("kms:Encrypt"))
    for _ in range(2):
        service.answer(service.request("Encrypt", {"KeyId": key_id, "Plaintext": "x"}, access_key=access_key))
    service.call("Decrypt", CiphertextBlob="AAAA")
    shown = owner(service).get(f"/keys/{key_id}/use")
    assert f"deploy {access_key[0]} Encrypt" in shown.text
    assert "CreateKey" in shown.text
    assert "in the console" in shown.text
    unused = owner(service).get(f"/keys/{service.key()}/use")
    assert "Nobody used this key since" in unused.text


# --- deletion


@pytest.mark.parametrize("days", ["6", "367", "", "a", "7.5", "-7"])
def test_a_deletion_waits_seven_to_366_days(days: str) -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    shown = browser.post(f"/keys/{key_id}/deletion", {"days": days, "typed_key": key_id})
    assert shown.status == 400
    assert "A whole number from 7 to 366" in shown.text
    assert described(service, key_id)["KeyState"] == "Enabled"


def test_the_days_of_the_form_are_those_that_the_operation_takes() -> None:
    operation = CATALOGUE.find(KMS.version, "ScheduleKeyDeletion")
    assert operation is not None
    assert operation.rule("PendingWindowInDays") == f"{SHORTEST} to {LONGEST} days"


@pytest.mark.parametrize("days", ["7", "366"])
def test_a_deletion_is_scheduled_and_cancelled(days: str) -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/tls")
    shown = browser.post(f"/keys/{key_id}/deletion", {"days": days, "typed_key": "alias/tls"})
    assert "The deletion is scheduled" in shown.text
    assert "Cancel the deletion" in shown.text
    assert described(service, key_id)["KeyState"] == "PendingDeletion"
    assert "This key is deleted on" in browser.get(f"/keys/{key_id}").text
    assert "The deletion was cancelled" in browser.post(f"/keys/{key_id}/deletion/cancel").text
    assert described(service, key_id)["KeyState"] == "Enabled"
    assert browser.post(f"/keys/{key_id}/deletion/cancel").status == 409


def test_a_deletion_needs_the_key_named_and_a_fresh_proof() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    service.ok("CreateAlias", KeyId=service.key(), AliasName="alias/another")
    for typed in ("", "alias/another", key_id[:-1]):
        shown = browser.post(f"/keys/{key_id}/deletion", {"days": "7", "typed_key": typed})
        assert shown.status == 400
        assert "Type the ID of the key" in shown.text
    service.clock.advance(20 * 60)
    fields = {"days": "7", "typed_key": key_id}
    shown = browser.post(f"/keys/{key_id}/deletion", fields)
    assert shown.status == 400
    assert "Nothing was done yet" in shown.text
    assert "Code from the terminal" in shown.text
    assert key_id in shown.field("typed_key")
    assert browser.post(f"/keys/{key_id}/deletion", {**fields, "confirm_code": "WRONG"}).status == 400
    assert described(service, key_id)["KeyState"] == "Enabled"
    shown = browser.post(f"/keys/{key_id}/deletion", {**fields, "confirm_code": _code(service)})
    assert "The deletion is scheduled" in shown.text


def test_a_protected_key_is_not_deleted_by_a_forged_form() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    service.ok("SetDeletionProtection", KeyId=key_id, EnableDeletionProtection="true")
    shown = browser.post(f"/keys/{key_id}/deletion", {"days": "7", "typed_key": key_id})
    assert shown.status == 409
    assert "Rejected.DeletionProtection" in shown.text


def test_a_language_that_is_chosen_after_a_refused_form_shows_its_page_again() -> None:
    service = Service()
    browser, key_id = owner(service), service.key()
    path = f"/keys/{key_id}"
    shown = browser.post(f"{path}/aliases", {"alias": "with space", "page": path})
    assert shown.field("page") == path
    assert (
        browser.post("/preferences", {"theme": "dark", "page": shown.field("page")}).path == f"/console{path}"
    )
