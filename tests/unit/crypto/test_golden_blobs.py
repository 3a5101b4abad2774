"""The frozen corpus of ciphertext blobs: what ever opened opens for ever, and nothing else does."""

import base64
import json
from pathlib import Path

import msgspec
import pytest

from keystead.crypto.blob import parse
from keystead.crypto.sealing import Unopenable
from keystead.domain.keys import KeySpec
from keystead.entropy import SeededEntropy
from tests.vectors.blob.generate import EXPECT, HEADERS, SEPARATOR, Opener, corpus, opened_by

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
