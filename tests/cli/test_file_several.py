"""Configuration files of every kind, many at once: what has nothing to encrypt, what cannot be read, what is not text."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.live import KEYSTEAD, STRANGE, LiveServer, keystead, live

pytestmark = pytest.mark.usefixtures("memory_of_our_own")


def file(server: LiveServer, verb: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return keystead("file", verb, "--data", str(server.data), *words)


def encrypt(server: LiveServer, *words: str) -> "subprocess.CompletedProcess[str]":
    return file(server, "encrypt", "--key", "alias/work", *words)


def names() -> set[str]:
    return set(os.listdir())


# --- nothing to encrypt

NOTHING = {
    "null.yaml": "a:\n",
    "comment.yaml": "# nothing\n",
    "empty.yaml": "",
    "empty.json": "\n",
    "list.json": '{"a": [], "b": {}}',
    "empty.env": "A=\n# x\nexport B=''\n"[:-3],
    "empty.toml": "[a]\n",
    "empty.ini": "[a]\nb\nc =\n",
    "empty.properties": "# x\na\nb=\n",
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_file_without_values_passes_among_others_and_fails_alone(
    server: LiveServer, here: Path, name: str
) -> None:
    Path(name).write_text(NOTHING[name])
    Path(name).chmod(0o640)
    Path("other.yaml").write_text("b: secret\n")
    alone = encrypt(server, "--values", name)
    assert (alone.returncode, names()) == (1, {name, "other.yaml"})
    assert f"error: {name}: there is no value to encrypt in it" in alone.stderr
    ended = encrypt(server, "--values", name, "other.yaml")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.startswith(
        f"warning: {name}: there is no value to encrypt in it, so it stays as it is"
    )
    assert len(ended.stderr.splitlines()) == 1
    assert Path(f"{name}.cipher").read_text() == NOTHING[name]
    assert stat.S_IMODE(Path(f"{name}.cipher").stat().st_mode) == 0o640
    assert "secret" not in Path("other.yaml.cipher").read_text()
    Path("out").mkdir()
    words = [
        "file",
        "decrypt",
        f"{name}.cipher",
        "other.yaml.cipher",
        "-o",
        "out",
        "--data",
        str(server.data),
    ]
    opened = keystead(*words)
    if NOTHING[name].strip():
        assert (opened.returncode, Path("out", name).read_text()) == (0, NOTHING[name]), opened.stderr
    else:
        assert opened.returncode == 5  # it could be one that was cut off
    assert Path("out", "other.yaml").read_text() == "b: secret\n"


def test_what_was_encrypted_already_stays(server: LiveServer, here: Path) -> None:
    Path("a.yaml").write_text("a: secret\n")
    assert encrypt(server, "--values", "a.yaml").returncode == 0
    before = Path("a.yaml.cipher").read_bytes()
    ended = encrypt(server, "--values", "a.yaml.cipher", "-o", "b.yaml")
    assert (ended.returncode, ended.stderr, Path("b.yaml").read_bytes()) == (0, "", before)


# --- --only

WIDE = "".join(f"k{number}: hunter2\n" for number in range(30)) + f"{'l' * 90}: hunter2\n"


def test_a_pattern_without_a_path_names_those_that_there_are(server: LiveServer, here: Path) -> None:
    Path("a.yaml").write_text("db: {host: h, password: hunter2}\n")
    Path("b.yaml").write_text("x: hunter2\n")
    Path("wide.yaml").write_text(WIDE)
    before = names()
    for words, told in (
        (["a.yaml", "--only", "password"], "a pattern is for a whole path, as in --only '*password*'; there are /db/host, /db/password"),
        (["a.yaml", "b.yaml", "--only", "pasword", "--only", "nix"], "hint: there are /db/host, /db/password, /x\n"),
        (["wide.yaml", "--only", "nix"], "/k8, /k9 and 21 more\n"),
    ):  # fmt: skip
        ended = encrypt(server, "--values", *words)
        assert (ended.returncode, ended.stdout, names()) == (1, "", before)
        assert ended.stderr.startswith("error: --only ")
        assert told in ended.stderr
        assert "hunter2" not in ended.stderr
    # A pattern that matches nothing beside one that does is told: what it was for is in the clear.
    ended = encrypt(server, "--values", "a.yaml", "b.yaml", "--only", "*password", "--only", "*pasword")
    assert ended.returncode == 0
    assert "warning: --only *pasword matches no path\n" in ended.stderr
    assert (
        "warning: b.yaml: there is no value to encrypt in it, so it stays as it is; there are /x"
        in ended.stderr
    )
    assert Path("b.yaml.cipher").read_text() == "x: hunter2\n"
    assert "hunter2" not in Path("a.yaml.cipher").read_text()


def test_no_value_is_told_as_a_path(server: LiveServer, here: Path) -> None:
    """A secret in base64 reads as a name with an empty value, and a text as lines with names."""
    Path("a.yaml").write_text("tokens: [hunter2aGk=]\ntext: |\n  hunter2:\n  x\n")
    Path("b.yaml").write_text("x: 1\n")
    for files in (["a.yaml"], ["a.yaml", "b.yaml"]):
        for only in (["x"], ["x", "--only", "*/x"]):
            ended = encrypt(server, "--values", *files, "--only", *only, "--force")
            assert "there are /tokens/0, /text" in ended.stderr
            assert "hunter2" not in ended.stdout + ended.stderr
    ended = keystead(
        *(
            "file",
            "encrypt",
            "--data",
            str(server.data),
            "--key",
            "alias/work",
            "--values",
            "--format",
            "yaml",
        ),
        *("-", "--only", "x"),
        input=Path("a.yaml").read_text(),
    )
    assert ended.stderr.endswith("; there are /tokens/0, /text\n")
    assert "hunter2" not in ended.stderr


def test_a_pattern_for_a_pipe(server: LiveServer, here: Path) -> None:
    words = [
        "file",
        "encrypt",
        "--data",
        str(server.data),
        "--key",
        "alias/work",
        "--values",
        "--format",
        "yaml",
        "-",
    ]
    ended = keystead(*words, "--only", "*b", input="a: 1\n")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "there is no value to encrypt in it\nhint: there are /a\n" in ended.stderr
    ended = keystead(*words, "--only", "*a", input="a: 1\n")
    assert (ended.returncode, ended.stderr) == (0, "standard input: 1 of 1 values encrypted\n")


HIDDEN = {
    "my.cnf": ("[client]\nuser = app\n  password = hunter2\n[mysqld]\nport = 1\n", "1 of 2"),
    "compose.yaml": ("services: {web: {environment: [DB_PASSWORD=hunter2, HOST=h], command: ['--password=hunter2']}}\n", "2 of 3"),
    "pod.yaml": ("env:\n- {name: DB_PASSWORD, value: hunter2}\n- {name: HOST, value: h}\n", "1 of 4"),
    "task.json": ('{"environment": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "HOST", "value": "h"}]}', "1 of 4"),
    "merged.yaml": ("x: &x {pw: hunter2, host: h}\npasswords: {<<: *x}\nz: 1\n", "2 of 3"),
    "map.yaml": ("data:\n  app.env: |\n    A=1\n    PASSWORD=hunter2\n  b: c\n", "1 of 2"),
    "e.toml": ('env = ["PASSWORD=hunter2"]\na = 1\n', "1 of 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_a_pattern_finds_what_a_list_or_an_indent_hides(server: LiveServer, here: Path, name: str) -> None:
    """Nothing that the pattern was for is in the clear, all comes back to the byte, and `check` agrees."""
    content, count = HIDDEN[name]
    Path(name).write_text(content)
    only = ["--only", "*password", "--only", "*PASSWORD", "--only", "/passwords/*"]
    ended = encrypt(server, "--values", *only, name)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.endswith(f"{name}: {count} values encrypted\n")
    sealed = Path(f"{name}.cipher").read_text()
    assert "hunter2" not in sealed
    assert file(server, "decrypt", f"{name}.cipher").stdout == content
    Path(".keystead.toml").write_text(
        '[[rules]]\npath = "*"\nvalues = true\nonly = ["*password", "*PASSWORD", "/passwords/*"]\n'
    )
    told = keystead("file", "check", name)
    assert (told.returncode, "in the clear: /" in told.stdout) == (1, True)
    assert keystead("file", "check", f"{name}.cipher").returncode == 0


def test_a_value_and_its_aliases(server: LiveServer, here: Path) -> None:
    """Sealed once, where its anchor is; the aliases stand for the ciphertext, and for the plaintext again."""
    content = "a: &x hunter2\nb: *x\nc: &m {d: &y hunter2, e: 1}\nf: {<<: *m, g: *y}\n"
    Path("a.yaml").write_text(content)
    for only in (["/b", "/f/d"], ["/a", "/f/g"]):
        words = [word for path in only for word in ("--only", path)]
        ended = encrypt(server, "--values", "--force", *words, "a.yaml")
        assert (ended.returncode, ended.stderr) == (0, "a.yaml: 2 of 3 values encrypted\n")
        found = yaml.safe_load(Path("a.yaml.cipher").read_text())
        assert found["a"] == found["b"]
        assert found["a"].startswith("kms:")
        assert found["c"]["d"] == found["f"]["d"] == found["f"]["g"] != found["a"]
        assert found["c"]["e"] == found["f"]["e"] == 1
        assert file(server, "decrypt", "a.yaml.cipher").stdout == content


def test_edit_encrypts_what_got_a_new_name(server: LiveServer, here: Path) -> None:
    """An option that was indented below one in the clear, another item in a list's place; a new alias changes nothing."""

    def edited(name: str, script: str) -> str:
        env = {"VISUAL": f"sed -i -e '{script}'"}
        ended = keystead("file", "edit", "--data", str(server.data), name, env=env)
        assert (ended.returncode, ended.stderr) == (0, "")
        return Path(name).read_text()

    Path("a.ini").write_text("[s]\nuser = u\nport = 1\ntoken = t\n")
    Path("a.yaml").write_text("token: t\nx: &x\n  host: h\nlist: [A=1, B=2]\n")
    assert encrypt(server, "--values", "--only", "*token", "a.ini", "a.yaml").returncode == 0
    sealed = edited("a.ini.cipher", "s/^user.*/user = u\\n  password = hunter2/; s/port = 1/port = 2/")
    assert "hunter2" not in sealed
    assert "port = 2\n" in sealed
    sealed = edited("a.yaml.cipher", "s/B=2/PASSWORD=hunter2/; s/A=1/A=3/; $ay: {<<: *x}")
    assert "hunter2" not in sealed
    assert '  host: h\nlist: [A=3, "kms:' in sealed
    assert file(server, "decrypt", "a.yaml.cipher").stdout.endswith(
        "list: [A=3, PASSWORD=hunter2]\ny: {<<: *x}\n"
    )


