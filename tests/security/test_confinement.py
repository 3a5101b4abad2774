"""Whoever runs code in the front process has no files, no programs, no way out and no way to the server's memory."""

import ctypes
import json
import os
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from keystead.server.network import confinement
from tests.live import LiveServer, keystead, live


def has_landlock() -> bool:
    if sys.platform != "linux":
        return False
    try:
        return confinement.Kernel().syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1)) > 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not has_landlock(), reason="the kernel has no Landlock")
KEYS = ("root.key", "keystead.db", "root-access-key.json")

# Imported by the front process and the server alike, before anything of ours. What it plants acts in the front process, when
# a request arrives that asks for it.
PLANTED = """
import sys

if "keystead.server.network.front_process" in sys.orig_argv:
    import ctypes, json, os, socket, subprocess

    from keystead.api.http import receive as module

    libc = ctypes.CDLL(None, use_errno=True)
    receive = module.receive
    DATA, PORT = {data!r}, {port}

    def checked(result):
        if result == -1:
            raise OSError(ctypes.get_errno(), "refused")
        return result

    def connect(family, address):
        socket.socket(family).connect(address)

    ATTEMPTS = {{
        "read a file": lambda: open("/etc/passwd").read(),
        **{{f"read {{name}}": lambda name=name: open(f"{{DATA}}/{{name}}", "rb").read() for name in {keys!r}}},
        "list a folder": lambda: os.listdir(DATA),
        "write a file": lambda: open(f"{{DATA}}/planted", "w"),
        "remove a file": lambda: os.unlink(f"{{DATA}}/ca.pem"),
        "open a file": lambda: os.chmod(f"{{DATA}}/root.key", 0o644),
        "run a program": lambda: os.execv("/bin/true", ["true"]),
        "start a program": lambda: subprocess.run(["/bin/true"]),
        "fork": os.fork,
        "go out": lambda: connect(socket.AF_INET, ("127.0.0.1", PORT)),
        "use the control socket": lambda: connect(socket.AF_UNIX, f"{{DATA}}/control.sock"),
        "read the server's memory": lambda: open(f"/proc/{{os.getppid()}}/mem", "rb"),
        "read the server's environment": lambda: open(f"/proc/{{os.getppid()}}/environ").read(),
        "read the server's descriptors": lambda: os.listdir(f"/proc/{{os.getppid()}}/fd"),
        "kill the server": lambda: os.kill(os.getppid(), 9),
        "stop the server": lambda: checked(libc.tgkill(os.getppid(), os.getppid(), 19)),
        "limit the server": lambda: checked(libc.prlimit(os.getppid(), 7, bytes(16), None)),
        "use a ring": lambda: checked(libc.syscall(425, 8, ctypes.create_string_buffer(256))),
    }}
    DEADLY = {{
        "trace": lambda: libc.ptrace(16, os.getppid(), None, None),
        "peek": lambda: libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0),
        "mount": lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None),
        "another architecture": lambda: libc.syscall(0x40000000 + 39),
    }}

    def tried(attempt):
        try:
            attempt()
        except OSError as error:
            return type(error).__name__
        return "done"

    def planted(request):
        wanted = request.target.partition("planted=")[2].replace("%20", " ")
        if wanted == "all":
            found = {{name: tried(attempt) for name, attempt in ATTEMPTS.items()}}
            print("planted " + json.dumps(found), file=sys.stderr, flush=True)
        elif wanted in DEADLY:
            DEADLY[wanted]()
            print("planted survived", file=sys.stderr, flush=True)
        elif wanted:
            print(f"planted {{json.dumps({{wanted: tried(ATTEMPTS[wanted])}})}}", file=sys.stderr, flush=True)
        return receive(request)

    module.receive = planted
"""


def attacked(tmp_path: Path, *options: str, more: str = "") -> LiveServer:
    """A server with a front process in which what is planted can run."""
    folder = tmp_path / "planted"
    folder.mkdir()
    source = textwrap.dedent(PLANTED).format(data=str(tmp_path / "data"), port=9, keys=KEYS)
    (folder / "sitecustomize.py").write_text(source + textwrap.dedent(more))
    path = os.pathsep.join([str(folder), *(one for one in sys.path if one)])
    return LiveServer(tmp_path / "data", "--front-process", "yes", *options, env={"PYTHONPATH": path})


