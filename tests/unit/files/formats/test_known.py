import pytest

from keystead.cli.commands.file.reading import FORMATS as NAMES
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
