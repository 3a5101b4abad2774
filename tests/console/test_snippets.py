"""The snippets of a key's page: complete, without anything left to fill in, and right."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead.console.snippets import Place, place_of, snippets
from keystead.domain.keys.algorithms import USAGES
from keystead.domain.keys.key import KeySpec, KeyUsage, Origin
from tests.console.test_keys import owner
from tests.harness import Service, base64_of
from tests.live import LiveServer, live, needs, without_ours

CLIENTS = ["python", "classic", "java", "go", "node", "aliyun", "terraform", "kms", "file", "exec"]


@pytest.mark.parametrize(
    ("host", "region", "endpoint", "direct"),
    [
        ("localhost:8443", "cn-hangzhou", "localhost:8443", True),
        ("kms.example.com", "cn-hangzhou", "kms.example.com", True),
        ("kms.example.com:443", "cn-beijing", "kms.example.com", False),
        ("[::1]:8443", "cn-hangzhou", "[::1]:8443", True),
        ('x";rm -rf /', "cn-hangzhou", "localhost:8443", True),
        ("", "cn-hangzhou", "localhost:8443", True),
    ],
)
def test_the_server_is_the_one_that_the_browser_reached(
    host: str, region: str, endpoint: str, direct: bool
) -> None:
    place = place_of(host, region, "cn-hangzhou")
    assert (place.endpoint, place.direct) == (endpoint, direct)


@pytest.mark.parametrize("spec", list(KeySpec))
@pytest.mark.parametrize("direct", [True, False])
def test_nothing_is_left_to_fill_in(spec: KeySpec, direct: bool) -> None:
    for usage in USAGES[spec]:
        place = Place("localhost", "8443", "cn-hangzhou", direct)
        found = snippets(place, "alias/web", "VERSION-ID", spec, usage, Origin.ALIYUN_KMS)
        assert found
        for one in found:
            assert not re.search(r"@[A-Z]+@|§", one.text), one.id
            assert "alias/web" in one.text
            assert ("ca.pem" in one.text) is (direct or "keystead" in one.text), one.id


def test_the_page_has_one_for_each_client() -> None:
    service = Service()
    key_id = service.key()
    browser = owner(service)
    shown = browser.get(f"/keys/{key_id}/snippets")
    assert [name for name in CLIENTS if f'id="snippet-{name}"' in shown.html] == CLIENTS
    assert key_id in shown.html
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/web")
    assert "--key alias/web server.key" in browser.get(f"/keys/{key_id}/snippets").text
    there = service.key(RegionId="cn-beijing")
    browser.post("/preferences", {"region": "cn-beijing"})
    elsewhere = browser.get(f"/keys/{there}/snippets").text
    assert "kms.cn-beijing.aliyuncs.com" in elsewhere
    assert 'verify="ca.pem"' not in elsewhere


INTEROP = Path(__file__).parents[1] / "interop"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live(tmp_path_factory.mktemp("snippets") / "data") as started:
        yield started


class Bench:
    """A folder in which the snippets for one new key are run, as somebody who copied them would."""

    def __init__(self, server: LiveServer, folder: Path, spec: KeySpec, usage: KeyUsage) -> None:
        self.folder = folder
        shutil.copy(server.description["ca_file"], folder / "ca.pem")
        kms = server.client()
        key_id = kms.ok("CreateKey", KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        version = kms.ok("ListKeyVersions", KeyId=key_id)["KeyVersions"]["KeyVersion"][0]["KeyVersionId"]
        kms.close()
        place = place_of(server.description["url"].removeprefix("https://"), "cn-hangzhou", "cn-hangzhou")
        found = snippets(place, key_id, version, spec, usage, Origin.ALIYUN_KMS)
        self.texts = {one.id: one.text for one in found}
        self.environment = {
            **without_ours(),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": kms.access_key[0],
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": kms.access_key[1],
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def run(self, *command: str, **more: str) -> str:
        """The output of a command that must succeed."""
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)


ASYMMETRIC = [
    (KeySpec.EC_P256, KeyUsage.SIGN_VERIFY),
    (KeySpec.EC_SM2, KeyUsage.SIGN_VERIFY),
    (KeySpec.RSA_2048, KeyUsage.ENCRYPT_DECRYPT),
]
SYMMETRIC = (KeySpec.AES_256, KeyUsage.ENCRYPT_DECRYPT)
PYTHON = [
    *(
        ("python", *kind)
        for kind in (SYMMETRIC, *ASYMMETRIC, (KeySpec.HMAC_SHA_256, KeyUsage.GENERATE_VERIFY_MAC))
    ),
    *(("classic", *kind) for kind in (SYMMETRIC, *ASYMMETRIC)),
]


@pytest.mark.interop
@pytest.mark.parametrize(("client", "spec", "usage"), PYTHON)
def test_those_for_python_run(
    server: LiveServer, tmp_path: Path, client: str, spec: KeySpec, usage: KeyUsage
) -> None:
    bench = Bench(server, tmp_path, spec, usage)
    told = bench.run(sys.executable, "-W", "ignore", bench.write("program.py", bench.texts[client]))
    assert len(told.strip()) >= len("a password")
    if usage is KeyUsage.ENCRYPT_DECRYPT:
        assert "a password" in told
    if usage is KeyUsage.GENERATE_VERIFY_MAC:
        assert told.endswith(" True\n")


@pytest.mark.interop
def test_that_for_node_runs(server: LiveServer, tmp_path: Path) -> None:
    needs("node")
    if not (INTEROP / "node" / "node_modules").exists():
        pytest.skip("the node packages are not installed: npm ci in tests/interop/node")
    bench = Bench(server, tmp_path, *SYMMETRIC)
    more = {"NODE_PATH": str(INTEROP / "node" / "node_modules"), "NODE_EXTRA_CA_CERTS": "ca.pem"}
    assert bench.run("node", bench.write("program.js", bench.texts["node"]), **more).endswith("a password\n")
    bench = Bench(server, tmp_path, *ASYMMETRIC[0])
    digest = base64_of(bytes(32))
    assert bench.run("node", bench.write("program.js", bench.texts["node"]), digest, **more).startswith("ME")


@pytest.mark.interop
def test_that_for_go_runs(server: LiveServer, tmp_path: Path) -> None:
    needs("go")
    bench = Bench(server, tmp_path, *SYMMETRIC)
    built = ["go", "build", "-C", str(INTEROP / "go"), "-o", str(tmp_path / "program")]
    bench.run(*built, bench.write("program.go", bench.texts["go"]))
    assert bench.run(str(tmp_path / "program"), SSL_CERT_FILE="ca.pem").endswith("a password\n")
    bench = Bench(server, tmp_path, *ASYMMETRIC[0])
    bench.run(*built, bench.write("program.go", bench.texts["go"]))
    assert bench.run(str(tmp_path / "program"), base64_of(bytes(32)), SSL_CERT_FILE="ca.pem").startswith("ME")


@pytest.mark.interop
def test_that_for_java_runs(server: LiveServer, tmp_path: Path) -> None:
    needs("javac")
    if not (INTEROP / "java" / "lib").exists():
        pytest.skip("the jars are not installed: mvn dependency:copy-dependencies in tests/interop/java")
    jars = f"{INTEROP}/java/lib/*"
    store = ("-keystore", "trust.p12", "-storetype", "PKCS12", "-storepass", "changeit")
    for kind, words in ((SYMMETRIC, ()), (ASYMMETRIC[0], (base64_of(bytes(32)),))):
        folder = tmp_path / kind[0]
        folder.mkdir()
        bench = Bench(server, folder, *kind)
        bench.run("keytool", "-importcert", "-noprompt", "-alias", "keystead", "-file", "ca.pem", *store)
        bench.run("javac", "-cp", jars, bench.write("Example.java", bench.texts["java"]))
        trusted = ("-Djavax.net.ssl.trustStore=trust.p12", "-Djavax.net.ssl.trustStorePassword=changeit")
        told = bench.run("java", *trusted, "-cp", f".:{jars}", "Example", *words)
        assert told.startswith("ME") if words else told.endswith("a password\n")


@pytest.mark.interop
def test_those_of_keystead_run(server: LiveServer, tmp_path: Path) -> None:
    bench = Bench(server, tmp_path, *SYMMETRIC)
    bench.write("password.txt", "a password")
    assert bench.run("sh", "-ec", bench.texts["kms"]).strip() == "a password"
    (tmp_path / "server.key").write_text("a private key")
    command = bench.texts["file"].replace(" -o server.key", " -o again.key")
    bench.run("sh", "-ec", command)
    assert (tmp_path / "again.key").read_text() == "a private key"
    command = bench.texts["exec"].replace("nginx -g 'daemon off;'", "cat /dev/shm/server.key")
    assert "nginx" not in command
    assert (
        bench.run("sh", "-ec", command.replace("/dev/shm/server.key", f"/dev/shm/{tmp_path.name}.key"))
        == "a private key"
    )
    for kind in ASYMMETRIC:
        bench = Bench(server, tmp_path, *kind)
        bench.write("FILE", "a message")
        assert "BEGIN PUBLIC KEY" in bench.run("bash", "-ec", bench.texts["kms"])
