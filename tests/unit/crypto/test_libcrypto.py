import importlib.util

import pytest

from keystead.crypto import libcrypto
from keystead.crypto.libcrypto import LIBRARIES, Unavailable
from keystead.errors import OperatorError


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
