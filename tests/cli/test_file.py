"""`keystead file` against a real server: what comes out is what went in, or nothing is left."""

import base64
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from keystead.crypto.envelope import CHUNK_BYTES
from tests.live import KEYSTEAD, LiveServer, keystead

pytestmark = pytest.mark.usefixtures("memory_of_our_own")
EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
PEM = "-----BEGIN PRIVATE KEY-----\r\nключ 密钥\n-----END PRIVATE KEY-----\n"


def file(
    server: LiveServer, verb: str, *words: str, content: str | None = None
) -> "subprocess.CompletedProcess[str]":
    return keystead("file", verb, "--data", str(server.data), *words, input=content)


def encrypt(server: LiveServer, *words: str, key: str = "alias/work") -> "subprocess.CompletedProcess[str]":
    return file(server, "encrypt", "--key", key, *words)


def ok(ended: "subprocess.CompletedProcess[str]") -> str:
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def refused(ended: "subprocess.CompletedProcess[str]", status: int, told: str) -> None:
    assert (ended.returncode, ended.stdout) == (status, "")
    assert told in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


# --- the two forms


@pytest.mark.parametrize("kind", ["text", "binary"])
@pytest.mark.parametrize("size", [0, 1, 6143, 6144, 6145, CHUNK_BYTES, CHUNK_BYTES + 1, 300_000])
def test_any_file_comes_back(server: LiveServer, here: Path, size: int, kind: str) -> None:
    content = (b"a\r\n" * 100_000 if kind == "text" else b"\xff\0\n" * 100_000)[:size]
    Path("in").write_bytes(content)
    ok(encrypt(server, "in"))
    sealed = Path("in.cipher").read_bytes()
    assert sealed.startswith(b"\x89KSF") == (kind == "binary" or not 1 <= size <= 6144)
    ok(file(server, "decrypt", "in.cipher", "-o", "out"))
    assert Path("out").read_bytes() == content


def test_nul_makes_a_text_binary(server: LiveServer, here: Path) -> None:
    Path("in").write_bytes(b"a\0b")
    ok(encrypt(server, "in"))
    assert Path("in.cipher").read_bytes().startswith(b"\x89KSF")


def test_a_text_is_the_ciphertext_of_the_service(server: LiveServer, here: Path) -> None:
    """Either side reads the other's, byte for byte."""
    client = server.client()
    Path("key.pem").write_bytes(PEM.encode())
    ok(encrypt(server, "key.pem"))
    assert client.ok("Decrypt", CiphertextBlob=Path("key.pem.cipher").read_text())["Plaintext"] == PEM
    blob = client.ok("Encrypt", KeyId="alias/work", Plaintext=PEM)["CiphertextBlob"]
    for around in ("", "\n", "\r\n"):  # an editor, or a shell's echo
        Path("theirs").write_text(blob + around)
        ok(file(server, "decrypt", "theirs", "-o", "out", "--force"))
        assert Path("out").read_bytes() == PEM.encode()
    client.close()


def test_pipes(server: LiveServer, here: Path) -> None:
    blob = ok(file(server, "encrypt", "--key", "alias/work", "-", content="密 secret"))
    assert ok(file(server, "decrypt", "-", content=blob)) == "密 secret"


def test_many_files_at_once(server: LiveServer, here: Path) -> None:
    for name in ("a", "b", "c"):
        Path(name).write_text(f"content of {name}")
    Path("out").mkdir()
    Path("b").chmod(0)
    if os.geteuid() == 0:
        Path("b").unlink()
    ended = encrypt(server, "a", "b", "c", "-o", "out")
    assert ended.returncode == 1
    assert "error: b: cannot read it: " in ended.stderr
    assert names(Path("out")) == {"a.cipher", "c.cipher"}
    Path("plain").mkdir()
    ok(file(server, "decrypt", "out/a.cipher", "out/c.cipher", "-o", "plain"))
    assert [Path("plain", name).read_text() for name in ("a", "c")] == ["content of a", "content of c"]
    refused(file(server, "decrypt", "out/a.cipher", "out/c.cipher"), 2, "several files need a directory")
    refused(encrypt(server, "a", "c", "-o", "new"), 2, "new is no directory")
    refused(encrypt(server, "a", "out/../a", "-o", "out"), 2, "two files would become out/a.cipher")
    refused(encrypt(server, "-", "-"), 2, "standard input can be read once only")
    refused(encrypt(server, "-", "-o", "out"), 2, "standard input has no name")


def test_modes(server: LiveServer, here: Path) -> None:
    Path("private").write_text("x")
    Path("private").chmod(0o600)
    Path("shown").write_text("x")
    Path("shown").chmod(0o644)
    ok(encrypt(server, "private", "shown"))
    assert [stat.S_IMODE(Path(f"{name}.cipher").stat().st_mode) for name in ("private", "shown")] == [
        0o600,
        0o644,
    ]
    ok(file(server, "decrypt", "shown.cipher", "-o", "plain"))
    assert stat.S_IMODE(Path("plain").stat().st_mode) == 0o600


