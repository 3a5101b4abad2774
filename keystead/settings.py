"""The settings of a server: each declared once, with its description, default and limits.

A setting has one name in three spellings: the flag `--ops-listen`, the variable `KEYSTEAD_OPS_LISTEN`, and `ops-listen` in
the configuration file, which is TOML. A flag wins over the variable, the variable over the file, the file over the default.
Secrets are never written in any of them, only paths to them.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from keystead import forms, variables
from keystead.errors import WrongSetting


def default_data() -> str:
    """`$KEYSTEAD_DATA`, else `$XDG_DATA_HOME/keystead`, by default `~/.local/share/keystead` (XDG Base Directory
    Specification)."""
    if named := os.environ.get(variables.DATA, ""):
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
    store: Annotated[
        str,
        msgspec.Meta(
            description="a database that several servers share: postgresql://USER@HOST,HOST:PORT/DATABASE?OPTION=VALUE…, "
            "without a password; empty: one in the data directory",
        ),
    ] = ""
    store_password_file: Annotated[
        str,
        msgspec.Meta(
            description="a file with the password for `store` (mode 0600), or credential:NAME of systemd; "
            "empty: that of KEYSTEAD_STORE_PASSWORD, else as PostgreSQL's own programs find it",
        ),
    ] = ""
    root_key: Annotated[
        str,
        msgspec.Meta(
            description="where the root key comes from: file, file:PATH, credential:NAME, passphrase, passphrase:fd:N, "
            "pkcs11:… or kms:…; empty: as the data directory was last sealed, at first a file in it"
        ),
    ] = ""
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
    region: Annotated[str, forms.REGION, msgspec.Meta(description="the region of calls that name none")] = (
        "cn-hangzhou"
    )
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
        Literal["auto", "yes", "no"],
        msgspec.Meta(
            description="whether TLS and HTTP have a process of their own, before the one that has the keys: "
            "yes, no, or auto: where there are two processors",
        ),
    ] = "auto"
    front_confinement: Annotated[
        Literal["auto", "yes", "no"],
        msgspec.Meta(
            description="whether the front process gives up files, programs and connections of its own: "
            "auto, as far as the kernel has Landlock and seccomp for it; yes, no start without both; or no, "
            "and both processes can be looked into by their user",
        ),
    ] = "auto"
    console: Annotated[
        Literal["yes", "no"],
        msgspec.Meta(
            description="whether people find pages at /console/, on address and port of the API: yes or no"
        ),
    ] = "yes"
    trusted_proxy: Annotated[
        tuple[str, ...],
        forms.NETWORK,
        msgspec.Meta(
            description="addresses or networks of reverse proxies before the API, which tell by X-Forwarded-For and "
            "X-Forwarded-Proto where a request comes from",
            extra=_RELOADED,
        ),
    ] = ()
    proxy: Annotated[
        bool, msgspec.Meta(description="also run the proxy that `keystead env` points official clients to")
    ] = False
    service_keys: Annotated[
        Literal["yes", "no"],
        msgspec.Meta(
            description="whether a call that names a key as alias/acs/CODE, with the code of one of the vendor's services, "
            "makes the key of that service if there is none: yes or no",
        ),
    ] = "yes"
    seed: Annotated[
        str, msgspec.Meta(description="a TOML file of fixed keys for tests, planted into an empty server")
    ] = ""
    seed_anyway: Annotated[
        bool, msgspec.Meta(description="plant `seed` beside keys that are there already")
    ] = False
    anchor: Annotated[
        str,
        msgspec.Meta(
            description="where the latest revision of the database is kept outside of it, so that an older copy is refused: "
            "a file on another disk, exec:PROGRAM ARGUMENT …, or kms:KEY@https://HOST:PORT; empty: nowhere",
        ),
    ] = ""
    anchor_access_key: Annotated[
        str, msgspec.Meta(description="a file with the AccessKey for an `anchor` in a key of another server")
    ] = ""
    anchor_ca: Annotated[
        str,
        msgspec.Meta(
            description="the CA certificate (PEM) of the server of such a key; empty: those of this machine"
        ),
    ] = ""
    backup_into: Annotated[
        str,
        msgspec.Meta(
            description="a folder, best on another disk, that the server makes backups in; empty: none",
            extra=_RELOADED,
        ),
    ] = ""
    backup_every: Annotated[
        int,
        msgspec.Meta(
            description="hours from one of these backups to the next", extra=_RELOADED, ge=1, le=720
        ),
    ] = 24
    backup_keep: Annotated[
        int,
        msgspec.Meta(description="how many of these backups stay", extra=_RELOADED, ge=1, le=100_000),
    ] = 30
    backup_keys: Annotated[
        str,
        msgspec.Meta(
            description="a file for the wrapping keys of these backups; empty: each has its own in it",
            extra=_RELOADED,
        ),
    ] = ""
    log_format: Annotated[
        Literal["json", "text", "auto"],
        msgspec.Meta(
            description="json, text, or auto: text on a terminal",
            extra=_RELOADED,
        ),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        msgspec.Meta(
            description="debug, info, warning or error",
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
    checkpoint_folder: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="folders, best on other disks, where signed checkpoints of the audit records are put"
        ),
    ] = ()
    checkpoint_command: Annotated[
        str,
        msgspec.Meta(
            description="a program, with its arguments, that is given each signed checkpoint on standard input"
        ),
    ] = ""
    checkpoint_seconds: Annotated[
        int,
        msgspec.Meta(
            description="how often a checkpoint is signed if there are new records; one is at the stop, too",
            ge=1,
            le=604_800,
        ),
    ] = 3600
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
    drain_seconds: Annotated[
        int,
        msgspec.Meta(
            description="how long a stop first goes on serving while /ready says no, so that load balancers send "
            "requests elsewhere; 0: not at all",
            extra=_RELOADED,
            ge=0,
            le=600,
        ),
    ] = 0
    stop_seconds: Annotated[
        int,
        msgspec.Meta(
            description="how long a stop waits for accepted requests", extra=_RELOADED, ge=1, le=600
        ),
    ] = 20


_TRUTHS: dict[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as the command line and the reference page see it. `kind` is str, int, bool or tuple.

    `declared` is its type with its limits, `form` that of a text (of each in a list) which has one, `rule` both
    in words, "" for any text.
    `reloaded`: whether a running server takes another value on SIGHUP.
    """

    name: str
    kind: type
    declared: Any
    form: forms.Form | None
    rule: str
    description: str
    shown_default: str
    reloaded: bool

    @property
    def attribute(self) -> str:
        """Its name in `Settings`, and in what a command line was parsed to."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return variables.PREFIX + self.attribute.upper()

    def read(self, text: str, source: str) -> Any:
        """The value that a text means: that of a variable or a flag. WrongSetting if it is none."""
        if self.kind is bool:
            if text.lower() not in _TRUTHS:
                raise self._wrong(source)
            return _TRUTHS[text.lower()]
        if self.kind is int:
            if not (text.isascii() and text.isdigit() and len(text) < 10):
                raise self._wrong(source)
            return int(text)
        if self.kind is tuple:
            # What a shell left together within one flag is one.
            apart = r"\s*,\s*" if source.startswith("--") else r"[,\s]+"
            return [one for one in re.split(apart, text) if one]
        return text

    def check(self, value: Any, source: str) -> None:
        """WrongSetting if it can't be this. The value is not shown: a secret may have come to the wrong place."""
        try:
            msgspec.convert(value, self.declared)
        except msgspec.ValidationError:
            raise self._wrong(source, value) from None
        words = value if self.kind is tuple else [value]
        if self.form is not None and not all(map(self.form.fits, words)):
            raise self._wrong(source)

    def _wrong(self, source: str, value: object = None) -> WrongSetting:
        where = source if source.startswith(("--", variables.PREFIX)) else f"{self.name} in {source}"
        choices = get_args(self.declared)
        hint = f"{self.name}: {self.description}"
        if isinstance(value, str) and self.kind is str and choices:
            near = forms.nearest(value, choices)
            hint = f"did you mean {near}?" if near else hint
        return WrongSetting(f"{where} must be {self.rule or 'a text'}", hint=hint)


