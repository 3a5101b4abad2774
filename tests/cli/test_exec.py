"""`keystead exec` against a real server: the command gets its secrets, and nothing is left behind."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import KEYSTEAD, STRANGE, LiveServer, keystead, live

SECRETS = {
    "key": "-----BEGIN KEY-----\n密\n",
    "token": "t0ken\r\n\n",
    "app.env": "A='x y'\nB=\"1\\n2\" # c\nC=\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("server")
    with live(folder / "data") as running:
        client = running.client()
        key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        client.close()
        for name, content in SECRETS.items():
            (folder / name).write_bytes(content.encode())
        (folder / "binary").write_bytes(b"a\0b")
        (folder / "huge").write_bytes(b"x" * (128 << 10))
        made = ["key", "token", "binary", "huge"]
        words = ["file", "encrypt", "--key", key_id, "--data", str(running.data)]
        assert keystead(*words, *made, cwd=folder).returncode == 0
        assert keystead(*words, "--values", "app.env", cwd=folder).returncode == 0
        yield running


@pytest.fixture
def memory() -> Iterator[Path]:
    folder = Path(f"/dev/shm/keystead-exec-{os.getpid()}")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def command(server: LiveServer, *words: str) -> list[str]:
    return ["exec", "--data", str(server.data), *words]


def cipher(server: LiveServer, name: str) -> str:
    return str(server.data.parent / f"{name}.cipher")


def test_a_file_in_memory(server: LiveServer, memory: Path) -> None:
    path = memory / "key"
    path.write_text("left by a start that was killed")
    path.chmod(0o400)
    ended = keystead(
        *command(
            server,
            "--file",
            f"{path}={cipher(server, 'key')}",
            "--",
            "sh",
            "-c",
            f"stat -c %a {path}; cat {path}; exit 3",
        )
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "400\n" + SECRETS["key"], "")
    assert list(memory.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
@pytest.mark.parametrize(
    ("owner", "ids"), [("nobody", "65534 65534"), ("nobody:root", "65534 0"), ("1:2", "1 2")]
)
def test_owner_and_mode(server: LiveServer, memory: Path, owner: str, ids: str) -> None:
    path = memory / "key"
    words = ["--file", f"{path}={cipher(server, 'key')}", "--owner", owner, "--mode", "0440"]
    ended = keystead(*command(server, *words, "--", "stat", "-c", "%u %g %a", str(path)))
    assert (ended.stdout, ended.returncode) == (f"{ids} 440\n", 0)


def test_variables(server: LiveServer) -> None:
    words = ["--env", f"TOKEN={cipher(server, 'token')}", "--env-file", cipher(server, "app.env")]
    program = "import json, os; print(json.dumps([os.environ[name] for name in ('TOKEN', 'A', 'B', 'C')]))"
    ended = keystead(*command(server, *words, "--", sys.executable, "-c", program))
    assert json.loads(ended.stdout) == ["t0ken", "x y", "1\n2", ""]


def test_no_device_is_replaced_nor_removed(server: LiveServer, memory: Path) -> None:
    """A pipe without a reader would hold us up, and what was written to is removed in the end."""
    os.mkfifo(memory / "pipe")
    (memory / "link").symlink_to("pipe")
    for place, told in (
        (memory / "pipe", "is a device or a pipe"),
        (memory / "link", "is a device or a pipe"),
        (Path("/dev/null"), "is a device or a pipe"),
        (Path("/dev/stdout"), "is a device or a pipe"),
        (memory / ("x" * 256), "File name too long"),
        (memory / "pipe" / "x", "does not exist"),
    ):
        ended = keystead(
            *command(server, "--on-disk", "--file", f"{place}={cipher(server, 'key')}", "--", "true")
        )
        assert (ended.returncode, told in ended.stderr) == (125, True), ended.stderr
        assert "Traceback" not in ended.stderr
    assert Path("/dev/null").is_char_device()
    assert (memory / "pipe").is_fifo()


def test_what_is_somebodys_is_not_replaced_nor_removed(server: LiveServer, memory: Path) -> None:
    path = memory / "key"

    def ended(*options: str) -> tuple[int, bool]:
        words = [*options, "--file", f"{path}={cipher(server, 'key')}", "--", "cat", str(path)]
        told = keystead(*command(server, *words))
        return told.returncode, told.stdout == SECRETS["key"]

    (memory / "other").write_text("kept")
    for target in ("other", "nothing"):
        path.symlink_to(target)
        assert ended() == (125, False)
        assert path.is_symlink()
        path.unlink()
    for mode, options in ((0o600, ()), (0o600, ("--mode", "0600")), (0o400, ("--mode", "0440"))):
        path.write_text("kept")
        path.chmod(mode)
        assert ended(*options) == (125, False)
        assert path.read_text() == "kept"
        path.unlink()
    # What an earlier one can have left is no obstacle: a service must start again.
    for content, octal in (("another", "0400"), (SECRETS["key"], "0600")):
        path.write_text(content)
        path.chmod(int(octal, 8))
        assert ended("--mode", octal) == (0, True)
        assert not path.exists()
    assert (memory / "other").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_file_of_another_owner_is_not_replaced(server: LiveServer, memory: Path) -> None:
    path = memory / "key"
    path.write_text("kept")
    path.chmod(0o400)
    words = ["--file", f"{path}={cipher(server, 'key')}", "--", "true"]
    assert keystead(*command(server, "--owner", "nobody", *words)).returncode == 125
    os.chown(path, 65534, -1)
    told = keystead(*command(server, *words))
    assert (told.returncode, "exists already" in told.stderr) == (125, True)
    assert path.read_text() == "kept"
    assert keystead(*command(server, "--owner", "nobody", *words)).returncode == 0


# --- variables in variables

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "exec.md").read_text(encoding="utf-8")
PASSWORD = "pa$$w ${HOME} $x #1"


def test_interpolation_as_the_page_has_it(server: LiveServer, tmp_path: Path) -> None:
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.ok("CreateAlias", KeyId=key_id, AliasName="alias/Apollo/WorkKey")
    client.close()
    section = PAGE.partition("## Interpolation")[2].partition("\n## ")[0]
    (text,) = re.findall(r"^```text\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    (lines,) = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    (tmp_path / "app.env").write_text(text.replace("kms:…", f"'{PASSWORD}'"))
    (tmp_path / "app.py").write_text("import json, os\nprint(json.dumps(dict(os.environ)))\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **STRANGE, "KEYSTEAD_DATA": str(server.data), "PATH": path}
    ended = subprocess.run(
        ["sh", "-ec", lines], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "app.env: 1 of 2 values encrypted\n")
    found = json.loads(ended.stdout)
    assert found["DB_PASSWORD"] == PASSWORD
    assert found["DATABASE_URL"] == f"postgres://app:{PASSWORD}@localhost/app"
    # Without the option nothing is put in, and what is in the clear is told.
    words = ["exec", "--env-file", str(tmp_path / "app.env.cipher"), "--", "sh", "-c", "echo $DATABASE_URL"]
    plain = keystead(*words, env=environment)
    assert plain.stdout == "postgres://app:${DB_PASSWORD}@${DB_HOST:-localhost}/app\n"
    assert plain.stderr.endswith(
        "app.env.cipher: the ${…} in DATABASE_URL stays as it is without --interpolate\n"
    )
    assert "DB_PASSWORD stays" not in plain.stderr
    # --env goes first; what is missing starts nothing.
    (tmp_path / "host").write_text("db.internal\n")
    words = ["file", "encrypt", "--key", key_id, str(tmp_path / "host"), str(tmp_path / "app.py")]
    assert keystead(*words, env=environment).returncode == 0
    words = ["exec", "--interpolate", "--env-file", str(tmp_path / "app.env.cipher")]
    more = ["--env", f"DB_HOST={tmp_path}/host.cipher", "--env", f"DB_PASSWORD={tmp_path}/host.cipher"]
    told = keystead(*words, *more, "--", "sh", "-c", "echo $DATABASE_URL $DB_PASSWORD", env=environment)
    assert told.stdout == "postgres://app:db.internal@db.internal/app db.internal\n"
    (tmp_path / "app.env.cipher").write_text(
        "A=x${GONE}\nB=$DB\n" + (tmp_path / "app.env.cipher").read_text()
    )
    told = keystead(*words, "--", "touch", str(tmp_path / "started"), env=environment)
    assert (told.returncode, (tmp_path / "started").exists()) == (125, False)
    assert (
        "app.env.cipher: A needs GONE, which is not set\nhint: set it above A or in the environment"
        in told.stderr
    )


def test_what_cannot_be_interpolated(server: LiveServer, tmp_path: Path) -> None:
    whole = ["--env-file", cipher(server, "token"), "--interpolate", "--", "true"]
    ended = keystead(*command(server, *whole))
    assert (ended.returncode, "cipher: line 1 is not NAME=VALUE" in ended.stderr) == (125, False)
    assert "it is encrypted as a whole, and what was encrypted is not interpolated" in ended.stderr
    ended = keystead(*command(server, "--env", f"A={cipher(server, 'token')}", "--interpolate", "--", "true"))
    assert (ended.returncode, "--interpolate belongs to --env-file" in ended.stderr) == (2, True)
    # What was encrypted to the last value has nothing to put in, and its dollar signs stay.
    (tmp_path / "all.env").write_text("A=$HOME\nB='$A'\n")
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.close()
    words = [
        "file",
        "encrypt",
        "--key",
        key_id,
        "--data",
        str(server.data),
        "--values",
        str(tmp_path / "all.env"),
    ]
    assert keystead(*words).returncode == 0
    words = [
        "--interpolate",
        "--env-file",
        str(tmp_path / "all.env.cipher"),
        "--",
        "sh",
        "-c",
        'echo "$A $B"',
    ]
    ended = keystead(*command(server, *words))
    assert (ended.stdout, ended.stderr) == ("$HOME $A\n", "")


def test_a_path_on_a_disk_is_refused_unless_told(server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "key"
    words = ["--file", f"{path}={cipher(server, 'key')}", "--", "cat", str(path)]
    ended = keystead(*command(server, *words))
    if shutil.disk_usage("/dev/shm") == shutil.disk_usage(tmp_path):
        pytest.skip("temporary files are in memory here")
    assert (ended.returncode, ended.stdout) == (125, "")
    assert "is not in memory: the plaintext would be on a disk" in ended.stderr
    ended = keystead(*command(server, "--on-disk", *words))
    assert (ended.returncode, ended.stdout) == (0, SECRETS["key"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT, 40]
)
def test_a_signal_ends_the_command_and_removes_the_file(
    server: LiveServer, memory: Path, number: int
) -> None:
    path = memory / "key"
    words = command(server, "--file", f"{path}={cipher(server, 'key')}", "--", "sleep", "30")
    process = subprocess.Popen([*KEYSTEAD, *words])
    deadline = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    assert list(memory.iterdir()) == []


def test_what_fails_starts_nothing(server: LiveServer, memory: Path, tmp_path: Path) -> None:
    (tmp_path / "torn").write_text(Path(cipher(server, "key")).read_text()[:-8])
    (tmp_path / "plain").write_text("secret")
    key, mark = cipher(server, "key"), str(tmp_path / "started")
    good = ["--file", f"{memory}/first={key}"]
    for words, status, told in (
        (
            [*good, "--file", f"{memory}/k={tmp_path}/torn"],
            125,
            "torn: the server cannot open the ciphertext",
        ),
        ([*good, "--file", f"{memory}/k={tmp_path}/plain"], 125, "plain: it is not an encrypted file"),
        ([*good, "--file", f"{memory}/k={tmp_path}/none"], 125, "none: cannot read it: No such file"),
        ([*good, "--file", f"{memory}/none/k={key}"], 125, f"the directory {memory}/none does not exist"),
        ([*good, "--file", f"{memory}={key}"], 125, "it is a directory"),
        ([*good, "--env", f"B={cipher(server, 'binary')}"], 125, "the variable B would hold a NUL byte"),
        ([*good, "--env", f"B={cipher(server, 'huge')}"], 125, "the variable B would be longer than 128 KiB"),
        ([*good, "--env-file", key], 125, "key.cipher: line 1 is not NAME=VALUE"),
        ([*good, "--context", "a=b"], 125, "needs another --context"),
        ([*good, *good], 2, "is given twice"),
        ([], 2, "there is nothing to decrypt"),
        (["--file", "x"], 2, "--file x is not PATH=CIPHER"),
        (["--env", "=x"], 2, "--env =x is not NAME=CIPHER"),
        ([*good, "--owner", "no-such-user"], 2, "there is no such user or group"),
        ([*good, "--mode", "9"], 2, "--mode"),
        ([*good, "--mode", "01777"], 2, "--mode"),
        ([*good, "--wait", "-1"], 2, "--wait"),
    ):
        ended = keystead(*command(server, *words, "--", "touch", mark))
        assert told in ended.stderr
        assert (ended.returncode, ended.stdout, Path(mark).exists()) == (status, "", False)
        assert list(memory.iterdir()) == []
    ended = keystead(*command(server, *good))
    assert (ended.returncode, "there is no command to run" in ended.stderr) == (2, True)


def test_a_command_that_is_not_there(server: LiveServer, memory: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    good = ["--file", f"{memory}/key={cipher(server, 'key')}", "--"]
    assert keystead(*command(server, *good, "no-such-command")).returncode == 127
    assert keystead(*command(server, *good, str(tmp_path / "text"))).returncode == 126
    assert list(memory.iterdir()) == []


def test_it_waits_for_a_server(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data")
    server.start()
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    (tmp_path / "in").write_text("secret")
    assert (
        keystead(
            "file", "encrypt", "--key", key_id, "--data", str(server.data), str(tmp_path / "in")
        ).returncode
        == 0
    )
    client.close()
    server.stop()
    words = command(server, "--env", f"S={tmp_path}/in.cipher", "--", "sh", "-c", "echo $S")
    early = keystead(*words[:1], "--wait", "2", *words[1:])
    assert early.returncode == 125
    assert "waiting up to 2 s: no server runs on" in early.stderr
    assert "error: no server runs on" in early.stderr
    later = threading.Timer(1, server.start)
    later.start()
    try:
        ended = keystead(*words)
        assert (ended.returncode, ended.stdout) == (0, "secret\n")
    finally:
        later.join()
        server.stop()


def test_a_file_that_another_put_there_stays(server: LiveServer, memory: Path) -> None:
    path = memory / "key"
    script = f"rm -f {path}; echo mine > {path}"
    ended = keystead(*command(server, "--file", f"{path}={cipher(server, 'key')}", "--", "sh", "-c", script))
    assert (ended.returncode, path.read_text()) == (0, "mine\n")
    assert stat.S_IMODE(path.stat().st_mode) != 0o400


def test_the_access_key_can_be_in_a_file(server: LiveServer, tmp_path: Path) -> None:
    found = server.description
    words = [
        "exec",
        "--endpoint",
        found["url"],
        "--ca",
        found["ca_file"],
        "--env",
        f"T={cipher(server, 'token')}",
    ]
    end = ["--", "sh", "-c", "echo $T"]
    ended = keystead(*words, "--access-key", str(server.data / "root-access-key.json"), *end)
    assert (ended.returncode, ended.stdout) == (0, "t0ken\n")
    ended = keystead(*words, "--access-key", str(tmp_path / "none"), *end)
    assert (ended.returncode, "there is no AccessKey file" in ended.stderr) == (125, True)


def test_an_encrypted_file_is_not_replaced_by_its_plaintext(server: LiveServer, tmp_path: Path) -> None:
    cipher = tmp_path / "a.cipher"
    cipher.write_text("kept")
    link = tmp_path / "link"
    link.symlink_to(cipher)
    for path in (cipher, link):
        told = keystead(
            "exec", "--on-disk", "--file", f"{path}={cipher}", "--data", str(server.data), "--", "true"
        )
        assert (told.returncode, "would replace an encrypted file" in told.stderr) == (2, True)
    assert cipher.read_text() == "kept"
