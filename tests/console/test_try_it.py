"""Try it: keys used by hand, from the form to the call and back."""

import base64
import json
import re

import pytest

from tests.console.browser import Browser, Shown
from tests.harness import Service
from tests.ram import Ram, allow

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC+/==\n-----END PRIVATE KEY-----\n"


def test_a_file_comes_back_byte_for_byte_by_the_call_of_the_guide(service: Service, owner: Browser) -> None:
    key = service.key()
    service.ok("CreateAlias", KeyId=key, AliasName="alias/Apollo/WorkKey")
    asked = owner.get("/try/encrypt")
    assert 'value="alias/Apollo/WorkKey" selected' in asked.html
    shown = owner.post(
        "/try/encrypt", {"key": "alias/Apollo/WorkKey"}, files={"file": ("key.pem", PEM.encode())}
    )
    blob = shown.shown_text("given")
    # What the guide's program writes to the file: the Plaintext of Decrypt, as it is.
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == PEM
    command = shown.shown_text("same-command")
    assert "--KeyId alias/Apollo/WorkKey" in command
    assert "--Plaintext file:key.pem" in command
    assert "PRIVATE" not in shown.html
    kept = owner.post("/download", {"name": "key.pem.cipher", "content": shown.field("content")})
    assert kept.response.body.decode() == blob
    assert kept.headers["content-disposition"] == 'attachment; filename="key.pem.cipher"'
    assert kept.headers["cache-control"] == "no-store"

    back = owner.post("/try/decrypt", {}, files={"file": ("key.pem.cipher", f"{blob}\n".encode())})
    assert back.shown_text("secret") == PEM
    assert back.html.index("<details") < back.html.index('id="secret"')
    kept = owner.post("/download", {"name": "key.pem", "content": back.field("content")})
    assert kept.response.body.decode() == PEM


@pytest.mark.parametrize("field", ["key", "other_key"])
@pytest.mark.parametrize("how", ["id", "alias", "arn"])
def test_the_key_that_was_used_stays_chosen(service: Service, owner: Browser, field: str, how: str) -> None:
    first, second = service.key(), service.key()
    service.ok("CreateAlias", KeyId=first, AliasName="alias/a")
    service.ok("CreateAlias", KeyId=second, AliasName="alias/b")
    name = {
        "id": second,
        "alias": "alias/b",
        "arn": service.ok("DescribeKey", KeyId=second)["KeyMetadata"]["Arn"],
    }
    shown = owner.post("/try/encrypt", {field: name[how], "text": "word"})
    assert re.findall(r'<option value="([^"]*)" selected>', shown.html) == ["alias/b"]
    assert shown.html.count('<option value="alias/') == 2
    assert shown.field("other_key") == ""
    assert second in shown.text
    assert "word" not in shown.html


def test_lines_that_were_typed_end_as_they_were_typed(service: Service, owner: Browser) -> None:
    key = service.key()
    shown = owner.post("/try/encrypt", {"key": key, "text": "a\r\nb"})
    assert service.ok("Decrypt", CiphertextBlob=shown.shown_text("given"))["Plaintext"] == "a\nb"


def test_what_is_no_text_goes_as_base64(service: Service, owner: Browser) -> None:
    key, raw = service.key(), bytes(range(256))
    shown = owner.post("/try/encrypt", {"key": key}, files={"file": ("logo.png", raw)})
    assert "Its base64 was encrypted" in shown.text
    blob = shown.shown_text("given")
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == base64.b64encode(raw).decode()
    assert "base64 -w0 logo.png" in shown.shown_text("same-command")
    back = owner.post("/try/decrypt", {"text": blob, "form": "base64"})
    assert back.shown_text("secret") == base64.b64encode(raw).decode()
    assert base64.b64decode(back.field("content")) == raw