def test_context(server: LiveServer, here: Path) -> None:
    Path("small").write_text("x")
    Path("large").write_text("x" * 7000)
    context = ["--context", "app=billing", "--context", "env=a=b 密"]
    ok(encrypt(server, "small", "large", *context))
    for name in ("small", "large"):
        assert set(ok(file(server, "decrypt", f"{name}.cipher", *context))) == {"x"}
        refused(
            file(server, "decrypt", f"{name}.cipher", *context[:3], "env=other"),
            5,
            "cannot open the ciphertext",
        )
    refused(file(server, "decrypt", "small.cipher"), 5, "needs another --context")
    refused(file(server, "decrypt", "large.cipher"), 5, "give --context app=… --context env=…")
    refused(encrypt(server, "small", "--context", "app"), 2, "--context number 1 is not NAME=VALUE")
    refused(encrypt(server, "small", "--context", "a=1", "--context", "a=2"), 2, "--context a is given twice")


# --- what is refused


def test_changed_files_leave_nothing(server: LiveServer, here: Path) -> None:
    Path("in").write_bytes(bytes(3 * CHUNK_BYTES))
    ok(encrypt(server, "in"))
    sealed = Path("in.cipher").read_bytes()
    chunk = CHUNK_BYTES + 16
    head = len(sealed) - 3 * chunk
    a, b, c = (sealed[head + at * chunk : head + (at + 1) * chunk] for at in range(3))
    flipped = bytearray(sealed)
    flipped[-1] ^= 1
    before = names(here)
    for changed in (
        sealed[:head],
        sealed[: head + chunk],
        sealed[: head + 2 * chunk],
        sealed[:-1],
        sealed[:7],
        sealed[:40],
        sealed[:head] + b + a + c,
        sealed + c,
        bytes(flipped),
    ):
        Path("in.cipher").write_bytes(changed)
        refused(file(server, "decrypt", "in.cipher", "-o", "out"), 5, "it is damaged or cut off")
        assert names(here) == before


def test_bad_input(server: LiveServer, here: Path) -> None:
    Path("in").write_text("secret")
    ok(encrypt(server, "in"))
    Path("empty").touch()
    Path("folder").mkdir()
    refused(encrypt(server, "nowhere"), 1, "nowhere: cannot read it: No such file")
    refused(encrypt(server, "folder"), 1, "folder: cannot read it: it is a directory")
    refused(encrypt(server, "in.cipher"), 1, "it is encrypted already")
    refused(encrypt(server, "in"), 1, "in.cipher exists already")
    refused(encrypt(server, "in", "-o", "gone/out"), 1, "cannot write gone/out: No such file")
    refused(encrypt(server, "in", "-o", "out", key="alias/none"), 4, "Forbidden.AliasNotFound")
    refused(encrypt(server, "in", "-o", "out", "--context", f"a={'x' * 9000}"), 4, "EncryptionContext")
    refused(file(server, "decrypt", "empty"), 5, "it is empty")
    refused(file(server, "decrypt", "in"), 5, "it is not an encrypted file")
    refused(file(server, "decrypt", "in.cipher", "-o", "in"), 1, "in exists already")
    Path("in.cipher").write_text(Path("in.cipher").read_text()[:-4])
    refused(file(server, "decrypt", "in.cipher"), 5, "cannot open the ciphertext")
    assert names(here) == {"in", "in.cipher", "empty", "folder"}
    assert Path("in").read_text() == "secret"


def test_names_that_are_no_files(server: LiveServer, here: Path) -> None:
    """Nothing is made in a place that nobody named, and no device is replaced."""
    Path("in").write_text("secret")
    os.mkfifo("pipe")
    long = "x" * 255
    Path(long).write_text("secret")
    before = names(here)
    refused(encrypt(server, "in", "-o", ""), 2, "the name of a file is empty")
    refused(encrypt(server, ""), 2, "the name of a file is empty")
    refused(file(server, "inspect", ""), 1, "the name of a file is empty")
    refused(encrypt(server, "in", "-"), 2, "a pipe has no name among others")
    refused(encrypt(server, "in", "/dev/fd/9"), 2, "a pipe has no name among others")
    refused(encrypt(server, "in", "-o", "new/"), 2, "there is no directory new/")
    refused(encrypt(server, "in", "-o", "in/x"), 1, "cannot write in/x: Not a directory")
    refused(encrypt(server, "in", "-o", f"{long}y"), 1, "File name too long")
    refused(encrypt(server, long), 1, "choose a shorter name")
    refused(encrypt(server, "--values", "--only", "x", f"{long}y"), 1, "cannot read it: File name too long")
    refused(encrypt(server, "in", "-o", "/dev/full"), 1, "No space left on device")
    refused(encrypt(server, "in", "-o", "/dev/fd/987654"), 1, "Bad file descriptor")
    for verb in ("edit", "reencrypt"):
        refused(file(server, verb, "/dev/null"), 1, "/dev/null is a device or a pipe")
    refused(file(server, "reencrypt", "pipe"), 1, "pipe is a device or a pipe")
    refused(keystead("file", "check", "pipe"), 1, "pipe is a device or a pipe")
    assert names(here) == before


