import warnings
from pathlib import Path

import certifi
import pytest

from keystead.clock import SystemClock
from keystead.crypto.authority import Authority
from keystead.crypto.trust_store import make_trust_store, trusted_by


def ca(name: str) -> bytes:
    return Authority.create(
        name, dns=["test"], addresses=[], now=SystemClock().now(), lifetime=3600
    ).certificate_pem


def test_a_store_has_each_certificate_once() -> None:
    one, other = ca("one"), ca("other")
    store = make_trust_store(one + b"\n# a comment\n" + other + one, b"changeit")
    assert trusted_by(store, b"changeit") == one + other


def test_what_is_no_certificate_is_left_out() -> None:
    one = ca("one")
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    cut = one[: len(one) // 2]
    assert trusted_by(make_trust_store(broken + one + cut, b"x"), b"x") == one
    with pytest.raises(ValueError, match="at least one"):
        make_trust_store(broken + cut, b"x")


def test_old_roots_cost_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = make_trust_store(Path(certifi.where()).read_bytes(), b"changeit")
        assert trusted_by(store, b"changeit").count(b"BEGIN CERTIFICATE") > 50


@pytest.mark.parametrize(("store", "password"), [(b"", b"x"), (b"\xfe\xed\xfe\xed", b"x"), (None, b"wrong")])
def test_another_file_or_password_is_refused(store: bytes | None, password: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        trusted_by(make_trust_store(ca("one"), b"right") if store is None else store, password)
