import datetime
import ssl
from pathlib import Path

import certifi
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keystead.clock import SystemClock
from keystead.crypto import root_key
from keystead.crypto.authority import (
    LIFETIME,
    Authority,
    describe,
    describe_all,
    first_expiry,
    make_authority,
    open_authority,
)
from keystead.crypto.vault import Vault
from keystead.domain.authorities import LOCAL, Names
from keystead.domain.keys.key import Wrapped
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError
from keystead.server.network import listener
from tests.handshakes import handshake

NOW = SystemClock().now()


def authority(dns: list[str], addresses: list[str]) -> Authority:
    return Authority.create("test CA", dns=dns, addresses=addresses, now=NOW, lifetime=86400)


def connect(made: Authority, names: list[str], addresses: list[str], asked: str, folder: Path) -> None:
    """A TLS connection of Python's own client to a server with a certificate for these names."""
    context = listener.server_context()
    leaf = made.issue(names, addresses, NOW, 86400)
    listener.load_certificate(context, listener.Pem(leaf.certificate_pem, leaf.key_pem))
    (folder / "ca.pem").write_bytes(made.certificate_pem)
    handshake(context, ssl.create_default_context(cafile=str(folder / "ca.pem")), asked)


def test_a_permitted_name_and_address_are_accepted(tmp_path: Path) -> None:
    made = authority(["localhost"], ["127.0.0.1", "::1"])
    for asked in ("localhost", "127.0.0.1", "::1"):
        connect(made, ["localhost"], ["127.0.0.1", "::1"], asked, tmp_path)


@pytest.mark.parametrize(
    ("names", "addresses", "asked"),
    [(["bank.example"], [], "bank.example"), ([], ["10.0.0.1"], "10.0.0.1"), (["localhost"], [], "other")],
)
def test_what_is_outside_the_constraints_is_refused(
    names: list[str], addresses: list[str], asked: str, tmp_path: Path
) -> None:
    made = authority(["localhost"], ["127.0.0.1"])
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(made, names, addresses, asked, tmp_path)


def test_a_ca_for_names_only_refuses_every_address(tmp_path: Path) -> None:
    made = authority(["aliyuncs.com"], [])
    connect(made, ["kms.cn-hangzhou.aliyuncs.com"], [], "kms.cn-hangzhou.aliyuncs.com", tmp_path)
    for address in ("127.0.0.1", "::1"):
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(made, [], [address], address, tmp_path)


def test_constraints_are_critical_and_the_ca_issues_no_ca() -> None:
    certificate = x509.load_pem_x509_certificate(authority(["localhost"], []).certificate_pem)
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert basic.critical
    assert basic.value.path_length == 0


def test_a_kept_authority_is_loaded_with_its_own_key_only() -> None:
    made, other = authority(["localhost"], []), authority(["localhost"], [])
    assert Authority.load(made.certificate_pem, made.key_pem()).certificate_pem == made.certificate_pem
    with pytest.raises(ValueError, match="not that of the certificate"):
        Authority.load(made.certificate_pem, other.key_pem())


def test_a_leaf_does_not_outlive_its_ca_and_shows_no_key() -> None:
    made = authority(["localhost"], [])
    leaf = made.issue(["localhost"], [], NOW, 10 * 86400)
    assert leaf.expires <= int(NOW) + 86400
    assert "PRIVATE" not in repr(leaf)


def test_what_a_ca_may_not_issue_for_is_named_before_a_client_refuses_it() -> None:
    made = authority(["kms.example"], ["127.0.0.1"])
    asked = Names.of(["kms.example", "a.kms.example", "xkms.example", "example", "127.0.0.1", "127.0.0.2"])
    assert made.refused(asked) == ("example", "xkms.example", "127.0.0.2")
    assert authority(["kms.example"], []).refused(Names.of(["127.0.0.1"])) == ("127.0.0.1",)


def test_a_certificate_is_described() -> None:
    made = authority(["localhost"], ["127.0.0.1", "::1"])
    assert made.described.names == Names.of(["localhost", "127.0.0.1", "::1"])
    assert (made.described.subject, made.described.issuer) == ("CN=test CA", "CN=test CA")
    assert made.described.expires == int(NOW) + 86400
    leaf = made.issue(["localhost", "a.localhost"], ["::1"], NOW, 3600)
    found = describe(leaf.certificate_pem)
    assert found.names == Names.of(["localhost", "a.localhost", "::1"])
    assert (found.issuer, found.expires) == ("CN=test CA", leaf.expires)
    assert found.begins < NOW
    certificate = x509.load_pem_x509_certificate(leaf.certificate_pem)
    assert bytes.fromhex(found.fingerprint.replace(":", "")) == certificate.fingerprint(hashes.SHA256())
    with pytest.raises(ValueError, match="PEM"):
        describe(b"nothing")
    other = authority(["example"], [])
    assert describe_all(leaf.certificate_pem + other.certificate_pem) == (
        found,
        made.described,
        other.described,
    )
    damaged = made.certificate_pem.replace(b"\n", b"\nAAAA", 1)
    assert describe_all(b"nothing" + damaged + other.certificate_pem) == (other.described,)
    assert len(describe_all(Path(certifi.where()).read_bytes())) > 50


def test_what_breaks_the_rules_for_certificates_is_no_certificate() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    begins = datetime.datetime(2026, 1, 1)
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"\x05\x00")
    built = x509.CertificateBuilder(name, name, key.public_key(), 5, begins, begins.replace(month=2))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("x")]), critical=False)
    signed = built.add_extension(extension, critical=False).sign(key, hashes.SHA256())
    der = signed.public_bytes(serialization.Encoding.DER)
    twice = der.replace(bytes.fromhex("0603551d63"), bytes.fromhex("0603551d11"))
    version = der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"))
    for broken in (twice, version):
        pem = ssl.DER_cert_to_PEM_cert(broken).encode()
        with pytest.raises(ValueError, match=r"extension|version"):
            describe(pem)
        assert describe_all(pem) == ()


def test_a_chain_expires_with_the_first_of_it() -> None:
    made = authority(["localhost"], [])
    leaf = made.issue(["localhost"], [], NOW, 3600)
    assert first_expiry(leaf.certificate_pem) == int(NOW) + 3600
    assert first_expiry(made.certificate_pem) == int(NOW) + 86400
    assert first_expiry(made.certificate_pem + leaf.certificate_pem) == int(NOW) + 3600


def test_a_servers_ca_is_made_wrapped_and_opened_again() -> None:
    entropy = SeededEntropy()
    vault = Vault(root_key.ephemeral(entropy), entropy)
    vault.make_wrapping_key(1)
    one, other = (make_authority(vault, LOCAL, int(NOW), entropy) for _ in range(2))
    opened = open_authority(vault, one)
    assert opened.described.names == LOCAL
    assert opened.described.expires == one.expires == int(NOW) + LIFETIME
    assert opened.described.subject != open_authority(vault, other).described.subject
    assert b"PRIVATE" not in msgspec.json.encode(one)
    with pytest.raises(ValueError, match="not that of the certificate"):
        open_authority(vault, msgspec.structs.replace(one, key=other.key))
    with pytest.raises(OperatorError):
        open_authority(vault, msgspec.structs.replace(one, key=Wrapped(1, b"damaged")))