# --- one that fails among many


def test_one_bad_file_among_many_is_told_and_the_others_are_done(server: LiveServer, here: Path) -> None:
    Path("a.yaml").write_text("a: 1\n")
    Path("b.yaml").write_text("a: [\n")
    Path("c.yaml").write_text("c: 3\n")
    Path("d.txt").write_text("d: 4\n")
    Path("folder").mkdir()
    ended = encrypt(server, "--values", "a.yaml", "b.yaml", "gone.yaml", "folder", "d.txt", "c.yaml")
    assert (ended.returncode, ended.stdout) == (1, "")
    told = [line for line in ended.stderr.splitlines() if not line.startswith("hint: ")]
    assert [line.split(":")[1].strip() for line in told[:-1]] == ["b.yaml", "gone.yaml", "folder", "d.txt"]
    assert "hint: name the files in it: folder/*\n" in ended.stderr
    assert told[-1] == "2 of 6 files were done; those named above were not"
    assert {name for name in names() if name.endswith(".cipher")} == {"a.yaml.cipher", "c.yaml.cipher"}
    Path("out").mkdir()
    Path("c.yaml.cipher").write_text(Path("a.yaml.cipher").read_text().replace("a: ", "c: "))
    ended = file(server, "decrypt", "c.yaml.cipher", "a.yaml.cipher", "-o", "out")
    assert (ended.returncode, os.listdir("out")) == (5, ["a.yaml"])
    assert "1 of 2 files were done" in ended.stderr


