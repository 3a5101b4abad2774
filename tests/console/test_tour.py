"""The guided tour: the guide's steps on real data, from a first key to a user who may only decrypt, and back."""

import json
import re

from tests.console.browser import Browser, Shown
from tests.harness import Service
from tests.ram import Ram, allow

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC+/==\n-----END PRIVATE KEY-----\n"
NAME = "alias/Apollo/WorkKey"


def _now(shown: Shown) -> str:
    return str(re.findall(r'<li id="([a-z]+)" class="now">', shown.html)[0])


def _done(shown: Shown) -> list[str]:
    return re.findall(r'<li id="([a-z]+)" class="done">', shown.html)


def test_the_whole_tour_and_back(service: Service, owner: Browser) -> None:
    first = owner.get("/tour")
    assert (_now(first), _done(first)) == ("key", [])
    assert not [record for record in service.records if record.code]
    keyed = owner.post("/tour/key", {"description": "TLS", "alias": NAME})
    assert _now(keyed) == "alias"
    assert "The key was created" in keyed.text
    key = keyed.field("key")
    named = owner.post("/tour/alias", {"alias": NAME, "key": key})
    assert (_now(named), _done(named)) == ("encrypt", ["key", "alias"])
    service.refused("Encrypt", KeyId=NAME, Plaintext="x", EncryptionContext="none")
    looked_at = len(service.records)
    assert _now(owner.get("/tour")) == "encrypt"
    assert not [record for record in service.records[looked_at:] if record.code]
    sealed = owner.post(
        "/tour/encrypt", {"name": NAME, "alias": NAME}, files={"file": ("key.pem", PEM.encode())}
    )
    blob = sealed.shown_text("blob")
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == PEM
    assert PEM not in sealed.html
    assert 'name="name" value="key.pem.cipher"' in sealed.html
    made = owner.post("/tour/user", {"user": "apollo-web", "alias": NAME})
    assert made.status == 200, made.text
    pair = re.findall(r"<dd><code>([A-Za-z0-9]+)</code></dd>", made.html)
    request = service.request("Decrypt", {"CiphertextBlob": blob}, access_key=(pair[0], pair[1]))
    assert json.loads(service.send(request).body)["Plaintext"] == PEM
    request = service.request("Encrypt", {"KeyId": key, "Plaintext": "x"}, access_key=(pair[0], pair[1]))
    assert service.send(request).status == 403
    back = owner.post("/tour/decrypt", {}, files={"blob_file": ("key.pem.cipher", blob.encode())})
    assert back.shown_text("plaintext") == PEM
    again = owner.get("/tour")
    assert _done(again) == ["key", "alias", "encrypt", "user", "decrypt"]
    assert "All steps are done" in again.text
    assert "apollo-web" in again.text
    assert (
        owner.get("/tour/encrypt", alias="alias/other", key=key).path
        == f"/console/tour?alias=alias%2Fother&key={key}"
    )


def test_a_step_that_is_refused_says_why_and_the_others_stand(service: Service, owner: Browser) -> None:
    key = service.key()
    for typed in ("my key", "alias/acs/ecs", "密钥", "a" * 256, ""):
        shown = owner.post("/tour/alias", {"alias": typed, "key": key})
        assert (shown.status, "An alias is alias/ and then" in shown.text, _now(shown)) == (
            400,
            True,
            "alias",
        ), typed
        assert f'value="{typed}"' in shown.html
    assert _now(owner.get("/tour", alias="my key", key=key)) == "alias"
    owner.post("/tour/alias", {"alias": " web ", "key": key})
    assert service.ok("DescribeKey", KeyId="alias/web")["KeyMetadata"]["KeyId"] == key
    service.ok("CreateAlias", AliasName=NAME, KeyId=key)
    taken = owner.post("/tour/alias", {"alias": NAME, "key": key})
    assert taken.status >= 400
    assert "Rejected" not in _now(taken)
    service.ok("DisableKey", KeyId=key)
    off = owner.get("/tour")
    assert "This key can't be used in this state" in off.text
    refused = owner.post("/tour/encrypt", {"name": NAME, "text": "x"})
    assert (refused.status, "Rejected.Disabled" in refused.text) == (409, True)
    assert owner.post("/tour/encrypt", {"name": NAME}).status == 400
    assert owner.post("/tour/decrypt", {"blob": "é"}).status == 400
    assert owner.post("/tour/decrypt", {"blob": "AAAA"}).status == 400
    empty = owner.post("/tour/decrypt", {}, files={"blob_file": ("key.pem.cipher", b"\n")})
    assert (empty.status, "This file is empty" in empty.text) == (400, True)


