"""What a change costs: another Keystead and this one side by side, each round of one before or after a round of the other."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import servers
from bench.load import LoadFailed
from bench.results import Round
from bench.rounds import measure_round
from bench.servers import Subject


class Compared(NamedTuple):
    """One operation at one number of connections: the rounds of both, in pairs."""

    name: str
    connections: int
    before: list[Round]
    after: list[Round]

    @property
    def ratios(self) -> list[float]:
        """Requests a second after to before, of each pair."""
        return [after.rate / before.rate for before, after in zip(self.before, self.after, strict=True)]

    @property
    def report(self) -> dict[str, object]:
        """Every single round, for the JSON file."""
        sides = {"before": self.before, "after": self.after}
        rounds = {name: [one._asdict() for one in side] for name, side in sides.items()}
        return {"name": self.name, "connections": self.connections, **rounds, "ratios": self.ratios}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser("against", help="this Keystead beside another", description=__doc__)
    parser.add_argument(
        "program", type=Path, metavar="PROGRAM", help="the other one: CHECKOUT/.venv/bin/keystead"
    )


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Both served side by side, on stores of their own that begin empty."""
    words = [word.lower() for word in args.only.split(",") if word]
    if not args.program.is_file():
        raise LoadFailed(
            f"there is no program {args.program}; `make setup` in a checkout makes .venv/bin/keystead"
        )
    with ExitStack() as stack:
        before = stack.enter_context(servers.keystead(folder / "before", [str(args.program.absolute())]))
        after = stack.enter_context(servers.keystead(folder / "after"))
        both = [
            pair
            for pair in zip(servers.keystead_subjects(before), servers.keystead_subjects(after), strict=True)
            if not words or any(word in pair[0].name.lower() for word in words)
        ]
        found = [
            _compare(pair, count, args.rounds, args.seconds, folder)
            for count in args.connections
            for pair in both
        ]
    sys.stdout.write(f"\nBefore ({args.program}) and after, TLS 1.3, keep-alive\n\n{table(found)}\n")
    return {"against": [one.report for one in found]}


def _compare(
    pair: tuple[Subject, Subject], connections: int, rounds: int, seconds: float, folder: Path
) -> Compared:
    kept: tuple[list[Round], list[Round]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            kept[which].append(measure_round(pair[which], connections, seconds, folder))
    return Compared(pair[0].name, connections, *kept)


def table(rows: Sequence[Compared]) -> str:
    """The medians, and the median of the pairs' ratios with the least and the largest, in Markdown."""
    lines = [
        "| connections | operation | before, requests/s | after | ratio of the pairs | CPU µs before | after |",
        "|--:|---|--:|--:|---|--:|--:|",
    ]
    for row in rows:
        rates = " | ".join(f"{median(one.rate for one in side):,.0f}" for side in (row.before, row.after))
        used = " | ".join(f"{median(one.cpu for one in side):.0f}" for side in (row.before, row.after))
        ratios = f"{median(row.ratios):.2f} ({min(row.ratios):.2f} to {max(row.ratios):.2f})"
        lines.append(f"| {row.connections} | {row.name} | {rates} | {ratios} | {used} |")
    return "\n".join(lines)