def test_a_place_that_is_not_ours(server: LiveServer, here: Path) -> None:
    """Root does without its right to write everywhere."""
    bounded = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []

    def encrypt(*words: str) -> "subprocess.CompletedProcess[str]":
        line = [*bounded, *KEYSTEAD, "file", "encrypt", "--data", str(server.data), "--key", "alias/work"]
        return subprocess.run([*line, *words], capture_output=True, text=True, timeout=60, check=False)

    Path("in").write_text("secret")
    Path("d").mkdir(mode=0o500)
    Path("e").mkdir(mode=0)
    for out in ("d/out", "e/out", "e/deep/out"):
        refused(encrypt("in", "-o", out), 1, f"cannot write {out}: Permission denied")
    refused(encrypt("e/deep/in"), 1, "cannot read it: Permission denied")


def test_open_files_are_written_to_where_they_stand(server: LiveServer, here: Path) -> None:
    """`-o /dev/stdout` of a shell that leads it to a file: the file is there already, and is not replaced."""
    Path("in").write_text("secret\n")
    ok(encrypt(server, "in"))
    data = f"--data {server.data}"
    decrypting = f"{' '.join(KEYSTEAD)} file decrypt {data} in.cipher -o"
    for line, content in (
        (f"{decrypting} /dev/stdout > out", "secret\n"),
        (f"echo a > out; {decrypting} /dev/stdout --force >> out; echo b >> out", "a\nsecret\nb\n"),
        (f"{decrypting} /dev/stderr 2> out", "secret\n"),
        (f"{decrypting} /dev/fd/3 3> out; {decrypting} /proc/self/fd/3 3>> out", "secret\nsecret\n"),
        (f"{' '.join(KEYSTEAD)} file encrypt {data} --key alias/work /dev/stdin < in > c; {decrypting[:-2]} > out", "secret\n"),
    ):  # fmt: skip
        subprocess.run(["sh", "-ec", line], check=True, stdin=subprocess.DEVNULL)
        assert Path("out").read_text() == content
    assert Path("/dev/stdout").is_symlink()
    assert file(server, "decrypt", "c").stdout == "secret\n"
    assert names(here) == {"in", "in.cipher", "out", "c"}


def test_the_longest_name_is_replaced(server: LiveServer, here: Path) -> None:
    """In letters of three bytes each, of which a name has 255."""
    name = "密" * 85
    Path(name).write_text("secret")
    ok(encrypt(server, name, "-o", name, "--force"))
    ok(file(server, "decrypt", name, "-o", name, "--force"))
    assert (Path(name).read_text(), names(here)) == ("secret", {name})


def test_states_and_permissions_are_told(server: LiveServer, here: Path) -> None:
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    Path("in").write_text("secret")
    ok(encrypt(server, "in", key=key_id))
    client.ok("DisableKey", KeyId=key_id)
    client.close()
    refused(file(server, "decrypt", "in.cipher"), 4, "Rejected.Disabled")
    checked = file(server, "inspect", "--check", "in.cipher")
    shown = json.loads(checked.stdout)
    assert (checked.returncode, shown["Opens"]) == (4, False)
    assert shown["Keys"] == [{"KeyId": key_id, "KeyState": "Disabled"}]


def test_no_server(here: Path) -> None:
    Path("in").write_text("x")
    told = keystead("file", "encrypt", "--key", "k", "--data", str(here / "none"), "in", "other")
    refused(told, 3, "no server runs on")
    assert told.stderr.count("error:") == 1


