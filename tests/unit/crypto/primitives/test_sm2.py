"""SM2 against the standard's examples, an implementation in plain integers written here, OpenSSL's command, and noise."""

import base64
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keystead.crypto.primitives import libcrypto, sm2
from keystead.crypto.primitives.digests import digest as hashed
from keystead.crypto.sealing import Unopenable
from keystead.entropy import SeededEntropy

VECTORS = json.loads(
    (Path(__file__).parents[3] / "vectors" / "sm2" / "recommended-curve.json").read_text(encoding="utf-8")
)
P, N = int(VECTORS["curve"]["p"], 16), int(VECTORS["curve"]["n"], 16)
A, B = int(VECTORS["curve"]["a"], 16), int(VECTORS["curve"]["b"], 16)
BASE = (int(VECTORS["curve"]["x_g"], 16), int(VECTORS["curve"]["y_g"], 16))
K = int(VECTORS["k"], 16)
SCALAR = bytes.fromhex(VECTORS["d"])
PRIVATE = sm2.from_scalar(SCALAR)
PUBLIC = sm2.public_key_der(PRIVATE)
DIGEST = bytes.fromhex(VECTORS["signature"]["e"])
SIGNATURE = bytes.fromhex(f"3046022100{VECTORS['signature']['r']}022100{VECTORS['signature']['s']}")
PLAINTEXT = VECTORS["encryption"]["message"].encode()
RAW = bytes.fromhex(VECTORS["encryption"]["c1"] + VECTORS["encryption"]["c3"] + VECTORS["encryption"]["c2"])
DER = bytes.fromhex(VECTORS["encryption"]["der"])

LONG = bool(os.environ.get("TEST_EVIDENCE"))
INPUTS = 400_000 if LONG else 20_000


# --- a second implementation: the standard's formulas over Python's integers

Point = tuple[int, int] | None


