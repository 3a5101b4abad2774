"""The wheel and the source distribution: what is in them, that they are always the same, and that they work."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from keystead import __version__
from tests.built import HATCHLING, ROOT
from tests.live import LiveServer


def extracted(sdist: Path, to: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(to, filter="data")
    return to / f"keystead-{__version__}"


def built(tree: Path, umask: int = 0o022, **environment: str) -> dict[str, bytes]:
    """What a source tree gives, by file name."""
    subprocess.run(
        [*HATCHLING, "build", "--directory", "out"],
        cwd=tree,
        env={**os.environ, **environment},
        umask=umask,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return {path.name: path.read_bytes() for path in (tree / "out").iterdir()}


def test_a_source_distribution_gives_the_same_bytes_again(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    """Whatever the directory, the files' times and modes, the umask, the language, the time zone, the width."""
    one, other = extracted(sdist, tmp_path / "one"), extracted(sdist, tmp_path / "some" / "where else")
    for path in other.rglob("*"):
        if path.is_file():
            path.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)
            os.utime(path, (1_500_000_000, 1_500_000_000))
    expected = {path.name: path.read_bytes() for path in (wheel, sdist)}
    first = built(one, LC_ALL="C", TZ="UTC", PYTHONHASHSEED="1", COLUMNS="60")
    assert first == expected
    second = built(other, 0o077, LC_ALL="C.UTF-8", TZ="Asia/Shanghai", PYTHONHASHSEED="2", COLUMNS="200")
    assert second == expected


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    info, data = f"keystead-{__version__}.dist-info/", f"keystead-{__version__}.data/"
    assert {name.partition("/")[0] + "/" for name in names} == {"keystead/", info, data}
    assert {name.split("/")[1] for name in names if name.startswith(data)} == {"data"}
    package = {name for name in names if name.startswith("keystead/")}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "keystead").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package == sources
    assert {"keystead/py.typed", "keystead/proxy/hooks/sitecustomize.py"} < package
    assert not [name for name in names if "test" in name.replace("keystead/testing/", "").lower()]
    assert f"{info}licenses/LICENSE" in names


def test_the_source_distribution_has_what_builds_and_tests_it(sdist: Path, tmp_path: Path) -> None:
    tree = extracted(sdist, tmp_path)
    listed = {
        "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "pyproject.toml", "mkdocs.yml", "requirements/dev.txt",
        "tests/install/test_distributions.py", "tests/interop/go/go.mod", "docs/generate.py", "pyz/__main__.py",
        ".ci/run", "bench/load.lua", "examples/nginx/nginx.conf",
    }  # fmt: skip
    for name in sorted(listed):
        assert (tree / name).is_file(), name
    assert os.access(tree / ".ci" / "run", os.X_OK)
    found = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    junk = [name for name in found if "__pycache__" in name or name.startswith(("build/", ".venv/", "site/"))]
    assert junk == []


def test_the_source_distribution_has_each_page_that_stands_in_the_root(sdist: Path, tmp_path: Path) -> None:
    """Its own site is built from them."""
    tree = extracted(sdist, tmp_path)
    program = "import generate; print(*generate.ROOT_PAGES)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": f"{tree / 'docs'}:{tree}"},
        capture_output=True,
        text=True,
        check=True,
    )
    pages = done.stdout.split()
    assert "README.zh-CN.md" in pages
    assert [name for name in pages if not (tree / name).is_file()] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout")
def test_no_tracked_file_is_left_out(sdist: Path, tmp_path: Path) -> None:
    """Of what git has, all is in the source distribution but what is about git."""
    tree = extracted(sdist, tmp_path)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    assert [name for name in sorted(tracked) if not (tree / name).is_file()] == []


def metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"keystead-{__version__}.dist-info/METADATA")


