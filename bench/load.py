"""Signed requests, made before each round, and wrk, which sends them."""

import base64
import hashlib
import hmac
import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

LUA = Path(__file__).with_name("load.lua")
SIGNED_A_SECOND = (
    16_000  # more than Keystead answers; a round that used them up would end early, not repeat one
)
_GAP = "\0"


class Traffic(NamedTuple):
    """What one round sends: bytes with gaps for key, nonce and signature, and lines that fill them, if it has gaps."""

    template: bytes
    fields: tuple[str, ...] = ()
    again: bool = False  # whether the lines may be sent again when they are used up


class Measured(NamedTuple):
    """What wrk saw in one round; times in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    cpu: float = 0.0  # seconds that the load generator itself used

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


class LoadFailed(Exception):
    """The load generator is missing, or requests were refused or lost: then the figures mean nothing."""


def encode(text: str) -> str:
    """RFC 3986 percent-encoding, as signatures want it."""
    return quote(text, safe="~")


class Signer:
    """Signs RPC v1 requests (HMAC-SHA1) with one AccessKey, independently of the service's own code."""

    def __init__(self, access_key: tuple[str, str]) -> None:
        self._id, self._secret = access_key

    def target(self, parameters: dict[str, str]) -> str:
        """The target of one signed request."""
        before, _, after = self._parts(parameters)
        query = f"{before}{os.urandom(12).hex()}{after}"
        return f"/?{query}&Signature={self._finish(self._begin(query), '')}"

    def traffic(
        self,
        parameters: dict[str, str],
        count: int,
        *,
        keys: Sequence[str] = ("",),
        close: bool = False,
        again: bool = False,
    ) -> Traffic:
        """`count` requests, each with a nonce of its own, on the keys in turn ("": the parameters name it)."""
        before, between, after = self._parts(parameters | ({"KeyId": _GAP} if keys[0] else {}))
        # What all requests on one key begin with is hashed once.
        begun = {key: self._begin(f"{before}{key}{between}") for key in keys}
        noise = os.urandom(12 * count).hex()
        lines = []
        for number in range(count):
            key, nonce = keys[number % len(keys)], noise[24 * number : 24 * number + 24]
            lines.append(f"{key} {nonce} {self._finish(begun[key].copy(), nonce + after)}")
        path = f"/?{before}{_GAP}{between}{_GAP}{after}&Signature={_GAP}"
        return Traffic(request(path, close=close), tuple(lines), again)

    def _parts(self, parameters: dict[str, str]) -> tuple[str, str, str]:
        """The canonical query before the key (if it is a gap), from there to the nonce, and after the nonce."""
        signed = {
            "Version": "2016-01-20",
            "Format": "JSON",
            **parameters,
            "AccessKeyId": self._id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureNonce": _GAP,
            "SignatureVersion": "1.0",
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        query = "&".join(f"{name}={quote(signed[name], safe='~' + _GAP)}" for name in sorted(signed))
        before, *middle, after = query.split(_GAP)
        return before, middle[0] if middle else "", after

    def _begin(self, query: str) -> "hmac.HMAC":
        to_sign = f"POST&%2F&{encode(query)}"
        return hmac.new(f"{self._secret}&".encode(), to_sign.encode(), hashlib.sha1)

    def _finish(self, begun: "hmac.HMAC", query: str) -> str:
        begun.update(encode(query).encode())
        return encode(base64.b64encode(begun.digest()).decode())


def request(
    path: str, body: str = "", headers: dict[str, str] | None = None, *, close: bool = False
) -> bytes:
    """A POST as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "User-Agent: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", body]).encode()


def run(url: str, traffic: Traffic, connections: int, seconds: float, scratch: Path) -> Measured:
    """One round of wrk on one thread; LoadFailed if it can't run or a request was not answered 2xx."""
    if shutil.which("wrk") is None:
        raise LoadFailed("wrk is not installed (Debian: apt-get install wrk)")
    template, lines = scratch / "template", scratch / "lines"
    template.write_bytes(traffic.template)
    lines.write_text("".join(f"{line}\n" for line in traffic.fields))
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "10s",
        "-s",
        str(LUA),
        url,
    ]
    names = [str(template), str(lines), "again" if traffic.again else "once"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, "--", *names], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return parse(done.stdout + done.stderr)._replace(cpu=used)


def parse(output: str) -> Measured:
    """The figures that load.lua prints; LoadFailed if there are none, or if they are not of good answers only."""
    found = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise LoadFailed(f"wrk gave no figures: {output[-500:].strip()}")
    result = json.loads(found[0].removeprefix("RESULT "))
    if result["refused"] or result["broken"] or not result["requests"]:
        raise LoadFailed(f"not all requests were answered: {result}")
    return Measured(
        requests=result["requests"],
        seconds=result["micros"] / 1e6,
        p50=result["p50"] / 1e3,
        p99=result["p99"] / 1e3,
    )
