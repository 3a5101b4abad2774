"""Request signatures: who claims to have sent a request, and whether it was signed with that AccessKey's secret.

RPC v1     HMAC-SHA1, HMAC-SHA256         parameters AccessKeyId, Signature, SignatureNonce, Timestamp, …
ACS3       HMAC-SHA256, HMAC-SM3          Authorization header and x-acs-* headers
ACS4       HMAC-SHA256, HMAC-SM3          the same with a key derived for day, region and product

Rule 1: what is verified is what was decoded, encoded again, never the raw query; and what is used is what was verified,
        decoded: so that whoever stands between the reading of a request and its verification can give it no other meaning.
Rule 2: a request speaks one scheme; one that names two is refused. An Authorization header of another kind (a client behind
        a proxy may copy the proxy's Basic credentials into it) is no scheme of ours, and says nothing.
Rule 3: SignedHeaders covers host and every x-acs-* header of the request, and content-type where there is a body.

Source: the vendor's pages "Request signatures" (RPC) and "V3 request structure and signature", and its SDKs.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec

from keystead.api.http.message import HttpRequest
from keystead.api.http.parse import Parameters, with_form
from keystead.api.http.percent import canonical_query, encoded_again, from_canonical_query
from keystead.clock import from_iso8601
from keystead.crypto.primitives.digests import Algorithm, digest
from keystead.crypto.signing_secret import Secret
from keystead.domain.encoding import from_base64
from keystead.errors import (
    IncompleteSignature,
    MissingParameter,
    SignatureDoesNotMatch,
    TimestampExpired,
    TimestampMalformed,
    TimestampMissing,
)

WINDOW = 900  # seconds that a Timestamp may be off, either way

Scheme = Literal["v1", "acs3", "acs4"]

_V1_METHODS: dict[str, Algorithm] = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256"}
_HEADER_METHODS: dict[str, tuple[Scheme, Algorithm]] = {
    "ACS3-HMAC-SHA256": ("acs3", "sha256"),
    "ACS3-HMAC-SM3": ("acs3", "sm3"),
    "ACS4-HMAC-SHA256": ("acs4", "sha256"),
    "ACS4-HMAC-SM3": ("acs4", "sm3"),
}
_OURS = ("ACS3-", "ACS4-")
# Each of them means that the request (also) speaks RPC v1.
_V1_NAMES = ("Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "AccessKeyId", "Timestamp")
_AUTHORIZATION = re.compile(
    r"\A(?P<method>[A-Z0-9-]{1,32})\s+Credential=(?P<credential>[^,\s]{1,256}),\s*"
    r"SignedHeaders=(?P<headers>[a-z0-9;_-]{1,4096}),\s*Signature=(?P<signature>[0-9a-f]{64})\Z"
)
_CREDENTIAL = re.compile(r"Credential=([^,/\s]{0,256})")
_SCOPE = re.compile(r"\A([0-9]{8})/([a-z0-9-]{1,32})/([A-Za-z]{1,32})/aliyun_v4_request\Z")
_NONCE_CHARACTERS = 256
_LONG = 64 * 1024  # bytes of target and body; what clients send is shorter


class Claims(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a request says about its sender; nothing of it is true before `verify` returned. It shows no value."""

    scheme: Scheme
    algorithm: Algorithm
    access_key_id: str
    signature: bytes  # decoded
    # What the sender must have signed: RPC v1 the canonical query, or b"" if it would be long, since then the sender is to
    # be known before it is made; ACS the canonical request.
    signed: bytes
    method: str = ""  # RPC v1: of the request
    body: bytes = b""  # ACS: the form, of which the canonical request has the hash
    scope: tuple[str, str, str] = ("", "", "")  # ACS4: day, region, product

    def __repr__(self) -> str:
        return f"<Claims {self.scheme}>"


class Signed(NamedTuple):
    """What a request says, as its sender signed it. `host` is None with RPC v1, which signs none."""

    parameters: dict[str, str]
    action: str
    version: str
    host: str | None
    timestamp: int  # seconds since 1970
    nonce: bytes  # the digest of AccessKeyId, Timestamp and nonce
    security_token: str

    def __repr__(self) -> str:
        return f"<Signed {len(self.parameters)} parameters>"


