"""Which rules a file is under, and what a wrong or a stranger's `.keystead.toml` does."""

import os
from pathlib import Path

import pytest

from keystead.cli.commands.file.rules import NAME, Finder, Rule, Rules, glob, read
from keystead.errors import OperatorError

GOOD = """
key = "alias/default"

[[rules]]
path = "config/*.yaml"
key = "alias/work"
values = true
only = ["*password*", "*token*"]

[[rules]]
path = "*.pem"
"""


def test_a_file_of_rules() -> None:
    assert read(GOOD.encode(), Path(NAME)) == Rules(
        key="alias/default",
        rules=(
            Rule(path="config/*.yaml", key="alias/work", values=True, only=("*password*", "*token*")),
            Rule(path="*.pem"),
        ),
    )
    assert read(b"", Path(NAME)) == Rules()
    assert read(b"\xef\xbb\xbfkey = 'k'", Path(NAME)) == Rules(key="k")


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        ("kee = 'k'", "has an unknown member kee", "did you mean key?"),
        ("[[rule]]\npath = 'x'", "has an unknown member rule", "did you mean rules?"),
        ("zzz = 1", "has an unknown member zzz", "there are key, rules"),
        ("[[rules]]\npath = 'x'\nvalue = true", "rule 1 of .keystead.toml has an unknown member value", "did you mean values?"),
        ("[[rules]]\npath='x'\n[[rules]]\nglob = 'x'", "rule 2 of .keystead.toml has an unknown member glob", "there are path, key, values, only"),
        ("endpoint = 'https://evil.example'", "has an unknown member endpoint", "does not choose the server"),
        ("[[rules]]\npath='x'\naccess-key = 'f'", "has an unknown member access-key", "does not choose the server"),
        ("key = 1", ".keystead.toml is not valid: key", "write key as a text in quotes"),
        ("rules = 'x'", "is not valid: rules", "[[rules]]"),
        ("rules = ['x']", "is not valid: rules", "[[rules]]"),
        ("[[rules]]\nkey = 'k'", "rule 1 of .keystead.toml has no path", "which files"),
        ("[[rules]]\npath='x'\nonly = 'a'", "rule 1 of .keystead.toml is not valid: only", "a list of texts"),
        ("[[rules]]\npath='x'\nonly = ['a', 1]", "is not valid: only", "a list of texts"),
        ("[[rules]]\npath='x'\nvalues = 'yes'", "is not valid: values", "true or false"),
        ("[[rules]]\npath=7", "is not valid: path", "a text in quotes"),
        ("[[rules]]\npath='x'\nonly = ['a']", "has only without values", "add values = true"),
        ("[[rules]]\npath='[ab].yaml'", "cannot be matched", "only *, ** and ?"),
        ("[[rules]]\npath='a.{yml,yaml}'", "cannot be matched", "only *, ** and ?"),
        ("[[rules]]\npath='./a'", "cannot be matched", "from the directory of .keystead.toml"),
        ("[[rules]]\npath='../a'", "cannot be matched", "from the directory of .keystead.toml"),
        ("[[rules]]\npath='a//b'", "cannot be matched", "from the directory of .keystead.toml"),
        ("[[rules]]\npath='a '", "cannot be matched", "from the directory of .keystead.toml"),
        ("[[rules]]\npath='*.yaml.cipher'", "cannot be matched", "and .cipher"),
        ("[[rules]]\npath='!a'", "cannot be matched", "only *, ** and ?"),
        ("[[rules]]\npath=''", "cannot be matched", "only *, ** and ?"),
        ("[[rules]]\npath='/'", "cannot be matched", "only *, ** and ?"),
        ("key = ", "is not valid TOML", "toml.io"),
        ("key = '\udcff'", "is not valid TOML", "toml.io"),
        ("x = " + "[" * 100_000, "is not valid TOML", "toml.io"),
        (" " * ((1 << 20) + 1), "is larger than 1 MiB", "few rules"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(content: str, message: str, hint: str) -> None:
    with pytest.raises(OperatorError) as problem:
        read(content.encode(errors="surrogateescape"), Path(NAME))
    assert message in problem.value.message
    assert hint in problem.value.hint


def test_the_largest_file() -> None:
    assert read(b" " * (1 << 20), Path(NAME)) == Rules()


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("*.pem", ["a.pem", "x/y/a.pem", ".pem", "a.pem/x"], ["a.pem.txt", "apem"]),
        ("secrets", ["secrets", "secrets/a", "x/secrets/y/z"], ["xsecrets/a", "secretsx"]),
        ("/*.pem", ["a.pem"], ["x/a.pem"]),
        ("config/*.yaml", ["config/a.yaml"], ["x/config/a.yaml", "config/x/a.yaml"]),
        ("**/config/*.yaml", ["config/a.yaml", "x/y/config/a.yaml"], ["xconfig/a.yaml"]),
        ("config/**", ["config/a", "config/x/y"], ["config", "xconfig/a"]),
        ("config/", ["config/a", "config/x/y", "x/config/a"], ["config", "xconfig/a"]),
        ("/config/", ["config/a"], ["x/config/a"]),
        ("config/**/a.yaml", ["config/a.yaml", "config/x/y/a.yaml"], ["config/xa.yaml"]),
        ("a?.env", ["ab.env", "x/ab.env"], ["a.env", "a/.env"]),
        (".env*", [".env", ".env.production", "x/.env"], ["x.env"]),
        ("a+b (1).yaml", ["a+b (1).yaml"], ["aab (1).yaml"]),
        ("密/*", ["密/a\nb"], ["密"]),
    ],
)
def test_patterns(pattern: str, matched: list[str], others: list[str]) -> None:
    assert [path for path in matched + others if glob(pattern).match(path)] == matched