def test_force_replaces_and_in_place_works(server: LiveServer, here: Path) -> None:
    Path("in").write_text("secret")
    ok(encrypt(server, "in", "-o", "in", "--force"))
    assert Path("in").read_text() != "secret"
    ok(file(server, "decrypt", "in", "-o", "in", "--force"))
    assert Path("in").read_text() == "secret"
    assert names(here) == {"in"}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_target(server: LiveServer, here: Path) -> None:
    Path("in").write_bytes(bytes(3 << 20))
    Path("small").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "small"], check=True)
    try:
        refused(
            encrypt(server, "in", "-o", "small/out"), 1, "cannot write small/out: No space left on device"
        )
        assert names(Path("small")) == set()
    finally:
        subprocess.run(["umount", "small"], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_nothing(server: LiveServer, here: Path, number: int) -> None:
    Path("in").write_bytes(bytes(7000))
    ok(encrypt(server, "in"))
    # The file ends before its last chunk comes, so that the program waits in the middle.
    os.mkfifo("slow")
    words = ["file", "decrypt", "--data", str(server.data), "slow", "-o", "out"]
    process = subprocess.Popen([*KEYSTEAD, *words], stderr=subprocess.PIPE)
    with Path("slow").open("wb") as slow:
        slow.write(Path("in.cipher").read_bytes()[:-100])
        slow.flush()
        time.sleep(0.5)
        process.send_signal(number)
        process.wait(10)
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert names(here) == {"in", "in.cipher", "slow"}


# A process is born as large as who starts it, and the largest of a test's children may be another's: so one in between.
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.crash
def test_memory_does_not_grow_with_the_file(server: LiveServer, here: Path) -> None:
    size = (2 << 30) if EVIDENCE else (64 << 20)
    with Path("in").open("wb") as made:
        made.truncate(size)
    began = time.monotonic()
    peak = 0
    for words in (["encrypt", "--key", "alias/work", "in"], ["decrypt", "in.cipher", "-o", "out"]):
        command = [*KEYSTEAD, "file", words[0], "--data", str(server.data), *words[1:]]
        told = subprocess.run(
            [sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=True
        )
        peak = max(peak, int(told.stdout) >> 10)  # kilobytes on Linux
    seconds = time.monotonic() - began
    assert subprocess.run(["cmp", "in", "out"], check=False).returncode == 0
    print(f"file of {size >> 20} MiB there and back: {seconds:.1f} s, {peak} MiB at most")
    assert peak < 150


# --- what is told


def test_inspect_needs_no_server(server: LiveServer, here: Path) -> None:
    Path("small").write_text("x" * 100)
    Path("large").write_text("x" * 7000)
    ok(encrypt(server, "small", "large", "--context", "app=billing"))
    version = base64.b64decode(Path("small.cipher").read_text())[:36].decode()
    shown = ok(keystead("file", "inspect", "small.cipher", "large.cipher"))
    small, _, large = shown.partition("}\n{")
    assert json.loads(f"{small}}}") == {
        "File": "small.cipher",
        "Format": "ciphertext 1",
        "KeyVersionIds": [version],
        "PlaintextBytes": 100,
    }
    assert json.loads(f"{{{large}") == {
        "File": "large.cipher",
        "Format": "envelope 1",
        "KeyVersionIds": [version],
        "PlaintextBytes": 7000,
        "ContextNames": ["app"],
    }
    with Path("large.cipher").open("rb") as source:
        piped = subprocess.run(
            f"cat large.cipher | {' '.join(KEYSTEAD)} file inspect -",
            shell=True,
            stdout=subprocess.PIPE,
            check=True,
        )
        assert json.loads(piped.stdout)["PlaintextBytes"] == 7000
        assert source.read(4) == b"\x89KSF"
    Path("large.cipher").write_bytes(Path("large.cipher").read_bytes()[: -7000 - 16])
    refused(keystead("file", "inspect", "large.cipher"), 5, "it is damaged or cut off")
    other = base64.b64encode(version.encode() + bytes(60)).decode()
    Path("other").write_text(other)
    assert json.loads(ok(keystead("file", "inspect", "other")))["Format"] == "ciphertext of another service"


def test_inspect_asks_the_server_when_told(server: LiveServer, here: Path) -> None:
    Path("in").write_text("x")
    ok(encrypt(server, "in", "--context", "a=b"))
    checked = file(server, "inspect", "--check", "in.cipher", "--context", "a=b")
    assert json.loads(ok(checked))["Opens"] is True
    checked = file(server, "inspect", "--check", "in.cipher")
    shown = json.loads(checked.stdout)
    assert (checked.returncode, shown["Opens"], shown["Keys"][0]["KeyState"]) == (5, False, "Enabled")


def on_terminal(*words: str) -> str:
    """What a command shows when standard output and error are a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*KEYSTEAD, *words],
        env={**os.environ, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the terminal has gone with its last user
            break
        if not piece:
            break
        shown += piece
    process.wait()
    os.close(leader)
    return shown.decode()


def test_a_terminal_shows_progress_and_no_binary(server: LiveServer, here: Path) -> None:
    Path("in").write_bytes(bytes(40 << 20))
    data = ["--data", str(server.data)]
    shown = on_terminal("file", "encrypt", "--key", "alias/work", "in", *data)
    assert "%" in shown
    assert "#" in shown
    shown = on_terminal("file", "decrypt", "in.cipher", *data)
    assert "it is not text, and standard output is a terminal" in shown
    assert "\0" not in shown
    Path("text").write_text("plain 密\n")
    on_terminal("file", "encrypt", "--key", "alias/work", "text", *data)
    assert "plain 密" in on_terminal("file", "decrypt", "text.cipher", *data)


# --- configuration files

SAMPLES = {
    ".env": '# database\nexport HOST=db.internal # where\nPASSWORD="hunter2 ☃\nsecond line"\nEMPTY=\nPORT=5432\r\n',
    "app.yaml": "# database\ndb:\n  host: db.internal   # where\n  password: 'hunter2 ☃'\n  port: 5432\n"
    'list: [a, &x "b", *x]\npem: |\n  -----BEGIN\n  x\n\n  -----END\n\nend: ~\n',
    "app.json": '{\n\t"db": {"host": "db.internal", "password": "hunter2 \\u2603"},\n\t"list": [1, true, null, {}]\n}\n',
    "app.ini": "; database\n# database\n[db]\nhost = db.internal ; where\nPassword = hunter2 ☃\nlist =\n    a = 1\n\n    b\nport:5432\r\nempty =\n",
    "app.properties": "# database\n! é\nhost db.internal\npassword = hunter2 \\u2603 ☃ \nlist=a,\\\n    b\nport:5432\r\nempty\n",
    "app.toml": "# database\ntitle = \"x\" # t\n[db]\npassword = 'hunter2 ☃'\nports = [ 1, # one\n  2 ]\n[[a]]\nb = 1979-05-27\n",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_values_come_back_to_the_byte(server: LiveServer, here: Path, name: str) -> None:
    Path(name).write_bytes(SAMPLES[name].encode())
    ok(encrypt(server, "--values", name))
    sealed = Path(f"{name}.cipher").read_text()
    assert "hunter2" not in sealed
    assert "assword" in sealed.replace("ASSWORD", "assword")
    assert ("# database" in SAMPLES[name]) == ("# database" in sealed)
    ok(file(server, "decrypt", f"{name}.cipher", "-o", "out"))
    assert Path("out").read_bytes() == SAMPLES[name].encode()


@pytest.mark.parametrize("name", SAMPLES)
def test_one_changed_value_is_one_changed_line(server: LiveServer, here: Path, name: str) -> None:
    Path(name).write_bytes(SAMPLES[name].encode())
    ok(encrypt(server, "--values", name))
    before = Path(f"{name}.cipher").read_bytes().split(b"\n")
    Path(name).write_bytes(SAMPLES[name].replace("hunter2", "hunter3").encode())
    ok(encrypt(server, "--values", name, "--force"))
    after = Path(f"{name}.cipher").read_bytes().split(b"\n")
    assert len(before) == len(after)
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
    ok(file(server, "decrypt", f"{name}.cipher", "-o", "out"))
    assert Path("out").read_bytes() == Path(name).read_bytes()


def test_a_moved_value_does_not_open(server: LiveServer, here: Path) -> None:
    Path("a.json").write_text('{"a": "1", "b": "2"}')
    ok(encrypt(server, "--values", "a.json"))
    sealed = json.loads(Path("a.json.cipher").read_text())
    Path("a.json.cipher").write_text(json.dumps({"a": sealed["b"], "b": sealed["b"]}))
    refused(file(server, "decrypt", "a.json.cipher"), 5, "the value /a does not open")
    checked = file(server, "inspect", "--check", "a.json.cipher")
    assert (checked.returncode, json.loads(checked.stdout)["Values"]) == (5, ["/a", "/b"])


def test_only_some_values(server: LiveServer, here: Path) -> None:
    Path("a.yaml").write_text("host: h\npassword: p\n")
    ended = encrypt(server, "--values", "--only", "*password*", "a.yaml")
    assert (ended.returncode, ended.stderr) == (0, "a.yaml: 1 of 2 values encrypted\n")
    sealed = Path("a.yaml.cipher").read_text()
    assert sealed.startswith('host: h\npassword: "kms:')
    assert ok(file(server, "decrypt", "a.yaml.cipher")) == "host: h\npassword: p\n"
    refused(encrypt(server, "--values", "--only", "x", "a.yaml", "--force"), 1, "--only x matches no path")
    refused(encrypt(server, "--only", "x", "a.yaml"), 2, "--only belongs to --values")


def test_values_that_cannot_be_encrypted(server: LiveServer, here: Path) -> None:
    for name, content, told in (
        ("a.conf", "x", "its name does not tell its format"),
        ("a.yaml", "a: [hunter2\n", "it is not valid YAML: expected"),
        ("b.yaml", "a: 1\na: 2\n", "the value /a is there twice"),
        ("c.yaml", f"a: {'x' * 6145}\n", "the value /a is longer than 6144 bytes"),
        ("d.yaml", "# nothing\n", "there is no value to encrypt"),
        ("a.json", '{"a": hunter2}', "it is not valid JSON"),
        ("a.toml", "a = hunter2", "it is not valid TOML"),
        ("a.env", "hunter2", "line 1 is not NAME=VALUE"),
        ("b.env", 'A="x', "line 1 is not NAME=VALUE"),
        ("c.env", "A=\udcff", "it is not UTF-8 text"),
    ):
        Path(name).write_bytes(content.encode(errors="surrogateescape"))
        ended = encrypt(server, "--values", name)
        refused(ended, 1, told)
        assert "hunter2" not in ended.stderr
    refused(
        encrypt(server, "--values", "a.env", "--context", "keystead:path=/x"), 1, "is set by this program"
    )
    Path("huge.env").write_bytes(b"A=1\n" * (5 << 20))
    refused(encrypt(server, "--values", "huge.env"), 1, "too large for --values")


# --- edit


def edit(server: LiveServer, script: str, *words: str) -> "subprocess.CompletedProcess[str]":
    Path("editor").write_text(f"#!/bin/sh\n{script.replace('FILE', chr(34) + '$1' + chr(34))}\n")
    Path("editor").chmod(0o700)
    env = {"VISUAL": str(Path("editor").absolute())}
    return keystead("file", "edit", "--data", str(server.data), *words, env=env, stdin=subprocess.DEVNULL)


def left_in_memory() -> list[str]:
    return [one for one in os.listdir(os.environ["XDG_RUNTIME_DIR"]) if one.startswith("keystead-")]


def test_edit(server: LiveServer, here: Path) -> None:
    Path("a.yaml").write_text("# c\na: 1\nb: 2\n")
    Path("whole").write_text("one\n")
    ok(encrypt(server, "--values", "a.yaml"))
    ok(encrypt(server, "whole"))
    before = Path("a.yaml.cipher").read_text().splitlines()
    ok(
        edit(
            server,
            "sed -i 's/b: 2/b: 3/' FILE; echo 'c: 4' >> FILE; df --output=fstype FILE > fs",
            "a.yaml.cipher",
        )
    )
    after = Path("a.yaml.cipher").read_text().splitlines()
    assert Path("fs").read_text().split()[1] == "tmpfs"
    assert (after[:2], len(after)) == (before[:2], 4)
    assert ok(file(server, "decrypt", "a.yaml.cipher")) == "# c\na: 1\nb: 3\nc: 4\n"
    ok(edit(server, "echo two >> FILE", "whole.cipher"))
    assert ok(file(server, "decrypt", "whole.cipher")) == "one\ntwo\n"
    kept = Path("whole.cipher").read_bytes()
    assert "nothing was changed" in edit(server, "true", "whole.cipher").stderr
    refused(edit(server, "exit 3", "whole.cipher"), 1, "the editor ended with status 3")
    refused(edit(server, "rm FILE", "whole.cipher"), 1, "the editor left no file")
    assert Path("whole.cipher").read_bytes() == kept
    assert left_in_memory() == []


def taken_from_memory(told: str) -> str:
    """What was typed in vain, by what is told of it; and it is gone."""
    found = re.search(
        r"in the clear in (/dev/shm/\S+/keystead-[^/]+)(/\S+), in memory until you log out or", told
    )
    assert found is not None, told
    try:
        assert stat.S_IMODE(Path(found[1]).stat().st_mode) == 0o700
        assert stat.S_IMODE(Path(found[1] + found[2]).stat().st_mode) == 0o600
        return Path(found[1] + found[2]).read_text()
    finally:
        shutil.rmtree(found[1])


def test_what_was_typed_in_vain_is_kept_in_memory(server: LiveServer, here: Path) -> None:
    """Without a terminal nobody can be asked to try again."""
    Path("a.yaml").write_text("a: 1\n")
    ok(encrypt(server, "--values", "a.yaml"))
    sealed = Path("a.yaml.cipher").read_bytes()
    for script, told in (
        ("echo 'b: [' >> FILE", "it is not valid YAML"),
        ("echo 'b: [' >> FILE; exit 3", "the editor ended with status 3"),
    ):
        ended = edit(server, script, "a.yaml.cipher")
        refused(ended, 1, told)
        assert taken_from_memory(ended.stderr) == "a: 1\nb: [\n"
        assert Path("a.yaml.cipher").read_bytes() == sealed
    ended = edit(server, "echo 'b: 2' >> FILE; echo '# theirs' >> a.yaml.cipher", "a.yaml.cipher")
    refused(ended, 1, "a.yaml.cipher was changed meanwhile")
    assert taken_from_memory(ended.stderr) == "a: 1\nb: 2\n"
    assert left_in_memory() == []


@pytest.mark.parametrize("gone", [False, True])
def test_on_a_terminal_it_is_asked(server: LiveServer, here: Path, gone: bool) -> None:
    """Ctrl-C drops what was typed; a connection that is lost does not, and Ctrl-C in the editor is the editor's."""
    Path("a.yaml").write_text("a: 1\n")
    ok(encrypt(server, "--values", "a.yaml"))
    Path("editor").write_text("#!/bin/sh\necho 'b: [' >> $1\nkill -INT $PPID\n")
    Path("editor").chmod(0o700)
    child, terminal = pty.fork()
    if child == 0:
        os.environ["VISUAL"] = str(Path("editor").absolute())
        words = [*KEYSTEAD, "file", "edit", "--data", str(server.data), "a.yaml.cipher"]
        os.execv(words[0], words)
    shown = b""
    while b"press Enter to edit it again" not in shown:
        shown += os.read(terminal, 65536)
    if not gone:
        os.write(terminal, b"\x03")
        with suppress(OSError):
            while os.read(terminal, 65536):
                pass
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    kept = left_in_memory()
    for one in kept:
        shutil.rmtree(Path(os.environ["XDG_RUNTIME_DIR"]) / one)
    assert (status, len(kept)) == ((128 + signal.SIGHUP, 1) if gone else (130, 0))


def test_a_file_without_a_value_is_edited(server: LiveServer, here: Path) -> None:
    Path("c.yaml").write_text("# nothing\n")
    refused(edit(server, "touch started", "c.yaml"), 1, "no value in it is encrypted yet")
    assert not Path("started").exists()
    ok(edit(server, "echo 'b: 2' >> FILE", "c.yaml", "--key", "alias/work"))
    assert Path("c.yaml").read_text().startswith('# nothing\nb: "kms:')
    for editor, told in (("vi '", "opens quotes and does not close them"), (" ", "cannot be started")):
        env = {"VISUAL": editor, "EDITOR": "/nowhere/vi"}
        refused(keystead("file", "edit", "--data", str(server.data), "c.yaml", env=env), 1, told)


def test_a_signal_while_editing_leaves_only_what_was_typed(server: LiveServer, here: Path) -> None:
    Path("whole").write_text("one\n")
    ok(encrypt(server, "whole"))
    Path("editor").write_text("#!/bin/sh\necho two >> $1; touch begun; sleep 5\n")
    Path("editor").chmod(0o700)
    words = ["file", "edit", "--data", str(server.data), "whole.cipher"]
    environment = {**os.environ, "VISUAL": str(Path("editor").absolute())}
    process = subprocess.Popen([*KEYSTEAD, *words], env=environment, stderr=subprocess.PIPE, text=True)
    while not Path("begun").exists():
        time.sleep(0.02)
    assert len(left_in_memory()) == 1
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert taken_from_memory(told) == "one\ntwo\n"
    assert left_in_memory() == []
    assert ok(file(server, "decrypt", "whole.cipher")) == "one\n"


def started_edit(server: LiveServer, script: str) -> "subprocess.Popen[str]":
    """`edit whole.cipher` that runs, and its editor has begun."""
    Path("whole").write_text("one\n")
    ok(encrypt(server, "whole"))
    Path("slow").write_text(f"#!/bin/sh\n{script}")
    Path("slow").chmod(0o700)
    process = subprocess.Popen(
        [*KEYSTEAD, "file", "edit", "--data", str(server.data), "whole.cipher"],
        env={**os.environ, "VISUAL": str(Path("slow").absolute())},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not Path("begun").exists():
        time.sleep(0.02)
    return process


def test_what_the_editor_keeps_for_its_recovery_stays(
    server: LiveServer, here: Path, memory_of_our_own: Path
) -> None:
    """The copy was not changed yet."""
    script = "trap 'echo two > $1.swp; exit 1' TERM\ntouch begun\nwhile :; do sleep 0.05; done\n"
    process = started_edit(server, script)
    process.terminate()
    _, told = process.communicate(timeout=60)
    (kept,) = memory_of_our_own.iterdir()
    assert process.returncode == 128 + signal.SIGTERM
    assert f"in the clear in {kept}/whole, {kept}/whole.swp, in memory until you log out or" in told
    assert (kept / "whole.swp").read_text() == "two\n"
    assert names(kept) == {"whole", "whole.swp"}


def test_an_editor_that_does_not_end_is_ended(
    server: LiveServer, here: Path, memory_of_our_own: Path
) -> None:
    process = started_edit(server, "trap '' TERM\necho $$ > pid\ntouch begun\nwhile :; do sleep 0.05; done\n")
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert names(memory_of_our_own) == set()
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid").read_text()), 0)


def test_what_is_typed_after_edit_was_killed_stays(
    server: LiveServer, here: Path, memory_of_our_own: Path
) -> None:
    script = "touch begun\nwhile [ ! -e go ]; do sleep 0.05; done\necho two >> $1\n"
    process = started_edit(server, script)
    process.kill()
    (kept,) = memory_of_our_own.iterdir()
    assert "remove" not in edit(server, "true", "whole.cipher").stderr  # the editor has it
    with (kept / ".keystead-lock").open("rb") as lock:
        Path("go").touch()
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the editor is gone
    process.communicate(timeout=60)
    told = edit(server, "true", "whole.cipher").stderr
    assert f"in the clear in {kept}/whole, in memory until you log out or" in told
    assert f"and remove {kept}\n" in told
    assert (kept / "whole").read_text() == "one\ntwo\n"


SAVED = """
import os, signal, sys
from keystead import cli
from keystead.cli.commands.file import edit
real = edit._edit_until_saved
def saved(*words):
    real(*words)
    os.kill(os.getpid(), signal.SIGTERM)
edit._edit_until_saved = saved
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_signal_after_it_was_saved(server: LiveServer, here: Path, memory_of_our_own: Path) -> None:
    Path("whole").write_text("one\n")
    ok(encrypt(server, "whole"))
    Path("editor").write_text("#!/bin/sh\necho two >> $1\n")
    Path("editor").chmod(0o700)
    ended = subprocess.run(
        [sys.executable, "-c", SAVED, "file", "edit", "--data", str(server.data), "whole.cipher"],
        env={**os.environ, "VISUAL": str(Path("editor").absolute())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, "not saved" in ended.stderr) == (128 + signal.SIGTERM, False)
    assert names(memory_of_our_own) == set()
    assert ok(file(server, "decrypt", "whole.cipher")) == "one\ntwo\n"


def test_edit_without_an_editor(server: LiveServer, here: Path) -> None:
    Path("in").write_text("x")
    ok(encrypt(server, "in"))
    ended = keystead(
        "file", "edit", "--data", str(server.data), "in.cipher", env={"VISUAL": "", "EDITOR": "/nowhere/vi"}
    )
    refused(ended, 1, "the editor '/nowhere/vi' cannot be started")
    assert shutil.which("sh")


# --- re-encrypt


def test_files_are_brought_to_the_primary_version(server: LiveServer, here: Path) -> None:
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    contents = {"small": "x", "large": "y" * 7000, "a.yaml": "# c\na: 1\nb: two\n"}
    Path("d/e").mkdir(parents=True)
    Path("d/.git").mkdir()
    Path("d/plain").write_text("not encrypted")
    context = ["--context", "app=x"]
    for name, content in contents.items():
        Path("d/e", name).write_text(content)
        values = ["--values"] if name == "a.yaml" else []
        ok(encrypt(server, *values, f"d/e/{name}", *context, key=key_id))
        Path("d/e", name).unlink()
    shutil.copy("d/e/small.cipher", "d/.git/small.cipher")
    before = {path: path.read_bytes() for path in Path("d/e").iterdir()}
    nothing = file(server, "reencrypt", "d", *context)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr == "3 encrypted files, 0 to re-encrypt\n"
    version_id = client.ok("CreateKeyVersion", KeyId=key_id)["KeyVersion"]["KeyVersionId"]
    told = file(server, "reencrypt", "d", *context)
    assert told.returncode == 0
    assert told.stderr == "3 encrypted files, 3 to re-encrypt; --apply does it\n"
    assert [line.split()[0] for line in told.stdout.splitlines()] == [
        f"d/e/{name}.cipher" for name in sorted(contents)
    ]
    assert told.stdout.count(f"-> {version_id}") == 3
    assert before == {path: path.read_bytes() for path in Path("d/e").iterdir()}
    refused_one = file(server, "reencrypt", "--apply", "d")
    assert refused_one.returncode == 5
    assert refused_one.stderr.endswith("\n3 encrypted files, 0 re-encrypted\n")
    assert refused_one.stderr.count("error: ") == 3
    assert before == {path: path.read_bytes() for path in Path("d/e").iterdir()}
    done = file(server, "reencrypt", "--apply", "d", *context)
    assert (done.returncode, done.stderr) == (0, "3 encrypted files, 3 re-encrypted\n")
    for name, content in contents.items():
        assert ok(file(server, "decrypt", f"d/e/{name}.cipher", *context)) == content
        assert json.loads(ok(file(server, "inspect", f"d/e/{name}.cipher")))["KeyVersionIds"] == [version_id]
    assert file(server, "reencrypt", "d", *context).stderr == "3 encrypted files, 0 to re-encrypt\n"
    client.close()


def test_a_version_of_nobody_is_told(server: LiveServer, here: Path) -> None:
    Path("foreign").write_text(base64.b64encode(b"00000000-0000-4000-8000-000000000000" + bytes(60)).decode())
    refused(file(server, "reencrypt", "foreign"), 5, "the server has no key version 00000000")
    refused(file(server, "reencrypt", "nowhere"), 1, "nowhere: cannot read it")
