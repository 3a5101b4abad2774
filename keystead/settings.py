"""The settings of a server: each declared once, with its description, default and limits.

The configuration file is TOML with the same names as the flags (`ops-listen = "127.0.0.1:8444"`). A flag wins over the
file, the file over the default. Secrets are never written in it, only paths to them.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from keystead.errors import Misnamed, OperatorError


def default_data() -> str:
    """`$KEYSTEAD_DATA`, else `$XDG_DATA_HOME/keystead`, by default `~/.local/share/keystead` (XDG Base Directory
    Specification)."""
    if named := os.environ.get("KEYSTEAD_DATA", ""):
        return named
    home = os.environ.get("XDG_DATA_HOME", "")
    if not home.startswith("/"):  # the specification: relative paths are invalid and ignored
        home = str(Path.home() / ".local" / "share")
    return f"{home}/keystead"


_RELOADED = {"reloaded": True}


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """All settings. A path is taken from the directory that the command runs in.

    `extra` of a setting says that a running server takes another value on SIGHUP.
    """

    data: Annotated[str, msgspec.Meta(description="the data directory")] = msgspec.field(
        default_factory=default_data
    )
    listen: Annotated[str, msgspec.Meta(description="address and port of the API")] = "localhost:8443"
    name: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="more host names or IP addresses by which clients on other hosts reach the API",
            extra=_RELOADED,
        ),
    ] = ()
    ops_listen: Annotated[
        str,
        msgspec.Meta(
            description="address and port of /health, /ready and /metrics; "
            "empty: 127.0.0.1:8444, or a free port where `listen` has one or 8444 is taken"
        ),
    ] = ""
    region: Annotated[
        str,
        msgspec.Meta(
            description="the region of calls that name none: lower-case words and digits joined by hyphens",
            pattern=r"\A[a-z0-9]+(-[a-z0-9]+)*\Z",
            max_length=32,
        ),
    ] = "cn-hangzhou"
    tls_cert: Annotated[
        str,
        msgspec.Meta(
            description="your own certificate chain (PEM); empty: one by the server's own CA", extra=_RELOADED
        ),
    ] = ""
    tls_key: Annotated[
        str, msgspec.Meta(description="the private key of `tls-cert` (PEM, mode 0600)", extra=_RELOADED)
    ] = ""
    http: Annotated[bool, msgspec.Meta(description="plain HTTP instead of HTTPS; on loopback only")] = False
    front_process: Annotated[
        str,
        msgspec.Meta(
            description="whether TLS and HTTP have a process of their own, before the one that has the keys: "
            "yes, no, or auto: where there are two processors",
            pattern=r"\A(auto|yes|no)\Z",
        ),
    ] = "auto"
    front_confinement: Annotated[
        str,
        msgspec.Meta(
            description="whether the front process gives up files, programs and connections of its own: "
            "auto, as far as the kernel has Landlock and seccomp for it; yes, no start without both; or no, "
            "and both processes can be looked into by their user",
            pattern=r"\A(auto|yes|no)\Z",
        ),
    ] = "auto"
    proxy: Annotated[
        bool, msgspec.Meta(description="also run the proxy that `keystead env` points official clients to")
    ] = False
    service_keys: Annotated[
        str,
        msgspec.Meta(
            description="whether a call that names a key as alias/acs/CODE, with the code of one of the vendor's services, "
            "makes the key of that service if there is none: yes or no",
            pattern=r"\A(yes|no)\Z",
        ),
    ] = "yes"
    seed: Annotated[
        str, msgspec.Meta(description="a TOML file of fixed keys for tests, planted into an empty server")
    ] = ""
    seed_anyway: Annotated[
        bool, msgspec.Meta(description="plant `seed` beside keys that are there already")
    ] = False
    log_format: Annotated[
        str,
        msgspec.Meta(
            description="json, text, or auto: text on a terminal",
            pattern=r"\A(json|text|auto)\Z",
            extra=_RELOADED,
        ),
    ] = "auto"
    log_level: Annotated[
        str,
        msgspec.Meta(
            description="debug, info, warning or error",
            pattern=r"\A(debug|info|warning|error)\Z",
            extra=_RELOADED,
        ),
    ] = "info"
    log_file: Annotated[
        str,
        msgspec.Meta(
            description="a file to log to, opened anew when it was renamed or removed; empty, or -: standard error",
            extra=_RELOADED,
        ),
    ] = ""
    max_connections: Annotated[
        int, msgspec.Meta(description="connections served at a time", extra=_RELOADED, ge=1, le=100_000)
    ] = 2000
    idle_seconds: Annotated[
        int, msgspec.Meta(description="how long an idle connection is kept", extra=_RELOADED, ge=1, le=3600)
    ] = 75
    request_seconds: Annotated[
        int,
        msgspec.Meta(
            description="how long a client may take to send one request", extra=_RELOADED, ge=1, le=600
        ),
    ] = 30
    stop_seconds: Annotated[
        int,
        msgspec.Meta(
            description="how long a stop waits for accepted requests", extra=_RELOADED, ge=1, le=600
        ),
    ] = 20


def load(file: str | None, flags: dict[str, Any]) -> Settings:
    """The settings from a TOML file, if one is named, with the flags that were given laid over it.

    OperatorError names the file and what is wrong in it.
    """
    found: dict[str, Any] = {}
    if file is not None:
        try:
            found = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise OperatorError(
                f"cannot read the configuration file {file}: {error.strerror}",
                hint="check the path of --config",
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise OperatorError(f"{file} is not valid TOML: {error}", hint="see https://toml.io") from None
    found.update({name.replace("_", "-"): value for name, value in flags.items() if value is not None})
    try:
        settings = msgspec.convert(found, Settings)
    except msgspec.ValidationError as error:
        where = file or "the command line"
        raise OperatorError(
            f"a setting in {where} is not valid: {error}", hint="keystead serve --help lists all settings"
        ) from None
    if not settings.data:  # a variable that is not set
        raise OperatorError("the data directory has no name", hint="leave --data out, or name a directory")
    if settings.data == "-":  # what stands for a file elsewhere
        raise Misnamed("- is no data directory", hint="name a directory, or ./- if you mean that name")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise OperatorError("tls-cert and tls-key belong together", hint="give both, or neither")
    if settings.http and settings.tls_cert:
        raise OperatorError("http and tls-cert exclude each other", hint="leave one of them out")
    return settings


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as the command line and the reference page see it. `kind` is str, int, bool or tuple.

    `reloaded`: whether a running server takes another value on SIGHUP.
    """

    name: str
    kind: type
    description: str
    shown_default: str
    reloaded: bool

    @property
    def attribute(self) -> str:
        """Its name in `Settings`, and in what a command line was parsed to."""
        return self.name.replace("-", "_")


def _declared() -> tuple[Setting, ...]:
    hints = get_type_hints(Settings, include_extras=True)
    found = []
    for field in msgspec.structs.fields(Settings):
        base, meta = get_args(hints[field.name])
        default = "" if field.default is msgspec.NODEFAULT else field.default
        found.append(
            Setting(
                name=field.encode_name,
                kind=get_origin(base) or base,
                description=meta.description,
                shown_default="$XDG_DATA_HOME/keystead" if field.name == "data" else str(default or ""),
                reloaded=meta.extra is not None,
            )
        )
    return tuple(found)


SETTINGS = _declared()