def action_and_version(parameters: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    """Action and Version from the parameters, else from the x-acs-* headers; "" where neither says."""
    action = parameters.get("Action") or headers.get("x-acs-action", "")
    version = parameters.get("Version") or headers.get("x-acs-version", "")
    return action, version


def read_claims(request: HttpRequest, parameters: Parameters) -> Claims:
    """The claims of a request, what was signed among them.

    MissingParameter, TimestampMissing, TimestampMalformed or IncompleteSignature for what no client signs.
    """
    authorization = request.headers.get("authorization", "")
    merged = parameters.merged
    if not authorization:
        return _read_v1(request, merged)
    named = [name for name in _V1_NAMES if name in merged]
    if named and not authorization.lstrip().upper().startswith(_OURS):
        return _read_v1(request, merged)
    if named:
        raise IncompleteSignature(reason=f"It has an Authorization header and the parameter {named[0]}.")
    return _read_header(request, parameters, authorization)


def claimed_id(parameters: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """What a request whose claims can't be read has in the place of an AccessKey id, of its first 256 characters; "" if
    nothing."""
    found = _CREDENTIAL.search(headers.get("authorization", ""))
    return parameters.get("AccessKeyId", "")[:256] or (found[1] if found else "")


def verify(claims: Claims, parameters: dict[str, str], secret: Secret) -> Signed:
    """What the secret signed. SignatureDoesNotMatch if that is not this request.

    `parameters` are those of a request whose canonical query is still to be made; of any other they stand in that query.
    """
    if claims.scheme == "v1":
        to_sign = string_to_sign_v1(claims.method, claims.signed or _query_v1(parameters))
        computed = secret.hmac(claims.algorithm, to_sign, b"&")
    else:
        if claims.scheme == "acs4":
            secret = secret.derive(claims.algorithm, *claims.scope)
        method = f"{claims.scheme.upper()}-HMAC-{claims.algorithm.upper()}"
        to_sign = string_to_sign_acs(method, claims.algorithm, claims.signed)
        computed = secret.hmac(claims.algorithm, to_sign)
    if hmac.compare_digest(computed, claims.signature):
        # What was signed and is no request was not sent as one: who handed it on made claims of it.
        with suppress(LookupError, ValueError):
            return _signed_acs(claims) if claims.scheme != "v1" else _signed_v1(claims, parameters)
    # What is longer nobody compares by eye, and an answer must not be longer than its question.
    raise SignatureDoesNotMatch(string_to_sign=to_sign[:_LONG].decode(errors="replace"))


def check_window(timestamp: int, now: float) -> None:
    """TimestampExpired if the request was not signed within 15 minutes of now."""
    if abs(int(now) - timestamp) > WINDOW:
        raise TimestampExpired


# --- RPC v1


def string_to_sign_v1(method: str, query: bytes) -> bytes:
    """METHOD & %2F & the canonical query of all parameters but Signature, encoded once more."""
    return b"%s&%%2F&%s" % (method.encode(), encoded_again(query))


def _query_v1(parameters: dict[str, str]) -> bytes:
    signed = parameters.copy()
    signed.pop("Signature", None)
    return canonical_query(signed.items())


def _signed_v1(claims: Claims, parameters: dict[str, str]) -> Signed:
    if claims.signed:
        parameters = from_canonical_query(claims.signed)
    access_key_id, text = parameters["AccessKeyId"], parameters["Timestamp"]
    if access_key_id != claims.access_key_id:
        raise ValueError("signed for another AccessKey")
    # Nothing but the parameters is signed, so nothing else may say what the call does.
    action, version = action_and_version(parameters, {})
    return Signed(
        parameters,
        action,
        version,
        None,
        _timestamp(text),
        nonce_digest(access_key_id, text, parameters["SignatureNonce"]),
        parameters.get("SecurityToken", ""),
    )


def _read_v1(request: HttpRequest, merged: dict[str, str]) -> Claims:
    if merged.get("SignatureType"):
        raise IncompleteSignature(
            reason="SignatureType must be empty: bearer tokens and key pairs are not served."
        )
    for name in ("AccessKeyId", "Signature", "SignatureNonce"):
        if not merged.get(name):
            raise MissingParameter(name=name)
    algorithm = _V1_METHODS.get(merged.get("SignatureMethod", "").upper())
    if algorithm is None:
        raise IncompleteSignature(reason="SignatureMethod must be HMAC-SHA1 or HMAC-SHA256.")
    if merged.get("SignatureVersion", "1.0") != "1.0":
        raise IncompleteSignature(reason="SignatureVersion must be 1.0.")
    try:
        signature = from_base64(merged["Signature"])
    except ValueError:
        raise IncompleteSignature(reason="Signature must be base64.") from None
    _timestamp(merged.get("Timestamp", ""))
    check_nonce(merged["SignatureNonce"])
    long = len(request.target) + len(request.body) > _LONG
    return Claims(
        scheme="v1",
        algorithm=algorithm,
        access_key_id=merged["AccessKeyId"],
        signature=signature,
        signed=b"" if long else _query_v1(merged),
        method=request.method,
    )


# --- ACS3 and ACS4


def canonical_request(
    request: HttpRequest, parameters: Parameters, signed_headers: tuple[str, ...], body_hash: str
) -> bytes:
    """Method, path, canonical query, signed headers, their names, and the hash of the body."""
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed_headers)
    query = canonical_query(parameters.query.items())
    return (
        f"{request.method}\n/\n".encode()
        + query
        + f"\n{headers}\n{';'.join(signed_headers)}\n{body_hash}".encode()
    )


def string_to_sign_acs(method: str, algorithm: Algorithm, canonical: bytes) -> bytes:
    """The method's name and the hash of the canonical request."""
    return f"{method}\n{digest(algorithm, canonical).hex()}".encode()


def _signed_acs(claims: Claims) -> Signed:
    # Method, path and query; a line for each signed header; an empty line, their names, and the hash of the body.
    lines = claims.signed.decode().split("\n")
    headers = dict([line.split(":", 1) for line in lines[3:-3]])
    if lines[-1] != digest(claims.algorithm, claims.body).hex():
        raise ValueError("signed with another body")
    parameters = with_form(from_canonical_query(lines[2].encode()), headers, claims.body).merged
    action, version = action_and_version(parameters, headers)
    text = headers["x-acs-date"]
    return Signed(
        parameters,
        action,
        version,
        headers["host"],
        _timestamp(text),
        nonce_digest(claims.access_key_id, text, headers["x-acs-signature-nonce"]),
        headers.get("x-acs-security-token", ""),
    )


def _read_header(request: HttpRequest, parameters: Parameters, authorization: str) -> Claims:
    headers = request.headers
    match = _AUTHORIZATION.match(authorization)
    if match is None or match["method"] not in _HEADER_METHODS:
        raise IncompleteSignature(
            reason=f"Authorization must be one of {', '.join(_HEADER_METHODS)} with Credential, SignedHeaders, Signature."
        )
    scheme, algorithm = _HEADER_METHODS[match["method"]]
    access_key_id, scope = match["credential"], ("", "", "")
    if scheme == "acs4":
        access_key_id, _, rest = match["credential"].partition("/")
        found = _SCOPE.match(rest)
        if found is None:
            raise IncompleteSignature(reason="Credential must end in day/region/product/aliyun_v4_request.")
        scope = (found[1], found[2], found[3])
    if "x-acs-date" not in headers:
        raise TimestampMissing
    if not headers.get("x-acs-signature-nonce"):
        raise MissingParameter(name="x-acs-signature-nonce")
    text = headers["x-acs-date"]
    _timestamp(text)
    check_nonce(headers["x-acs-signature-nonce"])
    if scheme == "acs4" and scope[0] != text[:10].replace("-", ""):
        raise IncompleteSignature(reason="The day in Credential must be that of x-acs-date.")
    signed = tuple(match["headers"].split(";"))
    _check_signed_headers(request, signed)
    body_hash = digest(algorithm, request.body).hex()
    # ACS4 names the header after the hash; ACS3 keeps the name of the other one.
    name = f"x-acs-content-{algorithm}" if scheme == "acs4" else "x-acs-content-sha256"
    if headers.get(name, "") != body_hash:
        raise IncompleteSignature(reason=f"{name} must be the hash of the body.")
    return Claims(
        scheme=scheme,
        algorithm=algorithm,
        access_key_id=access_key_id,
        signature=bytes.fromhex(match["signature"]),
        signed=canonical_request(request, parameters, signed, body_hash),
        body=request.body,
        scope=scope,
    )


def _check_signed_headers(request: HttpRequest, signed: tuple[str, ...]) -> None:
    if list(signed) != sorted(set(signed)):
        raise IncompleteSignature(reason="SignedHeaders must be sorted, each name once.")
    must = {name for name in request.headers if name.startswith("x-acs-")} | {"host"}
    if request.body:
        must.add("content-type")
    missing = sorted(must.difference(signed))
    if missing:
        raise IncompleteSignature(reason=f"SignedHeaders must contain {missing[0]}.")
    absent = [name for name in signed if name not in request.headers]
    if absent:
        raise IncompleteSignature(reason=f"SignedHeaders names {absent[0]}, which was not sent.")


# --- both


def _timestamp(text: str) -> int:
    if not text:
        raise TimestampMissing
    try:
        return from_iso8601(text)
    except ValueError:
        raise TimestampMalformed from None


def check_nonce(nonce: str) -> None:
    """IncompleteSignature if the nonce is too long."""
    if len(nonce) > _NONCE_CHARACTERS:
        raise IncompleteSignature(reason=f"The nonce may have at most {_NONCE_CHARACTERS} characters.")


def nonce_digest(access_key_id: str, time: str, nonce: str) -> bytes:
    """16 bytes that stand for AccessKeyId, Timestamp and nonce."""
    joined = f"{len(access_key_id)}:{access_key_id}{len(time)}:{time}{len(nonce)}:{nonce}"
    return hashlib.sha256(joined.encode()).digest()[:16]
