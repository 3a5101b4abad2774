"""The page on installing: what it has one type is run, with hosts that are directories."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.built import CLIENT_FILE, ROOT

PAGE = (ROOT / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")
COPYING = next(one for one in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "scp" in one)

# A host is a directory; root may write below its `root` alone.
PROGRAMS = {
    "scp": 'cp "$1" "hosts/${2%:}/"',
    "ssh": 'cd "hosts/$1" && sh -c "$2"',
    "sudo": 'test "$1 $2 $3" = "install -m 755" && install -D -m 755 "$4" "root$5"',
}


@pytest.fixture
def office(tmp_path: Path, client_file: Path) -> Path:
    for name, program in PROGRAMS.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o755)
    for host in ("web1", "web2", "web3"):
        (tmp_path / "hosts" / host).mkdir(parents=True)
    (tmp_path / "build").mkdir()
    shutil.copy(client_file, tmp_path / "build" / CLIENT_FILE)
    return tmp_path


def run(office: Path, script: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PATH": f"{office / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", script],
        cwd=office,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_every_host_gets_the_file(office: Path) -> None:
    done = run(office, COPYING)
    assert (done.returncode, done.stderr) == (0, "")
    for host in ("web1", "web2", "web3"):
        installed = office / "hosts" / host / "root" / "usr" / "local" / "bin" / "keystead"
        assert installed.read_bytes() == (office / "build" / CLIENT_FILE).read_bytes()
        assert os.access(installed, os.X_OK)


def test_a_file_that_arrives_as_another_one_is_not_installed(office: Path) -> None:
    with (office / "bin" / "scp").open("a") as program:
        program.write('case $2 in web2:) printf x >> "hosts/web2/$(basename "$1")";; esac\n')
    assert "keystead-client.pyz: FAILED" in run(office, COPYING).stdout
    have = [host for host in ("web1", "web2", "web3") if (office / "hosts" / host / "root").exists()]
    assert have == ["web1", "web3"]


def test_the_names_and_the_size_that_it_says(client_file: Path, wheel: Path) -> None:
    assert set(re.findall(r"keystead-[0-9.]+[0-9]-py3-none-any\.whl", PAGE)) == {wheel.name}
    (told,) = re.findall(r"some ([0-9]+) KB", PAGE)
    assert abs(client_file.stat().st_size - int(told) * 1000) < 60_000
