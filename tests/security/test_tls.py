"""What a scanner says of the server's TLS: nothing. sslyze is a program of its own here, since it needs an older cryptography."""

import json
import re
import socket
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveServer, live, needs

# Mozilla's intermediate configuration has fewer groups than OpenSSL's default. Both of these are strong, and before
# Python 3.15 the ssl module can't name several groups.
ALLOWED = {"tls_curves: TLS curves {'X448', 'secp521r1'} are supported, but should be rejected."}
OLD = ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"]
NEW = ["tls_1_2", "tls_1_3"]
EXPECTED: dict[str, dict[str, Any]] = {
    "tls_compression": {"supports_compression": False},
    "tls_1_3_early_data": {"supports_early_data": False},
    "openssl_ccs_injection": {"is_vulnerable_to_ccs_injection": False},
    "tls_fallback_scsv": {"supports_fallback_scsv": True},
    "heartbleed": {"is_vulnerable_to_heartbleed": False},
    "robot": {"robot_result": "NOT_VULNERABLE_RSA_NOT_SUPPORTED"},
    "session_renegotiation": {
        "supports_secure_renegotiation": True,
        "is_vulnerable_to_client_renegotiation_dos": False,
    },
    "tls_extended_master_secret": {"supports_ems_extension": True},
}
SCANS = [
    "--certinfo", "--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--compression", "--early_data",
    "--openssl_ccs", "--fallback", "--heartbleed", "--robot", "--reneg", "--elliptic_curves", "--ems",
]  # fmt: skip


def problems(server: LiveServer, output: Path) -> list[str]:
    """What sslyze has against the server."""
    port, ca_file = server.description["url"].rpartition(":")[2], server.description["ca_file"]

    def scan(*words: str) -> str:
        done = subprocess.run(
            ["sslyze", "--json_out", str(output), "--certinfo_ca_file", ca_file, *words, f"localhost:{port}"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert output.exists(), done.stderr
        return done.stdout

    scan("--mozilla_config", "disable", *SCANS)
    (found,) = json.loads(output.read_text())["server_scan_results"]
    assert found["scan_status"] == "COMPLETED"
    results = found["scan_result"]
    told = [f"{name} was not scanned" for name in EXPECTED if results[name]["status"] != "COMPLETED"]
    versions = {
        name: results[f"{name}_cipher_suites"]["result"]["is_tls_version_supported"] for name in [*OLD, *NEW]
    }
    told += [f"{name} is served" for name in OLD if versions[name]]
    told += [f"{name} is not served" for name in NEW if not versions[name]]
    for name, expected in EXPECTED.items():
        result = results[name]["result"] or {}
        told += [
            f"{name}: {key} is {result.get(key)}" for key in expected if result.get(key) != expected[key]
        ]
    (deployment,) = results["certificate_info"]["result"]["certificate_deployments"]
    paths = deployment["path_validation_results"]
    # No public trust store has a private CA; the one that clients are given must do.
    if not any(path["was_validation_successful"] for path in paths):
        told.append("the certificate is not trusted by its own CA")
    if deployment["verified_chain_has_sha1_signature"]:
        told.append("the certificate is signed with SHA-1")
    compliance = scan("--mozilla_config", "intermediate").partition("COMPLIANCE AGAINST")[2]
    assert "Checking results against Mozilla's" in compliance
    lines = re.findall(r"^ +\* (.+)$", compliance, re.M)
    assert lines or "OK - Compliant" in compliance, compliance
    # The names in a set come in any order.
    ordered = [
        re.sub(r"\{(.*?)\}", lambda one: "{" + ", ".join(sorted(one[1].split(", "))) + "}", line)
        for line in lines
    ]
    return told + [line for line in ordered if line not in ALLOWED]


def test_a_scanner_finds_nothing(tmp_path: Path) -> None:
    needs("sslyze")
    with live(tmp_path / "data") as server:
        assert problems(server, tmp_path / "found.json") == []


WEAK = """
    import ssl, sys
    from keystead.server.network import listener
    context_of = listener.server_context

    def weak():
        context = context_of()
        {planted}
        return context

    listener.server_context = weak
    from keystead.cli import main
    sys.exit(main())
"""
# 1 << 8 is SSL_OP_ALLOW_CLIENT_RENEGOTIATION, which the ssl module has no name for.
PLANTED = {
    "old version": "context.set_ciphers('ALL:@SECLEVEL=0'); context.minimum_version = ssl.TLSVersion.TLSv1_1",
    "weak cipher": "context.set_ciphers('ECDHE+AESGCM:ECDHE+AES:@SECLEVEL=0')",
    "renegotiation": "context.options = context.options & ~ssl.OP_NO_RENEGOTIATION | 1 << 8",
}


def weak_server(tmp_path: Path, planted: str) -> LiveServer:
    program = tmp_path / "weak.py"
    program.write_text(textwrap.dedent(WEAK).format(planted=PLANTED[planted]))
    options = ("--front-process", "no")  # where what is planted takes effect
    return LiveServer(tmp_path / "data", *options, program=[sys.executable, str(program)])


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ("old version", "tls_1_1 is served"),
        ("weak cipher", "ciphers: "),
        ("renegotiation", "session_renegotiation"),
    ],
)
def test_a_weak_server_is_found_by_the_scanner(tmp_path: Path, planted: str, told: str) -> None:
    needs("sslyze")
    server = weak_server(tmp_path, planted)
    server.start()
    try:
        found = problems(server, tmp_path / "found.json")
    finally:
        server.stop()
    assert any(told in problem for problem in found), found


# --- handshakes of our own, where there is no scanner


def shakes_hands(server: LiveServer, highest: ssl.TLSVersion, ciphers: str) -> bool:
    """Whether the server takes a client that offers only this."""
    context = ssl.create_default_context(cafile=server.description["ca_file"])
    context.minimum_version = ssl.TLSVersion.TLSv1 if highest < ssl.TLSVersion.TLSv1_2 else highest
    context.maximum_version = highest
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    port = int(server.description["url"].rpartition(":")[2])
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            with context.wrap_socket(plain, server_hostname="localhost"):
                return True
    except (ssl.SSLError, ConnectionError):
        return False


OFFERS = [
    (ssl.TLSVersion.TLSv1_1, "ALL"),
    (ssl.TLSVersion.TLSv1_2, "ECDHE+AES:!AESGCM:!AESCCM"),
    (ssl.TLSVersion.TLSv1_2, "kRSA"),
    (ssl.TLSVersion.TLSv1_2, "aNULL:eNULL"),
]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_handshakes_are_refused(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        assert shakes_hands(server, ssl.TLSVersion.TLSv1_3, "ALL")
        assert shakes_hands(server, ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM")
        assert [offer for offer in OFFERS if shakes_hands(server, *offer)] == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("planted", "offer"), [("old version", OFFERS[0]), ("weak cipher", OFFERS[1])])
def test_a_weak_server_is_found_by_a_handshake(
    tmp_path: Path, planted: str, offer: tuple[ssl.TLSVersion, str]
) -> None:
    server = weak_server(tmp_path, planted)
    server.start()
    try:
        assert shakes_hands(server, *offer)
    finally:
        server.stop()
