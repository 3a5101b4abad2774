"""What PostgreSQL costs instead of SQLite, and what a second server on it brings; needs PostgreSQL's programs."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import servers
from bench.process import cpu_seconds, running
from bench.rounds import measure_round
from tests.postgres import Cluster, cluster

_CONNECTIONS = 32
_CHANGES_SECONDS = 2.0
EMBEDDED, SHARED, TWO = "SQLite", "PostgreSQL", "PostgreSQL, two servers"


class Figures(NamedTuple):
    """Of one round: calls a second, milliseconds, and microseconds of the processes of keystead and of PostgreSQL a call."""

    store: str
    action: str
    rate: float
    p99: float
    ours: float
    database: float


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    subparsers.add_parser(
        "several", help="servers over PostgreSQL beside one over SQLite", description=__doc__
    )


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Alternating rounds of Encrypt and of CreateKey on each."""
    found: list[Figures] = []
    with ExitStack() as stack:
        postgres = stack.enter_context(cluster(durable=True))
        url = stack.enter_context(postgres.database())
        embedded = stack.enter_context(servers.keystead(folder / "sqlite"))
        first = stack.enter_context(_on(url, folder / "first", None))
        second = stack.enter_context(_on(url, folder / "second", folder / "first"))
        subjects: list[tuple[str, Sequence[servers.Subject]]] = []
        for action in ("Encrypt", "CreateKey"):
            one, alone, beside = (_subject(server, action) for server in (embedded, first, second))
            subjects += [(EMBEDDED, [one]), (SHARED, [alone]), (TWO, [alone, beside])]
        for number in range(args.rounds):
            for store, together in subjects:
                sys.stderr.write(
                    f"\rround {number + 1} of {args.rounds}: {together[0].name} on {store}\x1b[K"
                )
                sys.stderr.flush()
                found.append(_round(store, together, args.seconds, folder, postgres))
        changes = _changes(first, second, args, folder)
    sys.stderr.write("\r\x1b[K")
    sys.stdout.write(f"\n{table(found)}\n\n{changes_table(changes)}\n")
    return {"rounds": [one._asdict() for one in found], "changes": changes}


@contextmanager
def _on(url: str, data: Path, first: Path | None) -> Iterator[servers.Keystead]:
    """Keystead on PostgreSQL; `first` is the directory of the one before it."""
    data.mkdir(mode=0o700)
    if first is not None:
        shutil.copy(first / "root.key", data)
    command = [*servers.KEYSTEAD, "serve", "--data", str(data), "--listen", "localhost:0"]
    with running(
        command, data.parent / f"{data.name}.log", env={**os.environ, "KEYSTEAD_STORE": url}
    ) as process:
        if first is None:
            yield servers.await_keystead(data, process)
            return
        servers.wait_for((data / "server.json").stat, process)
        shutil.copy(first / "root-access-key.json", data / "root-access-key.json")
        yield servers.await_keystead(data, process)


def _subject(server: servers.Keystead, action: str) -> servers.Subject:
    found = {one.name.rpartition(" ")[2]: one for one in servers.keystead_subjects(server)}
    return found[action]


def _round(
    store: str, subjects: Sequence[servers.Subject], seconds: float, folder: Path, postgres: Cluster
) -> Figures:
    before = _used(postgres)
    with ThreadPoolExecutor(len(subjects)) as pool:
        folders = [folder / f"load-{number}" for number in range(len(subjects))]
        for one in folders:
            one.mkdir(exist_ok=True)
        rounds = list(
            pool.map(
                lambda each: measure_round(each[0], _CONNECTIONS // len(subjects), seconds, each[1]),
                zip(subjects, folders, strict=True),
            )
        )
    used = _used(postgres) - before
    rate = sum(one.rate for one in rounds)
    ours = sum(one.rate * one.cpu for one in rounds) / rate
    action = subjects[0].name.rpartition(" ")[2]
    return Figures(store, action, rate, max(one.p99 for one in rounds), ours, used / (rate * seconds) * 1e6)


def _used(postgres: Cluster) -> float:
    """CPU time of all its processes: the first one's children are the others."""
    return max(map(cpu_seconds, postgres.processes))


def _changes(
    first: servers.Keystead, second: servers.Keystead, args: argparse.Namespace, folder: Path
) -> dict[str, float]:
    """Median p99 of CreateKey on one connection of the second server, alone and while the first one encrypts."""
    change, encrypt = _subject(second, "CreateKey"), _subject(first, "Encrypt")
    found: dict[str, list[float]] = {"alone": [], "beside Encrypt on the other": []}
    with ThreadPoolExecutor(1) as pool:
        for _ in range(args.rounds):
            found["alone"].append(measure_round(change, 1, _CHANGES_SECONDS, folder / "load-0").p99)
            load = pool.submit(measure_round, encrypt, _CONNECTIONS, _CHANGES_SECONDS + 2, folder / "load-1")
            found["beside Encrypt on the other"].append(
                measure_round(change, 1, _CHANGES_SECONDS, folder / "load-0").p99
            )
            load.result()
    return {name: median(values) for name, values in found.items()}


def table(found: Sequence[Figures]) -> str:
    """The medians in Markdown."""
    lines = [
        f"| {_CONNECTIONS} connections | calls/s | ratio to {EMBEDDED} | p99 ms | keystead µs/call | PostgreSQL µs/call |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    base: dict[str, float] = {}
    for action, store in dict.fromkeys((one.action, one.store) for one in found):
        some = [one for one in found if (one.action, one.store) == (action, store)]
        rate, p99, ours, database = (
            median(getattr(one, name) for one in some) for name in ("rate", "p99", "ours", "database")
        )
        base.setdefault(action, rate)
        lines.append(
            f"| {action}, {store} | {rate:,.0f} | {rate / base[action]:.2f} | {p99:.1f} | {ours:.0f} | {database:.0f} |"
        )
    return "\n".join(lines)


def changes_table(found: dict[str, float]) -> str:
    """The figures in Markdown."""
    return "\n".join(
        [
            "| CreateKey, one connection | p99 ms |",
            "|---|--:|",
            *(f"| {name} | {p99:.1f} |" for name, p99 in found.items()),
        ]
    )
