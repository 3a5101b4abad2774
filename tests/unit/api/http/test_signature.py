import base64
import hashlib
import hmac
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from keystead.api.http import parse as parameters_of
from keystead.api.http import signature
from keystead.api.http.message import HttpRequest
from keystead.api.http.percent import canonical_query
from keystead.crypto.primitives.digests import digest
from keystead.crypto.signing_secret import Secret
from keystead.errors import (
    IncompleteSignature,
    KmsError,
    MissingParameter,
    SignatureDoesNotMatch,
    TimestampExpired,
    TimestampMalformed,
    TimestampMissing,
)
from tests.harness import Service

VECTORS = tomllib.loads(
    (Path(__file__).parents[3] / "vectors" / "signature" / "cases.toml").read_text(encoding="utf-8")
)
SECRET = Secret(b"testAccessKeySecret")
V1 = {
    "AccessKeyId": "testAccessKeyId",
    "Action": "Encrypt",
    "EncryptionContext": '{"a":"b"}',
    "Format": "JSON",
    "KeyId": "alias/a b+c*~é",
    "Plaintext": "aGVsbG8=",
    "RegionId": "cn-hangzhou",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "0123456789abcdef0123456789abcdef",
    "SignatureType": "",
    "SignatureVersion": "1.0",
    "Timestamp": "2026-01-02T03:04:05Z",
    "Version": "2016-01-20",
}
TEA = {name: value for name, value in V1.items() if name not in ("RegionId", "SignatureType")} | {
    "Format": "json"
}
QUERY = {name: V1[name] for name in ("EncryptionContext", "KeyId", "Plaintext")}
HEADERS = {
    "accept": "application/json",
    "host": "kms.cn-hangzhou.aliyuncs.com",
    "user-agent": "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2",
    "x-acs-action": "Encrypt",
    "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "x-acs-credentials-provider": "static_ak",
    "x-acs-date": "2026-01-02T03:04:05Z",
    "x-acs-signature-nonce": "0123456789abcdef0123456789abcdef",
    "x-acs-version": "2016-01-20",
}
SCOPE = "testAccessKeyId/20260102/cn-hangzhou/Kms/aliyun_v4_request"


def v1(method: str, query: dict[str, str], form: dict[str, str] | None = None) -> HttpRequest:
    headers = {"host": "localhost"}
    body = b""
    if form:
        headers["content-type"] = "application/x-www-form-urlencoded"
        body = urlencode(form).encode()
    return HttpRequest(method=method, target=f"/?{urlencode(query)}", headers=headers, body=body)


def acs(
    headers: dict[str, str],
    sign: str,
    *,
    method: str = "ACS3-HMAC-SHA256",
    credential: str = "testAccessKeyId",
    names: list[str] | None = None,
    body: bytes = b"",
) -> HttpRequest:
    signed = ";".join(sorted(headers) if names is None else names)
    authorization = f"{method} Credential={credential},SignedHeaders={signed},Signature={sign}"
    return HttpRequest(
        method="POST",
        target=f"/?{urlencode(QUERY)}",
        headers={**headers, "authorization": authorization},
        body=body,
    )


def check(request: HttpRequest) -> signature.Claims:
    found = parameters_of.parse(request)
    claims = signature.read_claims(request, found)
    signature.verify(claims, found.merged, SECRET)
    return claims


def said(request: HttpRequest) -> signature.Signed:
    found = parameters_of.parse(request)
    claims = signature.read_claims(request, found)
    signed = signature.verify(claims, found.merged, SECRET)
    assert signed.parameters == {name: text for name, text in found.merged.items() if name != "Signature"}
    return signed


def hash_of(request: HttpRequest) -> str:
    return hashlib.sha256(check(request).signed).hexdigest()


def refusal(request: HttpRequest) -> KmsError:
    with pytest.raises(KmsError) as caught:
        check(request)
    return caught.value


def test_v1_string_to_sign_is_the_vectors() -> None:
    expected = "POST" + VECTORS["v1"]["string_to_sign"]
    assert signature.string_to_sign_v1("POST", canonical_query(V1.items())).decode() == expected


