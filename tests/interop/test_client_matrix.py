"""The guide's Encrypt and Decrypt by each official client, unmodified under `run`; what they did is what the page says.

Each program encrypts and decrypts with one client, compares, ends with an error if anything is wrong, and prints
{"version": …} of the client. Those for Java are in test_java, those whose every operation is called in test_every_operation.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop import matrix
from tests.interop.test_every_operation import SDKS
from tests.interop.test_java import CLIENTS as JAVA
from tests.live import live

HERE = Path(__file__).parent
NODE = HERE / "node"
BUILD = HERE.parents[1] / "build"
GO = BUILD / "go"
OWN = [sys.executable, "-W", "ignore"]
PYTHON = [str(BUILD / "clients" / "bin" / "python"), "-W", "ignore"]
# The page's second table.
DIRECT = matrix.PAGE.read_text(encoding="utf-8").partition("\n## Without run\n")[2]
# A key that is there already, for programs that make none.
SEED = f"""
[[key]]
id = "for-seals"
aliases = ["alias/Apollo/Seal"]
[[key.version]]
id = "08c33a6f-4e0a-4a1b-a3fa-7ddf00000000"
material = "{"A" * 43}="
"""


class Client(NamedTuple):
    """An official client, and programs of ours that use it: one for each of its versions that is tried."""

    programs: list[list[str]]
    needs: Callable[[], None]  # skips where the programs cannot run
    # What tells the client, without `run`, which CA to trust; where the server is, a program is told by KMS_ENDPOINT.
    ca_variable: str
    more: dict[str, str] = {}  # what else it has to be told without `run`, by its environment


def needs_node() -> None:
    if not (NODE / "node_modules").exists() or shutil.which("node") is None:
        pytest.skip("the node packages are not installed: npm ci in tests/interop/node")


def needs_go() -> None:
    if not (GO / "old" / "wrapping").exists():
        pytest.skip("the Go programs are not built: .ci/run builds them")


def needs_environment() -> None:
    if not (BUILD / "clients" / ".installed").exists():
        pytest.skip("the clients' own Python environment is not made: .ci/run makes it")


CLIENTS = {
    "alibabacloud_ram20150501": Client(
        [[*OWN, str(HERE / "python" / "ram_story.py"), "current"]], lambda: None, "ca"
    ),
    "aliyun-python-sdk-ram": Client(
        [[*OWN, str(HERE / "python" / "ram_story.py"), "classic"]], lambda: None, "ALIBABA_CLOUD_CA_BUNDLE"
    ),
    "@alicloud/openapi-client": Client(
        [["node", str(NODE / "openapi.js")]], needs_node, "NODE_EXTRA_CA_CERTS"
    ),
    "@alicloud/pop-core": Client([["node", str(NODE / "pop_core.js")]], needs_node, "NODE_EXTRA_CA_CERTS"),
    "alibabacloud-dkms-transfer-python": Client(
        [[*PYTHON, str(HERE / "python" / "dkms_transfer.py")]], needs_environment, "ALIBABA_CLOUD_CA_BUNDLE"
    ),
    "aliyun-cli": Client([[str(GO / "cli")]], needs_go, "SSL_CERT_FILE"),
    "github.com/alibabacloud-go/kms-20160120/v3": Client([[str(GO / "tea")]], needs_go, "SSL_CERT_FILE"),
    "github.com/aliyun/alibaba-cloud-sdk-go": Client(
        [[str(GO / "old" / "classic")], [str(GO / "classic")]], needs_go, "SSL_CERT_FILE"
    ),
    "github.com/hashicorp/go-kms-wrapping/wrappers/alicloudkms/v2": Client(
        [[str(GO / "old" / "wrapping"), "alias/Apollo/Seal"]],
        needs_go,
        "SSL_CERT_FILE",
        {
            "ALICLOUD_DOMAIN": "{endpoint}",
            "ALICLOUD_REGION": "cn-hangzhou",
            "ALICLOUD_ACCESS_KEY": "{access_key[0]}",
            "ALICLOUD_SECRET_KEY": "{access_key[1]}",
        },
    ),
    "oss2": Client(
        [[*PYTHON, str(HERE / "python" / "oss_provider.py")]], needs_environment, "ALIBABA_CLOUD_CA_BUNDLE"
    ),
}


@pytest.mark.interop
@pytest.mark.parametrize("name", CLIENTS)
def test_matrix(tmp_path: Path, name: str) -> None:
    client = CLIENTS[name]
    client.needs()
    (tmp_path / "seed.toml").write_text(SEED, encoding="utf-8")
    found: list[matrix.Row] = []
    for number, program in enumerate(client.programs):
        folder = tmp_path / str(number)
        folder.mkdir()
        ran = matrix.observe(folder, *program, serve=("--seed", str(tmp_path / "seed.toml")))
        rows = matrix.rows(name, matrix.version(ran.stdout), ran.calls)
        assert {"Encrypt", "Decrypt"} <= {one for row in rows for one in row.operations.split(", ")}
        found += rows
    matrix.check(found)


@pytest.mark.interop
@pytest.mark.parametrize("name", CLIENTS)
def test_without_run(tmp_path: Path, name: str) -> None:
    client = CLIENTS[name]
    client.needs()
    (row,) = (line for line in DIRECT.splitlines() if line.startswith(f"| `{name}` |"))
    for variable in (client.ca_variable, *client.more):
        assert f"`{variable}" in row
    (tmp_path / "seed.toml").write_text(SEED, encoding="utf-8")
    for number, program in enumerate(client.programs):
        with live(tmp_path / f"kms-{number}", "--seed", str(tmp_path / "seed.toml")) as server:
            endpoint, key = server.description["url"].removeprefix("https://"), server.client().access_key
            ended = subprocess.run(
                program,
                env={
                    "PATH": os.environ["PATH"],
                    "ALIBABA_CLOUD_ACCESS_KEY_ID": key[0],
                    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1],
                    "KMS_ENDPOINT": endpoint,
                    client.ca_variable: server.description["ca_file"],
                    **{
                        variable: value.format(endpoint=endpoint, access_key=key)
                        for variable, value in client.more.items()
                    },
                },
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert ended.returncode == 0, ended.stderr
            assert matrix.version(ended.stdout)


def test_every_client_of_the_page_is_tried() -> None:
    tried = {*CLIENTS, *SDKS, *JAVA}
    assert {row.client for row in matrix.page()} == tried
    assert {line.split("`")[1] for line in DIRECT.splitlines() if line.startswith("| `")} == tried


def test_a_planted_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_WRITE_MATRIX", raising=False)
    kept = [row for row in matrix.page() if row.client == "oss2"]
    matrix.check(kept)
    (row,) = kept
    for planted in (
        [row._replace(version="0")],
        [row._replace(signature="RPC HMAC-SHA256")],
        [row._replace(operations="Encrypt")],
        [row, row._replace(signature="RPC HMAC-SHA256")],
        [row._replace(client="oss3")],
        [],
    ):
        with pytest.raises(AssertionError):
            matrix.check(planted)


def test_new_rows_are_written_into_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = matrix.PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(matrix, "PAGE", tmp_path / "clients.md")
    matrix.PAGE.write_text(text, encoding="utf-8")
    monkeypatch.setenv("TEST_WRITE_MATRIX", "1")
    kept = matrix.page()
    calls = [matrix.Seen("Encrypt", "RPC HMAC-SHA1", 200), matrix.Seen("DescribeKey", "RPC HMAC-SHA1", 404)]
    for client in ("a-new-one", "oss2"):
        matrix.check(matrix.rows(client, "9.9", calls))
    new = [matrix.Row(client, "9.9", "RPC HMAC-SHA1", "Encrypt") for client in ("a-new-one", "oss2")]
    assert matrix.page() == sorted([*(row for row in kept if row.client != "oss2"), *new])
    for row in kept:
        matrix.check([one for one in kept if one.client == row.client])
    matrix.PAGE.write_text(matrix.PAGE.read_text(encoding="utf-8").replace(str(new[0]), ""), encoding="utf-8")
    assert matrix.PAGE.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("target", "headers", "body", "action", "signature"),
    [
        ("/?Action=Encrypt&SignatureMethod=HMAC-SHA1", {}, b"", "Encrypt", "RPC HMAC-SHA1"),
        # The classic Go SDK copies the proxy's credentials into its requests.
        ("/?Action=A&SignatureMethod=HMAC-SHA1", {"Authorization": "Basic eA=="}, b"", "A", "RPC HMAC-SHA1"),
        (
            "/",
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"Action=Decrypt&SignatureMethod=HMAC-SHA256",
            "Decrypt",
            "RPC HMAC-SHA256",
        ),
        (
            "/?Plaintext=x",
            {"x-acs-action": "Encrypt", "Authorization": "ACS3-HMAC-SM3 Credential=x"},
            b"",
            "Encrypt",
            "ACS3-HMAC-SM3",
        ),
    ],
)
def test_the_relay_reads_operation_and_signature(
    target: str, headers: dict[str, str], body: bytes, action: str, signature: str
) -> None:
    assert matrix.seen(target, headers, body, 200) == matrix.Seen(action, signature, 200)
