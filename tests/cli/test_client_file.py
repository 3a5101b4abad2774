"""The client file, on Pythons without any package, against a real server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keystead.cli import COMMANDS
from keystead.cli.edition import CLIENT_COMMANDS
from tests.live import LiveServer, keystead

_PYTHONS = re.compile(r"python(?:2|3\.[0-9]+)\Z")


def interpreters() -> dict[tuple[int, int], str]:
    """One Python for each version that this machine has, as far as they are found by name; ours among them."""
    places = [Path(one) for one in os.environ.get("PATH", "").split(os.pathsep) if one]
    places += sorted((Path.home() / ".pyenv" / "versions").glob("*/bin"))
    found = {sys.version_info[:2]: sys.executable}
    for place in places:
        for path in sorted(place.glob("python[23]*")) if place.is_dir() else ():
            if not _PYTHONS.match(path.name):
                continue
            asked = [str(path), "-c", "import sys; print('%d %d' % sys.version_info[:2])"]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                major, minor = map(int, done.stdout.split())
                found.setdefault((major, minor), str(path))
    return found


PYTHONS = interpreters()
GOOD = sorted(version for version in PYTHONS if version >= (3, 11))
OLD = sorted(version for version in PYTHONS if version < (3, 11))


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments without any package, one for each Python that is new enough."""
    folder = tmp_path_factory.mktemp("bare")
    for major, minor in GOOD:
        made = [PYTHONS[major, minor], "-m", "venv", "--without-pip", str(folder / f"{major}.{minor}")]
        subprocess.run(made, check=True)
        assert not list((folder / f"{major}.{minor}").glob("lib/python*/site-packages/*"))
    return folder


