"""What the flags, the variables and the configuration file say of settings, and the settings that come of it."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from keystead import forms, variables
from keystead.errors import WrongSetting
from keystead.settings import BY_NAME, SETTINGS, Settings


class Given(NamedTuple):
    """What one setting is to be, and where that was said: `--listen`, `KEYSTEAD_LISTEN`, or the name of a file."""

    value: Any
    source: str


def gather(file: str | None, flags: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Given]:
    """All that is said of settings, by their names. `file` is a TOML file, `flags` those that were given, by name, and
    None for others.

    WrongSetting if the file can't be read, or if it or the environment names a setting that there is not.
    """
    found: dict[str, Given] = {}
    file = file or environment.get(variables.CONFIG) or None
    if file is not None:
        for name, value in _in(file).items():
            if name not in BY_NAME:
                hint = (
                    "settings stand at the top level, without tables"
                    if isinstance(value, dict)
                    else _meant(name)
                )
                raise WrongSetting(f"there is no setting {name!r}, which {file} has", hint=hint)
            found[name] = Given(value, file)
    for name, near in variables.unknown(environment, [one.variable for one in SETTINGS]):
        if near:  # else it is somebody's own
            raise WrongSetting(
                f"there is no variable {name}, which the environment has",
                hint=f"did you mean {near}? where it is meant for another program, name it otherwise",
            )
    for one in SETTINGS:
        if (value := flags.get(one.name)) is not None:
            flag = f"--{one.name}" if value is not False else f"--no-{one.name}"
            if isinstance(value, list):  # a flag for each, or one for several
                value = [word for text in value for word in one.read(text, flag)]
            found[one.name] = Given(one.read(value, flag) if isinstance(value, str) else value, flag)
        elif text := environment.get(one.variable, ""):
            found[one.name] = Given(one.read(text, one.variable), one.variable)
    return found


def root_key_setting(config: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """The setting `root-key` alone, for commands on a data directory: by its variable, else the file of settings; else "".

    WrongSetting if that file can't be read, or has none that is a text.
    """
    return _text("root-key", config, environment)


def store_settings(config: str | None = None, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """As `root_key_setting`: the settings `store` and `store-password-file`."""
    return _text("store", config, environment), _text("store-password-file", config, environment)


def _text(name: str, config: str | None, environment: Mapping[str, str]) -> str:
    one = BY_NAME[name]
    if text := environment.get(one.variable, ""):
        return text
    file = config or environment.get(variables.CONFIG) or None
    value = "" if file is None else _in(file).get(one.name, "")
    one.check(value, str(file))
    return str(value)


def settle(given: Mapping[str, Given]) -> Settings:
    """The settings, with the defaults for what is not given. WrongSetting for a value that a setting can't have, and for
    two that exclude each other; of what is on this machine nothing is known here."""
    for name, (value, source) in given.items():
        BY_NAME[name].check(value, source)
    settings: Settings = msgspec.convert({name: one.value for name, one in given.items()}, Settings)

    def said(name: str) -> str:
        source = given[name].source
        return source if source.startswith("--") else f"{name} ({source})"

    if not settings.data:  # a variable that is not set
        raise WrongSetting("the data directory has no name", hint="leave --data out, or name a directory")
    if settings.data == "-":  # what stands for a file elsewhere
        raise WrongSetting("- is no data directory", hint="name a directory, or ./- if you mean that name")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        there, missing = ("tls-cert", "tls-key") if settings.tls_cert else ("tls-key", "tls-cert")
        raise WrongSetting(
            f"tls-cert and tls-key belong together: there is {said(there)}, and no {missing}",
            hint="give both, or neither",
        )
    for name, value in (("anchor-access-key", settings.anchor_access_key), ("anchor-ca", settings.anchor_ca)):
        if value and not settings.anchor.startswith("kms:"):
            raise WrongSetting(
                f"{said(name)} is for an anchor in a key, and there is none",
                hint="anchor: kms:KEY@https://HOST:PORT",
            )
    if settings.http and settings.tls_cert:
        raise WrongSetting(
            f"{said('http')} and {said('tls-cert')} exclude each other", hint="leave one of them out"
        )
    return settings


def _in(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongSetting(
            f"cannot read the configuration file {file}: {error.strerror}", hint="check the path of --config"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{file} is not valid TOML: {error}", hint="see https://toml.io") from None


def _meant(name: str) -> str:
    near = forms.nearest(name.replace("_", "-"), list(BY_NAME))
    return f"did you mean {near}?" if near else "keystead serve --help lists all settings"
