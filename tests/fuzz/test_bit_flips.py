"""Changed ciphertexts: of bit flips, truncations, extensions and exchanged parts none is accepted.

A format takes part by one function in FORMATS, which seals a fresh sample and says how it is opened.
"""

import base64
import hashlib
import hmac
import io
import math
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple, NoReturn

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keystead.crypto import blob as blobs
from keystead.crypto import derivation, envelope, vault, wrapping
from keystead.crypto.primitives import asymmetric
from keystead.crypto.primitives.suites import AES_256_GCM, OF_SPEC, SM4_GCM, Suite
from keystead.crypto.root_key import SoftwareRootKey
from keystead.crypto.sealing import Unopenable
from keystead.crypto.vault import Transport, Vault
from keystead.domain.accounts import AccessKey, AccessKeyStatus
from keystead.domain.keys.context import canonical
from keystead.domain.keys.key import Key, KeySpec, KeyUsage, KeyVersion, Origin, ProtectionLevel, Wrapped
from keystead.domain.keys.lifecycle import KeyState
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
FLIPS = 10_000_000 if EVIDENCE else 100_000
PROCESSES = 2 if EVIDENCE else 1
PER_SAMPLE = 2000  # flips; every bit of a sample of up to 250 bytes is flipped
SWAPS = 100  # a sample: truncations, extensions, exchanged parts

VERSION_ID = "b2f1c7de-31c8-4f0e-8d7c-9a5e4f3b2a10"

Open = Callable[[bytes], object]


class Sample(NamedTuple):
    """Sealed bytes. `open` raises Unopenable or OperatorError for all but these; `moved` raise it for these too."""

    raw: bytes
    open: Open
    cuts: list[int]  # where its parts begin
    other: bytes  # of the same format under the same key
    moved: list[Open]  # the same key with another fact: nothing that was sealed opens there


# --- formats


def version(**facts: Any) -> KeyVersion:
    known: dict[str, Any] = {
        "account": "1000000000000001",
        "region": "cn-hangzhou",
        "key_id": "6a0f3f0e-0a41-4d52-9d5e-0b7a2f1c6e11",
        "version_id": VERSION_ID,
        "number": 1,
        "spec": KeySpec.AES_256,
        "usage": KeyUsage.ENCRYPT_DECRYPT,
        "origin": Origin.ALIYUN_KMS,
        "created": 0,
        "material": Wrapped(0, b""),
    }
    return KeyVersion(**(known | facts))


def vault_and_version(seed: bytes, **facts: Any) -> tuple[Vault, KeyVersion]:
    """Vaults of one seed have the same wrapping key and the same material, whatever the version's facts are."""
    entropy = SeededEntropy(seed)
    made = Vault(SoftwareRootKey(bytes(32), entropy), entropy)
    made.make_wrapping_key(0)
    return made, made.make_material(version(**facts))


MOVES: list[dict[str, Any]] = [
    {"account": "1000000000000002"},
    {"key_id": "6a0f3f0e-0a41-4d52-9d5e-0b7a2f1c6e12"},
    {"version_id": "b2f1c7de-31c8-4f0e-8d7c-9a5e4f3b2a11"},
    {"number": 2},
]
WRAPPED_MOVES: list[dict[str, Any]] = [*MOVES, {"region": "cn-beijing"}]
CONTEXT = {"app": "web", "env": "prod"}
CONTEXTS = [
    {},
    {"app": "web"},
    {"app": "web", "env": "proc"},
    {"app": "web", "env": "prod", "": ""},
    {"app": "webenv", "": "prod"},
    {"appw": "eb", "env": "prod"},
    {"app": "prod", "env": "web"},
]


def plaintext(source: random.Random) -> bytes:
    return source.randbytes(source.choice([1, 2, 15, 16, 17, 31, 32, 64, 100]))


