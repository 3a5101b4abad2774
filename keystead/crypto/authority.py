"""A certificate authority of our own: name-constrained to exactly what it is for.

ECDSA P-256 throughout. The constraints are critical (RFC 5280 section 4.2.1.10): a client that trusts this CA trusts it
for those names and addresses only, whoever gets hold of its key.
"""

import datetime
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keystead.crypto.trust_store import bundled, no_warnings
from keystead.crypto.vault import Vault
from keystead.domain.authorities import KeptAuthority, Names
from keystead.domain.keys.key import DAY
from keystead.entropy import Entropy, SystemEntropy

LIFETIME = 3650 * DAY
_PURPOSE = "certificate authority"  # what a server's private CA key is wrapped for
_EVERY_ADDRESS = ("0.0.0.0/0", "::/0")
_BACKDATED = 300  # seconds, for clients whose clocks are a little behind


class Leaf(msgspec.Struct, frozen=True):
    """A server certificate with its private key. `expires` is seconds since 1970."""

    certificate_pem: bytes
    key_pem: bytes
    expires: int

    def __repr__(self) -> str:
        return f"<Leaf until {self.expires}>"


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate says. Times are seconds since 1970; the fingerprint is SHA-256, as openssl prints it.

    Subject and issuer are as in RFC 4514. The names are those that it is for; a CA's are those that it may issue for.
    """

    subject: str
    issuer: str
    fingerprint: str
    begins: int
    expires: int
    names: Names

    def refused(self, names: Names) -> tuple[str, ...]:
        """Those of the names that a client would not believe this CA."""
        own = self.names
        return tuple(
            one
            for one in names.all
            if one not in own.addresses
            and not any(one == host or one.endswith(f".{host}") for host in own.hosts)
        )


class Authority:
    """A CA with its private key."""

    def __init__(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        entropy: Entropy | None = None,
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._entropy = SystemEntropy() if entropy is None else entropy
        self.certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.described = _described(certificate)

    @classmethod
    def create(
        cls,
        name: str,
        *,
        dns: Sequence[str],
        addresses: Sequence[str],
        now: float,
        lifetime: int,
        entropy: Entropy | None = None,
    ) -> "Authority":
        """A new CA, valid from now for `lifetime` seconds, for these host names (with what is under them) and addresses.

        Where it permits no address it excludes all of them, since a constraint on one kind of name says nothing of others.
        """
        source = SystemEntropy() if entropy is None else entropy
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        permitted: list[x509.GeneralName] = [x509.DNSName(one) for one in dns]
        permitted += [x509.IPAddress(ipaddress.ip_network(one)) for one in addresses]
        excluded = (
            None if addresses else [x509.IPAddress(ipaddress.ip_network(one)) for one in _EVERY_ADDRESS]
        )
        builder = (
            _builder(subject, subject, key.public_key(), now, lifetime, source)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=excluded), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(builder.sign(key, hashes.SHA256()), key, source)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> "Authority":
        """A CA that was kept; ValueError if the parts do not belong together."""
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = serialization.load_pem_private_key(key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("the private key is not that of the certificate")
        return cls(certificate, key)

    def refused(self, names: Names) -> tuple[str, ...]:
        """Those of the names that a client would not believe this CA."""
        return self.described.refused(names)

    def key_pem(self) -> bytes:
        """The private key, unencrypted: for wrapping only."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def issue(self, names: Sequence[str], addresses: Sequence[str], now: float, lifetime: int) -> Leaf:
        """A server certificate for these host names and addresses, followed by the CA's, and a key of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, [*names, *addresses][0])])
        subjects: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
        subjects += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        expires = min(int(now) + lifetime, self.described.expires)
        builder = (
            _builder(
                subject, self._certificate.subject, key.public_key(), now, expires - int(now), self._entropy
            )
            .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return Leaf(
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM) + self.certificate_pem,
            key_pem=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            expires=expires,
        )


def make_authority(vault: Vault, names: Names, now: int, entropy: Entropy) -> KeptAuthority:
    """A new CA of a server, to be kept.

    Its subject is like no other's: some clients look for an issuer by that alone.
    """
    made = Authority.create(
        f"Keystead local CA {entropy.take(4).hex()}",
        dns=names.hosts,
        addresses=names.addresses,
        now=now,
        lifetime=LIFETIME,
        entropy=entropy,
    )
    return KeptAuthority(
        certificate=made.certificate_pem.decode(),
        key=vault.wrap_private_key(_PURPOSE, made.key_pem()),
        expires=made.described.expires,
    )


def open_authority(vault: Vault, kept: KeptAuthority) -> Authority:
    """A CA that was kept. OperatorError if its private key does not open, ValueError if it is another one's."""
    return Authority.load(kept.certificate.encode(), vault.unwrap_private_key(_PURPOSE, kept.key))


def rewrap_authority(vault: Vault, kept: KeptAuthority) -> KeptAuthority:
    """A CA that was kept, its private key wrapped anew. OperatorError if it does not open."""
    return msgspec.structs.replace(kept, key=vault.rewrap_private_key(_PURPOSE, kept.key))


def describe(certificate_pem: bytes) -> Described:
    """What the first certificate says; ValueError if there is none."""
    with _reading():
        return _described(x509.load_pem_x509_certificate(certificate_pem))


def describe_all(bundle_pem: bytes) -> tuple[Described, ...]:
    """What each certificate of a bundle says; what can't be read is left out."""
    found = []
    for one in bundled(bundle_pem):
        with suppress(ValueError), _reading():
            found.append(_described(one))
    return tuple(found)


def first_expiry(chain_pem: bytes) -> int:
    """When the first certificate of a chain expires, in seconds since 1970; ValueError if there is none."""
    return min(_seconds(one.not_valid_after_utc) for one in x509.load_pem_x509_certificates(chain_pem))


@contextmanager
def _reading() -> Iterator[None]:
    """ValueError for whatever a certificate breaks that was made elsewhere; what is only unusual is let pass."""
    try:
        with no_warnings():
            yield
    except (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from None


def _described(certificate: x509.Certificate) -> Described:
    names: list[x509.GeneralName] = []
    for extension in certificate.extensions:
        match extension.value:
            case x509.NameConstraints(permitted_subtrees=permitted):
                names += permitted or []
            case x509.SubjectAlternativeName() as subjects:
                names += subjects
            case _:
                pass
    digest = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return Described(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        fingerprint=digest,
        begins=_seconds(certificate.not_valid_before_utc),
        expires=_seconds(certificate.not_valid_after_utc),
        names=Names(
            tuple(sorted(one.value for one in names if isinstance(one, x509.DNSName))),
            tuple(
                sorted(str(one.value).partition("/")[0] for one in names if isinstance(one, x509.IPAddress))
            ),
        ),
    )


def _seconds(moment: datetime.datetime) -> int:
    return int(moment.timestamp())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: float,
    lifetime: int,
    entropy: Entropy,
) -> x509.CertificateBuilder:
    start = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
    # 159 random bits: positive, and within the 20 octets of RFC 5280 section 4.1.2.2.
    serial = int.from_bytes(entropy.take(20), "big") >> 1 | 1
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(start - datetime.timedelta(seconds=_BACKDATED))
        .not_valid_after(start + datetime.timedelta(seconds=lifetime))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