@pytest.mark.parametrize(
    ("method", "query", "name"),
    [
        ("POST", V1, "post"),
        ("GET", V1, "get"),
        ("POST", V1 | {"SecurityToken": "tok/en+=="}, "sts"),
        ("POST", TEA, "tea"),
    ],
)
def test_v1_vector_is_accepted(method: str, query: dict[str, str], name: str) -> None:
    request = v1(method, query | {"Signature": VECTORS["v1"]["signatures"][name]})
    assert check(request).access_key_id == "testAccessKeyId"
    signed = said(request)
    assert signed.timestamp == 1767323045
    assert signed.security_token == query.get("SecurityToken", "")
    assert (signed.action, signed.version, signed.host) == (query["Action"], "2016-01-20", None)
    assert "Plaintext" not in repr(signed)


def test_v1_vector_with_a_parameter_in_the_body_is_the_same() -> None:
    query = V1 | {"Signature": VECTORS["v1"]["signatures"]["post"]}
    form = {"Plaintext": query.pop("Plaintext")}
    assert check(v1("POST", query, form)).scheme == "v1"


def test_v1_with_sha256_signs_the_same_string() -> None:
    query = V1 | {"SignatureMethod": "hmac-sha256"}
    to_sign = signature.string_to_sign_v1("POST", canonical_query(query.items()))
    digest = hmac.new(b"testAccessKeySecret&", to_sign, hashlib.sha256).digest()
    assert check(v1("POST", query | {"Signature": base64.b64encode(digest).decode()})).algorithm == "sha256"


def test_acs3_vector_stage_by_stage() -> None:
    request = acs(HEADERS, VECTORS["acs"]["signatures"]["plain"])
    found = parameters_of.parse(request)
    canonical = signature.canonical_request(
        request, found, tuple(sorted(HEADERS)), HEADERS["x-acs-content-sha256"]
    )
    assert canonical.decode() == VECTORS["acs"]["canonical"].lstrip("\n")
    assert hash_of(request) == VECTORS["acs"]["canonical_hash"]
    to_sign = signature.string_to_sign_acs("ACS3-HMAC-SHA256", "sha256", canonical)
    assert to_sign.decode() == f"ACS3-HMAC-SHA256\n{VECTORS['acs']['canonical_hash']}"
    signed = said(request)
    assert (signed.action, signed.version, signed.host) == (
        HEADERS["x-acs-action"], HEADERS["x-acs-version"], HEADERS["host"],
    )  # fmt: skip
    assert signed.timestamp == 1767323045


def test_acs3_vector_with_a_token() -> None:
    headers = HEADERS | {
        "x-acs-credentials-provider": "static_sts",
        "x-acs-accesskey-id": "testAccessKeyId",
        "x-acs-security-token": "tok/en+==",
    }
    request = acs(headers, VECTORS["acs"]["signatures"]["sts"])
    assert hash_of(request) == VECTORS["acs"]["sts_hash"]
    assert said(request).security_token == "tok/en+=="


def test_acs3_vector_with_a_body_hashes_it_and_leaves_it_out_of_the_query() -> None:
    headers = HEADERS | {
        "content-type": "application/x-www-form-urlencoded",
        "x-acs-content-sha256": VECTORS["acs"]["body_hash"],
    }
    request = acs(headers, VECTORS["acs"]["signatures"]["body"], body=b"Recipient=abc%3D")
    assert check(request).scheme == "acs3"
    assert parameters_of.parse(request).form == {"Recipient": "abc="}
    assert said(request).parameters["Recipient"] == "abc="


def test_acs3_sm3_vector() -> None:
    headers = HEADERS | {"x-acs-content-sha256": VECTORS["acs"]["empty_sm3"]}
    request = acs(headers, VECTORS["acs"]["signatures"]["sm3"], method="ACS3-HMAC-SM3")
    assert digest("sm3", check(request).signed).hex() == VECTORS["acs"]["sm3_hash"]


def test_acs4_vector() -> None:
    names = sorted(name for name in HEADERS if name not in ("accept", "user-agent"))
    request = acs(
        HEADERS, VECTORS["acs"]["signatures"]["v4"], method="ACS4-HMAC-SHA256", credential=SCOPE, names=names
    )
    assert check(request).scope == ("20260102", "cn-hangzhou", "Kms")
    derived = SECRET.derive("sha256", "20260102", "cn-hangzhou", "Kms")
    expected = hmac.new(bytes.fromhex(VECTORS["acs"]["v4"]["key"]), b"x", hashlib.sha256).digest()
    assert derived.hmac("sha256", b"x") == expected


