"""What a full TLS handshake costs: ab opens a connection for each of many small requests and never resumes a session."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from bench.load import LoadFailed
from bench.process import cpu_seconds
from bench.servers import Subject

CONNECTIONS = 16


class Handshakes(NamedTuple):
    """Connections per second, and the server's CPU time for one in microseconds."""

    subject: str
    rate: float
    cpu: float


def measure(subjects: Sequence[Subject], rounds: int, count: int) -> list[Handshakes]:
    """Medians of alternating rounds."""
    if shutil.which("ab") is None:
        raise LoadFailed("ab is not installed (Debian: apt-get install apache2-utils)")
    found: dict[str, list[Handshakes]] = {}
    for _ in range(rounds):
        for one in subjects:
            found.setdefault(one.name, []).append(_round(one, count))
    return [
        Handshakes(name, median(one.rate for one in several), median(one.cpu for one in several))
        for name, several in found.items()
    ]


def table(rows: Sequence[Handshakes]) -> str:
    """The rows in Markdown."""
    lines = ["| server | new connections/s | CPU µs/connection |", "|---|--:|--:|"]
    return "\n".join([*lines, *(f"| {row.subject} | {row.rate:,.0f} | {row.cpu:.0f} |" for row in rows)])


def _round(subject: Subject, count: int) -> Handshakes:
    # Nobody signs this request: it is answered at once, so that hardly anything but the handshake is measured.
    path = "/v1/sys/health" if "OpenBao" in subject.name else "/"
    before = cpu_seconds(subject.pid)
    done = subprocess.run(
        ["ab", "-q", "-f", "TLS1.3", "-n", str(count), "-c", str(CONNECTIONS), f"{subject.url}{path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    used = cpu_seconds(subject.pid) - before
    rate = re.search(r"Requests per second: +([0-9.]+)", done.stdout)
    complete = re.search(r"Complete requests: +([0-9]+)", done.stdout)
    if rate is None or complete is None or int(complete[1]) != count:
        raise LoadFailed(f"ab gave no figures: {(done.stdout + done.stderr)[-500:].strip()}")
    return Handshakes(subject.name.split(" ")[0], float(rate[1]), used / count * 1e6)