def open_named(made: Vault, owner: KeyVersion, context: dict[str, str], text: str) -> bytes:
    """Open a blob as Decrypt does: the version that it names must be there."""
    found = blobs.parse(text)
    if found.version_id != VERSION_ID:
        raise Unopenable
    return made.open(owner, context, found)


def message(source: random.Random, spec: KeySpec = KeySpec.AES_256) -> Sample:
    """What Encrypt returns, before base64."""
    seed = source.randbytes(16)
    made, owner = vault_and_version(seed, spec=spec)

    def opener(made: Vault, owner: KeyVersion, context: dict[str, str]) -> Open:
        def open_it(raw: bytes) -> object:
            return open_named(made, owner, context, base64.b64encode(raw).decode())

        return open_it

    raw = base64.b64decode(made.seal(owner, CONTEXT, plaintext(source)).blob)
    other = base64.b64decode(made.seal(owner, CONTEXT, plaintext(source)).blob)
    moved = [opener(*vault_and_version(seed, spec=spec, **facts), CONTEXT) for facts in MOVES]
    # Under other suites the material is the same, or as much of it as the suite takes.
    moved += [opener(*vault_and_version(seed, spec=other), CONTEXT) for other in OF_SPEC if other is not spec]
    moved += [opener(made, owner, context) for context in CONTEXTS]
    cuts = [0, 36, 37, 38, 70, 102, len(raw) - 16]
    return Sample(raw, opener(made, owner, CONTEXT), cuts, other, moved)


def message_text(source: random.Random) -> Sample:
    """What Encrypt returns, as it is on the wire."""
    made, owner = vault_and_version(source.randbytes(16))

    def open_it(raw: bytes) -> object:
        return open_named(made, owner, CONTEXT, raw.decode("latin-1"))

    raw = made.seal(owner, CONTEXT, plaintext(source)).blob.encode()
    other = made.seal(owner, CONTEXT, plaintext(source)).blob.encode()
    return Sample(raw, open_it, [0, 48, 96, 136, len(raw) - 20], other, [])


def key_material(source: random.Random) -> Sample:
    """The wrapped material of a key version, in its row."""
    seed = source.randbytes(16)

    def opener(**facts: Any) -> tuple[KeyVersion, Open]:
        made, owner = vault_and_version(seed, **facts)
        sealed = blobs.parse(made.seal(owner, {}, b"x").blob)

        def open_it(raw: bytes) -> object:
            made.forget([owner.version_id])
            return made.open(
                msgspec.structs.replace(owner, material=Wrapped(owner.material.generation, raw)), {}, sealed
            )

        return owner, open_it

    owner, open_it = opener()
    raw = owner.material.blob
    other = vault_and_version(seed, number=3)[1].material.blob
    moved = [opener(**facts)[1] for facts in WRAPPED_MOVES]
    return Sample(raw, open_it, [0, 32, 64, len(raw) - 16], other, moved)


KEY_MOVES: list[dict[str, Any]] = [
    {"account": "1000000000000002"},
    {"region": "cn-beijing"},
    {"key_id": "6a0f3f0e-0a41-4d52-9d5e-0b7a2f1c6e12"},
]


def external(owner: KeyVersion, **facts: Any) -> Key:
    """The key of a version, with material that its owner brought."""
    known: dict[str, Any] = {
        "account": owner.account,
        "region": owner.region,
        "key_id": owner.key_id,
        "spec": owner.spec,
        "usage": owner.usage,
        "origin": Origin.EXTERNAL,
        "protection": ProtectionLevel.SOFTWARE,
        "state": KeyState.ENABLED,
        "description": "",
        "created": 0,
        "primary_version": owner.version_id,
        "rotated": 0,
    }
    return Key(**(known | facts))


