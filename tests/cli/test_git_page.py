"""The page on files in git, run as it stands, with the real git; and what its hook sees that a look at the files would not."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import STRANGE, LiveServer, live, needs

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "git.md").read_text(encoding="utf-8")
APP = "db:\n  host: db.internal\n  password: hunter2\ntoken: t0ken\n"
KEY = "-----BEGIN KEY-----\nx\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    needs("git")
    with live(tmp_path_factory.mktemp("server") / "data") as running:
        client = running.client()
        for name in ("alias/Apollo/WorkKey", "alias/Apollo/TlsKey"):
            key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
            client.ok("CreateAlias", KeyId=key_id, AliasName=name)
        client.close()
        yield running


class Repository:
    """A repository with the page's rules and files, and a shell in it."""

    def __init__(self, folder: Path, server: LiveServer) -> None:
        self.folder = folder
        # As in a user's shell, and without the settings of who runs this.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {
            "PATH": path,
            "KEYSTEAD_DATA": str(server.data),
            "HOME": str(folder.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        who = {
            f"GIT_{role}_{what}": f"{role}@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        self.env = {**os.environ, **STRANGE, **own, **who, "GIT_PAGER": "cat"}
        (rules,) = blocks("toml")
        for name, content in {".keystead.toml": rules, "config/app.yaml": APP, "certs/key.pem": KEY}.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content)
        self.ok("git init -q .")

    def run(self, line: str, cwd: str = ".") -> "subprocess.CompletedProcess[str]":
        """One line as a user would type it; output and errors together."""
        return subprocess.run(
            ["sh", "-ec", line],
            cwd=self.folder / cwd,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def ok(self, line: str, cwd: str = ".") -> str:
        ended = self.run(line, cwd)
        assert ended.returncode == 0, (line, ended.stdout)
        return ended.stdout

    def refused(self, line: str, *told: str, cwd: str = ".") -> None:
        ended = self.run(line, cwd)
        assert ended.returncode == 1, (line, ended.stdout)
        for words in told:
            assert words in ended.stdout
        assert "hunter2" not in ended.stdout


@pytest.fixture
def repository(tmp_path: Path, server: LiveServer) -> Repository:
    (tmp_path / "app").mkdir()
    return Repository(tmp_path / "app", server)


def test_the_page(repository: Repository) -> None:
    encrypting, checking, hook, shown, quiet = blocks("sh")
    (told,) = blocks("text")
    assert repository.ok(encrypting) == told.replace("/srv/app", str(repository.folder))
    sealed = (repository.folder / "config" / "app.yaml.cipher").read_text()
    assert sealed.count("kms:") == 2
    assert "host: db.internal\n" in sealed
    repository.refused(
        checking,
        "config/app.yaml: in the clear: /db/password, /token\n",
        "certs/key.pem: it is not encrypted\n",
    )
    repository.ok(hook)
    (session,) = blocks("console")
    answers = ""
    for line in session.splitlines():
        if line.startswith("$ "):
            answers += f"{line}\n{repository.run(line[2:]).stdout}"
    assert answers == session
    assert repository.ok("git status --porcelain -z config certs").split("\0")[:-1] == [
        "?? certs/key.pem",
        "?? config/app.yaml",
    ]
    # What git shows: the plaintext, and without it.
    app = repository.folder / "config" / "app.yaml"
    app.write_text(APP.replace("hunter2", "hunter3"))
    (repository.folder / "certs" / "key.pem").write_text(KEY * 2)
    repository.ok("keystead file encrypt --force config/app.yaml certs/key.pem")
    changed = repository.ok("git diff config")
    assert [line[:14] for line in changed.splitlines() if re.match(r"[-+] ", line)] == [
        '-  password: "',
        '+  password: "',
    ]
    shown = shown.replace("git diff --exit-code", "git diff")
    assert "-  password: hunter2\n+  password: hunter3\n token: t0ken\n" in repository.ok(shown)
    assert "password: hunter2" in repository.ok(
        "git show HEAD:config/app.yaml.cipher --textconv || git show HEAD --textconv"
    )
    assert "hunter" not in repository.ok("git notes list; git grep hunter || true")
    assert re.search(
        r'\n-  "PlaintextBytes": 22\n\+  "PlaintextBytes": 44\n',
        repository.ok(quiet.replace(" --exit-code", " certs")),
    )


def test_the_hook_reads_what_is_staged(repository: Repository) -> None:
    """Not the work tree: neither plaintext that is not staged, nor staged plaintext that was encrypted since."""
    app = repository.folder / "config" / "app.yaml"
    check = "keystead file check --staged"
    assert repository.ok(check) == ""
    repository.ok("git add .keystead.toml")
    assert repository.ok(check) == ""
    repository.ok("git add config")
    repository.ok("keystead file encrypt -o config/app.yaml --force config/app.yaml")
    repository.refused(check, "config/app.yaml: in the clear: /db/password, /token")
    repository.refused(check, "config/app.yaml: in the clear", cwd="certs")
    repository.refused(f"{check} config", "config/app.yaml: in the clear")
    assert repository.ok(f"{check} certs") == ""
    repository.ok("git add config")
    app.write_text(APP)
    assert repository.ok(check) == ""
    repository.ok("git commit -qm sealed")
    # Removed, renamed, made executable, a link, a place that is gone from the work tree.
    repository.ok("git mv certs/key.pem certs/renamed.pem 2>/dev/null || git add -f certs/key.pem")
    repository.refused(check, "certs/key.pem: it is not encrypted")
    repository.ok("git reset -q && ln -s key.pem certs/link.pem && git add certs/link.pem")
    assert repository.ok(check) == ""
    repository.ok("git add certs/key.pem && rm -r certs")
    repository.refused(check, "certs/key.pem: it is not encrypted")
    repository.ok("git rm -q --cached certs/key.pem config/app.yaml")
    assert repository.ok(check) == ""


def test_the_hook_judges_by_the_rules_that_are_staged(repository: Repository) -> None:
    """What the work tree has in the meantime is not committed: neither rules that were taken out, nor new ones."""
    check = "keystead file check --staged"
    repository.ok("git add .keystead.toml config && cp .keystead.toml ../kept")
    for line in ("printf '' > .keystead.toml", "rm .keystead.toml", "echo '[' > .keystead.toml"):
        repository.ok(line)
        repository.refused(check, "config/app.yaml: in the clear: /db/password, /token")
        repository.refused(check, "config/app.yaml: in the clear", cwd="config")
    repository.refused("keystead file check config", "is not valid TOML")
    # Those that git has not: the work tree's, as before they are added.
    repository.ok("cp ../kept .keystead.toml && git rm -q --cached .keystead.toml")
    repository.refused(check, "config/app.yaml: in the clear: /db/password, /token")
    # Rules that are new in the work tree are for what comes after them.
    repository.ok("printf '' > .keystead.toml && git add .keystead.toml && cp ../kept .keystead.toml")
    assert repository.ok(check) == ""
    repository.refused("keystead file check config", "config/app.yaml: in the clear")
    # One further down, staged, of a directory that is gone.
    repository.ok("cp ../kept config/.keystead.toml && sed -i 's,config/,,' config/.keystead.toml")
    repository.ok("git add config && rm -r config")
    repository.refused(check, "config/app.yaml: in the clear: /db/password, /token")


def test_it_says_what_is_under_which_rule(repository: Repository) -> None:
    repository.ok("keystead file encrypt config/app.yaml && git add config .keystead.toml")
    rules = repository.folder / ".keystead.toml"
    by = f'(by {rules}, rule "config/*.yaml")'
    for words in ("-v config", "--verbose --staged"):
        shown = repository.run(f"keystead file check {words}").stdout.splitlines()
        assert [line for line in shown if line.startswith("config/")] == [
            f"config/app.yaml: in the clear: /db/password, /token {by}",
            f"config/app.yaml.cipher: not in the clear {by}",
        ]
    repository.ok("git rm -q --cached config/app.yaml")
    assert repository.ok("keystead file check -v --staged").endswith(
        "1 of 2 files are under a rule, none in the clear\n"
    )
    # A key alone in a directory leaves the rules above in force, and its key is said.
    (repository.folder / "config" / ".keystead.toml").write_text('key = "alias/Apollo/TlsKey"\n')
    repository.refused("keystead file check -v config", f"its key by {rules.parent}/config/.keystead.toml)")
    repository.ok("keystead file encrypt -o config/tls.cipher config/app.yaml")
    # Rules that match nothing protect nothing.
    rules.write_text('[[rules]]\npath = "confg/*.yaml"\n')
    told = repository.ok("keystead file check .")
    assert told.startswith("warning: nothing is protected: no rule of .keystead.toml matches any of the ")
    repository.ok("git add .keystead.toml")
    assert repository.ok("keystead file check --staged") == ""
    assert "nothing is protected" in repository.ok("keystead file check --staged -v")


def test_names_that_git_would_quote(repository: Repository) -> None:
    (repository.folder / "config" / '密 "\\\t.yaml').write_text(APP)
    repository.ok("git add -A config && git config diff.relative true && git config diff.noprefix true")
    repository.refused("keystead file check --staged", 'config/密 "\\\\t.yaml: in the clear', cwd="config")


def test_a_commit_of_part_of_a_file(repository: Repository) -> None:
    """`git commit FILE` has an index of its own."""
    repository.ok(blocks("sh")[2])
    repository.ok("git add .keystead.toml && git commit -qm rules")
    repository.ok("git add config")
    (repository.folder / "other").write_text("x")
    repository.ok("git add -N other && git commit -qm other other")
    repository.refused("git commit -qm all", "config/app.yaml: in the clear")


def test_where_nothing_would_be_checked(repository: Repository, tmp_path: Path) -> None:
    (repository.folder / ".keystead.toml").rename(tmp_path / "kept")
    repository.ok("git add config")
    repository.refused("keystead file check --staged", "there is no .keystead.toml above these files")
    repository.refused("keystead file check .", "there is no .keystead.toml above these files")
    repository.refused("keystead file check confg", "confg: there is no such file or directory")
    repository.refused("keystead file check --staged confg", "confg: there is no such file or directory")
    assert repository.run("keystead file check").returncode == 2
    assert repository.run("keystead file check -").returncode == 2
    repository.refused(
        "keystead file check --staged", "git rev-parse --show-toplevel failed: not a git repository", cwd=".."
    )
    (tmp_path / "kept").rename(repository.folder / ".keystead.toml")
    (repository.folder / ".keystead.toml").chmod(0o666)
    repository.refused("keystead file check --staged", "not all was checked", "chmod o-w")
    (repository.folder / ".keystead.toml").chmod(0o644)
    repository.refused(
        "PATH=$(dirname $(command -v keystead)) keystead file check --staged", "git cannot be started"
    )


MANY = "in the clear: /password0, /password1, /password2, /password3, /password4 and 2 more\n"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("config/a.yaml", "", ""),
        ("config/a.yaml", "a: 1\n", ""),
        ("config/a.yaml", "password:\n", ""),
        ("config/a.yaml", "a: [\n", "it is not valid YAML"),
        ("config/a.yaml", "\0\1", "it is not valid YAML"),
        ("config/a.yaml", "password: kms:AAAA\n", "in the clear: /password\n"),
        ("config/a.yaml", "".join(f"password{n}: x\n" for n in range(7)), MANY),
        ("config/b/a.yaml", APP, ""),
        ("certs/a.pem", " \n", ""),
        ("certs/a.pem", "x", "it is not encrypted\n"),
        ("certs/a.pem.cipher", "x", "it is not encrypted\n"),
        ("certs/huge.pem", "x" * ((16 << 20) + 2), "it is not encrypted\n"),
    ],
)  # fmt: skip
def test_what_is_in_the_clear(repository: Repository, name: str, content: str, told: str) -> None:
    place = repository.folder / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(content)
    quiet = "1 of 1 files are under a rule, none in the clear\n"
    if "/b/" in name:
        quiet = "warning: nothing is protected: no rule of .keystead.toml matches any of the 1 files that were looked at\n"
    for line in (f"keystead file check {name}", f"git add {name} && keystead file check --staged"):
        if told:
            repository.refused(line, f"{name}: {told}")
        else:
            assert repository.ok(line) == ("" if "--staged" in line else quiet)