def test_acs4_sm3_vector_names_its_hash_in_the_header() -> None:
    headers = {name: value for name, value in HEADERS.items() if name not in ("accept", "user-agent")}
    empty = headers.pop("x-acs-content-sha256"), VECTORS["acs"]["empty_sm3"]
    headers["x-acs-content-sm3"] = empty[1]
    sign = VECTORS["acs"]["signatures"]["v4_sm3"]
    claims = check(acs(headers, sign, method="ACS4-HMAC-SM3", credential=SCOPE))
    assert (claims.scheme, claims.algorithm) == ("acs4", "sm3")
    for wrong in ({"x-acs-content-sm3": empty[0]}, {"x-acs-content-sha256": empty[1]}):
        sent = headers | wrong
        if "x-acs-content-sha256" in wrong:
            del sent["x-acs-content-sm3"]
        error = refusal(acs(sent, sign, method="ACS4-HMAC-SM3", credential=SCOPE))
        assert error.text.endswith("x-acs-content-sm3 must be the hash of the body.")


def test_of_a_long_string_to_sign_the_beginning_is_told() -> None:
    service = Service()
    key = service.answer(service.request("CreateKey"))
    assert key
    for length, told in ((1000, 1000), (70_000, 0)):
        request = service.request(
            "Encrypt", {"Plaintext": "p" * length}, access_key=(service.access_key[0], "wrong")
        )
        (answer,) = service.answer(request)
        assert answer.code == "SignatureDoesNotMatch"
        assert (b"p" * length in answer.response.body) == bool(told)
        assert 1000 < len(answer.response.body) < 66_000 + 1000


def test_wrong_signature_tells_the_string_to_sign_after_a_colon() -> None:
    error = refusal(v1("POST", V1 | {"Signature": "AAAA"}))
    assert isinstance(error, SignatureDoesNotMatch)
    assert error.text.split(":")[1] == "POST" + VECTORS["v1"]["string_to_sign"]


@pytest.mark.parametrize("name", ["AccessKeyId", "Signature", "SignatureNonce"])
def test_v1_without_a_part_is_refused(name: str) -> None:
    query = V1 | {"Signature": "AAAA"}
    del query[name]
    error = refusal(v1("POST", query))
    assert isinstance(error, MissingParameter)
    assert name in error.text


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"SignatureType": "BEARERTOKEN"}, IncompleteSignature),
        ({"SignatureMethod": "HMAC-MD5"}, IncompleteSignature),
        ({"SignatureVersion": "2.0"}, IncompleteSignature),
        ({"Signature": "not base64!"}, IncompleteSignature),
        ({"Timestamp": ""}, TimestampMissing),
        ({"Timestamp": "2026-01-02 03:04:05"}, TimestampMalformed),
        ({"Timestamp": "2026-13-02T03:04:05Z"}, TimestampMalformed),
        ({"SignatureNonce": "n" * 257}, IncompleteSignature),
    ],
)
def test_v1_with_a_bad_part_is_refused(change: dict[str, str], kind: type[KmsError]) -> None:
    assert isinstance(refusal(v1("POST", V1 | {"Signature": "AAAA"} | change)), kind)


def test_nonce_of_256_characters_is_accepted() -> None:
    request = v1("POST", V1 | {"Signature": "AAAA", "SignatureNonce": "n" * 256})
    assert b"n" * 256 in signature.read_claims(request, parameters_of.parse(request)).signed


def test_two_schemes_at_once_are_refused() -> None:
    request = acs(HEADERS, VECTORS["acs"]["signatures"]["plain"])
    target = f"{request.target}&Signature=AAAA"
    doubled = HttpRequest(method="POST", target=target, headers=request.headers)
    assert isinstance(refusal(doubled), IncompleteSignature)


@pytest.mark.parametrize("authorization", ["Basic dXNlcjpwYXNz", "Bearer abc", "Negotiate", "acs x:y"])
def test_an_authorization_of_no_scheme_of_ours_says_nothing(authorization: str) -> None:
    # Older Go SDKs copy the credentials of the proxy's URL onto each request.
    service = Service()
    answered = service.request("ListKeys", headers={"authorization": authorization})
    assert service.send(answered).status == 200
    wrong = service.request(
        "ListKeys", access_key=(service.access_key[0], "wrong"), headers={"authorization": authorization}
    )
    assert b'"SignatureDoesNotMatch"' in service.send(wrong).body