def told(server: LiveServer, wanted: str) -> Any:
    """What came of the attempts, once the log says it."""

    def said() -> list[str]:
        return re.findall(r"^planted (.*)\n", server.log.read_text(), re.M)

    client = server.client()
    before = len(said())
    client.send(f"/?planted={wanted.replace(' ', '%20')}")
    client.close()
    deadline = time.monotonic() + 30
    while len(said()) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return json.loads(said()[-1])


def test_what_is_planted_in_the_front_process_is_refused_everything(tmp_path: Path) -> None:
    server = attacked(tmp_path, "--front-confinement", "yes")
    server.start()
    try:
        found = told(server, "all")
        assert len(found) > 15
        assert set(found.values()) == {"PermissionError"}, found
        assert server.client().ok("ListKeys")["TotalCount"] == 0  # and it serves on
        assert '"front process confined"' in server.log.read_text()
    finally:
        assert server.stop() == 0
    assert (tmp_path / "data" / "ca.pem").exists()
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("wanted", ["read root.key", "go out", "start a program", "use the control socket"])
def test_without_confinement_the_same_attempts_are_found_to_succeed(wanted: str, tmp_path: Path) -> None:
    """The test above could not fail otherwise."""
    server = attacked(tmp_path, "--front-confinement", "no")
    server.start()
    try:
        found = told(server, wanted)[wanted]
        assert found == ("ConnectionRefusedError" if wanted == "go out" else "done")
        assert "front process confined" not in server.log.read_text()
    finally:
        server.stop()


@pytest.mark.parametrize("wanted", ["trace", "peek", "mount", "another architecture"])
def test_what_only_an_intruder_asks_for_ends_the_process(wanted: str, tmp_path: Path) -> None:
    server = attacked(tmp_path, "--front-confinement", "yes")
    server.start()
    try:
        with pytest.raises(Exception, match=r".*"):
            server.client().send(f"/?planted={wanted.replace(' ', '%20')}")
        deadline = time.monotonic() + 30
        while '"status": -31' not in server.log.read_text():  # SIGSYS
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert server.client().ok("ListKeys")["TotalCount"] == 0  # another one serves
        assert "planted survived" not in server.log.read_text()
    finally:
        server.stop()


LACKING = """
    import errno
    from keystead.server.network import confinement

    def lacking(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    confinement.{lacking} = lacking
"""


@pytest.mark.parametrize(("lacking", "name"), [("_no_files", "Landlock"), ("_no_calls", "seccomp")])
def test_on_a_kernel_without_it_goes_on_and_says_so(lacking: str, name: str, tmp_path: Path) -> None:
    server = attacked(tmp_path, more=LACKING.format(lacking=lacking))
    server.start()
    try:
        assert server.client().ok("ListKeys")["TotalCount"] == 0
        log = server.log.read_text()
        assert f'"front process not confined as a whole", "reason": "{name}: Function not implemented"' in log
    finally:
        server.stop()


def test_where_it_is_demanded_a_kernel_without_it_is_an_error(tmp_path: Path) -> None:
    server = attacked(tmp_path, "--front-confinement", "yes", more=LACKING.format(lacking="_no_calls"))
    with pytest.raises(AssertionError, match="the server ended with 1"):
        server.start()
    log = server.log.read_text()
    assert '"front process cannot be confined", "reason": "seccomp: Function not implemented"' in log
    assert "error: the front process did not start" in log


def test_without_a_front_process_nothing_can_be_confined(tmp_path: Path) -> None:
    done = keystead(
        "serve", "--data", str(tmp_path / "data"), "--front-process", "no", "--front-confinement", "yes"
    )
    assert done.returncode == 2
    assert "error: there is no front process that could be confined" in done.stderr
    assert "hint: add --front-process yes" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("choice", "filters"), [("auto", "2"), ("no", "0")])
def test_the_setting_decides(choice: str, filters: str, tmp_path: Path) -> None:
    with live(tmp_path / "data", "--front-process", "yes", "--front-confinement", choice) as server:
        found = Path(f"/proc/{server.processes[1]}/status").read_text()
        assert re.findall(r"^Seccomp:\s*(\d)", found, re.M) == [filters]
        assert re.findall(r"^NoNewPrivs:\s*(\d)", found, re.M) == ["1" if choice == "auto" else "0"]
        server.client().ok("ListKeys")