def test_a_value_in_the_clear_is_told_by_its_own_path(repository: Repository) -> None:
    """A secret in base64 reads as a name with an empty value, and a text as lines with names."""
    (repository.folder / "config" / "a.yaml").write_text(
        "a: [hunter2password=]\nnote: |\n  hunter2-token: x\n  y\n"
    )
    repository.refused("keystead file check config/a.yaml", "in the clear: /a/0, /note\n")


def test_no_rule_is_for_a_file_of_rules(repository: Repository) -> None:
    """Encrypted, it would protect nothing."""
    folder = repository.folder / "secrets"
    folder.mkdir()
    for place in (folder / ".keystead.toml", folder / "x"):
        place.write_text("")
    (repository.folder / ".keystead.toml").write_text('[[rules]]\npath = "**"\n')
    (folder / "x").write_text("x")
    (folder / ".keystead.toml").write_text('key = "alias/Apollo/WorkKey"\n')
    repository.refused("keystead file check secrets", "secrets/x: it is not encrypted\n")
    repository.ok("rm secrets/x && keystead file check secrets .keystead.toml")


def test_what_is_encrypted_in_another_way_is_no_plaintext(repository: Repository) -> None:
    repository.ok("keystead file encrypt --no-values config/app.yaml -o config/app.yaml --force")
    repository.ok("cp certs/key.pem certs/a.yaml")
    (repository.folder / ".keystead.toml").write_text('key = "alias/Apollo/WorkKey"\n[[rules]]\npath = "*"\n')
    repository.refused(
        "keystead file check certs config", "certs/a.yaml: it is not encrypted", "certs/key.pem: it is"
    )
    repository.ok("rm certs/key.pem; echo 'a: 1' > certs/a.yaml")
    repository.ok("keystead file encrypt --values certs/a.yaml -o certs/a.yaml --force")
    repository.ok("head -c 100000 /dev/urandom > certs/x; keystead file encrypt certs/x -o certs/x --force")
    assert (
        repository.ok("keystead file check certs config")
        == "3 of 3 files are under a rule, none in the clear\n"
    )
    repository.ok(
        "cp certs/a.yaml certs/a.conf && cat .keystead.toml > kept && echo 'values = true' >> .keystead.toml"
    )
    repository.refused(
        "keystead file check certs/a.conf", "certs/a.conf: its name does not tell its format: give --format"
    )
    assert repository.ok("keystead file check --format yaml certs/a.conf").startswith("1 of 1 files")
    repository.ok("mv kept .keystead.toml && rm certs/a.conf && echo 'b: 2' >> certs/a.yaml")
    repository.refused("keystead file check certs", "certs/a.yaml: in the clear: /b\n")


