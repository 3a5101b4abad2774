from contextlib import suppress

import pytest

from keystead.cli.commands.file.reading import FORMATS as NAMES
from keystead.errors import OperatorError
from keystead.files.formats.known import FORMATS, by_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (".env", "env"),
        (".env.production", "env"),
        ("app.env.cipher", "env"),
        ("a.yml", "yaml"),
        ("a.b.yaml", "yaml"),
        ("a.json", "json"),
        ("a.toml", "toml"),
        ("setup.cfg", "ini"),
        ("my.cnf", "ini"),
        ("APP.INI", "ini"),
        ("a.ini.cipher", "ini"),
        ("messages_de.properties", "properties"),
        ("a.conf", None),
        ("env", None),
        ("ini", None),
    ],
)
def test_formats_by_name(file: str, name: str | None) -> None:
    form = by_name(file)
    assert (form and form.name) == name


def test_the_command_line_names_all_formats() -> None:
    assert tuple(FORMATS) == NAMES


@pytest.mark.parametrize("name", ["env", "ini", "properties"])
@pytest.mark.parametrize("line", ["a{}", "a{}x", "a=x{}x", "a={}x", "a=x{}# c", "[a{}x", "{}a=x", "a={}\n b"])
def test_a_long_run_of_spaces_takes_no_time(name: str, line: str) -> None:
    """With a pattern that goes back and forth this takes minutes, and the test does not end."""
    with suppress(OperatorError):
        FORMATS[name].leaves(line.format(" " * 100_000))
