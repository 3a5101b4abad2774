"""Random changes of signed requests: what alters the meaning is refused, what does not is accepted.

The signer and the judge of what alters the meaning are written here, apart from the service's code.
"""

import base64
import hashlib
import hmac
import os
import random
from collections.abc import Callable
from urllib.parse import parse_qsl, quote

import pytest

from keystead.api.http import parse as parameters_of
from keystead.api.http import percent, signature
from keystead.api.http.message import HttpRequest
from keystead.crypto.signing_secret import Secret
from keystead.errors import KmsError

CHANGES = 1_000_000 if os.environ.get("TEST_EVIDENCE") else 100_000
SECRET = "testAccessKeySecret"
FORM = "application/x-www-form-urlencoded"
ALPHABET = "abcXYZ019-_.~ +/=&%*'\"{}:,é密\n"


class Draft:
    """A request that can still be changed: pairs already encoded, headers, body pairs."""

    def __init__(
        self, method: str, query: list[tuple[str, str]], form: list[tuple[str, str]], headers: dict[str, str]
    ):
        self.method, self.query, self.form, self.headers = method, query, form, headers
        self.signed: set[str] = set()

    def copy(self) -> "Draft":
        draft = Draft(self.method, list(self.query), list(self.form), dict(self.headers))
        draft.signed = self.signed
        return draft

    def request(self) -> HttpRequest:
        body = "&".join(f"{name}={value}" for name, value in self.form).encode()
        target = "/?" + "&".join(f"{name}={value}" for name, value in self.query)
        return HttpRequest(
            method=self.method,
            target=target,
            headers={n: v.strip() for n, v in self.headers.items()},
            body=body,
        )

    def meaning(self, scheme: str) -> object:
        """What the signature must cover, as the standard library reads it."""
        query = sorted(parse_qsl("&".join(f"{n}={v}" for n, v in self.query), keep_blank_values=True))
        body = "&".join(f"{n}={v}" for n, v in self.form)
        form = sorted(parse_qsl(body, keep_blank_values=True))
        headers = {name: value.strip() for name, value in self.headers.items() if name in self.signed}
        if scheme == "v1":
            return self.method, sorted(query + form)
        return self.method, query, body, headers, self.headers["authorization"]


def encoded(text: str) -> str:
    return quote(text, safe="~")


def text(source: random.Random) -> str:
    return "".join(source.choice(ALPHABET) for _ in range(source.randint(0, 12)))


def signed_v1(source: random.Random) -> Draft:
    values = {
        "Action": "Encrypt",
        "AccessKeyId": "id",
        "SignatureMethod": source.choice(["HMAC-SHA1", "HMAC-SHA256"]),
        "SignatureNonce": str(source.random()),
        "SignatureVersion": "1.0",
        "Timestamp": "2026-01-02T03:04:05Z",
        "KeyId": text(source),
        "Plaintext": text(source),
        "EncryptionContext": text(source),
    }
    method = source.choice(["GET", "POST"])
    joined = "&".join(f"{encoded(name)}={encoded(values[name])}" for name in sorted(values))
    algorithm = hashlib.sha256 if values["SignatureMethod"].endswith("256") else hashlib.sha1
    digest = hmac.new(f"{SECRET}&".encode(), f"{method}&%2F&{encoded(joined)}".encode(), algorithm).digest()
    values["Signature"] = base64.b64encode(digest).decode()
    pairs = [(encoded(name), encoded(value)) for name, value in values.items()]
    cut = source.randint(0, len(pairs)) if method == "POST" else len(pairs)
    return Draft(method, pairs[:cut], pairs[cut:], {"host": "h", "content-type": FORM})


