"""The arithmetic of the benchmark: medians of rounds, ratios in one run, and the tables."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple


class Round(NamedTuple):
    """One subject at one number of connections, once.

    Times in milliseconds; `cpu` is the server's, in microseconds per request; `memory` is its own, in MiB; `others` is
    the CPU time in seconds that went to neither the server nor the load generator: much of it spoils a round.
    """

    subject: str
    connections: int
    rate: float
    p50: float
    p99: float
    cpu: float
    memory: float
    others: float = 0.0


class Goal(NamedTuple):
    """A ratio that one run has to reach."""

    name: str
    ratio: float
    limit: float
    at_least: bool

    @property
    def reached(self) -> bool:
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def medians(rounds: Iterable[Round]) -> list[Round]:
    """One row for each subject and number of connections, each figure the median of its rounds."""
    groups: dict[tuple[int, str], list[Round]] = {}
    for one in rounds:
        groups.setdefault((one.connections, one.subject), []).append(one)
    return [
        Round(
            subject,
            connections,
            *(
                median(getattr(one, name) for one in group)
                for name in ("rate", "p50", "p99", "cpu", "memory")
            ),
        )
        for (connections, subject), group in groups.items()
    ]


def table(rows: Sequence[Round]) -> str:
    """The rows in Markdown."""
    lines = [
        "| connections | server | requests/s | p50 ms | p99 ms | CPU µs/request | memory MiB |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row.connections} | {row.subject} | {row.rate:,.0f} | {row.p50:.2f} | {row.p99:.2f} | {row.cpu:.0f} "
        f"| {row.memory:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def disturbed(rounds: Sequence[Round]) -> str:
    """A warning if other programs took a processor for a good part of any round; empty if none did."""
    count = sum(1 for one in rounds if one.others > DISTURBED)
    if not count:
        return ""
    return f"In {count} of {len(rounds)} rounds other programs used more than {DISTURBED} s of CPU time."


def goals(rows: Sequence[Round]) -> list[Goal]:
    """What the operations have to reach beside the others, as far as they were measured."""
    found = {(row.subject, row.connections): row for row in rows}
    reached = []
    for connections in (1, 8, 32, 128):
        ours = found.get((OURS, connections))
        bao = found.get((BAO, connections))
        moto = found.get((MOTO, connections))
        if ours is not None and bao is not None and connections in (1, 32, 128):
            least = 0.65 if connections == 1 else 1.5
            reached.append(
                Goal(f"requests/s to OpenBao's, {connections} connections", ours.rate / bao.rate, least, True)
            )
            if connections > 1:
                reached.append(
                    Goal(f"p99 to OpenBao's, {connections} connections", ours.p99 / bao.p99, 0.3, False)
                )
                reached.append(
                    Goal(f"CPU to OpenBao's, {connections} connections", ours.cpu / bao.cpu, 0.5, False)
                )
        user = found.get((USER, connections))
        if ours is not None and user is not None:
            name = f"requests/s, by a RAM user to the account's own, {connections} connections"
            reached.append(Goal(name, user.rate / ours.rate, 0.9, True))
        if connections == 32:
            for mine, theirs, least in BESIDE_ENCRYPT:
                one, other = found.get((mine, connections)), found.get((theirs, connections))
                if one is not None and other is not None:
                    name = f"requests/s, {mine.removeprefix('Keystead ')} to OpenBao's, {connections} connections"
                    reached.append(Goal(name, one.rate / other.rate, least, True))
        if ours is not None and moto is not None and connections in (32, 128):
            reached.append(
                Goal(f"requests/s to moto's, {connections} connections", ours.rate / moto.rate, 15, True)
            )
    return reached


def goals_table(found: Sequence[Goal]) -> str:
    """The goals in Markdown."""
    lines = ["| ratio of (of Encrypt, if no operation is named) | reached | goal | |", "|---|--:|--:|---|"]
    lines += [
        f"| {goal.name} | {goal.ratio:.2f} | {'≥' if goal.at_least else '≤'} {goal.limit:g} "
        f"| {'yes' if goal.reached else 'missed'} |"
        for goal in found
    ]
    return "\n".join(lines)


DISTURBED = 0.5  # seconds
FLOOR = "floor"
OURS = "Keystead Encrypt"
USER = "Keystead Encrypt by a RAM user"
BAO = "OpenBao encrypt"
BESIDE_ENCRYPT = (
    ("Keystead Decrypt", "OpenBao decrypt", 1.5),
    ("Keystead GenerateDataKey", "OpenBao datakey", 1.5),
    ("Keystead Sign RSA_2048", "OpenBao sign rsa-2048", 1.0),
    ("Keystead Sign EC_P256", "OpenBao sign ecdsa-p256", 1.0),
)
MOTO = "moto Encrypt"
