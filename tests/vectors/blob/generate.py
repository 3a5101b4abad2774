"""Writes the golden ciphertext blobs of format 1: `python -m tests.vectors.blob.generate` from the repository's root.

In wrapped.json is one of each thing that is wrapped or kept sealed, with all that opens it. Of the other files every case is a few header lines, an empty line and the blob as one line of text; cases are separated by a line `--`.

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

from keystead.crypto import root_key, wrapping
from keystead.crypto.primitives import asymmetric
from keystead.crypto.root_key import SoftwareRootKey
from keystead.crypto.vault import Transport, Vault
from keystead.domain.keys.key import Key, KeySpec, KeyUsage, KeyVersion, Origin, ProtectionLevel, Wrapped
from keystead.domain.keys.lifecycle import KeyState
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
    key_root = root_key.ephemeral(SeededEntropy(b"root"))
    wrapping_key = Vault(key_root, SeededEntropy(b"wrapping")).make_wrapping_key(0)
    vault = Vault(key_root, Given(opener.key, entropy))
    vault.load([wrapping_key])
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


def damaged_suites(entropy: Entropy) -> list[str]:
    """Some places of every part, under the suites that damaged.txt has no blob of."""
    cases = []
    for spec, length in ((KeySpec.AES_192, 24), (KeySpec.AES_128, 16), (KeySpec.SM4, 16)):
        opener = some_opener(entropy, 1)._replace(key=entropy.take(length), spec=spec)
        raw = base64.b64decode(seal(opener, b"hello", entropy))
        # Salt, commitment, text and tag begin at 38, 70, 102 and 107; at 37 is the suite.
        for place in (38, 54, 69, 70, 86, 101, 102, 104, 106, 107, 115, len(raw) - 1):
            flipped = bytearray(raw)
            flipped[place] ^= 1 << place % 8
            cases.append(case("tampered", opener, base64.b64encode(flipped).decode()))
        for suite in sorted({1, 5, 6, 7} - {raw[37]}):
            moved = raw[:37] + bytes((suite,)) + raw[38:]
            cases.append(case("tampered", opener, base64.b64encode(moved).decode()))
        cases.append(case("tampered", opener, base64.b64encode(raw + b"\0").decode()))
        cases += [
            case("truncated", opener, base64.b64encode(raw[:cut]).decode())
            for cut in (36, 38, 70, 102, 107, len(raw) - 6, len(raw) - 5, len(raw) - 4, len(raw) - 1)
        ]
    return cases


def owner(spec: KeySpec, origin: Origin, usage: KeyUsage) -> tuple[Key, KeyVersion]:
    """A key and its version, without material."""
    key = Key(
        account="1000000000000001",
        region="cn-hangzhou",
        key_id="6a0f3f0e-0a41-4d52-9d5e-0b7a2f1c6e11",
        spec=spec,
        usage=usage,
        origin=origin,
        protection=ProtectionLevel.SOFTWARE,
        state=KeyState.ENABLED,
        description="",
        created=0,
        primary_version="b2f1c7de-31c8-4f0e-8d7c-9a5e4f3b2a10",
        rotated=0,
    )
    version = KeyVersion(
        account=key.account,
        region=key.region,
        key_id=key.key_id,
        version_id=key.primary_version,
        number=1,
        spec=spec,
        usage=usage,
        origin=origin,
        created=0,
        material=Wrapped(0, b""),
    )
    return key, version


def imported() -> tuple[Key, KeyVersion]:
    return owner(KeySpec.AES_256, Origin.EXTERNAL, KeyUsage.ENCRYPT_DECRYPT)


def key_pair() -> KeyVersion:
    return owner(KeySpec.EC_P256, Origin.ALIYUN_KMS, KeyUsage.SIGN_VERIFY)[1]


def wrapped(entropy: Entropy) -> dict[str, str]:
    """Each of its kind, base64, made by one vault: `root` opens `wrapping_key`, and that the rest. `unsealed_wrapping_key` is
    the same as it was wrapped before the rows of stores were sealed."""
    root_key, material = entropy.take(32), entropy.take(32)
    root = SoftwareRootKey(root_key, entropy)
    made = Vault(root, entropy)
    wrapping_key = made.make_wrapping_key(0)
    key, _ = imported()
    transport = Transport(KeySpec.EC_SM2, "SM2PKE", 86_400, asymmetric.generate(KeySpec.EC_SM2, entropy))
    private = asymmetric.generate(KeySpec.EC_P256, entropy)
    secret, wrapped_secret = made.make_secret(key.account, "LTAI1")
    values: dict[str, bytes] = {
        "root": root_key,
        "wrapping_key": wrapping_key.blob,
        "token": base64.b64decode(made.make_token(key, transport)),
        "transport_key": transport.private_key,
        "imported": material,
        "check": made.make_check(key, material),
        "key_pair": private,
        "wrapped_key_pair": made.keep_material(key_pair(), private).material.blob,
        "secret": secret.encode(),
        "wrapped_secret": wrapped_secret.blob,
        "authority": b"pem",
        "wrapped_authority": made.wrap_private_key("authority", b"pem").blob,
        "unsealed_wrapping_key": root.wrap(
            wrapping._unsealed_facts(1), root.unwrap(wrapping._wrapping_key_facts(1), wrapping_key.blob)
        ),
    }
    return {name: base64.b64encode(value).decode() for name, value in values.items()}


def corpus() -> dict[str, str]:
    """The files by name."""
    return {
        "success.txt": SEPARATOR.join(success(SeededEntropy(b"success"))),
        "suites.txt": SEPARATOR.join(suites(SeededEntropy(b"suites"))),
        "wrong.txt": SEPARATOR.join(wrong(SeededEntropy(b"wrong"))),
        "damaged.txt": SEPARATOR.join(damaged(SeededEntropy(b"damaged"))),
        "damaged_suites.txt": SEPARATOR.join(damaged_suites(SeededEntropy(b"damaged suites"))),
        "wrapped.json": json.dumps(wrapped(SeededEntropy(b"wrapped")), indent=1) + "\n",
    }


if __name__ == "__main__":
    for name, text in corpus().items():
        (HERE / name).write_text(text, encoding="utf-8")
