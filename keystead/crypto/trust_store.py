"""Trust stores of Java: PKCS #12 files of certificates that each carry the attribute by which Java takes them for roots."""

import re
import warnings
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def make_trust_store(pem: bytes, password: bytes) -> bytes:
    """A trust store with each certificate of a bundle once; what is no certificate in it is left out.

    The password protects nothing that is secret: Java reads no store without one. PBES2 and HMAC-SHA-256, which Java 8
    reads since its update 301.
    """
    # The subject as well: serial numbers are unique for one issuer only.
    roots = dict.fromkeys(_certificates(_CERTIFICATE.findall(pem)))
    entries = [
        pkcs12.PKCS12Certificate(one, f"{number} {one.subject.rfc4514_string()}".encode())
        for number, one in enumerate(roots, 1)
    ]
    return pkcs12.serialize_java_truststore(entries, serialization.BestAvailableEncryption(password))


def trusted_by(store: bytes, password: bytes) -> bytes:
    """The certificates of a trust store as a bundle; ValueError if it is no PKCS #12 file or has another password."""
    found = pkcs12.load_pkcs12(store, password)
    return b"".join(
        one.certificate.public_bytes(serialization.Encoding.PEM) for one in found.additional_certs
    )


def _certificates(pems: Iterable[bytes]) -> Iterable[x509.Certificate]:
    with warnings.catch_warnings():
        # Old roots break rules of RFC 5280 that the library warns of; they are the user's to trust.
        warnings.simplefilter("ignore")
        for pem in pems:
            try:
                yield x509.load_pem_x509_certificate(pem)
            except ValueError:
                continue