def add(one: Point, two: Point) -> Point:
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % P == 0:
            return None
        slope = (3 * one[0] ** 2 + A) * pow(2 * one[1], -1, P)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P)
    x = (slope**2 - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def times(scalar: int, point: Point) -> tuple[int, int]:
    total: Point = None
    for bit in f"{scalar:b}":
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    assert total is not None
    return total


def octets(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def plain_sign(d: int, digest: bytes, k: int) -> tuple[int, int]:
    r = (int.from_bytes(digest, "big") + times(k, BASE)[0]) % N
    return r, pow(1 + d, -1, N) * (k - r * d) % N


def plain_verify(public: Point, digest: bytes, r: int, s: int) -> bool:
    point = add(times(s, BASE), times((r + s) % N, public))
    return point is not None and (int.from_bytes(digest, "big") + point[0]) % N == r


def stream(shared: tuple[int, int], length: int) -> bytes:
    blocks = (hashed("sm3", octets(*shared) + i.to_bytes(4, "big")) for i in range(1, length // 32 + 2))
    return b"".join(blocks)[:length]


def masked(text: bytes, mask: bytes) -> bytes:
    return bytes(one ^ two for one, two in zip(text, mask, strict=True))


def plain_encrypt(public: Point, text: bytes, k: int) -> bytes:
    shared = times(k, public)
    c3 = hashed("sm3", octets(shared[0]) + text + octets(shared[1]))
    return b"\x04" + octets(*times(k, BASE)) + c3 + masked(text, stream(shared, len(text)))


def plain_decrypt(d: int, ciphertext: bytes) -> bytes:
    shared = times(d, point_of(ciphertext[:65]))
    text = masked(ciphertext[97:], stream(shared, len(ciphertext) - 97))
    assert hashed("sm3", octets(shared[0]) + text + octets(shared[1])) == ciphertext[65:97]
    return text


def point_of(encoded: bytes) -> tuple[int, int]:
    return int.from_bytes(encoded[-64:-32], "big"), int.from_bytes(encoded[-32:], "big")


def numbers_of(signature: bytes) -> tuple[int, int]:
    split = 4 + signature[3]
    return int.from_bytes(signature[4:split], "big"), int.from_bytes(signature[split + 2 :], "big")


def der_of(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = 1 if len(content) < 0x100 else 2
    return bytes([tag, 0x80 | size]) + len(content).to_bytes(size, "big") + content


def keys(count: int) -> list[bytes]:
    entropy = SeededEntropy(b"sm2")
    return [sm2.generate(entropy) for _ in range(count)]


# --- the standard's examples


def test_the_curve_is_the_standards() -> None:
    assert (int.from_bytes(sm2.A, "big"), int.from_bytes(sm2.B, "big"), sm2.N) == (A, B, N)
    assert point_of(sm2.G) == BASE
    assert (BASE[0] ** 3 + A * BASE[0] + B - BASE[1] ** 2) % P == 0


def test_the_standards_key() -> None:
    assert PUBLIC[-65:].hex().upper() == "04" + VECTORS["x"] + VECTORS["y"]


def test_the_standards_digest() -> None:
    example = VECTORS["signature"]
    assert sm2.z_digest(PUBLIC, example["message"].encode(), example["user_id"].encode()) == DIGEST
    assert sm2.z_digest(PUBLIC, example["message"].encode()) == DIGEST
    assert hashed("sm3", bytes.fromhex(example["z"]) + example["message"].encode()) == DIGEST
    assert sm2.z_digest(PUBLIC, example["message"].encode(), b"ALICE123@YAHOO.COM") != DIGEST


def test_the_standards_signature() -> None:
    assert sm2.verify(PUBLIC, DIGEST, SIGNATURE)
    assert plain_sign(int(VECTORS["d"], 16), DIGEST, K) == numbers_of(SIGNATURE)


def test_the_standards_ciphertext_in_both_forms() -> None:
    assert sm2.decrypt(PRIVATE, RAW) == PLAINTEXT
    assert sm2.decrypt(PRIVATE, DER) == PLAINTEXT
    assert plain_encrypt(point_of(PUBLIC), PLAINTEXT, K) == RAW


# --- both ways against the second implementation


def test_what_is_signed_verifies_elsewhere_and_the_other_way_round() -> None:
    for index, private in enumerate(keys(8)):
        public = sm2.public_key_der(private)
        digest = hashlib.sha256(bytes([index])).digest()
        signature = sm2.sign(private, digest)
        assert plain_verify(point_of(public), digest, *numbers_of(signature))
        d = int.from_bytes(private[len(private) - 70 - 32 : len(private) - 70], "big")
        assert times(d, BASE) == point_of(public)
        r, s = plain_sign(d, digest, K + index)
        der = der_of(0x30, *(der_of(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in (r, s)))
        assert sm2.verify(public, digest, der)


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 127, 128, 255, 256, 1000, 6046, 6047])
def test_what_is_encrypted_opens_elsewhere_and_the_other_way_round(length: int) -> None:
    text = bytes(index % 251 for index in range(length))
    (private,) = keys(1)
    d, public = int.from_bytes(private[-102:-70], "big"), sm2.public_key_der(private)
    ciphertext = sm2.encrypt(public, text)
    assert len(ciphertext) == length + sm2.OVERHEAD
    assert ciphertext[0] == 4
    assert plain_decrypt(d, ciphertext) == text
    assert sm2.decrypt(private, ciphertext) == text
    assert sm2.decrypt(private, plain_encrypt(point_of(public), text, K + length)) == text


def test_an_all_zero_key_stream_never_sends_the_plaintext() -> None:
    # One nonce in 256 does it for one byte: 1,000 ciphertexts would miss it once in 50 times, 10,000 never.
    assert all(sm2.encrypt(PUBLIC, b"a")[97:] != b"a" for _ in range(10_000 if LONG else 1_000))
    # The second implementation does not draw again: with this nonce the case is there.
    assert plain_encrypt(point_of(PUBLIC), b"a", 470)[97:] == b"a"


def test_signatures_and_ciphertexts_are_drawn_anew() -> None:
    assert len({sm2.sign(PRIVATE, DIGEST) for _ in range(20)}) == 20
    assert len({sm2.encrypt(PUBLIC, PLAINTEXT) for _ in range(20)}) == 20


# --- both ways against OpenSSL's command, other decoders and encoders of keys


def openssl(directory: Path, *arguments: str) -> bytes:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


ID = ["-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678"]


def test_openssls_key_and_what_it_signs_and_encrypts(tmp_path: Path) -> None:
    openssl(tmp_path, "genpkey", "-algorithm", "SM2", "-out", "key.pem")
    openssl(tmp_path, "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
    private = sm2.load_private((tmp_path / "key.pem").read_bytes())
    public = sm2.load_public((tmp_path / "public.pem").read_bytes())
    assert public == sm2.public_key_der(private)
    assert private == openssl(tmp_path, "pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER")
    (tmp_path / "message").write_bytes(b"a message of some length")
    signature = openssl(tmp_path, "pkeyutl", "-sign", "-inkey", "key.pem", "-in", "message", *ID)
    assert sm2.verify(public, sm2.z_digest(public, b"a message of some length"), signature)
    encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "message"]
    assert sm2.decrypt(private, openssl(tmp_path, *encrypt)) == b"a message of some length"


def test_openssl_reads_our_key_verifies_and_decrypts(tmp_path: Path) -> None:
    (private,) = keys(1)
    public = sm2.public_key_der(private)
    (tmp_path / "key.der").write_bytes(private)
    (tmp_path / "public.der").write_bytes(public)
    told = openssl(tmp_path, "pkey", "-inform", "DER", "-in", "key.der", "-check", "-noout", "-text")
    assert b"Key is valid" in told
    assert b"SM2" in told
    assert openssl(tmp_path, "pkey", "-in", "key.der", "-pubout", "-outform", "DER") == public
    (tmp_path / "message").write_bytes(b"a message")
    (tmp_path / "signature").write_bytes(sm2.sign(private, sm2.z_digest(public, b"a message")))
    verify = ["pkeyutl", "-verify", "-pubin", "-inkey", "public.der", "-in", "message"]
    assert b"Signature Verified" in openssl(tmp_path, *verify, "-sigfile", "signature", *ID)
    # OpenSSL opens only the DER of GM/T 0009.
    raw = sm2.encrypt(public, b"a message")
    number = [der_of(2, b"\0" * (n[0] >> 7) + n) for n in (raw[1:33].lstrip(b"\0"), raw[33:65].lstrip(b"\0"))]
    (tmp_path / "sealed").write_bytes(der_of(0x30, *number, der_of(4, raw[65:97]), der_of(4, raw[97:])))
    decrypt = ["pkeyutl", "-decrypt", "-inkey", "key.der", "-in", "sealed"]
    assert openssl(tmp_path, *decrypt) == b"a message"


# --- keys


def test_generation_is_reproducible_and_stays_in_range() -> None:
    assert sm2.generate(SeededEntropy(b"one")) == sm2.generate(SeededEntropy(b"one"))
    assert len(set(keys(20))) == 20


class Draws:
    """Entropy that gives what it is told."""

    def __init__(self, *draws: int) -> None:
        self.left = [draw.to_bytes(32, "big") for draw in draws]

    def take(self, count: int) -> bytes:
        assert count == 32
        return self.left.pop(0)


def test_draws_out_of_range_are_drawn_again() -> None:
    draws = Draws(0, N - 1, N, 2**256 - 1, N - 2, 1)
    assert sm2.generate(draws) == sm2.from_scalar((N - 2).to_bytes(32, "big"))
    assert len(draws.left) == 1
    assert sm2.generate(draws) == sm2.from_scalar((1).to_bytes(32, "big"))
    assert sm2.public_key_der(sm2.from_scalar((1).to_bytes(32, "big")))[-64:] == octets(*BASE)


@pytest.mark.parametrize("scalar", [b"", SCALAR[1:], SCALAR + b"\0", bytes(32), octets(N - 1), octets(N)])
def test_a_wrong_scalar_is_refused(scalar: bytes) -> None:
    with pytest.raises(ValueError, match="not a scalar"):
        sm2.from_scalar(scalar)
    with pytest.raises(ValueError, match="not a"):
        sm2.load_private(pkcs8(scalar=scalar))


ALGORITHM = PUBLIC[2:23]
P256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
CURVE = ALGORITHM[11:]
BITS = der_of(3, b"\0" + PUBLIC[-65:])


def pkcs8(
    version: bytes = b"\0",
    algorithm: bytes = ALGORITHM,
    inner: bytes = b"\1",
    scalar: bytes = SCALAR,
    curve: bytes = b"",
    public: bytes = b"",
    after_key: bytes = b"",
    after: bytes = b"",
) -> bytes:
    key = der_of(0x30, der_of(2, inner), der_of(4, scalar), curve, public) + after_key
    return der_of(0x30, der_of(2, version), algorithm, der_of(4, key), after)


def pem(label: str, der: bytes, end: str = "\n") -> bytes:
    text = base64.encodebytes(der).decode().replace("\n", end)
    return f"-----BEGIN {label}-----{end}{text}-----END {label}-----{end}".encode()


@pytest.mark.parametrize(
    "data",
    [
        PRIVATE,
        pkcs8(),
        pkcs8(public=der_of(0xA1, BITS)),
        pkcs8(curve=der_of(0xA0, CURVE)),
        pkcs8(curve=der_of(0xA0, CURVE), public=der_of(0xA1, BITS)),
        pem("PRIVATE KEY", PRIVATE),
        pem("PRIVATE KEY", PRIVATE, "\r\n"),
        pem("PRIVATE KEY", pkcs8()) + b"\n \n",
    ],
)
def test_every_form_of_one_private_key_is_the_same_key(data: bytes) -> None:
    assert sm2.load_private(data) == PRIVATE


OTHER = sm2.public_key_der(keys(1)[0])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x81\x01\0",
        PRIVATE[:-1],
        PRIVATE + b"\0",
        PUBLIC,
        pkcs8(version=b"\1"),
        pkcs8(algorithm=P256),
        pkcs8(algorithm=ALGORITHM[:2]),
        pkcs8(inner=b"\0"),
        pkcs8(inner=b""),
        pkcs8(after=b"\x05\0"),
        pkcs8(after_key=b"\x05\0"),
        pkcs8(curve=der_of(0xA0, P256[11:])),
        pkcs8(public=der_of(0xA1, BITS + b"\0")),
        pkcs8(public=der_of(0xA1, der_of(3, b"\0" + OTHER[-65:]))),
        pkcs8(public=der_of(0xA2, BITS)),
        der_of(0x30, der_of(2, b"\0"), ALGORITHM, der_of(4, der_of(0x30), b"\0")),
        pem("EC PRIVATE KEY", PRIVATE),
        pem("ENCRYPTED PRIVATE KEY", PRIVATE),
        pem("PRIVATE KEY", PRIVATE)[:-3],
        pem("PRIVATE KEY", PRIVATE).replace(b"END PRIVATE", b"END PUBLIC"),
        pem("PRIVATE KEY", PRIVATE).replace(b"M", b"MM", 1),
        pem("PRIVATE KEY", PRIVATE).replace(b"-----END", b"====\n-----END"),
        b"preamble\n" + pem("PRIVATE KEY", PRIVATE),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    ],
)
def test_what_is_no_private_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not "):
        sm2.load_private(data)


@pytest.mark.parametrize("data", [PUBLIC, pem("PUBLIC KEY", PUBLIC)])
def test_both_forms_of_a_public_key(data: bytes) -> None:
    assert sm2.load_public(data) == PUBLIC


OFF_CURVE = PUBLIC[:-1] + bytes([PUBLIC[-1] ^ 1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PUBLIC[:-1],
        PUBLIC + b"\0",
        PRIVATE,
        OFF_CURVE,
        PUBLIC[:-65] + b"\4" + bytes(64),
        PUBLIC[:-65] + b"\x07" + PUBLIC[-64:],
        PUBLIC[:-65] + b"\4" + octets(P + 1, 1),
        PUBLIC.replace(ALGORITHM, P256),
        pem("PRIVATE KEY", PUBLIC),
    ],
)
def test_what_is_no_public_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not "):
        sm2.load_public(data)
    with pytest.raises(ValueError, match="not "):
        sm2.verify(data, DIGEST, SIGNATURE)
    with pytest.raises(ValueError, match="not "):
        sm2.encrypt(data, PLAINTEXT)


def test_a_digest_needs_an_uncompressed_point() -> None:
    with pytest.raises(ValueError, match="not a public key"):
        sm2.z_digest(PUBLIC[:-65] + b"\x07" + PUBLIC[-64:], b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PRIVATE[:-1],
        PRIVATE + b"\0",
        PUBLIC,
        pkcs8(),
        PRIVATE.replace(SCALAR, octets(N)),
        PRIVATE[:-65] + b"\2" * 65,
    ],
)
def test_only_the_fixed_layout_is_used(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a private key"):
        sm2.public_key_der(data)
    with pytest.raises(ValueError, match="not a private key"):
        sm2.sign(data, DIGEST)
    with pytest.raises(ValueError, match="not a private key"):
        sm2.decrypt(data, RAW)


# --- bad input


@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_a_digest_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        sm2.sign(PRIVATE, bytes(length))
    with pytest.raises(ValueError, match="32 bytes"):
        sm2.verify(PUBLIC, bytes(length), SIGNATURE)


def test_a_user_id_has_a_longest_length() -> None:
    assert sm2.z_digest(PUBLIC, b"", bytes(8191)) != sm2.z_digest(PUBLIC, b"", bytes(8190))
    with pytest.raises(ValueError, match="user id"):
        sm2.z_digest(PUBLIC, b"", bytes(8192))


def test_a_signature_is_of_one_key_and_one_digest() -> None:
    assert not sm2.verify(OTHER, DIGEST, SIGNATURE)
    assert not sm2.verify(PUBLIC, DIGEST[::-1], SIGNATURE)


R, S = numbers_of(SIGNATURE)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNATURE[:-1],
        SIGNATURE + b"\0",
        octets(R, S),
        SIGNATURE.replace(b"\x30\x46", b"\x30\x81\x46"),
        der_of(0x30, der_of(2, b"\0"), der_of(2, b"\0")),
        der_of(0x30, der_of(2, octets(R)), der_of(2, octets(S))),
        der_of(0x30, der_of(2, b"\0" + octets(R)), der_of(2, (S + N).to_bytes(33, "big"))),
        der_of(0x30, der_of(2, b"\0\0" + octets(R)), der_of(2, b"\0" + octets(S))),
        der_of(0x30, der_of(2, b"\0" + octets(S)), der_of(2, b"\0" + octets(R))),
        der_of(0x30, der_of(2, b"\0" + octets(R))),
        b"\x30" * 6144,
    ],
)
def test_a_malformed_signature_does_not_verify(signature: bytes) -> None:
    assert sm2.verify(PUBLIC, DIGEST, signature) is False


