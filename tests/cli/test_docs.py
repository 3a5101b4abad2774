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
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in blocks(page, "sh") + blocks(page, "console"):
            for line in block.splitlines():
                command = re.sub(r"^[A-Z_]+=\$\((.*)\)$", r"\1", line.removeprefix("$ ").strip())
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


def test_the_tutorial(tmp_path: Path) -> None:
    needs("openssl")
    lines = [
        line.removeprefix("$ ")
        for block in blocks(ROOT / "docs" / "tutorial.md", "console")
        for line in block.splitlines()
    ]
    assert lines[0] == "keystead serve --data ./kms --listen localhost:0"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "key.pem").write_text(KEY)
    known: dict[str, str] = {}
    told: dict[str, str] = {}
    with live(tmp_path / "kms"):
        for line in lines[1:]:
            if assigned := re.match(r"([A-Z_]+)=\$\((.*)\)$", line):
                told[line] = shell(assigned[2], tmp_path, **known)
                known[assigned[1]] = told[line].strip()
                continue
            told[line] = shell(line, tmp_path, **known)
            if "DescribeKey" in line:
                assert f"KeyMetadata.KeyId               {known['KEY_ID']}\n" in told[line]
            if "decrypt_key.py" in line:
                assert told[line] == KEY
    assert len(told) == len(lines) - 1 >= 10
    assert not (tmp_path / "removed.pem").exists()
    assert "PRIVATE KEY" in (tmp_path / "key.pem").read_text()


def test_the_readmes_first_page(tmp_path: Path) -> None:
    needs("openssl")
    needs("nginx")
    needs("curl")
    page = ROOT / "README.md"
    (block,) = blocks(page, "sh")
    lines = [line for line in block.splitlines() if line and not line.startswith("#")]
    (visit,) = re.findall("`(curl [^`]*)`", page.read_text(encoding="utf-8"))
    home = tmp_path / "home"
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    home.mkdir()
    told: dict[str, str] = {}
    script: list[str] = []
    with live(home / "keystead"):
        for written in lines[:-1]:
            if written.startswith("pip install"):
                continue  # the packages are here already
            if written.startswith("export") or re.match("[A-Z_]+=", written):
                kept = written
                if assigned := re.match(r"([A-Z_]+)=\$\((.*)\)$", written):
                    told[written] = shell(
                        "\n".join([*script, assigned[2]]), tmp_path, XDG_DATA_HOME=str(home)
                    )
                    kept = f"{assigned[1]}={told[written].strip()}"
                script.append(kept)
                continue
            told[written] = shell("\n".join([*script, written]), tmp_path, XDG_DATA_HOME=str(home))
        assert [line for line in told if told[line].strip() == "the same"] == [lines[-3]]
        assert not (tmp_path / "certs" / "key.pem").exists()
        assert lines[-1].startswith("keystead exec --file /dev/shm/key.pem=certs/key.pem.cipher -- nginx")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        serving = subprocess.Popen(
            ["sh", "-c", f"exec {lines[-1]}"],
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


def test_the_page_on_pytest(tmp_path: Path) -> None:
    page = ROOT / "docs" / "how-to" / "pytest.md"
    *tests, program = blocks(page, "python")
    for number, written in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(written)
    (settings,) = blocks(page, "ini")
    seed = "".join(blocks(ROOT / "docs" / "how-to" / "ci.md", "toml"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "seed.toml").write_text(seed)
    (tmp_path / "pytest.ini").write_text(settings)
    told = shell("python -m pytest -q -p no:cacheprovider", tmp_path)
    assert re.search(r"^4 passed", told, re.MULTILINE), told
    (tmp_path / "program.py").write_text(program)
    assert re.match(r"http://127\.0\.0\.1:\d+ \('LTAITEST", shell("python program.py", tmp_path))