def test_the_nearest_file_of_rules_counts_and_of_its_rules_the_first(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "config" / "deep").mkdir(parents=True)
    (tmp_path / NAME).write_text(GOOD)
    (tmp_path / "config" / "deep" / NAME).write_text("key = 'alias/deep'\n")

    def of(name: str) -> tuple[str, str | None]:
        found = Finder().of(str(tmp_path / name))
        return found.key, found.rule.path if found.rule else None

    assert of("config/a.yaml") == ("alias/work", "config/*.yaml")
    assert of("config/a.yaml.cipher") == ("alias/work", "config/*.yaml")
    assert of("x/y/a.pem") == ("alias/default", "*.pem")  # the directory need not be there
    assert of("other") == ("alias/default", None)
    assert of("config/deep/a.yaml") == ("alias/deep", None)
    (tmp_path / "link").symlink_to("config")
    assert of("link/a.yaml") == ("alias/work", "config/*.yaml")
    assert of("config/../config/a.yaml") == ("alias/work", "config/*.yaml")
    assert str(Finder().of(str(tmp_path / "a.pem"))) == f'{tmp_path / NAME}, rule "*.pem"'


def test_standard_input_has_the_default_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Finder().of("-").source is None
    Path(NAME).write_text(GOOD + '[[rules]]\npath = "**"\nkey = "x"\n')
    found = Finder().of("-")
    assert (found.key, found.rule) == ("alias/default", None)


def test_above_the_repository_nothing_counts(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("key = 'stranger'\n")
    (tmp_path / "repository" / "x").mkdir(parents=True)
    assert Finder().of(str(tmp_path / "repository" / "x" / "a")).key == "stranger"
    (tmp_path / "repository" / ".git").touch()  # a worktree or a submodule has a file
    assert Finder().of(str(tmp_path / "repository" / "x" / "a")).source is None


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away and mounting need root")
def test_another_file_system_does_not_count(tmp_path: Path) -> None:
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("temporary files are in memory here")
    place = Path(f"/dev/shm/keystead-rules-{os.getpid()}")
    place.mkdir()
    try:
        (tmp_path / "mounted").symlink_to(place)
        (tmp_path / NAME).write_text("key = 'k'\n")
        assert Finder().of(str(tmp_path / "mounted" / "a")).key == ""
    finally:
        place.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_strangers_rules_are_passed_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    (tmp_path / ".git").mkdir()
    (tmp_path / "x").mkdir()
    (tmp_path / NAME).write_text("key = 'ours'\n")
    theirs = tmp_path / "x" / NAME
    theirs.write_text("this is not even TOML")
    os.chown(theirs, 65534, 65534)
    theirs.chmod(0)
    finder = Finder()
    assert [finder.of(str(tmp_path / "x" / name)).key for name in ("a", "b")] == ["ours", "ours"]
    assert finder.passed_by == [theirs]
    assert capsys.readouterr().err.count("is passed by: another user owns it") == 1
    # Under sudo the files of who called it are meant.
    theirs.write_text("key = 'caller'\n")
    monkeypatch.setenv("SUDO_UID", "65534")
    assert Finder().of(str(tmp_path / "x" / "a")).key == "caller"
    monkeypatch.setenv("SUDO_UID", "1")
    assert Finder().of(str(tmp_path / "x" / "a")).key == "ours"
    # A stranger's link to a file of ours is a stranger's choice.
    theirs.unlink()
    (tmp_path / "other.toml").write_text("key = 'other'\n")
    theirs.symlink_to(tmp_path / "other.toml")
    assert Finder().of(str(tmp_path / "x" / "a")).key == "other"
    os.chown(theirs, 65534, 65534, follow_symlinks=False)
    assert Finder().of(str(tmp_path / "x" / "a")).key == "ours"


def test_rules_that_everybody_may_write_are_passed_by(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    rules = tmp_path / NAME
    rules.write_text("key = 'k'\n")
    for mode, key in ((0o600, "k"), (0o664, "k"), (0o666, ""), (0o602, "")):
        rules.chmod(mode)
        assert Finder().of(str(tmp_path / "a")).key == key


def test_rules_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / NAME).mkdir()
    with pytest.raises(OperatorError, match=r"cannot read .*: Is a directory"):
        Finder().of(str(tmp_path / "a"))
    (tmp_path / NAME).rmdir()
    os.mkfifo(tmp_path / NAME)
    assert Finder().of(str(tmp_path / "a")).key == ""


def test_where_rules_are_not_needed_a_folder_that_may_not_be_looked_into_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "lstat", forbidden)
    assert Finder(needed=False).of(str(tmp_path / "a.env")).source is None
    with pytest.raises(OperatorError, match=r"cannot read .*\.keystead\.toml: Permission denied"):
        Finder().of(str(tmp_path / "a.env"))
