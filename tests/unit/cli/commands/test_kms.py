"""How `keystead kms` reads its words, and what its help shows."""

import subprocess
import sys

import pytest

from keystead import operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE
from keystead.cli import output
from keystead.cli.commands import kms
from keystead.cli.commands.kms import Words, parse
from keystead.domain.products import KMS


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([], Words()),
        (["ListKeys"], Words(action="ListKeys")),
        (["ListKeys", "--help"], Words(action="ListKeys", help=True)),
        (["-h"], Words(help=True)),
        (["--data", "d", "ListKeys"], Words(action="ListKeys", options={"--data": "d"})),
        (["A", "--X", "1", "--force"], Words(action="A", parameters={"X": "1"}, force=True)),
        (["A", "--X=1"], Words(action="A", parameters={"X": "1"})),
        (["A", "--X="], Words(action="A", parameters={"X": ""})),
        (["A", "--X", ""], Words(action="A", parameters={"X": ""})),
        (["A", "--X=a=b"], Words(action="A", parameters={"X": "a=b"})),
        (["A", "--X", "-----BEGIN"], Words(action="A", parameters={"X": "-----BEGIN"})),
        (["A", "--X", "--help"], Words(action="A", parameters={"X": "--help"})),
        (["A", "--X", "--force"], Words(action="A", parameters={"X": "--force"})),
        (["A", "--region=r", "--RegionId", "s"], Words(action="A", options={"--region": "r"}, parameters={"RegionId": "s"})),
    ],
)  # fmt: skip
def test_words_are_sorted(raw: list[str], words: Words) -> None:
    assert parse(raw) == words


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (["A", "--X", "1", "--X=2"], "--X is given twice"),
        (["A", "--data=1", "--data", "2"], "--data is given twice"),
        (["A", "-x"], "there is no option -x"),
        (["A", "--X=\udcff"], "a word of the command line is not UTF-8 text"),
    ],
)
def test_wrong_words_are_told(raw: list[str], told: str) -> None:
    with pytest.raises(output.WrongCommandLine) as error:
        parse(raw)
    assert error.value.message == told
    assert error.value.hint


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (["A", "--X"], "--X has no value"),
        (["A", "--X", "1", "B", "C"], "'B' is not a parameter"),
        (["A", "--"], "'--' is not a parameter"),
    ],
)
def test_wrong_words_are_told_after_unknown_parameters(raw: list[str], told: str) -> None:
    problem = parse(raw).problem
    assert problem is not None
    assert problem.message == told
    assert problem.hint


@pytest.mark.parametrize("raw", [["help", "A"], ["A", "help"], ["A", "--help"]])
def test_help_is_asked_for_in_any_way(raw: list[str]) -> None:
    assert parse(raw) == Words(action="A", help=True)


@pytest.mark.parametrize("columns", ["60", "80", "300"])
def test_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for text in (kms.overview(CATALOGUE, KMS, ()), *(kms.describe(one) for one in CATALOGUE.of(KMS))):
        about, _, examples = text.partition("\nexamples:\n")
        assert max(map(len, about.splitlines())) <= min(int(columns), 100)
        assert all(len(line) < 80 for line in examples.splitlines())  # a command stays as it is
        assert all(line == line.rstrip() for line in text.splitlines())


def test_help_of_an_operation_shows_kinds_limits_defaults_and_what_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    operation = CATALOGUE.find(KMS.version, "Encrypt")
    assert operation is not None
    assert kms.describe(operation) == (
        "usage: keystead kms Encrypt --KeyId VALUE --Plaintext VALUE [--Parameter …]\n"
        "\n"
        f"{operation.summary}\n"
        "\n"
        "parameters:\n"
        "  --KeyId              String, required\n"
        "                       a key's id or alias, or an ARN of either\n"
        "  --Plaintext          String, required\n"
        "                       1 to 6144 bytes of text, or base64 of at most 6144 bytes\n"
        "                       better as file:PATH or -, since a command line can be\n"
        "                       seen\n"
        "  --EncryptionContext  Map\n"
        "                       a JSON object of strings, at most 8192 characters\n"
        "  --DryRun             Boolean\n"
        "                       true or false\n"
        "\n"
        "keystead kms --help shows the options.\n"
        "\n"
        "examples:\n"
        "  keystead kms Encrypt --KeyId alias/demo --Plaintext file:secret.txt\n"
    )
    listing = CATALOGUE.find(KMS.version, "ListKeys")
    assert listing is not None
    assert "--PageSize    Integer, default 10\n                1 to 100\n" in kms.describe(listing)


def test_commands_load_only_what_they_need() -> None:
    # Start-up time is what these cost; modules are what can be counted on a busy machine.
    script = (
        "import contextlib, io, sys\n"
        "from keystead import cli\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    cli.main(sys.argv[1:])\n"
        "print(*sys.modules)"
    )
    for words, heavy in (
        (["--help"], {"apsw", "cryptography", "keystead.api.operation", "keystead.server.app", "uvloop"}),
        (["kms", "--help"], {"apsw", "asyncio", "keystead.client.transport", "uvloop"}),
        (["--version"], {"apsw", "cryptography", "keystead.api.operation"}),
    ):
        loaded = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
        ).stdout.split()
        assert "keystead.cli" in loaded
        assert heavy.isdisjoint(loaded)
