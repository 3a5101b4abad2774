"""How the client file is built: always to the same bytes, and of nothing that needs a compiler."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from pyz.build import package_files
from tests.built import CLIENT_FILE, ROOT


def copied(to: Path) -> Path:
    """A copy of what the client file is built from."""
    quiet = shutil.ignore_patterns("__pycache__")
    for name in ("keystead", "pyz"):
        shutil.copytree(ROOT / name, to / name, ignore=quiet)
    shutil.copy(ROOT / "LICENSE", to)
    return to


def built(tree: Path, umask: int = 0o022, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pyz.build", f"out/{CLIENT_FILE}"],
        cwd=tree,
        env={**os.environ, **environment},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_same_sources_give_the_same_bytes_anywhere(tmp_path: Path, client_file: Path) -> None:
    """Whatever the directory, the files' times and modes, the umask, the language, the time zone, the order of sets."""
    one, other = copied(tmp_path / "one"), copied(tmp_path / "some" / "where else")
    for path in other.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            os.utime(path, (1_000_000_000, 1_000_000_000))
    first = built(one, LC_ALL="C", TZ="UTC", PYTHONHASHSEED="1", PYTHONUTF8="0")
    second = built(other, 0o077, LC_ALL="C.UTF-8", TZ="Asia/Shanghai", PYTHONHASHSEED="2", COLUMNS="40")
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    content = client_file.read_bytes()
    assert (one / "out" / CLIENT_FILE).read_bytes() == content
    assert (other / "out" / CLIENT_FILE).read_bytes() == content
    # What is printed can be given to sha256sum -c.
    assert first.stdout == second.stdout == f"{hashlib.sha256(content).hexdigest()}  out/{CLIENT_FILE}\n"
    assert (other / "out" / CLIENT_FILE).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("module", "planted", "told"),
    [
        (
            "files/config_values.py",
            "import msgspec",
            "keystead.files.config_values is part of the client file",
        ),
        ("client/kms.py", "def late():\n    from cryptography import x509", "imports cryptography"),
        ("cli/answers.py", "from keystead.api import wire_types", "imports msgspec"),
        # It was left out, whole or but for its data.
        (
            "cli/output.py",
            "def late():\n    from keystead.settings import SETTINGS",
            "imports keystead.settings",
        ),
        ("cli/output.py", "def late():\n    from keystead import settings", "imports keystead.settings"),
        ("cli/target.py", "import keystead.server.operator", "imports keystead.server.operator"),
        (
            "cli/commands/kms.py",
            "from keystead.operations.kms import keys",
            "imports keystead.operations.kms",
        ),
    ],
)
def test_what_needs_something_that_is_not_in_it_is_refused(
    tmp_path: Path, module: str, planted: str, told: str
) -> None:
    tree = copied(tmp_path / "tree")
    with (tree / "keystead" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{planted}\n")
    done = built(tree)
    assert done.returncode == 1
    assert told in done.stderr
    assert not (tree / "out").exists()


def test_a_package_that_is_not_as_published_is_refused(tmp_path: Path) -> None:
    package, info = tmp_path / "demo", tmp_path / "demo-1.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("x = 1\n")
    (info / "LICENSE").write_text("as you like\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1\n")
    lines = []
    for path in (package / "__init__.py", info / "LICENSE"):
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")
        lines.append(f"{path.relative_to(tmp_path)},sha256={digest},{path.stat().st_size}")
    (info / "RECORD").write_text(
        "\n".join([*lines, "demo/_speed.so,sha256=x,1", "demo-1.dist-info/RECORD,,"]) + "\n"
    )
    found = dict(package_files("demo", Distribution.at(info)))
    assert found == {"demo/__init__.py": b"x = 1\n", "licences/demo/LICENSE": b"as you like\n"}
    (package / "__init__.py").write_text("x = 2\n")
    with pytest.raises(SystemExit, match="is not as it was published"):
        dict(package_files("demo", Distribution.at(info)))


def test_what_is_in_it(client_file: Path) -> None:
    content = client_file.read_bytes()
    assert content.startswith(b"#!/usr/bin/env python3\nPK")
    assert len(content) < 1 << 20
    with zipfile.ZipFile(client_file) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert {Path(name).suffix for name in names if not name.startswith("licences/")} == {".py", ".json"}
    assert {name for name in names if name.startswith("licences/")} == {
        f"licences/{name}/LICENSE" for name in ("keystead", "jmespath", "PyYAML", "tomlkit")
    }
    for folder in ("server", "store", "proxy", "access", "testing"):
        assert not [name for name in names if name.startswith(f"keystead/{folder}/")]