def signed_acs3(source: random.Random) -> Draft:
    query = {"KeyId": text(source), "EncryptionContext": text(source)}
    form = [("Plaintext", encoded(text(source)))] if source.random() < 0.5 else []
    body = "&".join(f"{name}={value}" for name, value in form)
    headers = {
        "host": "kms.cn-hangzhou.aliyuncs.com",
        "x-acs-action": "Encrypt",
        "x-acs-content-sha256": hashlib.sha256(body.encode()).hexdigest(),
        "x-acs-date": "2026-01-02T03:04:05Z",
        "x-acs-signature-nonce": str(source.random()),
        "x-acs-version": "2016-01-20",
    }
    if form:
        headers["content-type"] = FORM
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical_query = "&".join(f"{name}={encoded(query[name])}" for name in sorted(query))
    whole = "\n".join(["POST", "/", canonical_query, lines, ";".join(names), headers["x-acs-content-sha256"]])
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(whole.encode()).hexdigest()
    sign = hmac.new(SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    draft = Draft("POST", [(name, encoded(value)) for name, value in query.items()], form, headers)
    draft.signed = set(names)
    headers["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential=id,SignedHeaders={';'.join(names)},Signature={sign}"
    )
    headers["accept"] = "application/json"
    return draft


# --- changes; each returns without doing anything where it does not apply


def reencode(source: random.Random, draft: Draft) -> None:
    at = source.randrange(len(draft.query)) if draft.query else -1
    if at < 0 or not draft.query[at][1]:
        return
    name, value = draft.query[at]
    place = source.randrange(len(value))
    if value[place].isalnum() and "%" not in value[max(0, place - 2) : place]:
        value = f"{value[:place]}%{ord(value[place]):02{source.choice('xX')}}{value[place + 1 :]}"
    elif value[place : place + 3] == "%20":
        value = f"{value[:place]}+{value[place + 3 :]}"
    draft.query[at] = (name, value)


def reorder(source: random.Random, draft: Draft) -> None:
    source.shuffle(draft.query)


def move(source: random.Random, draft: Draft) -> None:
    if draft.query and draft.method == "POST":
        draft.form.append(draft.query.pop(source.randrange(len(draft.query))))


def unsigned_header(source: random.Random, draft: Draft) -> None:
    draft.headers[source.choice(["accept", "user-agent", "x-sdk-client"])] = text(source)


def change_value(source: random.Random, draft: Draft) -> None:
    pairs = source.choice([draft.query, draft.form])
    if pairs:
        at = source.randrange(len(pairs))
        pairs[at] = (pairs[at][0], encoded(text(source)))


def rename(source: random.Random, draft: Draft) -> None:
    if draft.query:
        at = source.randrange(len(draft.query))
        draft.query[at] = (draft.query[at][0] + source.choice("xyz"), draft.query[at][1])


def drop(source: random.Random, draft: Draft) -> None:
    if draft.query:
        draft.query.pop(source.randrange(len(draft.query)))


def add(source: random.Random, draft: Draft) -> None:
    draft.query.append((source.choice(["DryRun", "KeySpec", "RegionId"]), encoded(text(source))))


def method(source: random.Random, draft: Draft) -> None:
    draft.method = source.choice(["GET", "POST", "PUT"])


def signed_header(source: random.Random, draft: Draft) -> None:
    names = sorted(draft.signed)
    if names:
        draft.headers[source.choice(names)] += source.choice(["x", " ", "0"])


def flip(source: random.Random, draft: Draft) -> None:
    if "authorization" in draft.headers:
        value = draft.headers["authorization"]
        place = source.randrange(len(value))
        draft.headers["authorization"] = value[:place] + source.choice("0af") + value[place + 1 :]


KINDS: list[Callable[[random.Random, Draft], None]] = [
    reencode, reorder, move, unsigned_header, change_value, rename, drop, add, method, signed_header, flip,
]  # fmt: skip


def accepted(draft: Draft) -> bool:
    try:
        request = draft.request()
        found = parameters_of.parse(request)
        claims = signature.read_claims(request, found)
        # ACS3 does not sign the AccessKeyId itself: another id has another secret.
        secret = SECRET if claims.access_key_id == "id" else "another"
        signature.verify(claims, found.merged, Secret(secret.encode()))
    except KmsError:
        return False
    return True


def run(changes: int, seed: int) -> tuple[int, int]:
    """How many changed requests were rightly refused and rightly accepted; AssertionError at the first wrong one."""
    source = random.Random(seed)
    refused = kept = 0
    for _ in range(changes // 10):
        make, scheme = source.choice([(signed_v1, "v1"), (signed_acs3, "acs3")])
        original = make(source)
        assert accepted(original)
        for _ in range(10):
            draft = original.copy()
            for _ in range(source.randint(1, 2)):
                source.choice(KINDS)(source, draft)
            same = draft.meaning(scheme) == original.meaning(scheme)
            assert accepted(draft) == same, (scheme, same, draft.request().target, draft.headers)
            kept, refused = kept + same, refused + (not same)
    return refused, kept


@pytest.mark.fuzz
def test_only_changes_without_meaning_are_accepted() -> None:
    refused, kept = run(CHANGES, 1)
    assert refused > CHANGES // 3
    assert kept > CHANGES // 10


def test_a_canonicaliser_that_skips_a_parameter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(pairs: object) -> bytes:
        return percent.canonical_query([pair for pair in pairs if pair[0] != "DryRun"])  # type: ignore[attr-defined]

    monkeypatch.setattr(signature, "canonical_query", forgetful)
    with pytest.raises(AssertionError):
        run(5000, 2)