@pytest.mark.parametrize("size", [1, 6144])
@pytest.mark.parametrize("letter", [b"a", b"\xff"])
def test_a_file_of_up_to_6_kb(service: Service, owner: Browser, size: int, letter: bytes) -> None:
    shown = owner.post("/try/encrypt", {"key": service.key()}, files={"file": ("f", letter * size)})
    assert shown.status == 200, shown.text
    assert "Result" in shown.text


@pytest.mark.parametrize(
    ("raw", "said"), [(b"", "This file is empty"), (b"a" * 6145, "This has 6145 bytes, and 6144 at most")]
)
def test_a_file_that_can_not_go(service: Service, owner: Browser, raw: bytes, said: str) -> None:
    before = len(service.records)
    shown = owner.post(
        "/try/encrypt",
        [("key", service.key()), ("context_name", "app"), ("context_value", "web")],
        files={"file": ("f", raw)},
    )
    assert shown.status == 400
    assert said in shown.text
    assert "choose it again" in shown.text
    assert 'value="web"' in shown.html
    assert "Encrypt" not in [record.action for record in service.records[before:]]


def test_the_context_binds_in_rows_that_grow_without_scripts(service: Service, owner: Browser) -> None:
    key = service.key()
    rows = [("context_name", "app"), ("context_value", "web"), ("context_name", ""), ("context_value", "")]
    assert owner.get("/try/encrypt").html.count('name="context_name"') == 3
    three = [*rows, ("context_name", "stage"), ("context_value", "<b>")]
    grown = owner.post("/try/encrypt", [("key", key), ("text", "x"), ("do", "row"), *three])
    assert grown.html.count('name="context_name"') == 4
    assert 'value="&lt;b&gt;"' in grown.html
    assert ">\nx</textarea>" in grown.html
    shown = owner.post("/try/encrypt", [("key", key), ("text", "x"), *rows])
    blob = shown.shown_text("given")
    assert service.refused("Decrypt", CiphertextBlob=blob)
    assert service.ok("Decrypt", CiphertextBlob=blob, EncryptionContext='{"app": "web"}')["Plaintext"] == "x"
    assert owner.post("/try/decrypt", [("text", blob)]).status == 400
    assert owner.post("/try/decrypt", [("text", blob), *rows]).shown_text("secret") == "x"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("", "web")], "The value web has no name"),
        ([("a", "1"), ("a", "2")], "The name a is there twice"),
        ([("a", "b" * 8192)], "longer than 8192 characters"),
    ],
)
def test_a_context_that_is_none(
    service: Service, owner: Browser, rows: list[tuple[str, str]], said: str
) -> None:
    fields = [("key", service.key()), ("text", "x")]
    for name, value in rows:
        fields += [("context_name", name), ("context_value", value)]
    shown = owner.post("/try/encrypt", fields)
    assert (shown.status, said in shown.text) == (400, True)


def test_a_data_key_with_its_plaintext_on_demand_and_without(service: Service, owner: Browser) -> None:
    key = service.key()
    shown = owner.post("/try/data-key", {"key": key, "spec": "AES_128", "plaintext": "yes"})
    blob = shown.shown_text("given")
    assert service.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == shown.shown_text("secret")
    assert len(base64.b64decode(shown.shown_text("secret"))) == 16
    shown = owner.post("/try/data-key", {"key": key, "plaintext": "no"})
    assert 'id="secret"' not in shown.html
    assert "GenerateDataKeyWithoutPlaintext" in [record.action for record in service.records[-4:]]
    assert "GenerateDataKeyWithoutPlaintext" in shown.shown_text("same-command")


