"""The tutorial and the README's first page, run as they stand; every other command in the docs is a right one."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keystead import cli
from keystead.api.operation import CATALOGUE
from keystead.domain.products import KMS, RAM, STS
from tests.live import live, needs

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "SECURITY.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def commands_of(block: str) -> list[str]:
    """The commands of a block, each on a line; comments and prompts left out."""
    whole = re.sub(r" *\\\n *", " ", block)
    return [line.removeprefix("$ ") for line in whole.splitlines() if line and not line.startswith("#")]


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in blocks(page, "sh") + blocks(page, "console"):
            for line in commands_of(block):
                command = re.sub(r"^[A-Z_]+=\$\((.*)\)$", r"\1", line.strip())
                if command.startswith("keystead "):
                    found.append((page.name, command))
    return found


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_in_the_docs_is_one(page: str, command: str) -> None:
    words = shlex.split(re.split(r" [|>&] ", command)[0])[1:]
    if product := {"kms": KMS, "ram": RAM, "sts": STS}.get(words[0]):
        assert CATALOGUE.find(product.version, words[1]) is not None
    else:
        cli.parser().parse_args(words)


def shell(command: str, folder: Path, **env: str) -> str:
    """Run one line as a user would, with the programs of this environment; its output."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ALIBABA_CLOUD")}
    ended = subprocess.run(
        ["sh", "-ec", command],
        cwd=folder,
        env={**clean, "PATH": path, "PYTHONWARNINGS": "ignore", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, (command, ended.stderr)
    return ended.stdout


class Shell:
    """A user's shell, line after line: variables that were set stay so."""

    def __init__(self, folder: Path, **env: str) -> None:
        self._folder = folder
        self._env = env
        self.told: dict[str, str] = {}

    def run(self, line: str) -> str:
        if line.startswith("pip install"):
            return ""  # the packages are here already
        if set_ := re.match(r"(?:export )?([A-Z_]+)=(.*)$", line):
            name, value = set_.groups()
            self._env[name] = shell(f"printf %s {value}", self._folder, **self._env)
            self.told[line] = self._env[name]
        else:
            self.told[line] = shell(line, self._folder, **self._env)
        return self.told[line]


def test_the_tutorial(tmp_path: Path) -> None:
    needs("openssl")
    page = ROOT / "docs" / "tutorial.md"
    lines = [line for block in blocks(page, "console") for line in commands_of(block)]
    (program,) = blocks(page, "python")
    (name,) = re.findall(r"Save it\nas `(.*?)`", page.read_text(encoding="utf-8"))
    assert lines[0] == "keystead serve --data ./kms --listen localhost:0"
    user = Shell(tmp_path)
    with live(tmp_path / "kms"):
        for line in lines[1:]:
            told = user.run(line)
            if "DescribeKey" in line:
                key_id = user.run('printf %s "$KEY_ID"')
                assert f"KeyMetadata.KeyId               {key_id}\n" in told
            if line.startswith("mv "):
                (tmp_path / name).write_text(program)
                assert not (tmp_path / "key.pem").exists()
    assert len(user.told) >= 11
    assert not (tmp_path / "removed.pem").exists()
    assert "PRIVATE KEY" in (tmp_path / "key.pem").read_text()


def test_the_readmes_first_page(tmp_path: Path) -> None:
    needs("openssl")
    needs("nginx")
    needs("curl")
    page = ROOT / "README.md"
    (block,) = blocks(page, "sh")
    *lines, last = commands_of(block)
    (visit,) = re.findall("`(curl [^`]*)`", page.read_text(encoding="utf-8"))
    home = tmp_path / "home"
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    home.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    user = Shell(tmp_path, XDG_DATA_HOME=str(home), PATH=path)
    with live(home / "keystead"):
        assert [line for line in lines if user.run(line).strip() == "the same"] == [lines[-2]]
        assert not (tmp_path / "certs" / "key.pem").exists()
        assert last.startswith("keystead exec --file /dev/shm/key.pem=certs/key.pem.cipher -- nginx")
        serving = subprocess.Popen(
            ["sh", "-c", f"exec {last}"],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "XDG_DATA_HOME": str(home)},
        )
        try:
            answer = shell(f"{visit} -s --retry 20 --retry-connrefused --retry-delay 1 -f", tmp_path)
            assert answer == "served with a key that is on disk as ciphertext only\n"
        finally:
            serving.terminate()
            assert serving.wait(20) == 0
    assert not Path("/dev/shm/key.pem").exists()


def test_the_page_on_keys(tmp_path: Path) -> None:
    needs("openssl")
    page = ROOT / "docs" / "how-to" / "keys.md"
    (tmp_path / "README.md").write_text("# A file to sign\n")
    script = "".join(blocks(page, "sh"))
    with live(tmp_path / "data") as server:
        told = shell(script, tmp_path, KEYSTEAD_DATA=str(server.data))
    assert "-----BEGIN PUBLIC KEY-----" in told
    assert '"Value": true' in told
    assert "CreateServiceKey" in told


def test_the_page_on_audit_has_an_auditors_transcript(tmp_path: Path) -> None:
    page = ROOT / "docs" / "how-to" / "audit.md"
    shutil.copytree(ROOT / "examples" / "auditor", tmp_path / "examples" / "auditor")
    with live(tmp_path / "data") as server:
        env = {"KEYSTEAD_DATA": str(server.data)}
        shell(
            "keystead kms CreateKey && keystead kms CreateAlias --AliasName alias/web --KeyId $(\\\n"
            "keystead kms ListKeys -q 'Keys.Key[0].KeyId')",
            tmp_path,
            **env,
        )
        told = ""
        for first in ("keystead audit report", "keystead audit key"):
            (script,) = (block for block in blocks(page, "sh") if block.startswith(first))
            told += shell(script, tmp_path, **env)
    assert "records of chain" in told
    assert "are those that were signed" in told
    assert "Audit report" in (tmp_path / "report.html").read_text()


def test_a_backup_without_a_unit_and_its_return(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
    section = page.partition("\n## Back up\n")[2].partition("\n## ")[0]
    written = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    *lines, last = commands_of("".join(written))
    assert last == "keystead serve --data ~/keystead-restored"
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "share").mkdir()
    env = {"HOME": str(home), "XDG_DATA_HOME": str(tmp_path / "share")}
    with live(tmp_path / "share" / "keystead") as server:
        key = shell("keystead kms CreateKey -q KeyMetadata.KeyId", tmp_path, **env).strip()
        shell("\n".join(lines), tmp_path, **env)
        account = server.description["account"]
    with live(home / "keystead-restored") as restored:
        assert restored.description["account"] == account
        shell(f"keystead kms DescribeKey --KeyId {key} --data ~/keystead-restored", tmp_path, **env)


def test_the_commands_about_backups(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "backup.md").read_text(encoding="utf-8")
    written = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "XDG_DATA_HOME": str(tmp_path / "share")}
    (tmp_path / "share").mkdir()
    with live(tmp_path / "share" / "keystead"):
        told = shell("".join(written), tmp_path, **env)
    assert "is whole, and everything in it opens" in told
    assert '"Generation": 2' in told
    assert len(list((home / "keystead-backups").glob("*.keystead"))) == 1
    assert (home / "keystead.backup").exists()


def test_the_programs_that_need_no_run(tmp_path: Path) -> None:
    page = ROOT / "docs" / "how-to" / "clients.md"
    node = ROOT / "tests" / "interop" / "node" / "node_modules"
    if shutil.which("node") is None or not node.exists():
        pytest.skip("node or its packages are not installed: npm ci in tests/interop/node")
    programs = [("python", code) for code in blocks(page, "python")]
    programs += [("node", code) for code in blocks(page, "javascript")]
    assert len(programs) == 3
    with live(tmp_path / "data") as server:
        key = server.client().access_key
        ca = str(server.data / "ca.pem")
        env = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key[0],
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key[1],
            "NODE_EXTRA_CA_CERTS": ca,
            "NODE_PATH": str(node),
        }
        for program, written in programs:
            port = server.description["url"].rpartition(":")[2]
            (tmp_path / "program").write_text(written.replace("8443", port).replace("/path/to/ca.pem", ca))
            told = shell(f"{program} program", tmp_path, **env)
            assert re.search(r"total_?count", told, re.IGNORECASE), told
