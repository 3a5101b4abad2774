"""What slow algorithms cost those beside them: p99 of Encrypt alone, and while others sign with RSA_4096 and SM2."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from bench.load import run
from bench.rounds import measure_round
from bench.servers import Keystead, Subject, sign_subject

CONNECTIONS = 32
_NEIGHBOURS = 4  # connections that sign
_SIGNED_A_SECOND = 3000
_AGAIN = 3  # rounds for each one asked for: a p99 differs by a third from one to the next
_SPECS = (("RSA_4096", "RSA_PSS_SHA_256"), ("EC_SM2", "SM2DSA"))
ALONE = "nobody"


def measure(
    server: Keystead, encrypt: Subject, rounds: int, seconds: float, folder: Path
) -> dict[str, float]:
    """Median p99 of Encrypt in milliseconds, by who signs beside it; alternating rounds."""
    signers = [sign_subject(server, spec, algorithm) for spec, algorithm in _SPECS]
    found: dict[str, list[float]] = {ALONE: [], **{one.name: [] for one in signers}}
    beside = folder / "beside"
    beside.mkdir(exist_ok=True)
    with ThreadPoolExecutor(1) as pool:
        for number in range(_AGAIN * rounds):
            sys.stderr.write(f"\rround {number + 1} of {_AGAIN * rounds}: Encrypt beside signers\x1b[K")
            sys.stderr.flush()
            found[ALONE].append(measure_round(encrypt, CONNECTIONS, seconds, folder).p99)
            for one in signers:
                # Longer than the round, so that all of it is measured beside them; signed before either begins.
                traffic = one.traffic(int(_SIGNED_A_SECOND * (seconds + 4)), False)
                signing = pool.submit(run, one.url, traffic, _NEIGHBOURS, seconds + 4, beside)
                found[one.name].append(measure_round(encrypt, CONNECTIONS, seconds, folder).p99)
                signing.result()
    sys.stderr.write("\r\x1b[K")
    return {name: median(values) for name, values in found.items()}


def table(found: dict[str, float]) -> str:
    """The figures in Markdown."""
    lines: Sequence[str] = [
        f"| signing beside Encrypt ({_NEIGHBOURS} connections) | p99 of Encrypt ms | ratio (goal ≤ 1.5) |",
        "|---|--:|--:|",
        *(f"| {name} | {p99:.2f} | {p99 / found[ALONE]:.2f} |" for name, p99 in found.items()),
    ]
    return "\n".join(lines)