def _declared() -> tuple[Setting, ...]:
    hints = get_type_hints(Settings, include_extras=True)
    found = []
    for field in msgspec.structs.fields(Settings):
        base, *extras = get_args(hints[field.name])
        (meta,) = (one for one in extras if isinstance(one, msgspec.Meta))
        form = next((one for one in extras if isinstance(one, forms.Form)), None)
        choices = get_args(base) if get_origin(base) is Literal else ()
        kind = str if choices else get_origin(base) or base
        default = "" if field.default is msgspec.NODEFAULT else field.default
        found.append(
            Setting(
                name=field.encode_name,
                kind=kind,
                declared=base if kind is not int else Annotated[int, meta],
                form=form,
                rule=_rule(kind, choices, form, meta),
                description=meta.description or "",
                shown_default="$XDG_DATA_HOME/keystead" if field.name == "data" else str(default or ""),
                reloaded=meta.extra is not None,
            )
        )
    return tuple(found)


def _rule(kind: type, choices: tuple[str, ...], form: forms.Form | None, meta: msgspec.Meta) -> str:
    if choices:
        return forms.listed(choices)
    if form is not None:
        return form.words
    if kind is bool:
        return "true or false"
    if kind is int:
        return f"a whole number, {meta.ge} to {meta.le}"
    return "a list of names" if kind is tuple else ""


SETTINGS = _declared()
BY_NAME = {one.name: one for one in SETTINGS}