def test_what_it_says_of_itself_is_valid_and_complete(wheel: Path) -> None:
    found = Metadata.from_email(metadata(wheel), validate=True)
    assert (found.name, str(found.version)) == ("keystead", __version__)
    assert found.license_expression == "Apache-2.0"
    assert found.license_files == ["LICENSE"]
    assert str(found.requires_python) == ">=3.11"
    assert found.description_content_type == "text/markdown"
    assert found.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert found.summary
    assert found.keywords
    assert found.provides_extra == ["pkcs11", "postgresql", "pytest", "shares"]
    assert found.classifiers == sorted(found.classifiers or [])
    with zipfile.ZipFile(wheel) as archive:
        points = archive.read(f"keystead-{__version__}.dist-info/entry_points.txt").decode()
    assert "keystead = keystead.cli:main" in points
    assert "[pytest11]\nkeystead = keystead.testing.plugin" in points


def test_each_version_of_python_that_it_names_is_one_it_admits(wheel: Path) -> None:
    found = Metadata.from_email(metadata(wheel), validate=True)
    named = [one.rpartition(" ")[2] for one in found.classifiers or [] if ":: Python :: 3." in one]
    assert named
    assert found.requires_python is not None
    assert all(one in found.requires_python for one in named)
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in named


# --- installed


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the wheel and what it needs, made without a network."""
    kept = ROOT / "build" / "projects"
    if not (kept / ".made").exists():
        pytest.skip("there are no packages to install: make build/projects/.made")
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-index", "--find-links", str(kept), f"{wheel}[pytest]"], check=True, cwd=folder
    )
    return folder / "bin"


def test_all_of_it_works_from_the_wheel(programs: Path, tmp_path: Path) -> None:
    """Away from the checkout: a server, a key, a file, a service with its secret, a test with the plugin's fixtures."""
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "KEYSTEAD_DATA": str(tmp_path / "data"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = run("python", "-c", "import keystead; print(keystead.__file__)").strip()
    assert Path(where).is_relative_to(programs.parent)
    assert run("keystead", "version") == f"keystead {__version__}\n"
    server = LiveServer(tmp_path / "data", program=[str(programs / "keystead")], env=environment)
    server.start()
    try:
        key_id = run("keystead", "kms", "CreateKey", "-q", "KeyMetadata.KeyId").strip()
        run("keystead", "kms", "CreateAlias", "--KeyId", key_id, "--AliasName", "alias/work")
        (tmp_path / "secret.yaml").write_text("password: hunter2\n")
        (tmp_path / "large").write_bytes(bytes(100_000))
        run("keystead", "file", "encrypt", "--key", "alias/work", "--values", "secret.yaml")
        run("keystead", "file", "encrypt", "--key", "alias/work", "large")
        assert run("keystead", "file", "decrypt", "secret.yaml.cipher") == "password: hunter2\n"
        run("keystead", "file", "decrypt", "-o", "again", "large.cipher")
        assert (tmp_path / "again").read_bytes() == bytes(100_000)
        (tmp_path / "token").write_text("hunter3\n")
        run("keystead", "file", "encrypt", "--key", "alias/work", "token")
        seen = run("keystead", "exec", "--env", "TOKEN=token.cipher", "--", "sh", "-c", "echo $TOKEN")
        assert seen == "hunter3\n"
        assert re.match(r"[0-9]+:[0-9a-f]{64} ", run("keystead", "audit", "verify"))
    finally:
        server.stop()
    (tmp_path / "test_it.py").write_text(
        "def test_it(kms, kms_key):\n    kms.call('Encrypt', KeyId=kms_key, Plaintext='x')\n    assert kms.calls == []\n"
    )
    assert "1 passed" in run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")


def test_completions_and_man_pages_are_installed_with_it(programs: Path) -> None:
    share = programs.parent / "share"
    for name in (
        "bash-completion/completions/keystead",
        "zsh/site-functions/_keystead",
        "fish/vendor_completions.d/keystead.fish",
        "man/man1/keystead.1",
        "man/man1/keystead-kms.1",
    ):
        assert (share / name).stat().st_size > 1000, name