@pytest.mark.parametrize("length", [0, 6048, 100_000])
def test_a_plaintext_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="1 to 6047"):
        sm2.encrypt(PUBLIC, bytes(length))


C1, C3, C2 = RAW[:65], RAW[65:97], RAW[97:]
X, Y = der_of(2, C1[1:33]), der_of(2, b"\0" + C1[33:])


@pytest.mark.parametrize(
    "ciphertext",
    [
        b"",
        b"\x04",
        RAW[:97],
        RAW[:-1],
        RAW + b"\0",
        RAW[1:],
        C1 + C2 + C3,
        C1[:64] + bytes([C1[64] ^ 1]) + C3 + C2,
        b"\4" + bytes(64) + C3 + C2,
        C1 + C3 + bytes(6048),
        DER[:-1],
        DER + b"\0",
        der_of(0x30, X, Y, der_of(4, C3), der_of(4)),
        der_of(0x30, X, Y, der_of(4, C3[1:]), der_of(4, C2)),
        der_of(0x30, X, Y, der_of(4, C3), der_of(4, C2), b"\x05\0"),
        der_of(0x30, X, der_of(2, C1[33:]), der_of(4, C3), der_of(4, C2)),
        der_of(0x30, der_of(2, b"\0" + C1[1:33]), Y, der_of(4, C3), der_of(4, C2)),
        der_of(0x30, der_of(2, b"\1" + C1[1:33]), Y, der_of(4, C3), der_of(4, C2)),
        der_of(0x30, der_of(2), Y, der_of(4, C3), der_of(4, C2)),
        der_of(0x30, X, Y, der_of(4, C3), der_of(4, bytes(6048))),
    ],
)
def test_a_bad_ciphertext_does_not_open(ciphertext: bytes) -> None:
    with pytest.raises(Unopenable):
        sm2.decrypt(PRIVATE, ciphertext)