def import_token(source: random.Random) -> Sample:
    """What GetParametersForImport returns as a token, before base64."""
    made, owner = vault_and_version(source.randbytes(16))
    transport = Transport(KeySpec.RSA_2048, "RSAES_OAEP_SHA_256", 86_400, source.randbytes(100))

    def opener(**facts: Any) -> Open:
        def open_it(raw: bytes) -> object:
            try:
                return made.open_token(external(owner, **facts), raw)
            except msgspec.DecodeError:
                return None  # what is unsealed was accepted, whether it can be read or not

        return open_it

    raw = base64.b64decode(made.make_token(external(owner), transport))
    other = base64.b64decode(made.make_token(external(owner), transport))
    moved = [opener(**facts) for facts in [*KEY_MOVES, {"spec": KeySpec.SM4}]]
    return Sample(raw, opener(), [0, 4, 36, 68, len(raw) - 16], other, moved)


TRANSPORT_KEY = asymmetric.generate(KeySpec.RSA_2048, SeededEntropy())


def material_check(source: random.Random) -> Sample:
    """By which imported material is known again, in the row of its key."""
    made, owner = vault_and_version(source.randbytes(16))
    transport = Transport(KeySpec.RSA_2048, "RSAES_OAEP_SHA_256", 86_400, TRANSPORT_KEY)
    public = asymmetric.public_key(transport.spec, transport.private_key)

    def opener(material: bytes, **facts: Any) -> Open:
        wrapped = asymmetric.encrypt(transport.spec, transport.algorithm, public, material)

        def open_it(raw: bytes) -> object:
            # An empty check is that of a key that never had material, and takes any.
            if not raw:
                raise Unopenable
            return made.import_material(external(owner, check=raw, **facts), owner, transport, wrapped)

        return open_it

    material = source.randbytes(32)
    raw, other = (made.make_check(external(owner), material) for _ in range(2))
    flipped_once = material[:-1] + bytes([material[-1] ^ 1])
    moved = [opener(material, **facts) for facts in KEY_MOVES]
    moved += [opener(one) for one in (flipped_once, bytes(32), source.randbytes(32))]
    # A key of another spec, and material of its length.
    moved.append(opener(material[:16], spec=KeySpec.SM4))
    return Sample(raw, opener(material), [0, 32, 64], other, moved)


def access_key_secret(source: random.Random) -> Sample:
    """The wrapped secret of an AccessKey, in its row."""
    made, _ = vault_and_version(source.randbytes(16))
    wrapped = made.make_secret("1", "LTAI1")[1]

    def opener(account: str, access_key_id: str) -> Open:
        def open_it(raw: bytes) -> object:
            made.forget_secret(access_key_id)
            row = AccessKey(
                access_key_id=access_key_id,
                account=account,
                status=AccessKeyStatus.ACTIVE,
                created=0,
                secret=Wrapped(wrapped.generation, raw),
            )
            return made.secret(row)

        return open_it

    raw, other = wrapped.blob, made.make_secret("1", "LTAI2")[1].blob
    moved = [opener("2", "LTAI1"), opener("1", "LTAI2"), opener("1L", "TAI1")]
    return Sample(raw, opener("1", "LTAI1"), [0, 32, 64, len(raw) - 16], other, moved)


def wrapping_key(source: random.Random) -> Sample:
    """A wrapping key under the root key."""
    entropy = SeededEntropy(source.randbytes(16))
    root = SoftwareRootKey(entropy.take(32), entropy)
    first, second = Vault(root, entropy).make_wrapping_key(0), Vault(root, entropy).make_wrapping_key(0)

    def opener(**facts: Any) -> Open:
        def open_it(raw: bytes) -> object:
            Vault(root, entropy).load([msgspec.structs.replace(first, blob=raw, **facts)])
            return None

        return open_it

    cuts = [0, 32, 64, len(first.blob) - 16]
    return Sample(first.blob, opener(), cuts, second.blob, [opener(generation=2)])


