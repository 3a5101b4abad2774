"""Whose a request is that came through proxies: every list of addresses, from every peer."""

import json
import random

import pytest

from keystead.server import logs
from keystead.server.network.forwarded import PROXY, Origins
from keystead.server.network.framing import Refused
from keystead.server.network.peer import Peer

TRUSTED = ("10.0.0.0/24", "192.0.2.7", "2001:db8:1::/48")
HTTPS = {"x-forwarded-proto": "https"}


def source(peer: str, told: str | None, trusted: tuple[str, ...] = TRUSTED) -> str:
    headers = HTTPS if told is None else {**HTTPS, "x-forwarded-for": told}
    return Origins().of(Peer(peer, tls="TLSv1.3"), headers, trusted)[0]


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        # one proxy
        ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("192.0.2.7", "203.0.113.5", "203.0.113.5"),
        ("2001:db8:1::9", "2001:db8:ffff::1", "2001:db8:ffff::1"),
        ("::ffff:10.0.0.1", "203.0.113.5", "203.0.113.5"),
        # what a client put into the list itself
        ("10.0.0.1", "127.0.0.1, 203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "10.0.0.2, 203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "no address, 203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", ",,,203.0.113.5", "203.0.113.5"),
        # several proxies
        ("10.0.0.1", "203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1,203.0.113.5 ,10.0.0.3,\t192.0.2.7", "203.0.113.5"),
        # nobody but proxies
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", None, "10.0.0.1"),
        # spellings
        ("10.0.0.1", "203.0.113.5:4711", "203.0.113.5"),
        ("10.0.0.1", "[2001:db8:ffff::1]:4711", "2001:db8:ffff::1"),
        ("10.0.0.1", "[2001:db8:ffff::1]", "2001:db8:ffff::1"),
        ("10.0.0.1", "2001:DB8:FFFF:0::1", "2001:db8:ffff::1"),
        ("10.0.0.1", "::ffff:203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "203.0.113.5, ::ffff:10.0.0.2", "203.0.113.5"),
        ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
        # a peer that is no proxy
        ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
        ("10.0.1.1", "10.0.0.1", "10.0.1.1"),
        ("2001:db8:2::1", "10.0.0.1", "2001:db8:2::1"),
        ("203.0.113.9", "no address", "203.0.113.9"),
        ("unix:0", "203.0.113.5", "unix:0"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(peer: str, told: str, client: str) -> None:
    assert source(peer, told) == client


@pytest.mark.parametrize(
    "told",
    ["", " ", "unknown", "_hidden", "203.0.113.5,", "203.0.113.256", "203.0.113", "203.0.113.0/24", "203.0.113.5/32",
     "203.0.113.5:", "203.0.113.5:x", "203.0.113.5:123456", "[2001:db8::1", "2001:db8::1]", "[203.0.113.5]x", "[]",
     "for=203.0.113.5", '"203.0.113.5"', "203.0.113.5 203.0.113.6", "localhost", "unix:", "%eth0", "203.0.113.05",
     "٢٠٣.0.113.5", "x, 10.0.0.2", "10.0.0.3, x, 10.0.0.2"],
)  # fmt: skip
def test_what_a_proxy_says_and_is_no_address_is_refused(told: str) -> None:
    with pytest.raises(Refused) as caught:
        source("10.0.0.1", told)
    assert (caught.value.status, caught.value.code) == (400, "InvalidRequest")
    assert caught.value.message == "X-Forwarded-For must be a list of IP addresses."


def test_without_proxies_no_header_counts() -> None:
    for peer in ("10.0.0.1", "127.0.0.1", "::1"):
        assert source(peer, "203.0.113.5", ()) == peer
        assert source(peer, "no address", ()) == peer
    for name in ("forwarded", "x-real-ip", "x-client-ip", "true-client-ip"):
        headers = {name: "for=203.0.113.5;proto=https"}
        assert Origins().of(Peer("10.0.0.1", tls=""), headers, TRUSTED) == ("10.0.0.1", "")


@pytest.mark.parametrize(
    ("protocol", "tls"),
    [("https", PROXY), ("HTTPS", PROXY), ("https, https", PROXY), ("http", ""), ("https, http", ""),
     ("http,https", ""), ("", ""), ("wss", ""), (None, "")],
)  # fmt: skip
def test_there_was_tls_if_the_proxy_says_so_and_not_because_it_uses_tls_itself(
    protocol: str | None, tls: str
) -> None:
    headers = {"x-forwarded-for": "203.0.113.5"}
    if protocol is not None:
        headers["x-forwarded-proto"] = protocol
    for own in ("TLSv1.3", ""):
        assert Origins().of(Peer("10.0.0.1", tls=own), headers, TRUSTED) == ("203.0.113.5", tls)
        # Of anybody else it is that of the connection.
        assert Origins().of(Peer("203.0.113.9", tls=own), headers, TRUSTED) == ("203.0.113.9", own)
    if protocol is not None:
        only = {"x-forwarded-proto": protocol}
        assert Origins().of(Peer("10.0.0.1", tls="TLSv1.3"), only, TRUSTED) == ("10.0.0.1", tls)
    assert Origins().of(Peer("10.0.0.1", tls="TLSv1.3"), {}, TRUSTED) == ("10.0.0.1", "TLSv1.3")


def test_no_client_writes_its_own_address() -> None:
    """Whatever a client sends, behind one proxy or two it is whom the outer one saw."""
    generator = random.Random(17)
    pieces = [
        "10.0.0.5",
        "192.0.2.7",
        "127.0.0.1",
        "::1",
        "x",
        "",
        " ",
        ",",
        "unknown",
        "203.0.113.5",
        "2001:db8:1::1",
    ]
    for _ in range(20_000):
        spoofed = ",".join(generator.choices(pieces, k=generator.randrange(6)))
        inner = generator.choice(["", ", 10.0.0.9", ",192.0.2.7,10.0.0.200"])
        assert source("10.0.0.1", f"{spoofed}, 198.51.100.77{inner}") == "198.51.100.77"


def test_that_there_may_be_a_proxy_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    origins = Origins()
    for number in range(3):
        origins.of(Peer(f"203.0.113.{number}"), {"x-forwarded-for": "1"}, TRUSTED)
    origins.of(Peer("10.0.0.1"), {"x-forwarded-for": "203.0.113.5"}, TRUSTED)
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["event"], line["source"]) == ("forwarded address not counted", "203.0.113.0")
    assert "trusted-proxy" in line["reason"]
