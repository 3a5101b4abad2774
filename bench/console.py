"""What the console costs: each page's time and weight on a large store, and p99 of Encrypt beside people who use it."""

import argparse
import http.client
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

from bench import servers
from bench.grow import Size, build
from bench.rounds import measure_round

_CONNECTIONS = 32
_AGAIN = 3  # rounds for each one asked for: a p99 differs by a third from one to the next
_READS = 20  # of each page
_THINKING = 1.0  # seconds from one page of a busy person to the next
_FORM = re.compile(r'name="(form_token|token)" value="([^"]+)"')
PAGES = (
    "/", "/keys", "/keys?query=web", "/keys?state=Disabled", "/keys/create", "/keys/{key}", "/keys/{key}/use", "/keys/{key}/policy",
    "/aliases", "/try", "/users", "/groups", "/policies", "/access", "/audit", "/audit?operation=Decrypt", "/explorer",
    "/explorer/kms/Encrypt", "/settings", "/tour", "/design",
)  # fmt: skip


class Read(NamedTuple):
    """A page, how long the server took for it (median, ms), and its weight in bytes."""

    page: str
    milliseconds: float
    size: int


class Person:
    """Somebody's browser: one connection, signed in as the owner."""

    def __init__(self, server: servers.Keystead, data: Path) -> None:
        parts = urlsplit(server.url)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._origin = f"https://{parts.netloc}"
        self._connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=60, context=context
        )
        self._cookies: dict[str, str] = {}
        shown = subprocess.run(
            [sys.executable, "-m", "keystead", "console", "login", "--data", str(data)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        link = re.findall(r"https?://\S+", shown)[0]
        fields = dict(_FORM.findall(self.get(urlsplit(link).path)[1].decode()))
        body = "&".join(f"{name}={value}" for name, value in fields.items())
        self._send(
            "POST",
            "/console/link",
            body,
            {"Content-Type": "application/x-www-form-urlencoded", "Origin": self._origin},
        )

    def get(self, path: str) -> tuple[float, bytes]:
        """Seconds that a page took, and the page."""
        return self._send("GET", path)

    def _send(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[float, bytes]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        since = time.perf_counter()
        self._connection.request(
            method, path, body or None, {"Cookie": cookies, "Accept-Encoding": "gzip", **(headers or {})}
        )
        response = self._connection.getresponse()
        content = response.read()
        took = time.perf_counter() - since
        if response.status not in (200, 303):
            raise RuntimeError(f"{path}: {response.status}")
        for value in response.headers.get_all("Set-Cookie") or []:
            name, _, rest = value.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        return took, content


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser("console", help="what the console costs", description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000, help="keys in the store (100000)")
    parser.add_argument("--records", type=int, default=1_000_000, help="audit records in the store (1000000)")
    parser.add_argument("--people", type=int, default=10, help="people who open a page a second (10)")


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Each page on a large store, then Encrypt on it alone and beside people in turn."""
    data = folder / "store"
    key_ids = build(data, Size(args.keys, args.records))
    with servers.keystead(data) as server:
        pages = [f"/console{page.format(key=key_ids[0])}" for page in PAGES]
        person = Person(server, data)
        read = [_read(person, page) for page in pages]
        encrypt = next(servers.keystead_subjects(server))
        found: dict[str, list[float]] = {"nobody": [], "people": []}
        rates: list[float] = []  # of pages a second
        for number in range(_AGAIN * args.rounds):
            sys.stderr.write(f"\rround {number + 1} of {_AGAIN * args.rounds}: Encrypt beside people\x1b[K")
            sys.stderr.flush()
            found["nobody"].append(measure_round(encrypt, _CONNECTIONS, args.seconds, folder).p99)
            people = [Person(server, data) for _ in range(args.people)]
            began = time.perf_counter()
            with _busy(people, pages) as opened:
                found["people"].append(measure_round(encrypt, _CONNECTIONS, args.seconds, folder).p99)
                rates.append(sum(opened) / (time.perf_counter() - began))
    beside = {name: median(values) for name, values in found.items()}
    sys.stderr.write("\r\x1b[K")
    sys.stdout.write(f"\n{pages_table(read)}\n\n{beside_table(beside, args.people, median(rates))}\n")
    return {"pages": [one._asdict() for one in read], "beside": beside, "p99": found, "pages a second": rates}


def _read(person: Person, page: str) -> Read:
    taken = [person.get(page) for _ in range(_READS)]
    return Read(
        page, median(seconds for seconds, _ in taken) * 1e3, max(len(content) for _, content in taken)
    )


@contextmanager
def _busy(people: Sequence[Person], pages: Sequence[str]) -> Iterator[list[int]]:
    """While people open a page a second each; gives how many each has opened."""
    over = threading.Event()
    opened = [0] * len(people)

    def look(number: int) -> None:
        # Browsers run elsewhere: what these take is to come out of what is idle here, not out of the load's share.
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
        pause = _THINKING * number / len(people)
        while not over.wait(pause):
            people[number].get(pages[(3 * number + opened[number]) % len(pages)])
            opened[number] += 1
            pause = _THINKING

    threads = [threading.Thread(target=look, args=(number,)) for number in range(len(people))]
    for thread in threads:
        thread.start()
    try:
        yield opened
    finally:
        over.set()
        for thread in threads:
            thread.join()


def pages_table(read: Sequence[Read]) -> str:
    """The figures in Markdown."""
    return "\n".join(
        [
            "| page | server ms (goal ≤ 100) | KB |",
            "|---|--:|--:|",
            *(f"| `{one.page}` | {one.milliseconds:.1f} | {one.size / 1000:.1f} |" for one in read),
        ]
    )


def beside_table(found: dict[str, float], people: int, rate: float) -> str:
    """The figures in Markdown; `rate` is pages a second."""
    alone = found["nobody"]
    return "\n".join(
        [
            f"| beside Encrypt ({people} people, {rate:.1f} pages a second) | p99 of Encrypt ms | ratio (goal < 1.2) |",
            "|---|--:|--:|",
            *(f"| {name} | {p99:.2f} | {p99 / alone:.2f} |" for name, p99 in found.items()),
        ]
    )
