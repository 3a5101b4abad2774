"""The guide's Encrypt and Decrypt by each official client, unmodified under `run`; what they did is what the page says.

Each program encrypts and decrypts with one client, compares, ends with an error if anything is wrong, and prints
{"version": …} of the client. The clients whose every operation is called are in test_every_operation.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop import matrix
from tests.interop.test_every_operation import SDKS

HERE = Path(__file__).parent
NODE = HERE / "node"
BUILD = HERE.parents[1] / "build"
GO = BUILD / "go"
PYTHON = BUILD / "clients" / "bin" / "python"
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
    """An official client, and programs of ours that use it: one for each version, or way to sign, of its own."""

    programs: list[list[str]]
    needs: Callable[[], None]  # skips where the programs cannot run


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
    "alibabacloud-dkms-transfer-python": Client(
        [[str(PYTHON), "-W", "ignore", str(HERE / "python" / "dkms_transfer.py")]], needs_environment
    ),
    "oss2": Client([[str(PYTHON), "-W", "ignore", str(HERE / "python" / "oss_provider.py")]], needs_environment),
    "@alicloud/openapi-client": Client([["node", str(NODE / "openapi.js")]], needs_node),
    "@alicloud/pop-core": Client([["node", str(NODE / "pop_core.js")]], needs_node),
    "github.com/aliyun/alibaba-cloud-sdk-go": Client(
        [[str(GO / "old" / "classic")], [str(GO / "classic")]], needs_go
    ),
    "github.com/alibabacloud-go/kms-20160120/v3": Client([[str(GO / "tea")]], needs_go),
    "github.com/hashicorp/go-kms-wrapping/wrappers/alicloudkms/v2": Client(
        [[str(GO / "old" / "wrapping"), "alias/Apollo/Seal"]], needs_go
    ),
    "aliyun-cli": Client([[str(GO / "cli")]], needs_go),
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
        found += matrix.rows(name, matrix.version(ran.stdout), ran.calls)
    for row in found:
        assert (
            set(row.operations.split(", ")) >= {"Encrypt", "Decrypt"} or "GetCallerIdentity" in row.operations
        )
    matrix.check(found)


def test_every_client_of_the_page_is_tried() -> None:
    assert {row.client for row in matrix.page()} == {*CLIENTS, *SDKS}
