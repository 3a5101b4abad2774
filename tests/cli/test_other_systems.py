"""What works on a system that is not Linux: tried here by taking away what only Linux has. macOS itself is not among the
machines that run these tests; neither is Windows, of which it is said in one sentence that it is not for this program."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import KEYSTEAD, LiveServer

# Python itself has these on Linux only, or at least not on macOS; the programs that are started see the same.
WITHOUT = """
import fcntl, os, signal, socket
for module in (fcntl, os, signal, socket):
    for name in dir(module):
        if name in TAKEN or name.startswith(("SCHED_", "MFD_", "SO_PEER", "AF_VSOCK", "F_SEAL", "F_ADD_S", "EFD_")):
            delattr(module, name)
assert not hasattr(os, "memfd_create")
print("taken away", file=open(MARK, "a"))
"""
TAKEN = {
    *(
        "memfd_create",
        "O_TMPFILE",
        "O_PATH",
        "pidfd_open",
        "pidfd_send_signal",
        "pipe2",
        "getrandom",
        "eventfd",
    ),
    *(
        "sched_getaffinity",
        "sched_setaffinity",
        "sched_getscheduler",
        "copy_file_range",
        "splice",
        "fdatasync",
    ),
    *("posix_fadvise", "posix_fallocate", "getresuid", "setresuid", "F_OFD_SETLK", "F_SETPIPE_SZ"),
    *(
        "sethostname",
        "SOCK_CLOEXEC",
        "SOCK_NONBLOCK",
        "SIGPWR",
        "SIGSTKFLT",
        "SIGPOLL",
        "SIGRTMIN",
        "SIGRTMAX",
    ),
}
NO_PROC = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /proc && exec "$@"', "sh"]


PROGRAM = """
import os
from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.ListKeysRequest import ListKeysRequest
key = os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]
request = ListKeysRequest()
request.set_protocol_type("https")
print(AcsClient(*key, "cn-hangzhou").do_action_with_exception(request).decode())
"""


class System:
    """Such a system: how programs are started there, with which environment."""

    def __init__(self, folder: Path, prefix: list[str]) -> None:
        hooks = folder / "hooks"
        hooks.mkdir()
        self.mark = folder / "mark"
        code = WITHOUT.replace("TAKEN", repr(TAKEN)).replace("MARK", repr(str(self.mark)))
        (hooks / "sitecustomize.py").write_text(code)
        self.program = [*prefix, *KEYSTEAD]
        path = os.environ.get("PYTHONPATH", "")
        self.env = {"PYTHONPATH": f"{hooks}:{path}" if path else str(hooks), "TMPDIR": str(folder)}
        self.folder = folder

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        self.mark.unlink(missing_ok=True)
        command = [*self.program, *words]
        ended = subprocess.run(
            command, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=60, check=False
        )
        assert self.mark.exists()
        return ended

    def left(self) -> list[str]:
        """What is left in the directory for temporary files."""
        return [one.name for one in self.folder.iterdir() if one.name.startswith(("keystead-", "tmp"))]


@pytest.fixture(params=["Linux's own calls are missing", "and there is no /proc"])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    prefix: list[str] = []
    if "/proc" in request.param:
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            pytest.skip("taking /proc away needs root and unshare")
        prefix = NO_PROC
    return System(tmp_path, prefix)


@pytest.fixture(params=["yes", "no"], ids=["front process", "one process"])
def server(request: pytest.FixtureRequest, system: System) -> Iterator[LiveServer]:
    """A server there, whose data directory has a path that is too long for a socket."""
    data = system.folder / ("d" * 120)
    server = LiveServer(data, "--front-process", request.param, program=system.program, env=system.env)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_a_server_and_the_commands_about_it(system: System, server: LiveServer) -> None:
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.close()
    data = ["--data", str(server.data)]
    secret = system.folder / "secret.env"
    secret.write_text("PASSWORD=s3cret\n")

    for words, files in (([], ["secret.env.cipher"]), (["--values"], ["secret.env.cipher"])):
        encrypted = system.run("file", "encrypt", *words, "--key", key_id, str(secret), *data)
        assert encrypted.returncode == 0, encrypted.stderr
        assert [one.name for one in system.folder.glob("*.cipher")] == files
        cipher = str(system.folder / files[0])
        told = system.run("file", "decrypt", "-o", "-", cipher, *data)
        assert (told.returncode, told.stdout) == (0, secret.read_text()), told.stderr
        wanted = ["exec", "--env-file", cipher, *data, "--", "sh", "-c", "echo $PASSWORD; exit 7"]
        told = system.run(*wanted)
        assert (told.returncode, told.stdout) == (7, "s3cret\n"), told.stderr
        if not words:
            (system.folder / files[0]).unlink()

    with urllib.request.urlopen(f"{server.description['ops_url']}/metrics", timeout=10) as answer:
        assert b"keystead_requests_total" in answer.read()

    # The way of the control socket, whose path is too long.
    told = system.run("access-key", "create", *data)
    assert told.returncode == 0, told.stderr
    assert (
        json.loads(told.stdout)["AccessKey"]["AccessKeyId"] in system.run("access-key", "list", *data).stdout
    )
    assert system.run("audit", "verify", *data).returncode == 0
    assert system.left() == []


def test_exec_writes_a_file_where_the_system_does_not_tell_what_is_in_memory(
    system: System, server: LiveServer
) -> None:
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.close()
    data = ["--data", str(server.data)]
    (system.folder / "key.pem").write_text("a key")
    cipher = f"{system.folder}/key.pem.cipher"
    assert system.run("file", "encrypt", "--key", key_id, f"{system.folder}/key.pem", *data).returncode == 0
    volume = system.folder / "volume"
    volume.mkdir()
    wanted = ["--file", f"{volume}/key.pem={cipher}", *data, "--", "cat", f"{volume}/key.pem"]
    told = system.run("exec", *wanted)
    assert told.returncode == 125
    if NO_PROC[0] in system.program:
        assert "choose a path on a RAM disk, and add --on-disk" in told.stderr
    told = system.run("exec", "--on-disk", *wanted)
    assert (told.returncode, told.stdout) == (0, "a key"), told.stderr
    assert list(volume.iterdir()) == []


def test_run(system: System) -> None:
    """The program that `run` starts is the vendor's SDK, through TLS under the certificate of the proxy."""
    told = system.run("run", "--", sys.executable, "-W", "ignore", "-c", PROGRAM)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["TotalCount"] == 0
    assert system.left() == []


