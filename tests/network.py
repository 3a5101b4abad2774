"""A second host for tests: a network namespace, reached over a virtual cable."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.live import needs

# TEST-NET-2 (RFC 5737): routed nowhere. Tests that run beside these have another part of it.
_FIRST = 4 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
HERE = f"198.51.100.{_FIRST + 1}"
THERE = f"198.51.100.{_FIRST + 2}"


@contextmanager
def other_host() -> Iterator[list[str]]:
    """The words that run a command on the other host; here is HERE, there is THERE."""
    needs("ip")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    name = f"keystead{os.getpid()}"
    cable, end = f"ks{os.getpid()}a", f"ks{os.getpid()}b"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", cable, "type", "veth", "peer", "name", end, "netns", name)
        ip("addr", "add", f"{HERE}/30", "dev", cable)
        ip("link", "set", cable, "up")
        ip("-n", name, "addr", "add", f"{THERE}/30", "dev", end)
        ip("-n", name, "link", "set", end, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield ["ip", "netns", "exec", name]
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "del", cable], check=False, capture_output=True)
