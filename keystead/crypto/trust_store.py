"""Trust stores of Java: PKCS #12 files of certificates that each carry the attribute by which Java takes them for roots."""

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def make_trust_store(pem: bytes, password: bytes) -> bytes:
    """A trust store with each certificate of a bundle once; what is no certificate in it is left out, and if there is none
    that is a ValueError.

    The password protects nothing that is secret: Java reads no store without one. PBES2 and HMAC-SHA-256, which Java 8
    reads since its update 301.
    """
    roots = dict.fromkeys(_certificates(_CERTIFICATE.findall(pem)))
    entries = [
        pkcs12.PKCS12Certificate(one, f"{number} {one.subject.rfc4514_string()}".encode())
        for number, one in enumerate(roots, 1)
    ]
    return pkcs12.serialize_java_truststore(entries, serialization.BestAvailableEncryption(password))


def trusted_by(store: bytes, password: bytes) -> bytes:
    """The certificates of a trust store as a bundle; ValueError if it is no PKCS #12 file or has another password."""
    with _no_warnings():
        found = pkcs12.load_pkcs12(store, password).additional_certs
    return b"".join(one.certificate.public_bytes(serialization.Encoding.PEM) for one in found)


def _certificates(pems: Iterable[bytes]) -> list[x509.Certificate]:
    found = []
    with _no_warnings():
        for pem in pems:
            with suppress(ValueError):
                found.append(x509.load_pem_x509_certificate(pem))
    return found


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Old roots break rules of RFC 5280, of which the library warns; they are the user's to trust."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
