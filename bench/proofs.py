"""How quick audit records are verified: in a data directory, in an exported log, by the second verifier; and SHA-256 alone."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import median
from typing import Any

from bench.grow import Size, build
from keystead.cli.commands.audit import exported
from keystead.cli.commands.audit.exported_log import ExportedLog
from keystead.domain.audit import Head
from keystead.store.reader import open_reader

_SECOND = Path("examples/auditor/verify_log.py")
_ALONE = "SHA-256 of the same bytes"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser("proofs", help="how quick records are verified", description=__doc__)
    parser.add_argument("--records", type=int, default=300_000, metavar="N", help="how many (300000)")


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Each way, one after the other, in as many rounds: records a second of CPU time, in one process."""
    data, log = folder / "store", folder / "records.jsonl"
    build(data, Size(10, args.records))
    export = [sys.executable, "-m", "keystead", "audit", "export", "--format", "records", "--data", str(data)]
    with log.open("wb") as file:
        subprocess.run(export, stdout=file, check=True)
    with log.open("rb") as file:
        rows = [row[2] for row in exported.records(file, str(log))]
    with closing(open_reader(data / "keystead.db")) as reader:
        (verdict,) = reader.verify()
        ways: dict[str, Callable[[], object]] = {
            _ALONE: lambda: _chained(rows),
            "keystead audit verify": lambda: reader.verify(verdict.head),
            "keystead audit verify --log": lambda: _by_log(log, verdict.head),
            "examples/auditor/verify_log.py": lambda: _by_second(log, verdict.chain, verdict.head),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, verify in ways.items():
                began = time.process_time()
                verify()
                seconds[name].append(time.process_time() - began)
    rates = {name: len(rows) / median(taken) for name, taken in seconds.items()}
    sys.stdout.write(f"\n{len(rows):,} records\n\n| | records/s | of SHA-256 |\n|---|--:|--:|\n")
    for name, rate in rates.items():
        sys.stdout.write(f"| {name} | {rate:,.0f} | {rate / rates[_ALONE]:.2f} |\n")
    return {"records": len(rows), "rates": rates}


def _chained(rows: list[bytes]) -> bytes:
    previous = bytes(32)
    for row in rows:
        previous = sha256(previous + row).digest()
    return previous


def _by_log(log: Path, head: Head) -> None:
    with log.open("rb") as file:
        read = ExportedLog(file, str(log))
        assert [one.noted for one in read.verify(head)] == [True]


def _by_second(log: Path, chain: str, head: Head) -> None:
    proof = _second().Proof(chain, head.count, head.hash)
    with log.open("rb") as lines:
        for line in lines:
            proof.take(line)
    proof.end()


def _second() -> Any:
    spec = spec_from_file_location("verify_log", _SECOND)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
