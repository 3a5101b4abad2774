"""What it computes is tested with `aes_gcm`."""

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from keystead.crypto.primitives import openssl_gcm
from keystead.crypto.primitives.libcrypto import candidates
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.errors import OperatorError
from tests.unit.crypto.primitives.test_aes_gcm import without_the_package

AesGcm = without_the_package().AesGcm
LIBRARY = openssl_gcm.load()


def test_no_library_is_told_with_what_to_install() -> None:
    with pytest.raises(OperatorError, match="no OpenSSL library") as refused:
        openssl_gcm.first(["/no/such/library", str(importlib.util.find_spec("_ctypes").origin)])  # type: ignore[union-attr]
    assert "libssl3" in refused.value.hint
    assert openssl_gcm.first(["/no/such/library", *candidates()]) is not None


class Failing:
    """The library, but for one call that fails as it may fail: 0, or less."""

    def __init__(self, name: str, result: int) -> None:
        self._library: Any = LIBRARY
        self._failing, self._result = name, result

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self._library, name)
        if name != self._failing:
            return function

        def fail(*_: Any) -> int:
            return self._result

        return fail


@pytest.mark.parametrize("result", [0, -1])
@pytest.mark.parametrize(
    "name", ["EVP_EncryptInit_ex", "EVP_EncryptUpdate", "EVP_EncryptFinal_ex", "EVP_CIPHER_CTX_ctrl"]
)
def test_nothing_is_sealed_by_a_library_that_fails(
    monkeypatch: pytest.MonkeyPatch, name: str, result: int
) -> None:
    """Without its tag above all, which would then be zeros."""
    monkeypatch.setattr(openssl_gcm, "load", partial(Failing, name, result))
    with pytest.raises(OperatorError, match="failed at AES-256-GCM") as told:
        AesGcm(bytes(32)).seal(bytes(12), b"x")
    assert told.value.hint


@pytest.mark.parametrize("result", [0, -1])
@pytest.mark.parametrize("name", ["EVP_DecryptInit_ex", "EVP_DecryptUpdate", "EVP_CIPHER_CTX_ctrl"])
def test_a_library_that_fails_says_nothing_of_what_was_sealed(
    monkeypatch: pytest.MonkeyPatch, name: str, result: int
) -> None:
    sealed = AesGcm(bytes(32)).seal(bytes(12), b"x")
    monkeypatch.setattr(openssl_gcm, "load", partial(Failing, name, result))
    with pytest.raises(OperatorError, match="failed at AES-256-GCM"):
        AesGcm(bytes(32)).open(bytes(12), sealed)


def test_a_library_without_memory_for_a_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl_gcm, "load", lambda: Failing("EVP_CIPHER_CTX_new", 0))
    with pytest.raises(OperatorError, match="failed at AES-256-GCM"):
        AesGcm(bytes(32)).seal(bytes(12), b"x")


def test_an_end_that_is_not_proved_is_no_plaintext(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = AesGcm(bytes(32)).seal(bytes(12), b"x")
    monkeypatch.setattr(openssl_gcm, "load", lambda: Failing("EVP_DecryptFinal_ex", -1))
    with pytest.raises(Unopenable):
        AesGcm(bytes(32)).open(bytes(12), sealed)
