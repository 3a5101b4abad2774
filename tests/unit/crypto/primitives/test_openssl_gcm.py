"""What it computes is tested with `aes_gcm`."""

import importlib.util
from collections.abc import Callable

import pytest

from keystead.crypto.primitives import openssl_gcm
from keystead.crypto.primitives.libcrypto import candidates
from keystead.errors import OperatorError


def test_no_library_is_told_with_what_to_install() -> None:
    with pytest.raises(OperatorError, match="no OpenSSL library") as refused:
        openssl_gcm.first(["/no/such/library", str(importlib.util.find_spec("_ctypes").origin)])  # type: ignore[union-attr]
    assert "libssl3" in refused.value.hint
    assert openssl_gcm.first(["/no/such/library", *candidates()]) is not None


def test_a_library_that_refuses_is_no_plaintext(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def __getattr__(self, name: str) -> Callable[..., int]:
            return lambda *_: 0

    monkeypatch.setattr(openssl_gcm, "load", Refusing)
    with pytest.raises(MemoryError):
        openssl_gcm.AESGCM(bytes(32)).encrypt(bytes(12), b"x", None)
