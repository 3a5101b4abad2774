"""The frozen corpus of ciphertext blobs and wrapped values: what ever opened opens for ever, and nothing else does."""

import base64
import json
from pathlib import Path

import msgspec
import pytest

from keystead.crypto.blob import parse
from keystead.crypto.blob_layout import SUITES
from keystead.crypto.primitives import asymmetric
from keystead.crypto.root_key import SoftwareRootKey
from keystead.crypto.sealing import Unopenable
from keystead.crypto.signing_secret import Secret
from keystead.crypto.vault import Transport, Vault
from keystead.domain.accounts import AccessKey, AccessKeyStatus, WrappingKey
from keystead.domain.keys.algorithms import SYMMETRIC
from keystead.domain.keys.key import KeySpec, Wrapped
from keystead.entropy import SeededEntropy
from tests.vectors.blob.generate import (
    EXPECT,
    HEADERS,
    SEPARATOR,
    Opener,
    corpus,
    imported,
    key_pair,
    opened_by,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "blob"
REFUSED_BY_PARSE = ("malformed", "unknown format", "unknown suite")


class Case(msgspec.Struct, frozen=True):
    expect: str
    opener: Opener
    plaintext: bytes | None
    blob: str


def read(text: str) -> Case:
    """One case; ValueError for a header that is unknown, missing or doubled."""
    head, _, body = text.partition("\n\n")
    values: dict[str, str] = {}
    for line in head.split("\n"):
        name, separator, value = line.partition(": ")
        if not separator or name in values or name not in (*HEADERS, "spec", "plaintext"):
            raise ValueError(f"a bad header: {line}")
        values[name] = value
    if set(HEADERS) - set(values) or values["expect"] not in EXPECT:
        raise ValueError("a header is missing")
    if ("plaintext" in values) != (values["expect"] == "success"):
        raise ValueError("plaintext belongs to success")
    opener = Opener(
        key=base64.b64decode(values["key"], validate=True),
        account=values["account"],
        region=values["region"],
        key_id=values["key_id"],
        version_id=values["version_id"],
        number=int(values["number"]),
        context=json.loads(values["context"]),
        spec=KeySpec(values.get("spec", "Aliyun_AES_256")),
    )
    plaintext = base64.b64decode(values["plaintext"]) if "plaintext" in values else None
    return Case(values["expect"], opener, plaintext, body.removesuffix("\n"))


CASES = [
    read(text)
    for path in sorted(VECTORS.glob("*.txt"))
    for text in path.read_text(encoding="utf-8").split(SEPARATOR)
]


@pytest.mark.parametrize("expect", EXPECT)
def test_every_blob_does_what_is_expected_of_it(expect: str) -> None:
    cases = [case for case in CASES if case.expect == expect]
    assert len(cases) >= 7
    for case in cases:
        vault, version = opened_by(case.opener, SeededEntropy())
        if expect == "success":
            blob = parse(case.blob)
            assert blob.version_id == case.opener.version_id
            assert vault.open(version, case.opener.context, blob) == case.plaintext
        elif expect in REFUSED_BY_PARSE:
            with pytest.raises(Unopenable):
                parse(case.blob)
        elif expect == "truncated":
            with pytest.raises(Unopenable):
                vault.open(version, case.opener.context, parse(case.blob))
        else:
            blob = parse(case.blob)
            with pytest.raises(Unopenable):
                vault.open(version, case.opener.context, blob)


@pytest.mark.parametrize("expect", ["success", "wrong context", "wrong material", "tampered", "truncated"])
def test_there_are_cases_of_every_spec_and_suite(expect: str) -> None:
    cases = [case for case in CASES if case.expect == expect]
    assert {case.opener.spec for case in cases} == SYMMETRIC
    assert {base64.b64decode(case.blob)[37] for case in cases if len(case.blob) > 52} == SUITES


def test_the_corpus_is_what_its_script_writes() -> None:
    for name, text in corpus().items():
        assert (VECTORS / name).read_text(encoding="utf-8") == text, name


@pytest.mark.parametrize(
    "change",
    [
        ("number: 2", "number: 2\ncolour: blue"),
        ("number: 2", "number: 2\nnumber: 2"),
        ("number: 2\n", ""),
        ("expect: tampered", "expect: luck"),
        ("expect: tampered", "expect: success"),
        ("expect: tampered", "expect tampered"),
    ],
)
def test_a_case_with_a_bad_header_is_refused(change: tuple[str, str]) -> None:
    text = (VECTORS / "damaged.txt").read_text(encoding="utf-8").split(SEPARATOR)[0]
    assert read(text).expect == "tampered"
    assert change[0] in text
    with pytest.raises(ValueError, match=r"header|plaintext"):
        read(text.replace(*change))


# --- wrapped values

KEPT = {
    name: base64.b64decode(value)
    for name, value in json.loads((VECTORS / "wrapped.json").read_text(encoding="utf-8")).items()
}


def opened_vault(name: str = "wrapping_key") -> Vault:
    root_key = SoftwareRootKey(KEPT["root"], SeededEntropy())
    vault = Vault(root_key, SeededEntropy())
    row = WrappingKey(generation=1, root_fingerprint=root_key.fingerprint, blob=KEPT[name], created=0)
    vault.load([row])
    return vault


def test_a_frozen_wrapping_key_of_before_the_seals_is_known_as_that_and_wrapped_anew() -> None:
    assert opened_vault().unsealed == set()
    old = opened_vault("unsealed_wrapping_key")
    assert old.unsealed == {1}
    assert old.unwrap_private_key("authority", Wrapped(1, KEPT["wrapped_authority"])) == b"pem"
    row = WrappingKey(
        generation=1,
        root_fingerprint=SoftwareRootKey(KEPT["root"], SeededEntropy()).fingerprint,
        blob=KEPT["unsealed_wrapping_key"],
        created=0,
    )
    anew = old.wrap_anew(row)
    assert old.unsealed == set()
    again = Vault(SoftwareRootKey(KEPT["root"], SeededEntropy()), SeededEntropy())
    again.load([anew])
    assert again.unsealed == set()
    assert again.unwrap_private_key("authority", Wrapped(1, KEPT["wrapped_authority"])) == b"pem"


def test_a_frozen_token_opens() -> None:
    key, _ = imported()
    expected = Transport(KeySpec.EC_SM2, "SM2PKE", 86_400, KEPT["transport_key"])
    assert opened_vault().open_token(key, KEPT["token"]) == expected


def test_a_frozen_check_knows_its_material_and_no_other() -> None:
    vault = opened_vault()
    key, version = imported()
    key = msgspec.structs.replace(key, check=KEPT["check"])
    transport = vault.open_token(key, KEPT["token"])
    public = asymmetric.public_key(transport.spec, transport.private_key)

    def brought(material: bytes) -> bytes:
        wrapped = asymmetric.encrypt(transport.spec, transport.algorithm, public, material)
        made, check = vault.import_material(key, version, transport, wrapped)
        assert check == KEPT["check"]
        return vault._material_of(made)

    assert brought(KEPT["imported"]) == KEPT["imported"]
    with pytest.raises(Unopenable):
        brought(KEPT["imported"][:-1] + b"\0")


def test_a_frozen_key_pair_unwraps() -> None:
    version = msgspec.structs.replace(key_pair(), material=Wrapped(1, KEPT["wrapped_key_pair"]))
    vault = opened_vault()
    assert vault.public_key(version) == asymmetric.public_key(version.spec, KEPT["key_pair"])
    digest = bytes(range(32))
    assert vault.verify(version, "ECDSA_SHA_256", digest, vault.sign(version, "ECDSA_SHA_256", digest))


def test_a_frozen_secret_and_a_private_key_unwrap() -> None:
    vault = opened_vault()
    row = AccessKey(
        access_key_id="LTAI1",
        account="1000000000000001",
        status=AccessKeyStatus.ACTIVE,
        created=0,
        secret=Wrapped(1, KEPT["wrapped_secret"]),
    )
    assert vault.secret(row).hmac("sha1", b"m") == Secret(KEPT["secret"]).hmac("sha1", b"m")
    assert vault.unwrap_private_key("authority", Wrapped(1, KEPT["wrapped_authority"])) == KEPT["authority"]
