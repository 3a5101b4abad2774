"""Alternating rounds of several subjects, and their table."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import results
from bench.load import SIGNED_A_SECOND, run
from bench.process import busy_seconds, cpu_seconds, memory_mib
from bench.results import Round
from bench.servers import Subject


def measure_rounds(
    subjects: Sequence[Subject],
    connections: Sequence[int],
    rounds: int,
    seconds: float,
    folder: Path,
    *,
    close: bool = False,
) -> list[Round]:
    """Alternating rounds, each with requests signed just before it."""
    found = []
    for number in range(rounds):
        for count in connections:
            for one in subjects:
                sys.stderr.write(f"\rround {number + 1} of {rounds}: {one.name}, {count} connections\x1b[K")
                sys.stderr.flush()
                found.append(measure_round(one, count, seconds, folder, close=close))
    sys.stderr.write("\r\x1b[K")
    return found


def measure_round(
    subject: Subject, connections: int, seconds: float, folder: Path, *, close: bool = False
) -> Round:
    """One round of one subject."""
    traffic = subject.traffic(int(SIGNED_A_SECOND * seconds), close)
    before, busy = cpu_seconds(subject.pid), busy_seconds()
    measured = run(subject.url, traffic, connections, seconds, folder)
    used = cpu_seconds(subject.pid) - before
    busy = busy_seconds() - busy
    return Round(
        subject=subject.name,
        connections=connections,
        rate=measured.rate,
        p50=measured.p50,
        p99=measured.p99,
        cpu=used / measured.requests * 1e6,
        memory=memory_mib(subject.pid),
        others=max(0.0, busy - used - measured.cpu),
    )


def print_table(title: str, rounds: Sequence[Round]) -> None:
    """The medians under a title."""
    sys.stdout.write(f"\n{title}\n\n{results.table(results.medians(rounds))}\n")
    if warning := results.disturbed(rounds):
        sys.stdout.write(f"\n{warning}\n")
    sys.stdout.flush()