def test_a_user_that_is_there_is_not_touched(service: Service, owner: Browser) -> None:
    service.ok("CreateAlias", AliasName=NAME, KeyId=service.key())
    ram = Ram(service)
    ram.ok("CreateUser", UserName="apollo-web")
    shown = owner.post("/tour/user", {"user": "apollo-web", "alias": NAME})
    assert (shown.status, "EntityAlreadyExists.User" in shown.text) == (409, True)
    assert ram.ok("ListPoliciesForUser", UserName="apollo-web")["Policies"]["Policy"] == []
    assert ram.ok("ListAccessKeys", UserName="apollo-web")["AccessKeys"]["AccessKey"] == []
    # The policy is there now, and is the same: another user gets it.
    assert owner.post("/tour/user", {"user": "apollo-api", "alias": NAME}).status == 200


def test_a_policy_of_that_name_with_other_rights_is_not_given(service: Service, owner: Browser) -> None:
    key = service.key()
    service.ok("CreateAlias", AliasName=NAME, KeyId=key)
    Ram(service).ok("CreatePolicy", PolicyName=f"decrypt-{key}", PolicyDocument=json.dumps(allow("kms:*")))
    shown = owner.post("/tour/user", {"user": "apollo-web", "alias": NAME})
    assert (shown.status, "EntityAlreadyExists.Policy" in shown.text) == (409, True)
    assert Ram(service).refused("GetUser", UserName="apollo-web")[0] == 404


def test_a_user_is_made_with_a_fresh_proof_only(service: Service, owner: Browser) -> None:
    service.ok("CreateAlias", AliasName=NAME, KeyId=service.key())
    service.clock.advance(1200)
    asked = owner.post("/tour/user", {"user": "apollo-web", "alias": NAME})
    assert (asked.status, "Is it you?" in asked.text) == (403, True)
    assert Ram(service).refused("GetUser", UserName="apollo-web")[0] == 404


def test_there_is_no_user_without_a_key(owner: Browser) -> None:
    assert owner.post("/tour/user", {"user": "apollo-web"}).status == 409


def test_who_may_not_sees_what_is_missing(service: Service) -> None:
    service.ok("CreateAlias", AliasName=NAME, KeyId=service.key())
    Ram(service).user("ann", allow("kms:DescribeKey"))
    ann = Browser(service)
    ann.sign_in("ann")
    shown = ann.get("/tour")
    for permission in ("kms:Encrypt", "kms:Decrypt", "ram:CreateUser"):
        assert f"Needs the permission {permission}" in shown.text
    assert not re.findall(r'<button type="submit"', shown.html)
    for path, fields in (
        ("key", {}),
        ("encrypt", {"name": NAME, "text": "x"}),
        ("user", {"user": "eve"}),
    ):
        assert ann.post(f"/tour/{path}", {**fields, "alias": NAME}).status == 403, path


def test_hostile_names_stay_text(owner: Browser) -> None:
    evil = '"><script>alert(1)</script>'
    for shown in (
        owner.get("/tour", alias=evil, key=evil),
        owner.post("/tour/alias", {"alias": evil, "key": evil}),
        owner.post("/tour/key", {"description": evil, "alias": evil}),
        owner.post("/tour/user", {"user": evil}),
    ):
        assert "<script>alert" not in shown.html