def test_the_same_file_twice(server: LiveServer, here: Path) -> None:
    Path("a.yaml").write_text("a: 1\n")
    Path("d").mkdir()
    Path("link").symlink_to("d")
    Path("d/x.yaml").write_text("a: 1\n")
    before = names()
    for words, told in (
        (["a.yaml", "a.yaml"], "a.yaml is named twice"),
        (["a.yaml", "./a.yaml"], "two files would become ./a.yaml.cipher"),
        (["d/x.yaml", "link/x.yaml"], "two files would become link/x.yaml.cipher"),
        (["a.yaml", "a.yaml", "-o", "d"], "a.yaml is named twice"),
    ):
        ended = encrypt(server, "--values", "--force", *words)
        assert (ended.returncode, names(), os.listdir("d")) == (2, before, ["x.yaml"])
        assert told in ended.stderr
    assert encrypt(server, "--values", "a.yaml").returncode == 0
    ended = file(server, "reencrypt", "a.yaml.cipher", ".", "./a.yaml.cipher")
    assert ended.stderr == "1 encrypted files, 0 to re-encrypt\n"


def test_a_server_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file is a pipe: the server is stopped before its content comes."""
    monkeypatch.chdir(tmp_path)
    with live(tmp_path / "data") as server:
        client = server.client()
        key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        client.close()
        Path("a").write_text("1")
        Path("c").write_text("3")
        os.mkfifo("b")
        words = ["file", "encrypt", "--data", str(server.data), "--key", key_id, "a", "b", "c"]
        process = subprocess.Popen(
            [*KEYSTEAD, *words], stderr=subprocess.PIPE, text=True, env={**os.environ, **STRANGE}
        )
        with Path("b").open("wb") as pipe:  # opens when the program does: a is done
            server.stop()
            pipe.write(b"2")
        _, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert told.startswith("1 of 3 files were done, the last before b\nerror: ")
    assert Path("a.cipher").exists()
    assert not Path("b.cipher").exists()
    assert not Path("c.cipher").exists()


# --- where files stand


def test_in_place_links_owners_and_modes_stay(server: LiveServer, here: Path) -> None:
    client = server.client()
    key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    Path("d").mkdir()
    Path("d/a.yaml").write_text("a: 1\n")
    words = ["--key", key_id, "--values", "d/a.yaml", "-o", "d/a.yaml", "--force"]
    assert file(server, "encrypt", *words).returncode == 0
    Path("link.yaml").symlink_to("d/a.yaml")
    Path("d/a.yaml").chmod(0o440)
    if os.geteuid() == 0:
        os.chown("d/a.yaml", 1, 2)
    client.ok("CreateKeyVersion", KeyId=key_id)
    client.close()
    before = Path("d/a.yaml").read_text()
    assert file(server, "reencrypt", "--apply", "link.yaml").returncode == 0
    Path("editor").write_text("#!/bin/sh\necho 'b: 2' >> $1\n")
    Path("editor").chmod(0o700)
    renewed = Path("d/a.yaml").read_text()
    ended = keystead(
        "file",
        "edit",
        "--data",
        str(server.data),
        "link.yaml",
        env={"VISUAL": str(Path("editor").absolute())},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len({before, renewed, Path("d/a.yaml").read_text()}) == 3
    found = Path("d/a.yaml").stat()
    assert Path("link.yaml").is_symlink()
    assert stat.S_IMODE(found.st_mode) == 0o440
    if os.geteuid() == 0:
        assert (found.st_uid, found.st_gid) == (1, 2)
    assert file(server, "decrypt", "link.yaml").stdout == "a: 1\nb: 2\n"


def test_a_value_that_was_empty_is_new(server: LiveServer, here: Path) -> None:
    Path("a.ini").write_text("[s]\nhost = h\npassword =\ntoken = t\n")
    assert encrypt(server, "--values", "--only", "*token", "a.ini").returncode == 0
    ended = keystead(
        *("file", "edit", "--data", str(server.data), "a.ini.cipher"),
        env={"VISUAL": "sed -i -e 's/password =/password = hunter2/' -e 's/= h$/= h2/'"},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    sealed = Path("a.ini.cipher").read_text()
    assert sealed.startswith("[s]\nhost = h2\npassword = kms:")
    assert "password = hunter2\n" in file(server, "decrypt", "a.ini.cipher").stdout


def test_edit_loses_nothing(server: LiveServer, here: Path) -> None:
    Path("a.yaml").write_text("a: 1\n")
    assert encrypt(server, "--values", "a.yaml", "-o", "a.yaml", "--force").returncode == 0
    Path("editor").write_text("#!/bin/sh\necho 'b: 2' >> $1\necho '# theirs' >> a.yaml\n")
    Path("editor").chmod(0o700)
    env = {"VISUAL": str(Path("editor").absolute())}
    ended = keystead("file", "edit", "--data", str(server.data), "a.yaml", env=env, stdin=subprocess.DEVNULL)
    assert (ended.returncode, "a.yaml was changed meanwhile" in ended.stderr) == (1, True)
    kept = re.search(r"is in the clear in (\S+keystead-edit-\w+)/", ended.stderr)
    assert kept is not None
    shutil.rmtree(kept[1])
    assert Path("a.yaml").read_text().endswith("# theirs\n")
    for verb in ("edit", "reencrypt"):
        refused = keystead("file", verb, "--data", str(server.data), "-", env=env, stdin=subprocess.DEVNULL)
        assert (refused.returncode, refused.stdout) == (2, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_directory_that_cannot_be_written(server: LiveServer, here: Path) -> None:
    Path("d").mkdir()
    Path("d/a.yaml").write_text("a: 1\n")
    Path("editor").write_text("#!/bin/sh\ntouch started\n")
    Path("editor").chmod(0o700)
    assert encrypt(server, "--values", "d/a.yaml", "-o", "d/a.yaml", "--force").returncode == 0
    subprocess.run(["mount", "--bind", "d", "d"], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", "d"], check=True)
        env = {"VISUAL": str(Path("editor").absolute())}
        ended = keystead("file", "edit", "--data", str(server.data), "d/a.yaml", env=env)
        assert (ended.returncode, "its directory is not writable" in ended.stderr) == (1, True)
        assert not Path("started").exists()
    finally:
        subprocess.run(["umount", "d"], check=True)


# --- characters


def test_properties_in_iso_8859_1_come_back_to_the_byte(server: LiveServer, here: Path) -> None:
    """Also where only the values are not UTF-8, and nothing in the encrypted file tells what it was."""
    for number, content in enumerate(
        (
            b"# caf\xe9\na = p\xe9ss\nb = pass\n",
            b"a = p\xe9ss\nb = \xc3\xa9\n\xe9 = \xff",
            b"a = p\xe9ss \xc3\xa9\n",
            "a = péss\n# é".encode(),
        )
    ):
        name = f"{number}.properties"
        Path(name).write_bytes(content)
        ended = encrypt(server, "--values", name)
        assert (ended.returncode, ended.stderr) == (0, "")
        sealed = Path(f"{name}.cipher").read_bytes()
        assert b"p\xe9ss" not in sealed
        assert (b"kms-latin1:" in sealed) == (number != 3)
        assert file(server, "decrypt", f"{name}.cipher", "-o", "out", "--force").returncode == 0
        assert Path("out").read_bytes() == content
        # Unchanged, a value keeps its ciphertext.
        assert encrypt(server, "--values", "--force", name).returncode == 0
        assert Path(f"{name}.cipher").read_bytes() == sealed
        assert file(server, "inspect", "--check", f"{name}.cipher").returncode == 0
    Path("a.ini").write_bytes(b"[s]\na = \xe9\n")
    ended = encrypt(server, "--values", "a.ini")
    assert (ended.returncode, "it is not UTF-8 text (byte 8)" in ended.stderr) == (1, True)


def test_a_mark_that_was_changed_does_not_open(server: LiveServer, here: Path) -> None:
    Path("a.properties").write_text("a = ☃\n")
    assert encrypt(server, "--values", "a.properties").returncode == 0
    sealed = Path("a.properties.cipher").read_text()
    Path("a.properties.cipher").write_text(sealed.replace("kms:", "kms-latin1:"))
    ended = file(server, "decrypt", "a.properties.cipher")
    assert (ended.returncode, ended.stdout) == (5, "")
    assert "the value /a does not open" in ended.stderr


def test_what_no_format_reads_is_told_with_a_way_out(server: LiveServer, here: Path) -> None:
    """Terraform's variables, comments in JSON, a template: no warning for each pattern, as there are no paths at all."""
    for name, content, told in (
        ("terraform.tfvars", 'password = "hunter2"\n', "its name does not tell its format"),
        ("settings.json", '{ // c\n "password": "hunter2" }', "it is not valid JSON"),
        ("values.yaml", "password: {{ .Values.hunter2 }}\n", "the key in line 1 is no plain word"),
    ):
        Path(name).write_text(content)
        ended = encrypt(server, "--values", "--only", "*password", name)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith(f"error: {name}: {told}")
        assert "hunter2" not in ended.stderr
        assert (
            "encrypt the file as a whole" in ended.stderr
            or "around {{…}} of a template put quotes" in ended.stderr
        )


