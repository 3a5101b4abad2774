"""Writes the golden ciphertext blobs of format 1: `python -m tests.vectors.blob.generate` from the repository's root.

Every case is a few header lines, an empty line and the blob as one line of text; cases are separated by a line `--`.

    expect      success, or why it must not open (see EXPECT)
    key         the material of the key version that tries to open it, base64
    account, region, key_id, version_id, number      what that version is
    context     the encryption context that is given to open it, JSON
    plaintext   what was sealed, base64; on success only
    spec        of the key, where it is not Aliyun_AES_256

Blobs of a format that was ever shipped are never changed or removed: a new format gets new files.
"""

import base64
import json
from pathlib import Path
from typing import NamedTuple

from keystead.crypto import root
from keystead.crypto.vault import Vault
from keystead.domain.keys import KeySpec, KeyUsage, KeyVersion, Origin, Wrapped
from keystead.entropy import Entropy, SeededEntropy, uuid4

HERE = Path(__file__).parent
SEPARATOR = "--\n"
EXPECT = (
    "success", "wrong context", "wrong account", "wrong key", "wrong version", "wrong number", "wrong material",
    "tampered", "truncated", "malformed", "unknown format", "unknown suite",
)  # fmt: skip
HEADERS = ("expect", "key", "account", "region", "key_id", "version_id", "number", "context")
CONTEXTS: tuple[dict[str, str], ...] = (
    {},
    {"a": "b"},
    {"": ""},
    {"b": "2", "a": "1"},
    {"名": "值", "🔑": "é"},
    {"long": "x" * 300},
)


class Opener(NamedTuple):
    """A key version, as plain values, and the context given with it."""

    key: bytes
    account: str
    region: str
    key_id: str
    version_id: str
    number: int
    context: dict[str, str]
    spec: KeySpec = KeySpec.AES_256


class Given:
    """Entropy that hands out one given value first; for a vault that is to have known key material."""

    def __init__(self, first: bytes, then: Entropy) -> None:
        self._first: bytes | None = first
        self._then = then

    def take(self, count: int) -> bytes:
        first, self._first = self._first, None
        if first is None:
            return self._then.take(count)
        assert len(first) == count
        return first


def opened_by(opener: Opener, entropy: Entropy) -> tuple[Vault, KeyVersion]:
    """A vault and the key version that the opener describes."""
    key_root = root.ephemeral(SeededEntropy(b"root"))
    wrapping = Vault(key_root, SeededEntropy(b"wrapping")).make_wrapping_key(0)
    vault = Vault(key_root, Given(opener.key, entropy))
    vault.load([wrapping])
    version = KeyVersion(
        account=opener.account,
        region=opener.region,
        key_id=opener.key_id,
        version_id=opener.version_id,
        number=opener.number,
        spec=opener.spec,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        origin=Origin.ALIYUN_KMS,
        created=0,
        material=Wrapped(0, b""),
    )
    return vault, vault.make_material(version)


def seal(opener: Opener, plaintext: bytes, entropy: Entropy) -> str:
    vault, version = opened_by(opener, entropy)
    return vault.seal(version, opener.context, plaintext).blob


def case(expect: str, opener: Opener, blob: str, plaintext: bytes | None = None) -> str:
    values = (
        expect,
        base64.b64encode(opener.key).decode(),
        *opener[1:6],
        json.dumps(opener.context, ensure_ascii=False),
    )
    lines = [f"{name}: {value}\n" for name, value in zip(HEADERS, values, strict=True)]
    if opener.spec is not KeySpec.AES_256:
        lines.append(f"spec: {opener.spec}\n")
    if plaintext is not None:
        lines.append(f"plaintext: {base64.b64encode(plaintext).decode()}\n")
    return "".join([*lines, "\n", blob, "\n"])


def some_opener(entropy: Entropy, number: int) -> Opener:
    return Opener(
        key=entropy.take(32),
        account=str(10**15 + number),
        region="cn-hangzhou",
        key_id=uuid4(entropy),
        version_id=uuid4(entropy),
        number=1 + number % 3,
        context=CONTEXTS[number % len(CONTEXTS)],
    )


