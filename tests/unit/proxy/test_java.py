"""What Java programs are told, as a JVM reads it: words parted by blanks, quotes kept together, the last one counts."""

import shlex
from pathlib import Path

import pytest

from keystead.clock import SystemClock
from keystead.crypto.authority import Authority
from keystead.crypto.trust_store import make_trust_store, trusted_by
from tests.unit.proxy.test_environment import made


def ca(name: str) -> bytes:
    return Authority.create(
        name, dns=["test"], addresses=[], now=SystemClock().now(), lifetime=3600
    ).certificate_pem


def told(before: dict[str, str], folder: Path) -> dict[str, str]:
    words = shlex.split(made(before, folder).values["JAVA_TOOL_OPTIONS"])
    pairs = (word.removeprefix("-D").partition("=") for word in words)
    return {name: value for name, _, value in pairs}


def test_trust_store_and_proxy(tmp_path: Path) -> None:
    found = told({}, tmp_path)
    store = Path(found.pop("javax.net.ssl.trustStore"))
    assert found == {
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": "changeit",
        "https.proxyHost": "127.0.0.1",
        "https.proxyPort": "1",
        "http.proxyHost": "127.0.0.1",
        "http.proxyPort": "1",
        "http.nonProxyHosts": "localhost|127.*|[::1]|0.0.0.0|[::0]|*.localhost|127.0.0.1",
    }
    assert trusted_by(store.read_bytes(), b"changeit").count(b"BEGIN CERTIFICATE") > 50


def test_earlier_options_are_extended(tmp_path: Path) -> None:
    before = {"JAVA_TOOL_OPTIONS": "-Xmx64m '-Da=b c'"}
    assert made(before, tmp_path).values["JAVA_TOOL_OPTIONS"].startswith("-Xmx64m '-Da=b c' -Djavax.net.ssl.")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({"NO_PROXY": "intern.example,.corp.example,10.1.2.3,::1", "HTTPS_PROXY": "http://p:1"},
         "intern.example|*.intern.example|corp.example|*.corp.example|10.1.2.3"),
        ({"JAVA_TOOL_OPTIONS": "-Dhttp.nonProxyHosts=a.example|*.aliyuncs.com|*|kms.cn-hangzhou.aliyuncs.com|*.com|kms*|b*",
          "HTTPS_PROXY": "http://p:1"}, "a.example|b*"),
        ({"JAVA_TOOL_OPTIONS": "'-Dhttp.nonProxyHosts=a.example", "HTTPS_PROXY": "http://p:1"}, ""),
    ],
)  # fmt: skip
def test_what_was_exempt_stays_so_but_for_the_vendors_hosts(
    before: dict[str, str], expected: str, tmp_path: Path
) -> None:
    words = made(before, tmp_path).values["JAVA_TOOL_OPTIONS"].rpartition("-Dhttp.nonProxyHosts=")[2]
    local = "localhost|127.*|[::1]|0.0.0.0|[::0]"
    assert words == (f"{local}|{expected}" if expected else local)


def test_a_folder_with_blanks_and_quotes_is_one_word(tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    assert Path(told({}, folder)["javax.net.ssl.trustStore"]).parent == folder


def test_what_an_earlier_trust_store_trusts_stays_trusted(tmp_path: Path) -> None:
    store = tmp_path / "corporate store.p12"
    store.write_bytes(make_trust_store(ca("corporate"), b"secret"))
    words = f"'-Djavax.net.ssl.trustStore={store}' -Djavax.net.ssl.trustStorePassword="
    known = {"JAVA_TOOL_OPTIONS": f"{words}secret"}
    found = Path(told(known, tmp_path)["javax.net.ssl.trustStore"])
    assert trusted_by(found.read_bytes(), b"changeit") == trusted_by(store.read_bytes(), b"secret")
    # One that can't be read is as good as none, as with the other variables.
    for unknown in (f"{words}wrong", "-Djavax.net.ssl.trustStore=/nowhere"):
        other = Path(told({"JAVA_TOOL_OPTIONS": unknown}, tmp_path)["javax.net.ssl.trustStore"])
        assert trusted_by(other.read_bytes(), b"changeit").count(b"BEGIN CERTIFICATE") > 50
