"""Trust stores of Java: PKCS #12 files of certificates that each carry the attribute by which Java takes them for roots, and
JKS files, which are read only."""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

_JKS = b"\xfe\xed\xfe\xed"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def make_trust_store(pem: bytes, password: bytes) -> bytes:
    """A trust store with each certificate of a bundle once; what is no certificate in it is left out, and if there is none
    that is a ValueError.

    The password protects nothing that is secret: Java reads no store without one. PBES2 and HMAC-SHA-256, which Java 8
    reads since its update 301.
    """
    roots = dict.fromkeys(bundled(pem))
    entries = [
        pkcs12.PKCS12Certificate(one, f"{number} {one.subject.rfc4514_string()}".encode())
        for number, one in enumerate(roots, 1)
    ]
    return pkcs12.serialize_java_truststore(entries, serialization.BestAvailableEncryption(password))


def bundled(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a bundle; what is none in it, or can't be read, is left out."""
    return _certificates(x509.load_pem_x509_certificate, _CERTIFICATE.findall(pem))


def trusted_by(store: bytes, password: bytes) -> bytes:
    """The certificates of a trust store as a bundle; ValueError if it is neither PKCS #12 nor JKS, or has another password
    (which JKS needs for private keys only)."""
    if store.startswith(_JKS):
        found = _certificates(x509.load_der_x509_certificate, _in_jks(store))
    else:
        with no_warnings():
            found = [one.certificate for one in pkcs12.load_pkcs12(store, password).additional_certs]
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in found)


def _in_jks(store: bytes) -> Iterator[bytes]:
    """The trusted certificates of Java's own format, as sun.security.provider.JavaKeyStore writes it."""
    stream = io.BytesIO(store)

    def take(size: int) -> bytes:
        data = stream.read(size)
        if len(data) < size:
            raise ValueError("the trust store is cut off")
        return data

    def number(size: int = 4) -> int:
        return int.from_bytes(take(size), "big")

    take(len(_JKS))
    version = number()
    for _ in range(number()):
        trusted = number() == 2
        take(number(2) + 8)  # its name, the date
        if not trusted:
            take(number())  # a private key, encrypted
        for _ in range(1 if trusted else number()):
            if version == 2:
                take(number(2))  # "X.509"
            certificate = take(number())
            if trusted:
                yield certificate


def _certificates(
    load: Callable[[bytes], x509.Certificate], encoded: Iterable[bytes]
) -> list[x509.Certificate]:
    found = []
    with no_warnings():
        for one in list(encoded):
            with suppress(ValueError, x509.InvalidVersion):
                found.append(load(one))
    return found


@contextmanager
def no_warnings() -> Iterator[None]:
    """Old roots break rules of RFC 5280, of which the library warns; they are the user's to trust."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
