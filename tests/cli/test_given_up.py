"""Commands for a server that does not answer: what was given up is not carried out later, and what may be is said."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.live import KEYSTEAD, keystead, live


def access_keys(data: Path) -> int:
    told = keystead("access-key", "list", "--data", str(data))
    assert told.returncode == 0, told.stderr
    return len(json.loads(told.stdout)["AccessKeys"]["AccessKey"])


def test_what_was_given_up_is_not_carried_out_when_the_server_goes_on(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "key.json"
    with live(data) as server:
        assert server.process is not None
        before, certificates = access_keys(data), (data / "ca.pem").read_bytes()
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            commands = {
                words: subprocess.Popen(
                    [*KEYSTEAD, *words.split(), "--data", str(data)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for words in (
                    "access-key create",
                    f"access-key create -o {file}",
                    "access-key list",
                    "ca rotate",
                )
            }
            told = {words: (one.communicate(timeout=120), one.returncode) for words, one in commands.items()}
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        for words, ((out, error), status) in told.items():
            assert (status, out) == (3, ""), error
            assert f"error: the server on {data} has not answered within 10 s\n" in error
            look = "ca show" if words == "ca rotate" else "access-key list"
            assert (f"look with keystead {look} --data {data} before you repeat it" in error) == (
                words != "access-key list"
            )
            assert ("nobody has the secret" in error) == ("create" in words)
        assert not file.exists()
        assert access_keys(data) == before
        assert (data / "ca.pem").read_bytes() == certificates
        # One that still waits is carried out when the server goes on.
        os.kill(server.process.pid, signal.SIGSTOP)
        waiting = subprocess.Popen(
            [*KEYSTEAD, "access-key", "create", "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with suppress(subprocess.TimeoutExpired):
            waiting.wait(3)
        os.kill(server.process.pid, signal.SIGCONT)
        _, error = waiting.communicate(timeout=60)
        if waiting.returncode == 0:
            before += 1
        else:  # this machine was so slow that it gave up as well
            assert (waiting.returncode, "has not answered within" in error) == (3, True), error
        assert access_keys(data) == before
    log = server.log.read_text()
    assert log.count("command not carried out: nobody waits for its answer any more") >= 4
    records = keystead("audit", "list", "--json", "--data", str(data)).stdout
    assert records.count('"RotateAuthority"') == 0
