"""The guide's Encrypt and Decrypt by each official client, unmodified under `run`; what they did is what the page says.

Each program makes a key and an alias, encrypts under the alias, decrypts, compares, and prints {"version": …} of its client.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop import matrix

HERE = Path(__file__).parent
NODE = HERE / "node"
NEEDED = {"CreateKey", "CreateAlias", "Encrypt", "Decrypt"}


class Program(NamedTuple):
    """A program of ours that uses one client."""

    command: list[str]
    needs: Callable[[], None]  # skips where the program is not installed


def needs_node() -> None:
    if not (NODE / "node_modules").exists():
        pytest.skip("the node packages are not installed: npm ci in tests/interop/node")


PROGRAMS = {
    "@alicloud/openapi-client": Program(["node", str(NODE / "openapi.js")], needs_node),
    "@alicloud/pop-core": Program(["node", str(NODE / "pop_core.js")], needs_node),
}


@pytest.mark.interop
@pytest.mark.parametrize("client", PROGRAMS)
def test_matrix(tmp_path: Path, client: str) -> None:
    program = PROGRAMS[client]
    program.needs()
    ran = matrix.observe(tmp_path, *program.command)
    rows = matrix.rows(client, matrix.report(ran.stdout)["version"], ran.calls)
    for row in rows:
        assert set(row.operations.split(", ")) >= NEEDED, row
    matrix.check(rows)


def test_every_client_of_the_page_is_tried() -> None:
    assert {row.client for row in matrix.page()} == set(PROGRAMS)
