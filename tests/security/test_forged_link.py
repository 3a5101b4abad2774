"""A front process that is somebody else's: it has what requests passed it, and may put any message on the link.

What it may not do is give a signed request another meaning: the server reads from what was signed, and from nothing beside it.
"""

import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from keystead.api.http.message import HttpRequest
from keystead.api.http.receive import Received, receive
from keystead.api.http.signature import Claims
from keystead.api.slow import Attempt
from keystead.clock import iso8601
from keystead.server.network import link
from tests.harness import Service, sign_acs3

Forge = Callable[[Received], Received]
_decode = msgspec.msgpack.Decoder(list[link.FromFront], dec_hook=link._from_wire).decode
FORM = "application/x-www-form-urlencoded"


def send(service: Service, received: Received) -> dict[str, Any]:
    """The answer to a request that came over the link."""
    (asked,) = _decode(link._encode([link.Asked(1, received)]))
    assert isinstance(asked, link.Asked)
    service.store.begin()
    batch = service.pipeline.open_batch()
    answer = service.pipeline.answer(batch, service.pipeline.prepare(asked.received), Attempt())
    batch.write()
    service.store.commit()
    return dict(json.loads(answer.response.body))


def acs(service: Service, action: str, query: dict[str, str], body: bytes = b"") -> HttpRequest:
    """A request with the header scheme."""
    service._nonce += 1
    headers = {
        "host": "kms.cn-hangzhou.aliyuncs.com",
        "x-acs-action": action,
        "x-acs-version": "2016-01-20",
        **({"content-type": FORM} if body else {}),
    }
    headers = sign_acs3(
        headers,
        service.access_key,
        query=query,
        body=body,
        timestamp=iso8601(service.clock.now()),
        nonce=f"nonce-{service._nonce}",
    )
    target = f"/?{urlencode(query)}"
    return HttpRequest(method="POST", target=target, headers=headers, body=body)


def v1(service: Service) -> HttpRequest:
    return service.request("Encrypt", {"KeyId": "alias/a", "Plaintext": "short"})


def long(service: Service) -> HttpRequest:
    """One whose string to sign the server makes itself."""
    return service.request("Encrypt", {"KeyId": "alias/a", "Plaintext": "short", "More": "m" * 70_000})


def header(service: Service) -> HttpRequest:
    return acs(service, "Encrypt", {"KeyId": "alias/a", "Plaintext": "short"})


def form(service: Service) -> HttpRequest:
    return acs(service, "Encrypt", {"KeyId": "alias/a"}, b"Plaintext=short")


SCHEMES = [v1, long, header, form]


@pytest.fixture(params=[False, True], ids=["secret not at hand", "secret at hand"])
def service(request: pytest.FixtureRequest) -> Service:
    found = Service()
    key_id = found.key()
    found.ok("CreateAlias", KeyId=key_id, AliasName="alias/a")
    if not request.param:
        found.pipeline.vault._secrets.clear()
    return found


def claims(**changes: Any) -> Forge:
    """Other claims than the sender's."""

    def forge(received: Received) -> Received:
        assert received.claims is not None
        values = {
            name: change(getattr(received.claims, name)) if callable(change) else change
            for name, change in changes.items()
        }
        return msgspec.structs.replace(received, claims=msgspec.structs.replace(received.claims, **values))

    return forge


def beside(**changes: Any) -> Forge:
    """Other words beside the claims."""
    return lambda received: msgspec.structs.replace(received, **changes)


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(signed: bytes) -> bytes:
        assert old in signed
        return signed.replace(old, new)

    return change


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_nobody_forged_is_answered(service: Service, scheme: Callable[[Service], HttpRequest]) -> None:
    assert "CiphertextBlob" in send(service, receive(scheme(service)))


