import importlib.util
import sys
import threading
import time
from collections.abc import Callable

import pytest

from keystead.crypto.primitives import libcrypto, sm2
from keystead.crypto.primitives.libcrypto import LIBRARIES, Unavailable
from keystead.errors import OperatorError

PRIVATE = sm2.from_scalar(bytes(31) + b"\x07")
PUBLIC = sm2.public_key_der(PRIVATE)
DIGEST = bytes(32)
SIGNATURE = sm2.sign(PRIVATE, DIGEST)
CIPHERTEXT = sm2.encrypt(PUBLIC, b"text")


def test_this_machine_has_one_and_it_is_loaded_once() -> None:
    library = libcrypto.load()
    assert library.OpenSSL_version_num() >= libcrypto.OPENSSL_3
    assert libcrypto.load() is library


def test_what_is_no_library_or_no_openssl_is_passed_over() -> None:
    other = importlib.util.find_spec("_ctypes")
    assert other is not None
    assert other.origin is not None
    assert libcrypto.opened("/no/such/library") is None
    assert libcrypto.opened(other.origin) is None
    assert libcrypto.first(["/no/such/library", other.origin, *libcrypto.candidates()]) is not None


def test_without_one_the_operator_is_told_what_to_install() -> None:
    with pytest.raises(Unavailable) as caught:
        libcrypto.first(["/no/such/library"])
    assert isinstance(caught.value, OperatorError)
    assert "SM2" in caught.value.message
    assert "libssl3" in caught.value.hint


@pytest.mark.parametrize("module", ["sys", "no_such_module"])
def test_a_python_without_openssl_in_a_module_of_its_own_is_no_hindrance(module: str) -> None:
    assert tuple(libcrypto.candidates(module)) == LIBRARIES


def test_pythons_own_comes_first() -> None:
    own = importlib.util.find_spec("_hashlib")
    assert own is not None
    assert list(libcrypto.candidates()) == [own.origin, *LIBRARIES]


def test_macos_never_sees_the_name_that_kills_it() -> None:
    assert [
        path for path in LIBRARIES if path.endswith("/libcrypto.dylib") or path == "libcrypto.dylib"
    ] == []


def lets_go(call: Callable[[], object]) -> bool:
    """Whether another thread, which waits for the GIL, got it during a call. It gets it in no other way: a thread is made
    to give it up only after a minute."""
    ran: list[bool] = []
    held = threading.Lock()

    def other() -> None:
        with held:
            ran.append(True)

    usual = sys.getswitchinterval()
    with held:
        waiting = threading.Thread(target=other)
        waiting.start()
        time.sleep(0.002)
        sys.setswitchinterval(60)
    try:
        call()
        return bool(ran)
    finally:
        sys.setswitchinterval(usual)
        waiting.join()


def test_what_prepares_a_computation_keeps_the_gil() -> None:
    assert not any(lets_go(lambda: sm2.load_public(PUBLIC)) for _ in range(50))


@pytest.mark.parametrize(
    "compute",
    [
        pytest.param(lambda: sm2.sign(PRIVATE, DIGEST), id="sign"),
        pytest.param(lambda: sm2.verify(PUBLIC, DIGEST, SIGNATURE), id="verify"),
        pytest.param(lambda: sm2.encrypt(PUBLIC, b"text"), id="encrypt"),
        pytest.param(lambda: sm2.decrypt(PRIVATE, CIPHERTEXT), id="decrypt"),
        pytest.param(lambda: sm2.from_scalar(bytes([1] * 32)), id="multiply"),
    ],
)
def test_what_computes_with_a_key_lets_others_run(compute: Callable[[], object]) -> None:
    assert any(lets_go(compute) for _ in range(1000))
