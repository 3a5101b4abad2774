from pathlib import Path
from typing import Any

import pytest

from keystead import given_settings, settings
from keystead.errors import WrongSetting

REGEX = ("\\A", "\\Z", "[a-z", "(?", ")*", "|", "^", "$.", " - at ", "matching")  # and msgspec's own words


def load(content: str | None = None, /, folder: Path | None = None, **more: Any) -> settings.Settings:
    file = None
    if content is not None:
        assert folder is not None
        (folder / "k.toml").write_text(content)
        file = str(folder / "k.toml")
    return given_settings.settle(
        given_settings.gather(file, more.get("flags", {}), more.get("environment", {}))
    )


def refused(content: str | None = None, /, folder: Path | None = None, **more: Any) -> WrongSetting:
    with pytest.raises(WrongSetting) as caught:
        load(content, folder, **more)
    told = f"{caught.value.message} {caught.value.hint}"
    assert not [one for one in REGEX if one in told], told
    assert caught.value.hint
    return caught.value


def test_a_flag_wins_over_the_variable_that_over_the_file_and_that_over_the_default(tmp_path: Path) -> None:
    file = 'listen = "127.0.0.1:1"\nregion = "cn-beijing"\nname = ["a", "b"]\nidle-seconds = 5\n'
    variables = {"KEYSTEAD_REGION": "eu-west-1", "KEYSTEAD_IDLE_SECONDS": "6", "KEYSTEAD_LOG_LEVEL": "debug"}
    found = load(
        file,
        tmp_path,
        flags={"region": "cn-shanghai", "listen": None, "max-connections": 7},
        environment=variables,
    )
    assert (found.listen, found.name, found.max_connections) == ("127.0.0.1:1", ("a", "b"), 7)
    assert (found.region, found.idle_seconds, found.log_level, found.log_format) == (
        "cn-shanghai", 6, "debug", "auto",
    )  # fmt: skip


def test_where_each_value_comes_from_is_known(tmp_path: Path) -> None:
    file = tmp_path / "k.toml"
    file.write_text('region = "cn-beijing"\nhttp = true\n')
    given = given_settings.gather(
        None,
        {"http": False, "proxy": True},
        {"KEYSTEAD_CONFIG": str(file), "KEYSTEAD_NAME": "a", "KEYSTEAD_SEED": ""},
    )
    assert {name: one.source for name, one in given.items()} == {
        "region": str(file),
        "http": "--no-http",
        "proxy": "--proxy",
        "name": "KEYSTEAD_NAME",
    }
    other = tmp_path / "other.toml"
    other.write_text("")
    assert given_settings.gather(str(other), {}, {"KEYSTEAD_CONFIG": str(file)}) == {}


OTHER = {
    "http": "true",
    "proxy": "true",
    "seed-anyway": "true",
    "name": "a,b",
    "trusted-proxy": "192.0.2.1, ::1",
}


@pytest.mark.parametrize("setting", settings.SETTINGS, ids=lambda one: one.name)
def test_every_setting_has_a_variable_that_is_read_as_its_flag_is(setting: settings.Setting) -> None:
    default = getattr(settings.Settings(), setting.attribute)
    choices = [word for word in ("auto", "yes", "no", "json", "info", "debug") if word != default]
    for text in (OTHER.get(setting.name, ""), "7", "cn-beijing", "localhost:1", *choices):
        try:
            value = (
                given_settings.settle(given_settings.gather(None, {}, {setting.variable: text}))
                if text
                else None
            )
        except WrongSetting:
            continue
        if value is not None:
            break
    else:
        # These alone are refused, by whichever way they come.
        assert setting.name in ("tls-cert", "tls-key", "anchor-access-key", "anchor-ca")
        assert setting.variable in refused(environment={setting.variable: "x"}).message
        return
    found = getattr(value, setting.attribute)
    assert found != default
    if setting.kind not in (bool, tuple):
        assert getattr(load(flags={setting.name: text}), setting.attribute) == found
    # An empty variable is one that is not set.
    assert getattr(load(environment={setting.variable: ""}), setting.attribute) == default


@pytest.mark.parametrize(
    ("text", "value"),
    [(word, True) for word in ("true", "True", "yes", "ON", "1")]
    + [(word, False) for word in ("false", "no", "off", "0")],
)
def test_truths_in_a_variable(text: str, value: bool) -> None:
    assert load(environment={"KEYSTEAD_PROXY": text}).proxy is value