@pytest.mark.parametrize(
    ("scheme", "forge"),
    [
        (v1, claims(signed=replaced(b"Action=Encrypt", b"Action=Decrypt"))),
        (v1, claims(signed=replaced(b"nonce-", b"another-"))),
        (v1, claims(signed=replaced(b"Timestamp=2026", b"Timestamp=2027"))),
        (v1, claims(signed=replaced(b"Plaintext=short", b"Plaintext=other"))),
        (v1, claims(signed=lambda signed: signed + b"&Z=1")),
        (v1, claims(signed=lambda signed: signed[:-1])),
        (v1, claims(signed=b"")),
        (v1, claims(method="GET")),
        (v1, claims(method="POST&%2F&Action=Encrypt")),
        (v1, claims(scheme="acs3")),
        (v1, claims(scheme="acs4", scope=("20260102", "cn-hangzhou", "Kms"))),
        (v1, claims(algorithm="sha256")),
        (long, beside(parameters={"Action": "Decrypt"})),
        (long, claims(method="GET")),
        (header, claims(signed=replaced(b"x-acs-action:Encrypt", b"x-acs-action:Decrypt"))),
        (header, claims(signed=replaced(b"nonce-", b"another-"))),
        (header, claims(signed=replaced(b"x-acs-date:2026", b"x-acs-date:2027"))),
        (header, claims(signed=replaced(b"Plaintext=short", b"Plaintext=other"))),
        (header, claims(signed=replaced(b"host:kms.cn-hangzhou", b"host:kms.cn-beijing"))),
        (header, claims(body=b"Plaintext=other")),
        (header, claims(scheme="v1")),
        (header, claims(scheme="acs4", scope=("20260102", "cn-hangzhou", "Kms"))),
        (header, claims(algorithm="sm3")),
        (header, claims(signed=b"")),
        (form, claims(body=b"Plaintext=other")),
        (form, claims(body=b"")),
        (form, claims(body=b"Plaintext=short&DryRun=true")),
    ],
)
def test_another_meaning_is_another_signature(
    service: Service, scheme: Callable[[Service], HttpRequest], forge: Forge
) -> None:
    records = len(service.records)
    received = receive(scheme(service))
    assert send(service, forge(received))["Code"] == "SignatureDoesNotMatch"
    assert len(service.records) == records
    # And it is no use to have tried: the nonce is still the sender's.
    assert "CiphertextBlob" in send(service, received)


@pytest.mark.parametrize("scheme", [v1, header, form])
def test_words_beside_what_was_signed_mean_nothing(
    service: Service, scheme: Callable[[Service], HttpRequest]
) -> None:
    words = {
        "Action": "CreateKey",
        "DryRun": "true",
        "Plaintext": "other",
        "Timestamp": "2030-01-01T00:00:00Z",
    }
    forge = beside(action="CreateKey", version="2015-05-01", parameters=words)
    answer = send(service, forge(receive(scheme(service))))
    assert service.ok("Decrypt", CiphertextBlob=answer["CiphertextBlob"])["Plaintext"] == "short"
    assert [one.action for one in service.records[-2:]] == ["Encrypt", "Decrypt"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_request_that_passed_cannot_be_sent_again(
    service: Service, scheme: Callable[[Service], HttpRequest]
) -> None:
    received = receive(scheme(service))
    send(service, received)
    assert send(service, received)["Code"] == "SignatureNonceUsed"
    service.clock.advance(901)
    assert send(service, received)["Code"] == "InvalidTimeStamp.Expired"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_another_access_key_is_another_signature(
    service: Service, scheme: Callable[[Service], HttpRequest]
) -> None:
    status, made = service.operate("CreateAccessKey", AccountId=service.account)
    assert status == 200, made
    other = str(made["AccessKey"]["AccessKeyId"])
    forged = claims(access_key_id=other)(receive(scheme(service)))
    assert send(service, forged)["Code"] == "SignatureDoesNotMatch"


def test_with_headers_the_region_and_the_record_are_of_the_host_that_was_signed(service: Service) -> None:
    forged = beside(host="kms.cn-beijing.aliyuncs.com")(receive(header(service)))
    assert "CiphertextBlob" in send(service, forged)
    assert service.records[-1].region == "cn-hangzhou"
    assert service.records[-1].host == "kms.cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize(
    "text",
    [
        b"POST&%2F&AccessKeyId%3DID%26SignatureNonce%3Dn",  # no Timestamp
        b"POST&%2F&Timestamp%3D2026-01-02T03%253A04%253A05Z%26SignatureNonce%3Dn",  # no AccessKeyId
        b"POST&%2F&AccessKeyId%3DID%26Timestamp%3D2026-01-02T03%253A04%253A05Z",  # no nonce
        b"POST&%2F&AccessKeyId%3Dother%26SignatureNonce%3Dn%26Timestamp%3D2026-01-02T03%253A04%253A05Z",
        b"POST&%2F&AccessKeyId",
        b"POST&%2F&a%3D%25FF",
        b"a text of the sender's that is no request",
        b"\xff",
    ],
)
def test_what_a_secret_signed_and_is_no_request_is_refused(service: Service, text: bytes) -> None:
    access_key_id, secret = service.access_key
    text = text.replace(b"AccessKeyId%3DID", b"AccessKeyId%3D" + access_key_id.encode())
    forged = Claims(
        scheme="v1",
        algorithm="sha256",
        access_key_id=access_key_id,
        signature=hmac.digest(f"{secret}&".encode(), text, "sha256"),
        signed=text,
    )
    received = msgspec.structs.replace(receive(v1(service)), claims=forged)
    assert send(service, received)["Code"] == "SignatureDoesNotMatch"