def file(source: random.Random) -> Sample:
    """A file in the envelope format; one in 50 has several chunks."""
    key = source.randbytes(32)
    size = (
        source.choice([65_536, 65_537, 131_072, 200_000])
        if source.random() < 0.02
        else source.choice([0, 1, 99])
    )

    def sealed() -> bytes:
        pieces = iter([source.randbytes(size)])
        return b"".join(
            envelope.seal(pieces, key, "blob", ("app", "env"), SeededEntropy(source.randbytes(16)))
        )

    def opener(key: bytes) -> Open:
        def open_it(raw: bytes) -> object:
            stream = io.BytesIO(raw)
            # The same data key whatever the header says: this format must refuse by itself, without the KMS's help.
            header = envelope.read_header(stream)
            return b"".join(envelope.unseal(iter(lambda: stream.read(1 << 17), b""), header, key))

        return open_it

    raw = sealed()
    head = envelope.read_header(io.BytesIO(raw)).size
    chunks = [*range(head, len(raw), envelope.CHUNK_BYTES + derivation.TAG_BYTES)]
    cuts = [0, 8, 9, 10, 12, 16, 20, head - 64, head - 32, *chunks, len(raw) - 16]
    return Sample(raw, opener(key), sorted(set(cuts)), sealed(), [opener(key[:-1] + bytes([key[-1] ^ 1]))])


FORMATS: dict[str, Callable[[random.Random], Sample]] = {
    **{
        made.__name__: made
        for made in (
            message,
            message_text,
            key_material,
            import_token,
            material_check,
            access_key_secret,
            wrapping_key,
            file,
        )
    },
    "message_aes_192": partial(message, spec=KeySpec.AES_192),
    "message_aes_128": partial(message, spec=KeySpec.AES_128),
    "message_sm4": partial(message, spec=KeySpec.SM4),
}
# Each attempt decrypts what RSA wrapped: so many times fewer of them.
SLOWER = {"material_check": 32}


# --- changes


def flipped(source: random.Random, raw: bytes, number: int) -> bytes:
    """One bit, by turns each; every fourth time more of them."""
    changed = bytearray(raw)
    bit = number % (len(raw) * 8)
    changed[bit >> 3] ^= 1 << (bit & 7)
    if number % 4 == 3:
        for _ in range(source.randint(1, 7)):
            changed[source.randrange(len(raw))] ^= 1 << source.randrange(8)
    return bytes(changed)


def recut(source: random.Random, sample: Sample) -> bytes:
    """Shorter, longer, or with parts exchanged, lost, doubled or taken from another ciphertext."""
    raw, cuts = sample.raw, sample.cuts
    parts = [raw[begin:end] for begin, end in zip(cuts, [*cuts[1:], None], strict=True)]
    one, two = source.randrange(len(parts)), source.randrange(len(parts))
    match source.randrange(9):
        case 0:
            return raw[: source.randrange(len(raw))]
        case 1:
            return raw[: source.choice(cuts)]
        case 2:
            return raw[source.randrange(1, len(raw)) :]
        case 3:
            return raw + source.randbytes(source.randint(1, 40))
        case 4:
            return raw + bytes(source.randint(1, 40))
        case 5:
            return source.randbytes(source.randint(1, 40)) + raw
        case 6:
            parts[one], parts[two] = parts[two], parts[one]
        case 7:
            parts[one : one + 1] = source.choice([[], [parts[one]] * 2])
        case _:
            begin, end = [*cuts, len(raw)][one], [*cuts, len(raw)][one + 1]
            parts[one] = sample.other[begin:end]
    return b"".join(parts)


def accepts(open_it: Open, raw: bytes) -> bool:
    try:
        open_it(raw)
    except (Unopenable, OperatorError):
        return False
    return True


