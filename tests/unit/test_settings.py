from pathlib import Path

import pytest

from keystead import settings
from keystead.errors import Misnamed, OperatorError


def test_a_flag_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "k.toml"
    file.write_text('listen = "127.0.0.1:1"\nregion = "cn-beijing"\nname = ["a", "b"]\n')
    found = settings.load(str(file), {"region": "cn-shanghai", "listen": None, "max_connections": 7})
    assert (found.listen, found.region, found.name, found.max_connections) == (
        "127.0.0.1:1",
        "cn-shanghai",
        ("a", "b"),
        7,
    )
    assert found.log_level == "info"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("colour = 1", "colour"),
        ("listen = 1", "listen"),
        ("max-connections = 0", "max-connections"),
        ("max-connections = 100001", "max-connections"),
        ('log-level = "loud"', "log-level"),
        ('region = "cn_hangzhou"', "region"),
        ('region = ""', "region"),
        (f'region = "{"r" * 33}"', "region"),
        ("listen =", "TOML"),
        ('tls-cert = "c"', "belong together"),
        ('http = true\ntls-cert = "c"\ntls-key = "k"', "exclude"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "k.toml"
    file.write_text(content)
    with pytest.raises(OperatorError, match=told):
        settings.load(str(file), {})


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot read"):
        settings.load(str(tmp_path / "none"), {})
    (tmp_path / "b").write_bytes(b"\xff")
    with pytest.raises(OperatorError):
        settings.load(str(tmp_path / "b"), {})


def test_the_data_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/x")
    assert settings.default_data() == "/x/keystead"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/h")
    assert settings.Settings().data == "/h/.local/share/keystead"


def test_every_setting_has_a_description_and_a_flags_name() -> None:
    assert all(one.description for one in settings.SETTINGS)
    assert "ops-listen" in [one.name for one in settings.SETTINGS]


def test_what_stands_for_a_stream_is_no_data_directory() -> None:
    with pytest.raises(Misnamed, match="- is no data directory"):
        settings.load(None, {"data": "-"})
    assert settings.load(None, {"data": "./-"}).data == "./-"


def test_flags_alone_are_checked_too() -> None:
    assert settings.load(None, {"region": "r" * 32}).region == "r" * 32
    with pytest.raises(OperatorError, match="the command line"):
        settings.load(None, {"region": "R"})


def test_what_a_running_server_takes_is_declared() -> None:
    assert {one.name for one in settings.SETTINGS if one.reloaded} == {
        "name",
        "tls-cert",
        "tls-key",
        "log-format",
        "log-level",
        "log-file",
        "max-connections",
        "idle-seconds",
        "request-seconds",
        "stop-seconds",
    }
    assert all(hasattr(settings.Settings(), one.attribute) for one in settings.SETTINGS)