@pytest.mark.parametrize("method", ["ACS3-HMAC-SHA256", " acs4-hmac-sha256", "ACS3-RSA-SHA256"])
def test_two_schemes_of_ours_are_refused(method: str) -> None:
    service = Service()
    request = service.request("ListKeys", headers={"authorization": f"{method} Credential=a"})
    assert b'"IncompleteSignature"' in service.send(request).body


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic dXNlcg==",
        "ACS3-RSA-SHA256 Credential=a,SignedHeaders=host,Signature=" + "0" * 64,
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host",
    ],
)
def test_unknown_authorization_is_refused(authorization: str) -> None:
    request = HttpRequest(method="POST", target="/", headers=HEADERS | {"authorization": authorization})
    assert isinstance(refusal(request), IncompleteSignature)


@pytest.mark.parametrize(
    ("credential", "date"),
    [
        ("testAccessKeyId", "2026-01-02T03:04:05Z"),
        ("testAccessKeyId/20260103/cn-hangzhou/Kms/aliyun_v4_request", "2026-01-02T03:04:05Z"),
        ("testAccessKeyId/20260102/cn-hangzhou/Kms/aliyun_v3_request", "2026-01-02T03:04:05Z"),
    ],
)
def test_acs4_with_a_bad_scope_is_refused(credential: str, date: str) -> None:
    headers = HEADERS | {"x-acs-date": date}
    request = acs(headers, "0" * 64, method="ACS4-HMAC-SHA256", credential=credential)
    assert isinstance(refusal(request), IncompleteSignature)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (without("x-acs-date"), TimestampMissing),
        (without("x-acs-signature-nonce"), MissingParameter),
        (without("x-acs-content-sha256"), IncompleteSignature),
        (HEADERS | {"x-acs-content-sha256": "0" * 64}, IncompleteSignature),
    ],
)
def test_acs_without_a_header_is_refused(headers: dict[str, str], kind: type[KmsError]) -> None:
    assert isinstance(refusal(acs(headers, "0" * 64)), kind)


@pytest.mark.parametrize(
    "names",
    [
        sorted(name for name in HEADERS if name != "host"),
        sorted(name for name in HEADERS if name != "x-acs-action"),
        sorted(HEADERS, reverse=True),
        sorted([*HEADERS, "host"]),
        sorted([*HEADERS, "x-acs-absent"]),
    ],
)
def test_acs_with_bad_signed_headers_is_refused(names: list[str]) -> None:
    assert isinstance(refusal(acs(HEADERS, "0" * 64, names=names)), IncompleteSignature)


def test_acs_with_a_body_must_sign_its_content_type() -> None:
    headers = HEADERS | {"content-type": "application/x-www-form-urlencoded"}
    request = acs(headers, "0" * 64, names=sorted(HEADERS), body=b"a=b")
    assert "content-type" in refusal(request).text


@pytest.mark.parametrize(("now", "accepted"), [(900, True), (-900, True), (901, False), (-901, False)])
def test_window_is_fifteen_minutes_either_way(now: int, accepted: bool) -> None:
    timestamp = 1_767_323_045
    if accepted:
        signature.check_window(timestamp, timestamp + now)
    else:
        with pytest.raises(TimestampExpired):
            signature.check_window(timestamp, timestamp + now)


def test_nonce_digest_separates_its_parts() -> None:
    assert len(signature.nonce_digest("id", "time", "nonce")) == 16
    assert signature.nonce_digest("id", "time", "nonce") != signature.nonce_digest("idt", "ime", "nonce")
    assert signature.nonce_digest("id", "time", "nonce") != signature.nonce_digest("id", "timen", "once")


def test_claims_show_no_value() -> None:
    assert repr(check(v1("POST", V1 | {"Signature": VECTORS["v1"]["signatures"]["post"]}))) == "<Claims v1>"


@pytest.mark.parametrize(
    ("request_", "lie"),
    [
        (v1("POST", V1 | {"Signature": VECTORS["v1"]["signatures"]["post"]}), {"access_key_id": "another"}),
        (acs(HEADERS, VECTORS["acs"]["signatures"]["plain"]), {"body": b"KeyId=another"}),
    ],
)
def test_claims_that_are_not_what_was_signed_are_refused(request_: HttpRequest, lie: dict[str, Any]) -> None:
    merged = parameters_of.parse(request_).merged
    claims = check(request_)
    assert claims.signed
    with pytest.raises(SignatureDoesNotMatch):
        signature.verify(msgspec.structs.replace(claims, **lie), merged, SECRET)