def run(name: str, flips: int, seed: int) -> tuple[int, int]:
    """How many flips and how many other changes were refused; AssertionError at the first that was not."""
    source = random.Random(f"{name} {seed}")
    done = others = 0

    def wrong(what: str, sample: Sample, changed: bytes) -> NoReturn:
        raise AssertionError(
            f"{name}, seed {seed}: {what} is accepted: {sample.raw.hex()} as {changed.hex()}"
        )

    while done < flips:
        sample = FORMATS[name](source)
        assert accepts(sample.open, sample.raw), name
        begin = source.randrange(len(sample.raw) * 8)
        for number in range(begin, begin + min(PER_SAMPLE, flips - done)):
            changed = flipped(source, sample.raw, number)
            if changed == sample.raw:
                continue
            if accepts(sample.open, changed):
                wrong("a flip", sample, changed)
            done += 1
        for _ in range(SWAPS):
            changed = recut(source, sample)
            if changed != sample.raw and accepts(sample.open, changed):
                wrong("a change of parts", sample, changed)
            others += 1
        for place, opener in enumerate(sample.moved):
            if accepts(opener, sample.raw):
                wrong(f"move {place}", sample, sample.raw)
            others += 1
        # What refuses must still be what opens.
        assert accepts(sample.open, sample.raw), name
    return done, others


@pytest.mark.fuzz
def test_no_changed_ciphertext_opens() -> None:
    begun = time.monotonic()
    shares = {name: 1 / SLOWER.get(name, 1) for name in FORMATS}
    each = FLIPS / sum(shares.values()) / PROCESSES
    jobs = [
        (name, math.ceil(each * share), seed) for seed in range(PROCESSES) for name, share in shares.items()
    ]
    if PROCESSES == 1:
        counts = [run(*job) for job in jobs]
    else:
        with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
            counts = list(pool.map(run, *zip(*jobs, strict=True)))
    flips, others = (sum(column) for column in zip(*counts, strict=True))
    assert flips >= FLIPS
    if EVIDENCE:
        print(
            f"\nbit flips: {flips} flips and {others} other changes of {len(FORMATS)} formats, none accepted, "
            f"{time.monotonic() - begun:.0f} s"
        )


# --- planted bugs


def ignores_commitment(
    key: bytes, label: bytes, associated: bytes, sealed: bytes, suite: Suite = AES_256_GCM
) -> bytes:
    salt = sealed[:32]
    okm = derivation.derive(key, label, salt + hashlib.sha512(associated).digest())
    try:
        return AESGCM(okm[:32]).decrypt(okm[64:], sealed[64:], associated)
    except (InvalidTag, ValueError):
        raise Unopenable from None


def ignores_tag(
    key: bytes, label: bytes, associated: bytes, sealed: bytes, suite: Suite = AES_256_GCM
) -> bytes:
    if len(sealed) < derivation.OVERHEAD:
        raise Unopenable
    okm = derivation.derive(key, label, sealed[:32] + hashlib.sha512(associated).digest())
    if sealed[32:64] != okm[32:64]:
        raise Unopenable
    # GCM's own counter starts at 2 for the text; the tag is thrown away.
    counter = okm[64:] + (2).to_bytes(4, "big")
    return Cipher(algorithms.AES(okm[:32]), modes.CTR(counter)).decryptor().update(sealed[64:-16])