# --- encrypting by rules


def test_the_command_line_goes_first(repository: Repository) -> None:
    quiet = repository.ok(
        "keystead file encrypt --key alias/Apollo/TlsKey --values --only '*host' config/app.yaml -o a.yaml"
    )
    assert quiet == "config/app.yaml: 1 of 3 values encrypted\n"
    assert re.findall(r"(\w+): \"?kms:", (repository.folder / "a.yaml").read_text()) == ["host"]
    told = repository.ok("keystead file encrypt --only '*host' config/app.yaml -o b.yaml")
    assert told.startswith("config/app.yaml: its values that match *host under alias/Apollo/WorkKey, by /")
    assert re.findall(r"(\w+): \"?kms:", (repository.folder / "b.yaml").read_text()) == ["host"]
    told = repository.ok("keystead file encrypt --no-values config/app.yaml -o c.yaml")
    assert told.startswith("config/app.yaml: as a whole under alias/Apollo/WorkKey")
    assert "kms:" not in (repository.folder / "c.yaml").read_text()
    repository.ok(
        "keystead file encrypt - < config/app.yaml > d 2>told && keystead file decrypt d | cmp - config/app.yaml"
    )
    assert "standard input: as a whole under alias/Apollo/WorkKey" in (repository.folder / "told").read_text()


def test_without_a_key(repository: Repository) -> None:
    repository.ok("git -C .. init -q nothing && cp config/app.yaml ../nothing/")
    ended = repository.run("keystead file encrypt app.yaml", cwd="../nothing")
    assert ended.returncode == 2
    assert ended.stdout.startswith(
        "error: there is no key for app.yaml\nhint: name one with --key, or in a file .keystead.toml"
    )
    (repository.folder / ".keystead.toml").write_text("kee = 1")
    repository.refused(
        "keystead file encrypt config/app.yaml", "has an unknown member kee", "did you mean key?"
    )
    assert sorted(os.listdir(repository.folder / "config")) == ["app.yaml"]
    ended = repository.run("keystead file check config certs")
    assert (ended.returncode, ended.stdout.count("error: ")) == (1, 1)
