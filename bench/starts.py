"""How long a start takes: from the process to its first answer, and to its first good Decrypt."""

import time
from functools import partial
from pathlib import Path
from statistics import median

from bench import servers
from bench.load import LoadFailed
from bench.process import running


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Seconds, medians: Keystead's first start to its first answer, then a later start to answer and good Decrypt."""
    found: dict[str, list[float]] = {
        "first start: answer": [],
        "start: answer": [],
        "start: good Decrypt": [],
    }
    for number in range(rounds):
        data = folder / f"start-{number}"
        port = servers.free_port()
        command = [*servers.KEYSTEAD, "serve", "--data", str(data), "--listen", f"localhost:{port}"]
        log = folder / f"start-{number}.log"
        began = time.perf_counter()
        with running(command, log) as process:
            servers.wait_for(partial(_answers, port), process)
            found["first start: answer"].append(time.perf_counter() - began)
            server = servers.await_keystead(data, process)
            key_id = server.call("CreateKey")["KeyMetadata"]["KeyId"]
            blob = server.call("Encrypt", KeyId=key_id, Plaintext=servers.PLAINTEXT)["CiphertextBlob"]
        began = time.perf_counter()
        with running(command, log) as process:
            servers.wait_for(partial(_answers, port), process)
            found["start: answer"].append(time.perf_counter() - began)
            plaintext = server.call("Decrypt", CiphertextBlob=blob)["Plaintext"]
            found["start: good Decrypt"].append(time.perf_counter() - began)
        if plaintext != servers.PLAINTEXT:
            raise LoadFailed("Decrypt after a start gave another plaintext")
    return {name: median(values) for name, values in found.items()}


def table(found: dict[str, float]) -> str:
    """The times in Markdown."""
    lines = ["| Keystead, from its process being started | seconds |", "|---|--:|"]
    return "\n".join(lines + [f"| {name} | {seconds:.2f} |" for name, seconds in found.items()])


def _answers(port: int) -> None:
    with servers.Https(f"https://127.0.0.1:{port}") as client:
        try:
            client.send("GET", "/")
        except LoadFailed:
            pass  # an unsigned request is refused, and that is an answer