def test_a_signature_is_verified_and_one_of_something_else_is_not(service: Service, owner: Browser) -> None:
    key = service.key(KeySpec="EC_P256")
    shown = owner.post("/try/sign", {"key": key, "text": "deploy 12"})
    value = shown.shown_text("given")
    assert "openssl dgst -sha256" in shown.shown_text("same-command")
    good = owner.post("/try/verify", {"key": key, "text": "deploy 12", "against": value})
    assert "It is valid" in good.text
    bad = owner.post("/try/verify", {"key": key, "text": "deploy 13", "against": value})
    assert "It is not valid" in bad.text
    none = owner.post("/try/verify", {"key": key, "text": "deploy 13", "against": "é"})
    assert (none.status, "This is not base64" in none.text) == (400, True)
    digest = base64.b64encode(bytes(32)).decode()
    assert owner.post("/try/sign", {"key": key, "text": digest, "form": "digest"}).status == 200
    short = owner.post("/try/sign", {"key": key, "text": "AAAA", "form": "digest"})
    assert (short.status, "base64 of 32 bytes; this is of 3" in short.text) == (400, True)


def test_sm2_signs_a_digest_that_was_made_where_the_message_is(service: Service, owner: Browser) -> None:
    key = service.key(KeySpec="EC_SM2", KeyUsage="SIGN/VERIFY")
    shown = owner.post("/try/sign", {"key": key, "text": "deploy 12"})
    assert (shown.status, "An SM2 signature is of SM3" in shown.text) == (400, True)
    digest = base64.b64encode(bytes(32)).decode()
    assert owner.post("/try/sign", {"key": key, "text": digest, "form": "digest"}).status == 200


def test_a_mac(service: Service, owner: Browser) -> None:
    key = service.key(KeySpec="HMAC_SHA_256", KeyUsage="GENERATE/VERIFY_MAC")
    code = owner.post("/try/mac", {"key": key, "text": "m"}).shown_text("given")
    assert "It is valid" in owner.post("/try/verify-mac", {"key": key, "text": "m", "against": code}).text
    assert "It is not valid" in owner.post("/try/verify-mac", {"key": key, "text": "n", "against": code}).text


def test_a_key_pair_encrypts_and_decrypts(service: Service, owner: Browser) -> None:
    key = service.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT/DECRYPT")
    shown = owner.post("/try/encrypt-to-pair", {"key": key, "text": "secret word"})
    blob = shown.shown_text("given")
    back = owner.post("/try/decrypt-with-pair", {"key": key, "text": blob})
    assert back.shown_text("secret") == "secret word"
    large = owner.post("/try/encrypt-to-pair", {"key": key, "text": "a" * 191})
    assert (large.status, "InvalidParameter" in large.text) == (400, True)
    assert "a" * 191 in large.html


def test_only_keys_that_are_made_for_it_are_offered(service: Service, owner: Browser) -> None:
    symmetric, signing = service.key(), service.key(KeySpec="EC_P256")
    off = service.key()
    service.ok("DisableKey", KeyId=off)
    encrypt, sign = owner.get("/try/encrypt").html, owner.get("/try/sign").html
    assert [key in encrypt for key in (symmetric, signing, off)] == [True, False, False]
    assert [key in sign for key in (symmetric, signing, off)] == [False, True, False]
    assert "There is no enabled key here that is made for this" in owner.get("/try/mac").text


def test_a_refusal_keeps_what_was_typed_and_says_why(service: Service, owner: Browser) -> None:
    key = service.key()
    service.ok("DisableKey", KeyId=key)
    shown = owner.post("/try/encrypt", {"other_key": key, "text": "kept"})
    assert shown.status == 409
    assert "Rejected.Disabled" in shown.text
    assert ">\nkept</textarea>" in shown.html
    assert f'value="{key}"' in shown.html
    assert owner.post("/try/encrypt", {"text": "kept"}).status == 400


def test_hostile_names_stay_text(service: Service, owner: Browser) -> None:
    evil = '"><script>alert(1)</script>'
    shown = owner.post(
        "/try/encrypt", [("other_key", evil), ("text", evil), ("context_name", evil), ("context_value", evil)]
    )
    assert "<script>alert" not in shown.html
    shown = owner.post("/try/encrypt", {"key": service.key()}, files={"file": ("x<b>'.pem", b"data")})
    assert "<b>" not in shown.html
    kept = owner.post("/download", {"name": 'a";x\r\nY: z<b>', "content": "AAAA"})
    assert kept.headers["content-disposition"] == 'attachment; filename="a__x__Y__z_b_"'
    assert kept.response.content_type == "application/octet-stream"


