import struct
import warnings
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

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


def jks(version: int, *entries: tuple[int, bytes]) -> bytes:
    """JKS as Java writes it: trusted certificates (2), and private keys (1) with a chain of one."""
    parts = [b"\xfe\xed\xfe\xed", struct.pack(">II", version, len(entries))]
    kind = b"\x00\x05X.509" if version == 2 else b""
    for tag, der in entries:
        parts.append(struct.pack(">I", tag) + b"\x00\x04name" + bytes(8))
        if tag == 1:
            parts.append(struct.pack(">I", 3) + b"key" + struct.pack(">I", 1))
        parts.append(kind + struct.pack(">I", len(der)) + der)
    return b"".join(parts) + bytes(20)


@pytest.mark.parametrize("version", [1, 2])
def test_javas_own_format_is_read(version: int) -> None:
    one, other = ca("one"), ca("other")
    ders = [x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) for pem in (one, other)]
    store = jks(version, (2, ders[0]), (1, ders[1]), (2, b"no certificate"), (2, ders[1]))
    assert trusted_by(store, b"any") == one + other
    for length in range(4, len(store) - 20, 7):
        with pytest.raises(ValueError, match="cut off"):
            trusted_by(store[:length], b"any")


@pytest.mark.parametrize(("store", "password"), [(b"", b"x"), (b"\xce\xce\xce\xce", b"x"), (None, b"wrong")])
def test_another_file_or_password_is_refused(store: bytes | None, password: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        trusted_by(make_trust_store(ca("one"), b"right") if store is None else store, password)