def test_a_longer_ciphertext_than_is_made_does_not_open() -> None:
    with pytest.raises(Unopenable):
        sm2.decrypt(PRIVATE, plain_encrypt(point_of(PUBLIC), bytes(6048), K))


def test_a_ciphertext_opens_under_its_own_key_only() -> None:
    with pytest.raises(Unopenable):
        sm2.decrypt(keys(1)[0], RAW)


def test_a_failure_leaves_nothing_in_the_error_queue_that_ssl_reads_too() -> None:
    with pytest.raises(Unopenable):
        sm2.decrypt(PRIVATE, RAW[:-1] + b"\0")
    with pytest.raises(ValueError, match="not a point"):
        sm2.load_public(OFF_CURVE)
    assert not sm2.verify(PUBLIC, DIGEST, b"\x30")
    assert libcrypto.load().ERR_peek_error() == 0


# --- threads


def test_many_threads_at_once() -> None:
    def work(private: bytes) -> int:
        public = sm2.public_key_der(private)
        done = 0
        for index in range(25):
            digest = hashlib.sha256(bytes([index])).digest()
            done += sm2.verify(public, digest, sm2.sign(private, digest))
            done += sm2.decrypt(private, sm2.encrypt(public, digest)) == digest
            done += not sm2.verify(public, digest, SIGNATURE)
        return done

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, keys(8))) == [75] * 8