@pytest.mark.parametrize("words", [[], ["serve"], ["kms", "ListKeys"], ["--version"]])
def test_windows_is_said_to_be_none(words: list[str]) -> None:
    """Nothing that only POSIX systems have is imported before that is said."""
    code = (
        "import sys\n"
        "for name in ('fcntl', 'pwd', 'grp', 'termios', 'resource', 'uvloop'):\n"
        "    sys.modules[name] = None\n"
        "sys.platform = 'win32'\n"
        "sys.argv = ['keystead', *sys.argv[1:]]\n"
        "import runpy\n"
        "runpy.run_module('keystead', run_name='__main__')\n"
    )
    told = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == (
        "error: keystead does not run on Windows itself\n"
        "hint: run it in WSL 2: wsl --install, and install it there\n"
    )


def test_a_planted_use_of_what_linux_alone_has_is_found(system: System) -> None:
    for planted in ("os.memfd_create('x')", "os.O_TMPFILE", "os.sched_getaffinity(0)"):
        command = [*system.program[: -len(KEYSTEAD)], sys.executable, "-c", f"import os; {planted}"]
        told = subprocess.run(command, env={**os.environ, **system.env}, capture_output=True, check=False)
        assert told.returncode == 1
        assert b"AttributeError" in told.stderr
