"""The vendor's clients for Java, unmodified under `keystead run`: each signs, encrypts and decrypts in one JVM."""

import functools
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import matrix
from tests.live import keystead, live, needs

JAVA = Path(__file__).parent / "java"
STEPS = [
    *("CreateKey", "CreateAlias", "Encrypt", "Decrypt", "GenerateDataKey", "AsymmetricSign", "GetPublicKey"),
    "DescribeKey Forbidden.KeyNotFound",
]
ENDPOINTS = [
    "DescribeEndpoints kms.cn-beijing.aliyuncs.com",
    "DescribeEndpoints sts.cn-beijing.aliyuncs.com",
    "DescribeEndpoints ram.aliyuncs.com",
]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("java")
    needs("javac")
    if not (JAVA / "lib").exists():
        pytest.skip("the jars are not installed: mvn dependency:copy-dependencies in tests/interop/java")
    folder = tmp_path_factory.mktemp("classes")
    sources = sorted(map(str, JAVA.glob("*.java")))
    compiler = [
        "javac",
        "--release",
        "8",
        "-encoding",
        "UTF-8",
        "-nowarn",
        "-d",
        str(folder),
        "-cp",
        f"{JAVA}/lib/*",
        *sources,
    ]
    subprocess.run(compiler, check=True, capture_output=True, timeout=300)
    return folder


def jvms() -> list[str]:
    """The JVM that `java` is, and others beside it."""
    found = {str(path.resolve()): str(path) for path in Path("/usr/lib/jvm").glob("*/bin/java")}
    first = str(Path(shutil.which("java") or "java").resolve())
    return [first, *(path for path in sorted(found) if path != first)]


def program(classes: Path, jvm: str, *words: str) -> list[str]:
    return [jvm, "-cp", f"{classes}:{JAVA}/lib/*", *words]


def run(classes: Path, *words: str, jvm: str = "java", env: dict[str, str] | None = None) -> list[str]:
    """The lines that a program prints under `keystead run`; it must end well."""
    ended = keystead("run", "--", *program(classes, jvm, *words), env=env)
    assert ended.returncode == 0, ended.stderr
    # As every JVM does that is given options so.
    assert "Picked up JAVA_TOOL_OPTIONS: " in ended.stderr
    return ended.stdout.splitlines()[:-1]


# The clients, each with the program that uses it and what that prints.
CLIENTS = {
    "com.aliyun:aliyun-java-sdk-kms": (["Classic"], [*STEPS, *STEPS, *ENDPOINTS]),  # JSON, XML
    "com.aliyun:alibabacloud-kms20160120": (["Async"], STEPS),
    "com.aliyun:kms20160120": (["Tea", "ACS3-HMAC-SM3", "v2", "v4"], STEPS * 4),
    "com.aliyun.kms:kms-transfer-client": (["Transfer"], STEPS),
}


@pytest.mark.interop
@pytest.mark.parametrize("client", CLIENTS)
def test_matrix_of_java(classes: Path, tmp_path: Path, client: str) -> None:
    words, expected = CLIENTS[client]
    ran = matrix.observe(tmp_path, *program(classes, "java", *words))
    assert ran.stdout.splitlines()[:-1] == expected
    matrix.check(matrix.rows(client, matrix.version(ran.stdout), ran.calls))


@pytest.mark.interop
def test_every_jvm_that_is_here(classes: Path) -> None:
    for jvm in jvms():
        assert run(classes, "Async", jvm=jvm) == STEPS


@pytest.mark.interop
def test_env_does_it_for_a_shell_and_undoes_it(classes: Path, tmp_path: Path) -> None:
    with live(tmp_path / "data", "--proxy"):
        had = {"JAVA_TOOL_OPTIONS": "-Dfrom.before=1"}
        exports = keystead("env", "--data", str(tmp_path / "data"), env=had).stdout
        script = f'{exports}\n{" ".join(map(_quoted, program(classes, "java", "Tea")))} && eval "$1"; echo "$JAVA_TOOL_OPTIONS"'
        undo = keystead("env", "--unset", env=_exported(exports) | had).stdout
        assert "JAVA_TOOL_OPTIONS=-Dfrom.before=1" in undo
        told = subprocess.run(
            ["sh", "-c", script, "sh", undo], capture_output=True, text=True, timeout=120, check=True
        )
        assert told.stdout.splitlines()[:-2] == STEPS
        assert told.stdout.splitlines()[-1] == "-Dfrom.before=1"
        assert "Picked up JAVA_TOOL_OPTIONS: -Dfrom.before=1 -D" in told.stderr


def _quoted(word: str) -> str:
    return f"'{word}'"


@functools.cache
def _exported(exports: str) -> dict[str, str]:
    told = subprocess.run(
        ["sh", "-c", f"{exports}\nenv -0"], capture_output=True, text=True, timeout=60, check=True
    )
    return dict(one.split("=", 1) for one in told.stdout.split("\0") if one)


@pytest.fixture
def earlier() -> Iterator[tuple[str, list[str]]]:
    """A proxy that was set before, and what it was asked for."""
    asked: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response_only(204)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.interop
def test_java_reaches_other_hosts_though_it_gives_a_proxy_no_token(
    classes: Path, earlier: tuple[str, list[str]]
) -> None:
    url, asked = earlier
    ended = keystead(
        "run",
        "--",
        *program(classes, "java", "Outward", "http://elsewhere.example/path"),
        env={"HTTP_PROXY": url},
    )
    assert ended.stdout == "204\n", ended.stderr
    assert asked == ["http://elsewhere.example/path"]


@pytest.mark.interop
def test_without_run_a_client_is_told_the_endpoint_and_java_the_trust_store(
    classes: Path, tmp_path: Path
) -> None:
    needs("keytool")
    with live(tmp_path / "data") as server:
        host = server.description["url"].partition("://")[2]
        store = tmp_path / "trust.p12"
        imported = ["keytool", "-importcert", "-noprompt", "-alias", "keystead", "-storetype", "PKCS12"]
        imported += ["-file", str(server.data / "ca.pem"), "-keystore", str(store), "-storepass", "changeit"]
        subprocess.run(imported, check=True, capture_output=True, timeout=60)
        names = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")
        trust = [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]
        told = subprocess.run(
            ["java", *trust, *program(classes, "java", "Direct", host)[1:]],
            env={**os.environ, **dict(zip(names, server.client().access_key, strict=True))},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert told.stdout == "classic\ntea\nasync\n", told.stderr