def rounds_before_another_thread_runs(work: Callable[[], object]) -> int:
    """How often a thread does its work until this one has a turn, where Python takes no turn away; at most 200."""
    before, stop, started, rounds = sys.getswitchinterval(), threading.Event(), threading.Event(), 0

    def loop() -> None:
        nonlocal rounds
        started.set()
        while rounds < 200 and not stop.is_set():
            work()
            rounds += 1

    thread = threading.Thread(target=loop)
    sys.setswitchinterval(1000)
    try:
        thread.start()
        started.wait()
        stop.set()
        thread.join()
    finally:
        sys.setswitchinterval(before)
    return rounds


def test_other_threads_run_during_a_call() -> None:
    assert rounds_before_another_thread_runs(lambda: sm2.sign(PRIVATE, DIGEST)) < 200
    assert rounds_before_another_thread_runs(lambda: times(K, BASE)) == 200


# --- noise


def changed(draw: random.Random, data: bytes) -> bytes:
    """Something else of about the same shape."""
    out = bytearray(data)
    for _ in range(draw.choice([1, 1, 1, 2, 5])):
        at = draw.randrange(len(out) + 1)
        match draw.randrange(6):
            case 0:
                out[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                out[at : at + 1] = bytes(one ^ 1 << draw.randrange(8) for one in out[at : at + 1])
            case 2:
                del out[at : at + draw.choice([1, 2, 32, 1000])]
            case 3:
                out[at:at] = draw.randbytes(draw.choice([1, 2, 32, 1000]))
            case 4:
                out[at : at + 32] = draw.choice([bytes(32), b"\xff" * 32, octets(N), octets(P)])
            case _:
                out[at : at + 2] = draw.choice(
                    [b"\x30\x80", b"\x82\xff", b"\x84\xff", b"\x02\x00", b"\x04\x81"]
                )
    return bytes(out)


Judge = Callable[[bytes], bool]


def unharmed(judges: dict[str, tuple[list[bytes], Judge]], inputs: int, seed: int) -> list[str]:
    """Which judges accepted a changed input as if it were good."""
    draw, fooled = random.Random(seed), []
    names = sorted(judges)
    for index in range(inputs):
        name = names[index % len(names)]
        good, accepts = judges[name]
        data = changed(draw, draw.choice(good))
        if data not in good and accepts(data):
            fooled.append(f"{name} {data.hex()}")
    return fooled


def verifies(data: bytes) -> bool:
    return sm2.verify(PUBLIC, DIGEST, data)


def opens(data: bytes) -> bool:
    try:
        return bool(sm2.decrypt(PRIVATE, data))
    except Unopenable:
        return False


def loads_private(data: bytes) -> bool:
    """Whether it is taken for the key. Without a public key inside, another scalar is another good key."""
    try:
        return sm2.load_private(data) == PRIVATE
    except ValueError:
        return False


def loads_public(data: bytes) -> bool:
    try:
        return bool(sm2.load_public(data))
    except ValueError:
        return False


def uses_private(data: bytes) -> bool:
    """Whether a changed private key signs what the public key verifies."""
    try:
        return sm2.verify(PUBLIC, DIGEST, sm2.sign(data, DIGEST))
    except ValueError:
        return False


JUDGES: dict[str, tuple[list[bytes], Judge]] = {
    "signature": ([SIGNATURE], verifies),
    "ciphertext": ([RAW, DER], opens),
    "private key": ([PRIVATE, pkcs8(public=der_of(0xA1, BITS)), pkcs8()], loads_private),
    "public key": ([PUBLIC], loads_public),
}


@pytest.mark.fuzz
def test_no_changed_input_is_taken_for_a_good_one_or_harms_the_process() -> None:
    start = time.perf_counter()
    assert unharmed(JUDGES, INPUTS, 2) == []
    # A point on the curve that is not the scalar's own is not noticed here, and does no harm: neither use needs it.
    assert not uses_private(PRIVATE[:-1] + bytes([PRIVATE[-1] ^ 1]))
    if LONG:
        print(f"SM2: {INPUTS} changed inputs in {time.perf_counter() - start:.0f} s, none accepted")


def test_the_search_finds_a_judge_that_is_too_kind() -> None:
    def lenient(data: bytes) -> bool:
        return verifies(data.rstrip(b"\0")) or verifies(data[:72])

    assert unharmed({"signature": ([SIGNATURE], lenient)}, 2_000, 2) != []