@pytest.mark.parametrize("text", ["a,b", "a b", " a, b,", "a\nb"])
def test_names_in_a_variable(text: str) -> None:
    assert load(environment={"KEYSTEAD_NAME": text}).name == ("a", "b")
    assert load(environment={"KEYSTEAD_NAME": " , "}).name == ()


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("KEYSTEAD_HTTP", "maybe", "true or false"),
        ("KEYSTEAD_PROXY", "http://keystead:token@127.0.0.1:1", "true or false"),
        ("KEYSTEAD_IDLE_SECONDS", "1.5", "a whole number, 1 to 3600"),
        ("KEYSTEAD_IDLE_SECONDS", "0", "a whole number, 1 to 3600"),
        ("KEYSTEAD_IDLE_SECONDS", "3601", "a whole number, 1 to 3600"),
        ("KEYSTEAD_IDLE_SECONDS", "٣", "a whole number, 1 to 3600"),
        ("KEYSTEAD_MAX_CONNECTIONS", "9" * 5000, "a whole number, 1 to 100000"),
        ("KEYSTEAD_LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("KEYSTEAD_REGION", "cn_hangzhou", "lower-case letters and digits"),
    ],
)
def test_a_bad_variable_is_named_with_the_rule_and_without_its_value(name: str, text: str, rule: str) -> None:
    problem = refused(environment={name: text})
    assert problem.message.startswith(f"{name} must be {rule}")
    assert text not in f"{problem.message} {problem.hint}" or text == "0"
    # What a flag wins over is not looked at.
    (setting,) = (one for one in settings.SETTINGS if one.variable == name)
    flag = {bool: True, int: "9", str: getattr(settings.Settings(), setting.attribute)}[setting.kind]
    load(flags={setting.name: flag}, environment={name: text})


def test_a_bad_flag_is_named_as_it_was_written() -> None:
    assert refused(flags={"region": "R"}).message.startswith("--region must be lower-case letters and digits")
    assert refused(flags={"idle-seconds": "x"}).message == "--idle-seconds must be a whole number, 1 to 3600"
    problem = refused(flags={"log-level": "Eror"})
    assert (problem.message, problem.hint) == (
        "--log-level must be debug, info, warning or error", "did you mean error?",
    )  # fmt: skip
    assert load(flags={"region": "r" * 32, "idle-seconds": "3600"}).region == "r" * 32


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1",
        "192.0.2.0/24",
        "10.0.0.0/255.0.0.0",
        "2001:db8::/32",
        "::1",
        "128.0.0.0/1",
        "::ffff:10.0.0.0/104",
    ],
)
def test_proxies_are_addresses_and_networks(text: str, tmp_path: Path) -> None:
    both = (text, "203.0.113.1")
    assert load(environment={"KEYSTEAD_TRUSTED_PROXY": ",".join(both)}).trusted_proxy == both
    assert load(flags={"trusted-proxy": list(both)}).trusted_proxy == both
    assert load(flags={"trusted-proxy": [",".join(both), "198.51.100.1"]}).trusted_proxy == (
        *both,
        "198.51.100.1",
    )
    assert load(f'trusted-proxy = ["{text}", "203.0.113.1"]\n', tmp_path).trusted_proxy == both


@pytest.mark.parametrize(
    "text",
    # The last ones are all addresses there are: whoever calls could say any other.
    ["proxy.example.com", "192.0.2.1:8443", "192.0.2.256", "192.0.2.1/24", "fe80::1%eth0", "unix", "*", "192.0.2.0/33",
     "0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"],
)  # fmt: skip
def test_anything_else_is_no_proxy(text: str, tmp_path: Path) -> None:
    rule = "must be addresses, as 192.0.2.1, or networks from their first address on"
    for problem in (
        refused(environment={"KEYSTEAD_TRUSTED_PROXY": f"192.0.2.7,{text}"}),
        refused(flags={"trusted-proxy": ["192.0.2.7", text]}),
    ):
        assert rule in problem.message
        assert "reverse proxies" in (problem.hint or "")
    assert rule in refused(f'trusted-proxy = ["{text}"]\n', tmp_path).message
    refused('trusted-proxy = "192.0.2.1"\n', tmp_path)  # a list, even of one