@pytest.mark.fuzz
@pytest.mark.parametrize("planted", [ignores_commitment, ignores_tag])
@pytest.mark.parametrize("name", ["message", "key_material", "import_token", "material_check"])
def test_an_unseal_that_checks_less_is_found(
    planted: Callable[[bytes, bytes, bytes, bytes], bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (vault, wrapping):
        monkeypatch.setattr(module, "unseal", planted)
    with pytest.raises(AssertionError, match="is accepted"):
        run(name, 5000, 1)


@pytest.mark.fuzz
@pytest.mark.parametrize("forgotten", [*(next(iter(facts)) for facts in MOVES), "context"])
def test_associated_data_that_forget_a_fact_are_found(
    forgotten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def facts(owner: KeyVersion, form: int, suite: int, context: dict[str, str]) -> bytes:
        known: dict[str, str | bytes] = {
            "version_id": owner.version_id,
            "account": owner.account,
            "key_id": owner.key_id,
            "number": str(owner.number),
            "context": canonical(context),
        }
        del known[forgotten]
        return derivation.prefixed(bytes((form, suite)), *known.values())

    monkeypatch.setattr(vault, "_message_facts", facts)
    with pytest.raises(AssertionError, match="move"):
        run("message", 1, 1)


@pytest.mark.fuzz
@pytest.mark.parametrize("forgotten", [next(iter(facts)) for facts in WRAPPED_MOVES])
def test_wrapping_that_forgets_a_fact_is_found(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in ("account", "region", "key_id", "version_id", "number") if name != forgotten]
    monkeypatch.setattr(
        vault,
        "_version_facts",
        lambda owner: derivation.prefixed(*(str(getattr(owner, name)) for name in names)),
    )
    with pytest.raises(AssertionError, match="move"):
        run("key_material", 1, 1)


@pytest.mark.fuzz
@pytest.mark.parametrize(
    ("name", "forgotten"),
    [
        *(("import_token", forgotten) for forgotten in ("account", "region", "key_id", "spec")),
        *(("material_check", forgotten) for forgotten in ("account", "region", "key_id")),
    ],
)
def test_an_import_that_forgets_a_fact_of_its_key_is_found(
    name: str, forgotten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [known for known in ("account", "region", "key_id", "spec") if known != forgotten]
    monkeypatch.setattr(
        vault, "_key_facts", lambda key: derivation.prefixed(*(getattr(key, known) for known in names))
    )
    with pytest.raises(AssertionError, match="move"):
        run(name, 1, 1)


@pytest.mark.fuzz
def test_a_check_of_material_that_is_not_looked_at_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def unlooked(
        self: Vault, key: Key, version: KeyVersion, transport: Transport, wrapped: bytes
    ) -> tuple[KeyVersion, bytes]:
        return imports(self, msgspec.structs.replace(key, check=b""), version, transport, wrapped)

    imports = Vault.import_material
    monkeypatch.setattr(Vault, "import_material", unlooked)
    with pytest.raises(AssertionError, match="a flip is accepted"):
        run("material_check", 1, 1)


@pytest.mark.fuzz
def test_a_suite_that_ignores_its_tag_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def untagged(key: bytes, iv: bytes, sealed: bytes, associated: bytes) -> bytes:
        # Counter mode is its own inverse.
        return SM4_GCM.encrypt(key, iv, sealed[:-16], associated)[:-16]

    monkeypatch.setitem(OF_SPEC, KeySpec.SM4, SM4_GCM._replace(decrypt=untagged))
    with pytest.raises(AssertionError, match="a flip is accepted"):
        run("message_sm4", 5000, 1)


@pytest.mark.fuzz
def test_base64_that_is_read_loosely_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(text: str) -> blobs.Blob:
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            raise Unopenable from None
        if len(raw) < 38 or raw[:38] != f"{VERSION_ID}\1\1".encode():
            raise Unopenable
        return blobs.Blob(version_id=VERSION_ID, format=raw[36], suite=raw[37], sealed=raw[38:])

    monkeypatch.setattr(blobs, "parse", loose)
    with pytest.raises(AssertionError, match="a flip is accepted"):
        run("message_text", 20_000, 1)


@pytest.mark.fuzz
def test_a_file_whose_end_is_not_marked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbered(iv: bytes, chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
        base = int.from_bytes(iv, "big")
        for number, chunk in enumerate(chunks):
            yield (base ^ number << 8).to_bytes(len(iv), "big"), chunk

    monkeypatch.setattr(envelope, "CHUNK_BYTES", 33)
    run("file", 2000, 1)
    monkeypatch.setattr(envelope, "_numbered", numbered)
    with pytest.raises(AssertionError, match="a change of parts is accepted"):
        run("file", 10_000, 1)


@pytest.mark.fuzz
def test_a_file_whose_commitment_is_not_compared_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac, "compare_digest", lambda one, two: True)
    with pytest.raises(AssertionError, match="a flip is accepted"):
        run("file", 10_000, 1)
