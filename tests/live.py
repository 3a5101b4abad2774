"""A real server in a process of its own, and a plain client for it."""

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from bench.process import family
from keystead.clock import iso8601
from tests import forked
from tests.databases import variables
from tests.harness import sign_v1

KEYSTEAD = [sys.executable, "-m", "keystead"]


def without_ours() -> dict[str, str]:
    """The environment of the tests, without any variable that would say something to a server or a command."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KEYSTEAD_")}


def needs(program: str) -> None:
    """Skip the test that runs a program which is not on this machine."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


class Client:
    """One keep-alive connection with an AccessKey. It waits `timeout` seconds for an answer."""

    def __init__(
        self, url: str, ca_file: str | None, access_key: tuple[str, str], timeout: float = 30
    ) -> None:
        host, port = url.partition("://")[2].rsplit(":", 1)
        self._connection: http.client.HTTPConnection
        if url.startswith("https"):
            context = ssl.create_default_context(cafile=ca_file)
            self._connection = http.client.HTTPSConnection(host, int(port), timeout=timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        self.access_key = access_key

    def sign(self, action: str, **parameters: str) -> str:
        """The target of a signed request."""
        signed = sign_v1(
            {"Action": action, **parameters},
            self.access_key,
            timestamp=iso8601(time.time()),
            nonce=uuid.uuid4().hex,
        )
        return f"/?{urlencode(signed)}"

    def send(self, target: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and members of the answer; OSError or HTTPException when the server is gone."""
        self.post(target, headers)
        return self.receive()

    def post(self, target: str, headers: dict[str, str] | None = None) -> None:
        """Send, and do not wait for the answer, which is what `receive` gives."""
        try:
            self._connection.request("POST", target, headers=headers or {})
        except BaseException:
            self._connection.close()
            raise

    def receive(self) -> tuple[int, dict[str, Any]]:
        try:
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except BaseException:
            self._connection.close()
            raise

    def call(self, action: str, **parameters: str) -> tuple[int, dict[str, Any]]:
        return self.send(self.sign(action, **parameters))

    def ok(self, action: str, **parameters: str) -> dict[str, Any]:
        status, members = self.call(action, **parameters)
        assert status == 200, members
        return members

    def close(self) -> None:
        self._connection.close()


class LiveServer:
    """`keystead serve` on a data directory."""

    def __init__(
        self, data: Path, *options: str, program: list[str] | None = None, env: dict[str, str] | None = None
    ):
        self.data = data
        self.options = options if "--listen" in options else ("--listen", "localhost:0", *options)
        self.program = program or KEYSTEAD
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data.parent / f"{data.name}.log"

    def start(self, wait: bool = True) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "serve", "--data", str(self.data), *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**without_ours(), **variables(self.data), **(self.env or {})},
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it accepts requests."""
        assert self.process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the server ended with {self.process.returncode}: {self.log.read_text()[-2000:]}"
                )
            if self.serves:
                return
            time.sleep(0.01)
        raise AssertionError("the server did not start")

    @property
    def serves(self) -> bool:
        """Whether it has said that it accepts requests."""
        assert self.process is not None
        return self.process.poll() is None and self.description.get("pid") == self.process.pid

    @property
    def description(self) -> dict[str, Any]:
        try:
            found = json.loads((self.data / "server.json").read_text())
        except (OSError, ValueError):
            return {}
        assert isinstance(found, dict)
        return found

    def client(self) -> Client:
        found = self.description
        key = json.loads((self.data / "root-access-key.json").read_text())
        return Client(found["url"], found["ca_file"], (key["AccessKeyId"], key["AccessKeySecret"]))

    @property
    def processes(self) -> list[int]:
        """The server's process, and the front process that it has."""
        assert self.process is not None
        return family(self.process.pid)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


# What those have in their environment who use the vendor's service and a proxy: none of it is for a server of ours.
STRANGE = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI5tStrange",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "strange",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "strange",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "PYTHONPATH": "/nowhere/theirs",
    "NODE_OPTIONS": "--no-deprecation",
}


@contextmanager
def live(data: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[LiveServer]:
    """A running server, stopped at the end."""
    server = LiveServer(data, *options, env=env)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def keystead(
    *words: str, env: dict[str, str] | None = None, timeout: float = 60, **more: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, in an environment as its users have it."""
    stores = [variables(Path(words[at + 1])) for at, word in enumerate(words[:-1]) if word == "--data"]
    env = {**without_ours(), **STRANGE, **(stores[0] if stores else {}), **(env or {})}
    if more.keys() <= {"cwd"} and forked.can_run(env):
        return forked.run(list(words), env, os.path.abspath(more.get("cwd") or ""), timeout)
    return subprocess.run(
        [*KEYSTEAD, *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=env,
        **more,
    )


def without_room(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command where no file may have a byte, as on a full disk; without what measures coverage, which needs one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *KEYSTEAD, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