def test_a_misspelt_variable_is_refused_and_somebody_elses_is_not() -> None:
    problem = refused(environment={"KEYSTEAD_FRONT_CONFINMENT": "yes"})
    assert "there is no variable KEYSTEAD_FRONT_CONFINMENT" in problem.message
    assert "did you mean KEYSTEAD_FRONT_CONFINEMENT?" in problem.hint
    load(environment={"KEYSTEAD_VERSION": "1", "KEYSTEAD_ENDPOINT": "https://elsewhere"})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("colour = 1", "there is no setting 'colour'"),
        ("[server]\nlisten = 'a:1'", "settings stand at the top level, without tables"),
        ("log_level = 'info'", "did you mean log-level?"),
        ("listen = 1", "listen in"),
        ("max-connections = 0", "max-connections in"),
        ("max-connections = 100001", "a whole number, 1 to 100000"),
        ('max-connections = "7"', "a whole number, 1 to 100000"),
        ('name = "a"', "a list of names"),
        ('http = "yes"', "true or false"),
        ("front-process = true", "auto, yes or no"),
        ('log-level = "loud"', "debug, info, warning or error"),
        ('region = "cn_hangzhou"', "region in"),
        ('region = ""', "region in"),
        (f'region = "{"r" * 33}"', "at most 32 characters"),
        ("listen =", "TOML"),
        ('data = ""', "has no name"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, content: str, told: str) -> None:
    problem = refused(content, tmp_path)
    assert told in f"{problem.message} {problem.hint}"


def test_what_excludes_each_other_is_told_with_where_it_was_said(tmp_path: Path) -> None:
    problem = refused('tls-cert = "c"', tmp_path)
    assert f"tls-cert ({tmp_path}/k.toml), and no tls-key" in problem.message
    problem = refused(environment={"KEYSTEAD_TLS_KEY": "k"})
    assert "tls-key (KEYSTEAD_TLS_KEY), and no tls-cert" in problem.message
    problem = refused('tls-cert = "c"', tmp_path, flags={"http": True}, environment={"KEYSTEAD_TLS_KEY": "k"})
    assert problem.message == f"--http and tls-cert ({tmp_path}/k.toml) exclude each other"
    assert load(flags={"tls-cert": "c"}, environment={"KEYSTEAD_TLS_KEY": "k"}).tls_key == "k"


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="cannot read"):
        given_settings.gather(str(tmp_path / "none"), {}, {})
    with pytest.raises(WrongSetting, match="cannot read"):
        given_settings.gather(None, {}, {"KEYSTEAD_CONFIG": str(tmp_path)})
    (tmp_path / "b").write_bytes(b"\xff")
    with pytest.raises(WrongSetting, match="not valid TOML"):
        given_settings.gather(str(tmp_path / "b"), {}, {})


def test_the_data_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYSTEAD_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/x")
    assert settings.default_data() == "/x/keystead"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/h")
    assert settings.Settings().data == "/h/.local/share/keystead"
    monkeypatch.setenv("KEYSTEAD_DATA", "/d")
    assert settings.default_data() == settings.Settings().data == "/d"


def test_every_setting_has_a_description_and_a_flags_name() -> None:
    assert all(one.description for one in settings.SETTINGS)
    assert "ops-listen" in [one.name for one in settings.SETTINGS]
    assert "KEYSTEAD_OPS_LISTEN" in [one.variable for one in settings.SETTINGS]


def test_what_stands_for_a_stream_is_no_data_directory() -> None:
    assert "- is no data directory" in refused(flags={"data": "-"}).message
    assert load(flags={"data": "./-"}).data == "./-"


def test_what_a_running_server_takes_is_declared() -> None:
    assert {one.name for one in settings.SETTINGS if one.reloaded} == {
        "name",
        "tls-cert",
        "tls-key",
        "trusted-proxy",
        "log-format",
        "log-level",
        "log-file",
        "max-connections",
        "idle-seconds",
        "request-seconds",
        "drain-seconds",
        "stop-seconds",
        "backup-into",
        "backup-every",
        "backup-keep",
        "backup-keys",
    }
    assert all(hasattr(settings.Settings(), one.attribute) for one in settings.SETTINGS)


@pytest.mark.parametrize(
    ("text", "fits"), [("0", True), ("600", True), ("601", False), ("-1", False), ("1.5", False)]
)
def test_how_long_a_stop_may_go_on_serving(text: str, fits: bool) -> None:
    if fits:
        assert load(flags={"drain-seconds": text}).drain_seconds == int(text)
    else:
        told = refused(flags={"drain-seconds": text})
        assert told.message == "--drain-seconds must be a whole number, 0 to 600"
