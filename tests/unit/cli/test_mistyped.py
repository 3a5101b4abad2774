"""What `keystead` says to words that are no command, and where it shows its help."""

import pytest

from keystead import __version__, cli
from keystead.cli import output


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    try:
        status = cli.main(words)
    except SystemExit as ended:
        status = int(ended.code or 0)
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["encrpyt"], "there is no command 'encrpyt'", "did you mean keystead file encrypt?"),
        (["serv"], "there is no command 'serv'", "did you mean keystead serve?"),
        (["createkey"], "there is no command 'createkey'", "did you mean keystead kms CreateKey?"),
        (
            ["getcalleridentity"],
            "there is no command 'getcalleridentity'",
            "did you mean keystead sts GetCallerIdentity?",
        ),
        (["zzz"], "there is no command 'zzz'", "keystead --help lists all"),
        (["help", "zzz"], "there is no command 'zzz'", "keystead --help lists all"),
        (["file", "encrpyt"], "argument VERB: invalid choice: 'encrpyt'", "did you mean encrypt?"),
        (
            ["file", "zzz"],
            "argument VERB: invalid choice: 'zzz'",
            "keystead file --help shows how to write it",
        ),
        (
            ["file", "encrypt", "--format", "yml", "a"],
            "argument --format: invalid choice: 'yml'",
            "did you mean yaml?",
        ),
        (
            ["file", "encrypt", "--format", "xyzzy", "a"],
            "argument --format: invalid choice: 'xyzzy'",
            "keystead file encrypt --help shows how to write it",
        ),
        (["serve", "--listn", "h:1"], "there is no option --listn", "did you mean --listen?"),
        (["audit", "list", "--kye", "k"], "there is no option --kye", "did you mean --key?"),
        (
            ["audit", "verify", "s3cret"],
            "there are more words than this command takes",
            "keystead audit verify --help",
        ),
        (["serve", "--zzz"], "there is no option --zzz", "keystead serve --help shows how to write it"),
        (
            ["--data", "d", "kms", "ListKeys"],
            "--data stands before the command",
            "write it after: keystead kms … --data …",
        ),
        (
            ["--data=s3cret", "audit", "list"],
            "--data stands before the command",
            "write it after: keystead audit",
        ),
        (
            ["-q", "x", "kms", "ListKeys"],
            "-q stands before the command",
            "write it after: keystead kms … -q …",
        ),
        (["--zzz"], "there is no option --zzz", "keystead --help"),
        (["--vers"], "there is no option --vers", "did you mean --version?"),
        (["-v"], "there is no option -v", "did you mean --version?"),
        (["-V"], "there is no option -V", "did you mean --version?"),
        (["--json"], "there is no option --json", "did you mean --output json, after a command?"),
        (["status", "-v"], "there is no option -v", "keystead status --help shows how to write it"),
        (["status", "--json"], "there is no option --json", "did you mean --output json?"),
        (["status", "--watch"], "there is no option --watch", "keystead status --help"),
        (["serve", "--port", "1"], "there is no option --port", "did you mean --listen?"),
        (["exec", "--fil", "a=b", "--", "true"], "there is no option --fil", "did you mean --file?"),
        (["serve", "--list", "a:1"], "there is no option --list", "did you mean --listen?"),
        (
            ["exec", "--wait", "forever", "--", "x"],
            "argument --wait: seconds are a number, 0 to 86400",
            "keystead exec",
        ),
        (["exec", "--mode", "rw", "--", "x"], "argument --mode: a mode is 0400 or so", "keystead exec"),
        (["start"], "there is no command 'start'", "did you mean keystead serve?"),
        (["ls"], "there is no command 'ls'", "did you mean keystead kms ListKeys?"),
        (["list"], "there is no command 'list'", "did you mean keystead kms ListKeys?"),
        (["access-key", "ls"], "argument VERB: invalid choice: 'ls'", "did you mean list?"),
        (["kms", "DeleteKey"], "there is no operation 'DeleteKey'", "did you mean ScheduleKeyDeletion?"),
        (["kms", "RotateKey"], "there is no operation 'RotateKey'", "did you mean CreateKeyVersion?"),
        (["kms", "ListKeys", "--debug"], "ListKeys has no parameter 'debug'", "keystead kms ListKeys --help"),
        (
            ["kms", "ListKeys", "--debug", "--PageSize", "5"],
            "ListKeys has no parameter 'debug'",
            "keystead kms ListKeys --help",
        ),
        (["kms", "ListKeys", "--json"], "ListKeys has no parameter 'json'", "did you mean --output json?"),
        (["kms", "ListKeys", "-o", "json"], "there is no option -o", "did you mean --output?"),
        (["kms", "ListKeys", "--PageSize"], "--PageSize has no value", "write it as --PageSize VALUE"),
        (["kms", "ListKeys", "5"], "'5' is not a parameter", "write parameters as --Name VALUE"),
        (["audit", "list", "--data", "s3cret", "--data", "b"], "--data is given twice", "give it once"),
        (["serve", "--listen=a:1", "--listen", "a:1"], "--listen is given twice", "give it once"),
        (["kms", "ListKeys", "--data", "a", "--data", "b"], "--data is given twice", "give it once"),
        (["file", "encrypt", "--key", "a", "--key", "b", "f"], "--key is given twice", "give it once"),
        (["kms", "CreateKy"], "there is no operation 'CreateKy'", "did you mean CreateKey?"),
        # What only the console or an operator's command calls is nothing to write.
        (["ram", "CreateSession"], "there is no operation 'CreateSession'", "did you mean CreateUser?"),
        (["kms", "CreateUser"], "there is no operation 'CreateUser'", "write keystead ram CreateUser"),
    ],
)
def test_a_mistyped_word(words: list[str], said: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(words, capsys)
    assert (status, out) == (output.WRONG, "")
    first, second = err.splitlines()
    assert first.startswith(f"error: {said}")
    assert second.startswith(f"hint: {hint}")
    assert "s3cret" not in err


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["help"], "usage: keystead [-h]"),
        (["help", "serve"], "usage: keystead serve"),
        (["help", "file", "encrypt"], "usage: keystead file encrypt"),
        (["help", "kms"], "usage: keystead kms ACTION"),
        (["kms", "help", "Encrypt"], "usage: keystead kms Encrypt --KeyId VALUE"),
        (["kms", "Encrypt", "help"], "usage: keystead kms Encrypt --KeyId VALUE"),
        (["help", "kms", "Encrypt"], "usage: keystead kms Encrypt --KeyId VALUE"),
        (["kms"], "usage: keystead kms ACTION"),
        (["version"], f"keystead {__version__}\n"),
        (["--version"], f"keystead {__version__}\n"),
    ],
)
def test_help(words: list[str], begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(words, capsys)
    assert (status, err) == (output.DONE, "")
    assert out.startswith(begins)


def test_keystead_alone_shows_its_help_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run([], capsys)
    assert (status, out) == (output.WRONG, "")
    assert err.startswith("usage: keystead [-h]")
    assert "commands:" in err


def test_what_may_be_given_twice_still_may(capsys: pytest.CaptureFixture[str]) -> None:
    parser = cli.parser("serve")
    for _ in range(2):  # each command line is by itself
        args = parser.parse_args(
            ["serve", "--name", "a", "--name", "b", "--listen", "x:1", "--http", "--http"]
        )
        assert (args.name, args.listen, args.http) == (["a", "b"], "x:1", True)
    assert cli.parser("run").parse_args(["run", "--", "x", "--data", "a", "--data", "b"]).command[-1] == "b"
    assert capsys.readouterr().err == ""
