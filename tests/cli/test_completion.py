"""Completions as bash, zsh and fish have them: what each shell offers for a line that is typed so far."""

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keystead import cli
from keystead.api.operation import CATALOGUE
from keystead.cli.commands import completion
from keystead.clock import SystemClock
from keystead.domain.products import KMS
from share.completions import PLACES
from share.make import make
from tests.live import needs

DEADLINE = 60.0  # seconds
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")

# A line, and what is offered for it: at least two each, so that they are listed and not put in.
OFFERED = [
    ("keystead ", ["access-key", "completion", "kms", "serve"]),
    ("keystead audit ", ["export", "verify"]),
    ("keystead kms Generate", ["GenerateDataKeyWithoutPlaintext", "GenerateMac"]),
    ("keystead kms --data . Generate", ["GenerateDataKeyWithoutPlaintext", "GenerateMac"]),
    ("keystead kms Encrypt --", ["--KeyId", "--EncryptionContext", "--endpoint", "--query"]),
    ("keystead kms Encrypt --KeyId=alias/a --", ["--Plaintext", "--access-key"]),
    ("keystead kms Encrypt --DryRun ", ["true", "false"]),
    ("keystead kms CreateKey --KeySpec RSA_", ["RSA_2048", "RSA_3072"]),
    ("keystead kms ListKeys --output t", ["table", "text"]),
    ("keystead sts GetCallerIdentity --", ["--region", "--literal"]),
    ("keystead serve --t", ["--tls-cert", "--tls-key"]),
    ("keystead file encrypt --format ", ["yaml", "properties"]),
    ("keystead file encrypt mine", ["mine.pem", "mine.yaml"]),
    ("keystead serve --config mine", ["mine.pem", "mine.yaml"]),
    ("keystead exec --env A=mine.pem -- keystead-t", ["keystead-tested-one", "keystead-tested-two"]),
    ("keystead run -- keystead-t", ["keystead-tested-one", "keystead-tested-two"]),
    ("keystead run --data . -- cat mine", ["mine.pem", "mine.yaml"]),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `share/` of an installation."""
    folder = tmp_path_factory.mktemp("share")
    make(folder)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files to name, and in `bin` programs to run."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("mine.pem", "mine.yaml"):
        (folder / name).touch()
    (folder / "bin").mkdir()
    for name in ("keystead", "keystead-tested-one", "keystead-tested-two"):
        program = folder / "bin" / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return folder


def environment(place: Path, **more: str) -> dict[str, str]:
    return {
        "HOME": str(place),
        "PATH": f"{place / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "150",
        **more,
    }


class Shell:
    """A shell at a terminal of ours."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._clock = SystemClock()

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def shows(self, wanted: list[str]) -> None:
        """Read until all of it was shown, as words of their own."""
        until = self._clock.monotonic() + DEADLINE
        shown = ""
        while missing := [
            one for one in wanted if not re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", shown)
        ]:
            left = until - self._clock.monotonic()
            assert select.select([self._terminal], [], [], max(0.0, left))[0], (missing, shown)
            shown += re.sub(
                r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self._terminal, 65536).decode(errors="replace")
            )


@contextmanager
def shell(words: list[str], place: Path, setup: list[str], **more: str) -> Iterator[Shell]:
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", *words],
        cwd=place,
        env=environment(place, **more),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        running = Shell(terminal)
        for line in [*setup, "echo rea''dy"]:
            running.type(f"{line}\n")
        running.shows(["ready"])
        yield running
    finally:
        os.close(terminal)  # the shell is hung up
        process.kill()
        process.wait()


BASH = [
    "bind 'set completion-query-items 0'",
    "bind 'set page-completions off'",
    "bind 'set show-all-if-ambiguous on'",
]
ZSH = ["LISTMAX=10000", "unsetopt list_ambiguous", "autoload -Uz compinit", "compinit -u -D"]


def check(running: Shell) -> None:
    for number, (line, offered) in enumerate(OFFERED):
        running.type(f"{line}\t")
        running.shows(offered)
        running.type(
            f"\x15echo do''ne{number}\n"
        )  # in place of the line; what it prints parts it from the next one
        running.shows([f"done{number}"])


def test_bash_offers_what_may_follow(made: Path, place: Path) -> None:
    needs("bash")
    script = made / PLACES["bash"]
    with shell(["bash", "--norc", "--noprofile", "-i"], place, [*BASH, f'eval "$(cat {script})"']) as running:
        check(running)