def success(entropy: Entropy) -> list[str]:
    lengths = [*range(1, 65), 100, 1000, 6144, 8192]
    cases = []
    for number, length in enumerate(lengths):
        opener = some_opener(entropy, number)
        plaintext = ("Keystead, 密钥! " * 600).encode()[:length].decode(errors="ignore").encode() or b"x"
        cases.append(case("success", opener, seal(opener, plaintext, entropy), plaintext))
    return cases


def suites(entropy: Entropy) -> list[str]:
    cases = []
    for spec, length in ((KeySpec.AES_192, 24), (KeySpec.AES_128, 16), (KeySpec.SM4, 16)):
        for number, size in enumerate((1, 15, 16, 17, 100, 6144, 8192)):
            opener = some_opener(entropy, number)._replace(key=entropy.take(length), spec=spec)
            plaintext = b"Keystead " * 1000
            blob = seal(opener, plaintext[:size], entropy)
            cases.append(case("success", opener, blob, plaintext[:size]))
            cases.append(case("wrong context", opener._replace(context={"one": "more"}), blob))
            cases.append(case("wrong material", opener._replace(key=entropy.take(length)), blob))
            # Of a key of another spec, and so of another suite.
            other = opener._replace(spec=KeySpec.AES_256, key=entropy.take(32))
            cases.append(case("wrong material", other, blob))
    return cases


def wrong(entropy: Entropy) -> list[str]:
    cases = []
    for number in range(12):
        opener = some_opener(entropy, number)
        blob = seal(opener, b"hello", entropy)
        others = {
            "wrong context": opener._replace(context={**opener.context, "one": "more"}),
            "wrong account": opener._replace(account="1" + opener.account[:-1]),
            "wrong key": opener._replace(key_id=uuid4(entropy)),
            "wrong version": opener._replace(version_id=uuid4(entropy)),
            "wrong number": opener._replace(number=opener.number + 1),
            "wrong material": opener._replace(key=entropy.take(32)),
        }
        cases += [case(expect, other, blob) for expect, other in others.items()]
    return cases


def damaged(entropy: Entropy) -> list[str]:
    opener = some_opener(entropy, 1)
    blob = seal(opener, b"hello", entropy)
    raw = base64.b64decode(blob)
    cases = []
    for place in range(38, len(raw)):
        flipped = bytearray(raw)
        flipped[place] ^= 1 << place % 8
        cases.append(case("tampered", opener, base64.b64encode(flipped).decode()))
    cases.append(case("tampered", opener, base64.b64encode(raw + b"\0").decode()))
    cases += [
        case("truncated", opener, base64.b64encode(raw[:length]).decode())
        for length in (*range(1, len(raw), 7), len(raw) - 5, len(raw) - 4, len(raw) - 1)
    ]
    texts = {
        blob.rstrip("="), blob + "=", blob + " ", "=" + blob, blob[:40] + " " + blob[40:], blob[:40] + "-" + blob[41:],
        base64.b64encode(raw[:36].upper() + raw[36:]).decode(), base64.b64encode(b"_" * 36 + raw[36:]).decode(),
        base64.b64encode(raw[:38] + bytes(8193 + 80)).decode(), "nonsense", "密",
    } - {blob}  # fmt: skip
    cases += [case("malformed", opener, text) for text in sorted(texts)]
    for number in (0, 2, 3, 4, 127, 128, 255):
        unknown = raw[:36] + bytes((number,)) + raw[37:]
        cases.append(case("unknown format", opener, base64.b64encode(unknown).decode()))
        unknown = raw[:37] + bytes((number,)) + raw[38:]
        cases.append(case("unknown suite", opener, base64.b64encode(unknown).decode()))
    return cases


def corpus() -> dict[str, str]:
    """The files by name."""
    return {
        "success.txt": SEPARATOR.join(success(SeededEntropy(b"success"))),
        "suites.txt": SEPARATOR.join(suites(SeededEntropy(b"suites"))),
        "wrong.txt": SEPARATOR.join(wrong(SeededEntropy(b"wrong"))),
        "damaged.txt": SEPARATOR.join(damaged(SeededEntropy(b"damaged"))),
    }


if __name__ == "__main__":
    for name, text in corpus().items():
        (HERE / name).write_text(text, encoding="utf-8")