class Host:
    """A host that has a Python, the client file and an AccessKey, and nothing else."""

    def __init__(self, python: str, client_file: Path, home: Path, server: LiveServer) -> None:
        self.words = [python, str(client_file)]
        self.home = home
        found = server.description
        key = server.client().access_key
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "KEYSTEAD_ENDPOINT": found["url"],
            "KEYSTEAD_CA_FILE": found["ca_file"],
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key[0],
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1],
        }

    def run(
        self, *words: str, fed: bytes = b"", cwd: Path | None = None, **changes: str | None
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run a command to its end; `changes` are to the environment, None takes a variable out."""
        changed = {**self.environment, **changes}
        return subprocess.run(
            [*self.words, *words],
            input=fed,
            capture_output=True,
            timeout=120,
            check=False,
            cwd=cwd or self.home,
            env={name: value for name, value in changed.items() if value is not None},
        )

    def ok(self, *words: str, fed: bytes = b"", cwd: Path | None = None, **changes: str | None) -> bytes:
        done = self.run(*words, fed=fed, cwd=cwd, **changes)
        assert (done.returncode, done.stderr.decode()) == (0, ""), done.stderr.decode()
        return done.stdout

    def wrong(self, status: int, *words: str, **changes: str | None) -> str:
        done = self.run(*words, fed=b"", cwd=None, **changes)
        told = done.stderr.decode()
        assert done.returncode == status, told
        assert re.fullmatch(r"error: [^\n]+\nhint: [^\n]+\n", told), told
        assert done.stdout == b""
        return told


@pytest.fixture(params=GOOD, ids=lambda version: "{}.{}".format(*version))
def each_host(
    request: pytest.FixtureRequest, bare: Path, client_file: Path, tmp_path: Path, server: LiveServer
) -> Host:
    major, minor = request.param
    return Host(str(bare / f"{major}.{minor}" / "bin" / "python"), client_file, tmp_path, server)


@pytest.fixture
def host(bare: Path, client_file: Path, tmp_path: Path, server: LiveServer) -> Host:
    major, minor = sys.version_info[:2]
    return Host(str(bare / f"{major}.{minor}" / "bin" / "python"), client_file, tmp_path, server)


FILES = {
    "a.yaml": b"db:\n  password: 'hunter2'  # why\n  hosts: [one, two]\n",
    "a.json": b'{"db": {"password": "hunter2", "port": 7}}\n',
    "a.toml": b'[db]\npassword = "hunter2"\nport = 7\n',
    "a.env": b"export PASSWORD=hunter2  # why\nPORT=7\n",
    "a.ini": b"[db]\npassword = hunter2\n",
    "a.properties": b"db.password = hunter2\\\n  and more\n",
}


def test_it_calls_operations(each_host: Host) -> None:
    key_id = each_host.ok("kms", "CreateKey", "-q", "KeyMetadata.KeyId").decode().strip()
    blob = each_host.ok(
        "kms", "Encrypt", "--KeyId", key_id, "--Plaintext", "-", "-q", "CiphertextBlob", fed=b"x"
    )
    assert each_host.ok("kms", "Decrypt", "--CiphertextBlob", "-", "-q", "Plaintext", fed=blob) == b"x\n"
    assert b"KeyId" in each_host.ok("kms", "ListKeys", "--output", "table")
    assert b"AccountId" in each_host.ok("sts", "GetCallerIdentity")


def test_it_encrypts_and_decrypts_files(each_host: Host) -> None:
    for name, content in {**FILES, "text": b"some text\n", "large": os.urandom(200_000), "none": b""}.items():
        (each_host.home / name).write_bytes(content)
        how = ["--values"] if name in FILES else []
        each_host.ok("file", "encrypt", "--key", "alias/work", *how, name)
        sealed = (each_host.home / f"{name}.cipher").read_bytes()
        assert b"hunter2" not in sealed
        assert each_host.ok("file", "decrypt", f"{name}.cipher") == content


def test_it_starts_a_service_with_its_secrets(each_host: Host) -> None:
    for name, content in (
        ("key.pem", b"PEM\n"),
        ("token", os.urandom(7000).hex().encode()),
        ("a.env", FILES["a.env"]),
    ):
        (each_host.home / name).write_bytes(content)
        each_host.ok(
            "file", "encrypt", "--key", "alias/work", *(["--values"] if name == "a.env" else []), name
        )
    seen = each_host.ok(
        *("exec", "--on-disk", "--file", "plain.pem=key.pem.cipher", "--env", "TOKEN=token.cipher"),
        *("--env-file", "a.env.cipher", "--", "sh", "-c", 'cat plain.pem; echo "$PASSWORD $PORT $TOKEN"'),
    )
    token = (each_host.home / "token").read_bytes()
    assert seen == b"PEM\nhunter2 7 " + token + b"\n"
    assert not (each_host.home / "plain.pem").exists()
    assert each_host.run("exec", "--env", "TOKEN=token.cipher", "--", "sh", "-c", "exit 9").returncode == 9


def test_the_whole_program_opens_what_it_made_and_it_opens_what_that_made(
    host: Host, server: LiveServer
) -> None:
    large = os.urandom(150_000)
    for name, content in {**FILES, "large": large}.items():
        how = ["--values"] if name in FILES else []
        for folder in ("by-it", "by-all"):
            (host.home / folder).mkdir(exist_ok=True)
            (host.home / folder / name).write_bytes(content)
        host.ok("file", "encrypt", "--key", "alias/work", *how, f"by-it/{name}")
        whole = ["--data", str(server.data)]
        done = keystead(
            "file", "encrypt", "--key", "alias/work", *how, *whole, str(host.home / "by-all" / name)
        )
        assert done.returncode == 0, done.stderr
        out = host.home / "out"
        opened = keystead(
            "file", "decrypt", *whole, "--force", "-o", str(out), str(host.home / "by-it" / f"{name}.cipher")
        )
        assert opened.returncode == 0, opened.stderr
        assert out.read_bytes() == content
        assert host.ok("file", "decrypt", f"by-all/{name}.cipher") == content


def test_the_other_verbs(host: Host) -> None:
    (host.home / ".keystead.toml").write_text(
        'key = "alias/work"\n[[rules]]\npath = "*.env"\nvalues = true\nonly = ["/PASSWORD"]\n'
    )
    (host.home / "a.env").write_bytes(FILES["a.env"])
    (host.home / "notes").write_bytes(b"notes\n")
    assert host.run("file", "check", ".").returncode == 1
    assert host.run("file", "encrypt", "a.env", "notes").returncode == 0
    (host.home / "a.env").unlink()
    assert b"PORT=7" in (host.home / "a.env.cipher").read_bytes()
    assert host.run("file", "check", ".").returncode == 0
    assert b'"ciphertext 1"' in host.ok("file", "inspect", "--check", "notes.cipher")
    editor = host.home / "editor"
    editor.write_text('#!/bin/sh\necho more >> "$1"\n')
    editor.chmod(0o755)
    host.ok("file", "edit", "--on-disk", "notes.cipher", EDITOR=str(editor))
    assert host.ok("file", "decrypt", "notes.cipher") == b"notes\nmore\n"
    key_id = (
        host.ok("kms", "DescribeKey", "--KeyId", "alias/work", "-q", "KeyMetadata.KeyId").decode().strip()
    )
    host.ok("kms", "CreateKeyVersion", "--KeyId", key_id)
    assert host.run("file", "reencrypt", "--apply", ".").returncode == 0
    assert host.ok("file", "decrypt", "notes.cipher") == b"notes\nmore\n"


def test_refusals_have_the_status_and_the_remedy_that_they_have_elsewhere(host: Host) -> None:
    said = host.wrong(4, "kms", "Encrypt", "--KeyId", "alias/none", "--Plaintext", "x")
    assert "Forbidden.AliasNotFound" in said
    assert "request id" in said
    assert "did you mean Encrypt?" in host.wrong(2, "kms", "Encript")
    assert "did you mean --KeyId?" in host.wrong(2, "kms", "Encrypt", "--KeyI", "x")
    assert "did you mean KeyMetadata" in host.wrong(2, "kms", "CreateKey", "-q", "KeyMetadat.KeyId")
    (host.home / "damaged").write_bytes(b"\x89KSF\r\n\x1a\n")
    assert "damaged or cut off" in host.wrong(5, "file", "decrypt", "damaged")
    assert "cannot reach" in host.wrong(3, "kms", "ListKeys", KEYSTEAD_ENDPOINT="https://localhost:1")
    (host.home / "bad.json").write_text("[]")
    assert "is not JSON with AccessKeyId" in host.wrong(1, "kms", "ListKeys", "--access-key", "bad.json")


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in CLIENT_COMMANDS])
def test_what_is_not_in_it_says_so(host: Host, command: str) -> None:
    for words in ([command], [command, "--help"], ["help", command]):
        said = host.wrong(2, *words)
        assert said.startswith(
            f"error: keystead {command} is not in this file, which holds the client alone\n"
        )


def test_its_help_of_every_operation_is_that_of_the_whole_program(host: Host) -> None:
    import keystead.operations  # noqa: F401 - fills the catalogue
    from keystead.api.catalogue import CATALOGUE
    from keystead.cli.commands.kms import describe

    told = [one for one in CATALOGUE if one.product.name.lower() in CLIENT_COMMANDS]
    program = f"""
import sys
sys.path.insert(0, {host.words[1]!r})
import keystead.operations
from keystead.api.catalogue import CATALOGUE
from keystead.cli.commands.kms import describe
print("".join(describe(one) for one in CATALOGUE), end="")
"""
    host.words = [host.words[0], "-I", "-c", program]
    assert host.ok(COLUMNS="80", LC_ALL="C.UTF-8").decode() == "".join(describe(one) for one in told)


def test_its_help_shows_what_is_in_it(host: Host) -> None:
    listed = host.ok("--help").decode()
    assert re.findall(r"^    (\w+) ", listed, re.M) == list(CLIENT_COMMANDS)
    for command in CLIENT_COMMANDS:
        assert command in host.ok("help", command).decode()
    shown = host.ok("kms", "--help").decode()
    assert "CreateKey" in shown
    assert "data directory" not in shown.partition("\n\nWithout --endpoint")[2]
    assert "did you mean keystead kms ListKeys?" in host.wrong(2, "listkeys")


def test_a_server_is_named(host: Host) -> None:
    for words in (["kms", "ListKeys"], ["file", "decrypt", "-"], ["exec", "--env", "A=b", "--", "true"]):
        assert "KEYSTEAD_ENDPOINT" in host.wrong(2, *words, KEYSTEAD_ENDPOINT=None)
    said = host.wrong(2, "kms", "ListKeys", "--data", "/none")
    assert "what finds a server by its data directory is not in this file" in said
    assert "there is no AccessKey for" in host.wrong(1, "kms", "ListKeys", ALIBABA_CLOUD_ACCESS_KEY_ID=None)


def test_wherever_it_is_called_from(host: Host) -> None:
    """Its path is relative, its home is missing or can't be written, and its directory neither."""
    client = Path(host.words[1])
    copy = host.home / "bin" / "keystead"
    copy.parent.mkdir()
    shutil.copy(client, copy)
    (host.home / "text").write_bytes(b"text")
    host.ok("file", "encrypt", "--key", "alias/work", "text")
    elsewhere = host.home / "else" / "where"
    elsewhere.mkdir(parents=True)
    host.words = [host.words[0], "../../bin/keystead"]
    assert host.ok("file", "decrypt", "../../text.cipher", cwd=elsewhere) == b"text"
    os.chmod(elsewhere, 0o500)
    try:
        assert host.ok("file", "decrypt", "../../text.cipher", cwd=elsewhere, HOME=str(elsewhere)) == b"text"
        assert host.ok("file", "decrypt", "../../text.cipher", cwd=elsewhere, HOME=None) == b"text"
        assert host.ok("file", "decrypt", "../../text.cipher", cwd=elsewhere, HOME="/none/such") == b"text"
    finally:
        os.chmod(elsewhere, 0o700)
    assert (
        host.ok("exec", "--env", "A=../../text.cipher", "--", "sh", "-c", "echo $A", cwd=elsewhere)
        == b"text\n"
    )


def test_it_is_a_program_of_its_own(host: Host) -> None:
    client = Path(host.words[1])
    assert os.access(client, os.X_OK)
    python = Path(host.words[0]).parent
    host.words = [str(client)]
    assert host.ok("version", PATH=f"{python}:/usr/bin:/bin").startswith(b"keystead ")
    assert host.ok("version", PATH=f"{python}:/usr/bin:/bin", LC_ALL="C", PYTHONUTF8="0").startswith(
        b"keystead "
    )


def test_isolated_and_without_site(host: Host) -> None:
    host.words = [host.words[0], "-I", "-S", host.words[1]]
    (host.home / "large").write_bytes(os.urandom(100_000))
    host.ok("file", "encrypt", "--key", "alias/work", "large")
    assert host.ok("file", "decrypt", "large.cipher") == (host.home / "large").read_bytes()


def test_what_is_installed_there_does_not_matter(host: Host, bare: Path) -> None:
    python = Path(host.words[0]).parent.parent
    theirs = next(python.glob("lib/python*/site-packages"))
    made = []
    for name in ("cryptography", "msgspec", "yaml", "jmespath", "tomlkit", "keystead"):
        (theirs / name).mkdir()
        (theirs / name / "__init__.py").write_text("raise SystemExit('another package was taken')\n")
        made.append(theirs / name)
    try:
        (host.home / "a.yaml").write_bytes(FILES["a.yaml"])
        (host.home / "large").write_bytes(os.urandom(100_000))
        host.ok("file", "encrypt", "--key", "alias/work", "--values", "a.yaml")
        host.ok("file", "encrypt", "--key", "alias/work", "large")
        assert host.ok("file", "decrypt", "a.yaml.cipher") == FILES["a.yaml"]
        host.ok("kms", "ListKeys", "-q", "TotalCount")
        host.wrong(2, "serve")
    finally:
        for folder in made:
            shutil.rmtree(folder)


def test_what_pythonpath_names_does_not_matter(host: Host) -> None:
    """Neither other packages, whole or not, nor modules that stand before those of Python's own library."""
    theirs = host.home / "theirs"
    for name in ("cryptography", "msgspec", "yaml", "jmespath", "tomlkit", "keystead"):
        (theirs / name).mkdir(parents=True)
        (theirs / name / "__init__.py").write_text("raise ImportError('it is broken')\n")
    for name in ("argparse", "ctypes", "dataclasses", "shlex", "typing"):
        (theirs / f"{name}.py").write_text("raise ImportError('another module was taken')\n")
    (host.home / "a.yaml").write_bytes(FILES["a.yaml"])
    (host.home / "large").write_bytes(os.urandom(100_000))
    for named in (str(theirs), f"{host.home}:{theirs}/", "theirs"):
        host.ok("file", "encrypt", "--force", "--key", "alias/work", "--values", "a.yaml", PYTHONPATH=named)
        host.ok("file", "encrypt", "--force", "--key", "alias/work", "large", PYTHONPATH=named)
        opened = host.ok("file", "decrypt", "large.cipher", PYTHONPATH=named)
        assert opened == (host.home / "large").read_bytes()
        # What it starts has the variable as it was.
        seen = host.ok(
            *("exec", "--env", "A=a.yaml.cipher", "--", "sh", "-c", 'echo "$PYTHONPATH"'), PYTHONPATH=named
        )
        assert seen.decode() == f"{named}\n"


def replaced(host: Host) -> str:
    """A copy of the client file becomes the host's; gives the commands of a shell that put another one in its place."""
    copy, newer = host.home / "keystead", host.home / "newer"
    shutil.copy(host.words[1], copy)
    newer.write_bytes(b"#!/usr/bin/env python3\n" + b"another version" * 10_000)
    host.words = [host.words[0], str(copy)]
    return f"mv {newer} {copy}"


@pytest.mark.parametrize("name", [*FILES, "large"])
def test_what_is_edited_is_saved_though_the_program_was_replaced_meanwhile(host: Host, name: str) -> None:
    (host.home / name).write_bytes(FILES.get(name) or bytes(100_000))
    how = ["--values"] if name in FILES else []
    host.ok("file", "encrypt", "--key", "alias/work", *how, name)
    replace = replaced(host)
    editor = host.home / "editor"
    change = "sed -i s/hunter2/hunter3/" if how else "sed -i 1imore"
    editor.write_text(f'#!/bin/sh\n{change} "$1" && {replace}\n')
    editor.chmod(0o755)
    original = host.words[1]
    again = shutil.copy(original, host.home / "again")
    host.ok("file", "edit", "--on-disk", f"{name}.cipher", EDITOR=str(editor))
    host.words[1] = str(again)
    opened = host.ok("file", "decrypt", f"{name}.cipher")
    assert opened == (FILES[name].replace(b"hunter2", b"hunter3") if how else b"more\n" + bytes(100_000))


def test_a_service_ends_as_ever_though_the_program_was_replaced_meanwhile(host: Host) -> None:
    (host.home / "key.pem").write_bytes(b"PEM\n")
    host.ok("file", "encrypt", "--key", "alias/work", "key.pem")
    replace = replaced(host)
    done = host.run(
        *("exec", "--on-disk", "--file", "plain.pem=key.pem.cipher", "--", "sh", "-c", f"{replace}; exit 9")
    )
    assert (done.returncode, done.stderr) == (9, b"")
    assert not (host.home / "plain.pem").exists()


def test_a_refusal_whose_parameter_is_not_named_is_told_without_a_rule(host: Host) -> None:
    """As the vendor may say it: the client file has the rules in words, and nothing that applies them."""
    program = f"""
import sys
sys.path.insert(0, {host.words[1]!r})
import keystead.operations
from keystead.api.catalogue import CATALOGUE
from keystead.cli.remedies import remedy
from keystead.domain.products import KMS
for action, code, given in (
    ("CreateKey", "InvalidParameter", {{"KeySpec": "none such"}}),
    ("Encrypt", "Unsupported.Alias", {{"KeyId": "alias/a"}}),
    ("GetPublicKey", "Forbidden.KeyVersionNotFound", {{"KeyVersionId": "x"}}),
):
    refusal = {{"Code": code, "Message": "A parameter of the request is wrong."}}
    print(remedy(refusal, given, CATALOGUE.find(KMS.version, action), lambda *_: None, "https://kms"))
"""
    host.words = [host.words[0], "-I", "-c", program]
    assert host.ok().decode().splitlines() == ["", "", "--KeyVersionId is at most 64 characters"]


TOO_OLD = "error: keystead needs Python 3.11 or newer, and this is Python {}.{}\nhint: name a newer one, as in python3.11 "


@pytest.mark.parametrize("version", [*OLD, None], ids=str)
def test_a_python_that_is_too_old_says_so(
    client_file: Path, version: tuple[int, int] | None, tmp_path: Path
) -> None:
    python = [PYTHONS[version]] if version else [sys.executable, "-c", _AS_OLD]
    done = subprocess.run(
        [*python, str(client_file), "version"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr == TOO_OLD.format(*(version or (3, 10))) + f"{client_file}\n"
    assert done.stdout == ""


# The file as it begins on a Python of another version.
_AS_OLD = """
import runpy, sys
sys.version_info = (3, 10, 0, "final", 0)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_python_without_all_of_its_library_says_so(client_file: Path, host: Host) -> None:
    program = f"""
import runpy, sys
sys.modules["http.client"] = None
sys.argv = ["keystead", "kms", "ListKeys"]
runpy.run_path({str(client_file)!r}, run_name="__main__")
"""
    host.words = [host.words[0], "-c", program]
    assert "this Python lacks http.client" in host.wrong(1)