@pytest.mark.skipif(not BASH_COMPLETION.exists(), reason="the package bash-completion is not installed")
def test_bash_finds_what_is_installed(made: Path, place: Path) -> None:
    words = ["bash", "--norc", "--noprofile", "-i"]
    with shell(words, place, [*BASH, f"source {BASH_COMPLETION}"], XDG_DATA_HOME=str(made)) as running:
        check(running)


@pytest.mark.parametrize("way", ["printed", "installed"])
def test_zsh_offers_what_may_follow(made: Path, place: Path, way: str) -> None:
    needs("zsh")
    script = made / PLACES["zsh"]
    setup = (
        [f"fpath=({script.parent} $fpath)", *ZSH] if way == "installed" else [*ZSH, f'eval "$(cat {script})"']
    )
    with shell(["zsh", "-f", "-i"], place, setup) as running:
        check(running)


def offered_by_fish(line: str, made: Path, place: Path) -> list[str]:
    told = subprocess.run(
        ["fish", "--no-config", "-c", f"source {made / PLACES['fish']}; complete -C {line!r}"],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE,
    )
    assert told.stderr == ""
    return [one.split("\t")[0] for one in told.stdout.splitlines()]


def test_fish_offers_what_may_follow(made: Path, place: Path) -> None:
    needs("fish")
    for line, offered in OFFERED:
        assert set(offered) <= set(offered_by_fish(line, made, place)), line
    assert set(offered_by_fish("keystead kms ", made, place)) == {one.action for one in CATALOGUE.of(KMS)}
    assert "--Plaintext" not in offered_by_fish("keystead kms Decrypt --", made, place)
    found = subprocess.run(
        ["fish", "-c", "complete -C 'keystead kms Encr'"],
        env=environment(place, XDG_DATA_DIRS=f"{made}:/usr/share"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith("Encrypt\t")


def test_scripts_are_the_same_each_time_and_right_for_their_shells(made: Path, tmp_path: Path) -> None:
    again = [sys.executable, "-m", "share", str(tmp_path / "again")]
    subprocess.run(again, check=True, env={**os.environ, "COLUMNS": "40", "PYTHONHASHSEED": "7"})
    for file in made.rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "again" / file.relative_to(made)).read_bytes(), file
    for name, path in PLACES.items():
        needs(name)
        subprocess.run([name, "-n", str(made / path)], check=True)


# --- keystead completion


def test_completions_are_printed(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(completion, "folder", lambda: tmp_path)
    for name, path in PLACES.items():
        (tmp_path / f"keystead.{name}").write_bytes((made / path).read_bytes())
        for word in (name, f"/usr/bin/{name}"):
            assert cli.main(["completion", word]) == 0
            assert capsys.readouterr() == ((made / path).read_text(), "")


@pytest.mark.parametrize(
    ("words", "used", "error", "hint"),
    [
        (
            ["pwsh"],
            "/bin/zsh",
            "there are no completions for 'pwsh'",
            "write one of keystead completion bash, zsh, fish",
        ),
        (["fsh"], "/bin/bash", "there are no completions for 'fsh'", "did you mean fish?"),
        (["BASH"], "", "there are no completions for 'BASH'", "did you mean bash?"),
        ([], "/usr/bin/fish", "no shell is named", "write keystead completion fish"),
        ([], "/bin/sh", "no shell is named", "write one of keystead completion bash, zsh, fish"),
    ],
)
def test_an_unknown_shell_is_told_what_to_write(
    words: list[str],
    used: str,
    error: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SHELL", used)
    assert cli.main(["completion", *words]) == 2
    assert capsys.readouterr() == ("", f"error: {error}\nhint: {hint}\n")


def test_a_copy_that_was_not_built_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(completion, "folder", lambda: tmp_path)
    assert cli.main(["completion", "bash"]) == 1
    assert "hint: run make completions" in capsys.readouterr().err


def test_the_wheel_has_all_of_it(made: Path, wheel: Path, tmp_path: Path) -> None:
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
    ]
    subprocess.run([*install, "--prefix", str(tmp_path), "--ignore-installed", str(wheel)], check=True)
    for file in made.rglob("*"):
        if file.is_file():
            installed = tmp_path / "share" / file.relative_to(made)
            assert installed.read_bytes() == file.read_bytes(), file
    (library,) = tmp_path.glob("lib/python*/site-packages")
    told = subprocess.run(
        [sys.executable, "-m", "keystead", "completion", "zsh"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == (made / PLACES["zsh"]).read_text()
    assert (
        str(library)
        in subprocess.run(
            [sys.executable, "-c", "import keystead; print(keystead.__file__)"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(library)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