def test_the_format_can_be_named(server: LiveServer, here: Path) -> None:
    Path("app.conf").write_text("[s]\nkey = secret\n")
    ended = encrypt(server, "--values", "app.conf")
    assert (ended.returncode, "--format: env, yaml, json, toml, ini, properties" in ended.stderr) == (1, True)
    assert encrypt(server, "--values", "--format", "ini", "app.conf").returncode == 0
    assert Path("app.conf.cipher").read_text().startswith("[s]\nkey = kms:")
    assert file(server, "decrypt", "--format", "ini", "app.conf.cipher").stdout == "[s]\nkey = secret\n"


def test_a_pattern_is_for_every_value_of_a_key_that_stands_twice(server: LiveServer, here: Path) -> None:
    Path("s.properties").write_text("db.password=one\n#---\ndb.password=two\nname=x\n")
    assert encrypt(server, "--values", "--only", "*.password", "s.properties").returncode == 0
    sealed = Path("s.properties.cipher").read_text()
    assert ("one" in sealed, "two" in sealed, "name=x" in sealed) == (False, False, True)


def test_what_is_encrypted_already_is_said(server: LiveServer, here: Path) -> None:
    Path("big").write_text("x" * 10_000)
    assert encrypt(server, "big").returncode == 0
    told = encrypt(server, "big.cipher", "-o", "twice")
    assert told.returncode == 1
    assert told.stderr.startswith("error: big.cipher: it is encrypted already\nhint: ")
    assert not Path("twice").exists()
    Path("u.service").write_text("[Service]\nA=secret\n")
    assert encrypt(server, "--values", "--format", "ini", "u.service").returncode == 0
    told = keystead("file", "decrypt", "u.service.cipher", "--data", str(server.data))
    assert (told.returncode, "--format tells its format" in told.stderr) == (5, True)
    for words, again in (
        (["u.service.cipher"], True),
        (["u.service.cipher"], False),
    ):  # the second finds it there
        told = encrypt(server, *words)
        assert (told.returncode == 0, "encrypted already, and now once more" in told.stderr) == (again, again)
    told = keystead("file", "reencrypt", "u.service.cipher", "--data", str(server.data))
    assert "warning: u.service.cipher: it is not an encrypted file" in told.stderr
