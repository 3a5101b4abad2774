"""A second host for tests: a network namespace, reached over a virtual cable."""

import os
import subprocess
from collections.abc import Iterator, Sequence
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


@contextmanager
def hosts(names: Sequence[str]) -> Iterator[dict[str, list[str]]]:
    """Hosts on one switch, which reach each other and nobody else: of each, the words that run a command there. The first
    has the address 192.0.2.1 (TEST-NET-1), and so on."""
    needs("ip")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    switch = f"keystead{os.getpid()}switch"
    spaces = {name: f"keystead{os.getpid()}{name}" for name in names}
    try:
        ip("netns", "add", switch)
        ip("-n", switch, "link", "add", "switch", "type", "bridge")
        ip("-n", switch, "link", "set", "switch", "up")
        for number, (name, space) in enumerate(spaces.items(), 1):
            ip("netns", "add", space)
            ip("-n", switch, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("-n", switch, "link", "set", name, "master", "switch", "up")
            ip("-n", space, "addr", "add", f"192.0.2.{number}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
        yield {name: ["ip", "netns", "exec", space] for name, space in spaces.items()}
    finally:
        for space in (*spaces.values(), switch):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