def test_it_begins_with_encrypt(owner: Browser) -> None:
    assert '<a href="/console/try/encrypt" aria-current="page">' in owner.get("/try").html


def test_a_file_that_is_no_base64_is_not_taken_for_one(owner: Browser) -> None:
    shown = owner.post("/download", {"name": "x", "content": "é"})
    assert (shown.status, shown.response.body) == (200, b"")


def test_an_address_brings_no_text(owner: Browser) -> None:
    assert ">\nsecret</textarea>" not in owner.get("/try/encrypt", text="secret").html


def test_there_is_nothing_else_to_try(owner: Browser) -> None:
    assert owner.get("/try/else").status == 404
    assert owner.post("/try/else", {}).status == 404


def test_no_plaintext_is_in_an_address_or_a_record(service: Service, owner: Browser) -> None:
    owner.post("/try/encrypt", {"key": service.key(), "text": "swordfish"})
    assert "swordfish" not in json.dumps([str(record.parameters) for record in service.records])


def _button(shown: Shown, text: str) -> str:
    """The tag of the form's own button."""
    return str(re.findall(rf"<button[^>]*>{text}</button>", shown.html)[-1])


def _user(service: Service, *policies: object) -> Browser:
    Ram(service).user("ann", *policies)
    browser = Browser(service)
    browser.sign_in("ann")
    return browser


def test_who_may_not_sees_no_button_that_works_and_is_refused_anyway(service: Service) -> None:
    key = service.key()
    ann = _user(service, allow("kms:List*"))
    shown = ann.get("/try/encrypt")
    assert "disabled" in _button(shown, "Encrypt")
    assert "Needs the permission kms:Encrypt" in shown.text
    assert key not in shown.html
    forged = ann.post("/try/encrypt", {"key": key, "text": "x"})
    assert forged.status == 403
    assert "The permission kms:Encrypt is missing" in forged.text


def test_who_may_for_one_key_is_offered_that_key(service: Service) -> None:
    one, other = service.key(), service.key()
    arn = f"acs:kms:{service.region}:{service.account}:key/{one}"
    ann = _user(service, allow("kms:List*"), allow("kms:Encrypt", resource=arn))
    shown = ann.get("/try/encrypt")
    assert "disabled" not in _button(shown, "Encrypt")
    assert [key in shown.html for key in (one, other)] == [True, False]


def test_who_can_not_list_keys_names_the_one_that_is_allowed(service: Service) -> None:
    one, other = service.key(), service.key()
    arn = f"acs:kms:{service.region}:{service.account}:key/{one}"
    service.ok("CreateAlias", KeyId=one, AliasName="alias/web")
    ann = _user(service, allow("kms:Decrypt", "kms:DescribeKey", resource=arn))
    blob = service.ok("Encrypt", KeyId=one, Plaintext="word")["CiphertextBlob"]
    assert "disabled" in _button(ann.get("/try/decrypt"), "Decrypt")
    assert "disabled" in _button(ann.get("/try/decrypt", key=other), "Decrypt")
    for name in (one, arn, "alias/web"):
        assert "disabled" not in _button(ann.get("/try/decrypt", key=name), "Decrypt")
    assert ann.post("/try/decrypt", {"text": blob}).shown_text("secret") == "word"


def test_the_same_call_names_the_key_without_the_spaces_that_were_pasted(
    service: Service, owner: Browser
) -> None:
    key = service.key()
    service.ok("DisableKey", KeyId=key)
    shown = owner.post("/try/encrypt", {"other_key": f" {key}\t", "text": "x"})
    assert "Rejected.Disabled" in shown.text
    assert f"--KeyId {key} " in shown.text
