"""What the setting `store` may say: where the database is that servers share, and how they come to it; nothing secret.

Rule 1: no message shows the text, or a part of it that is none of ours: a password may have come into it.
Rule 2: over a network the database proves by TLS who it is, unless something weaker was asked for.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote

import msgspec

from keystead.errors import WrongSetting
from keystead.forms import listed, nearest

SCHEMES = ("postgresql://", "postgres://")
PORT = 5432
SYSTEM = "system"  # as a file of CA certificates: those of this machine
_EXAMPLE = "postgresql://keystead@db1.example.com,db2.example.com/keystead"
_SOCKET = "a unix socket is named by its folder: postgresql://%2Fvar%2Frun%2Fpostgresql/keystead"
_PASSWORDS = (
    "store-password-file names a file that has it, KEYSTEAD_STORE_PASSWORD has it, or ~/.pgpass; "
    "change this one, which others may have seen by now"
)
_VERIFIED = "verify-full"
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", _VERIFIED)
_OPEN = _MODES[:3]  # with which all may go in clear
_WRITING = ("read-write", "primary")
_FILES = ("sslrootcert", "sslcert", "sslkey")
OPTIONS = ("sslmode", *_FILES, "target_session_attrs", "connect_timeout")
_SECONDS = range(2, 61)
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")


class Host(NamedTuple):
    """A host name or an address, or the folder of a unix socket, and a port."""

    name: str
    port: int

    @property
    def local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        if self.name.startswith("/") or self.name == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.name).is_loopback
        except ValueError:
            return False

    @property
    def text(self) -> str:
        """As a URL has it."""
        name = f"[{self.name}]" if ":" in self.name else quote(self.name, safe="")
        return name if self.port == PORT else f"{name}:{self.port}"

    def __str__(self) -> str:
        return self.name if self.port == PORT else f"{self.name}:{self.port}"


class StoreChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A database on hosts of which one, at a time, takes what is written. `user` is "" for that of the process."""

    hosts: tuple[Host, ...]
    database: str
    user: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """What the setting says, with every path whole."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        query = "&".join(f"{name}={quote(value, safe='/:@,')}" for name, value in self.options)
        hosts = ",".join(one.text for one in self.hosts)
        return f"{SCHEMES[0]}{user}{hosts}/{quote(self.database, safe='')}{'?' if query else ''}{query}"

    @property
    def shown(self) -> str:
        """For people, and for logs."""
        return f"{','.join(map(str, self.hosts))}/{self.database}"

    @property
    def local(self) -> bool:
        """Whether nothing goes over a network."""
        return all(one.local for one in self.hosts)

    @property
    def sslmode(self) -> str:
        """What TLS has to show, in libpq's words."""
        return dict(self.options).get("sslmode", "prefer" if self.local else _VERIFIED)

    @property
    def warning(self) -> str:
        """What is weak in it, as it was asked for; or ""."""
        if self.local or self.sslmode == _VERIFIED:
            return ""
        what = (
            "may be sent in clear" if self.sslmode in _OPEN else "may go to another host that says it is it"
        )
        return f"what is sent to the database {what}: sslmode is {self.sslmode}, and not {_VERIFIED}"

    def conninfo(self, password: str, system_roots: str) -> str:
        """The connection string of libpq; `system_roots` is the file with the CA certificates of this machine."""
        words = {
            "host": ",".join(one.name for one in self.hosts),
            "port": ",".join(str(one.port) for one in self.hosts),
            "dbname": self.database,
            "user": self.user,
            "password": password,
            "gssencmode": "disable",  # else a ticket that is there by chance would be instead of TLS
            **dict(self.options),
            "sslmode": self.sslmode,
        }
        if self.needs_system_roots:
            words["sslrootcert"] = system_roots
        return " ".join(f"{name}={_quoted(value)}" for name, value in words.items() if value)

    @property
    def needs_system_roots(self) -> bool:
        """Whether the certificate of the database is to be by a CA that this machine trusts."""
        given = dict(self.options).get("sslrootcert", "")
        return given == SYSTEM or (not given and self.sslmode == _VERIFIED)


def choose(text: str) -> StoreChoice:
    """What a text means. WrongSetting if it means nothing."""
    scheme = next((one for one in SCHEMES if text.startswith(one)), None)
    if scheme is None:
        raise WrongSetting(f"store must be empty, or begin with {SCHEMES[0]}", hint=f"for example {_EXAMPLE}")
    authority, slash, path = text.removeprefix(scheme).partition("/")
    user, at, hosts = authority.rpartition("@")
    if ":" in user or (not at and "@" in path.partition("?")[0]):
        raise WrongSetting("store has a password in it, and settings have none", hint=_PASSWORDS)
    if "#" in text:
        raise WrongSetting("store has a # in it", hint="in a name it is written %23")
    if at and not user:
        raise WrongSetting("store has an @ without a user before it", hint=f"for example {_EXAMPLE}")
    if "@" in user:
        raise WrongSetting("store has an @ twice", hint="in a name it is written %40")
    database, mark, query = path.partition("?")
    if not slash or not database:
        raise WrongSetting("store names no database", hint=f"for example {_EXAMPLE}")
    if "/" in database:
        raise WrongSetting("store has a / in the name of the database", hint="there it is written %2F")
    found = StoreChoice(
        hosts=tuple(map(_host, hosts.split(","))),
        database=_decoded(database, "the database"),
        user=_decoded(user, "the user"),
        options=_options(query) if mark else (),
    )
    _check_tls(found)
    return found


def _host(text: str) -> Host:
    if not text:
        raise WrongSetting("store has a host without a name", hint=_SOCKET)
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        try:
            ipaddress.IPv6Address(name if bracket else "")
        except ValueError:
            raise WrongSetting(
                "store has a host in brackets that is no IPv6 address", hint="for example [2001:db8::1]:5432"
            ) from None
        return Host(name, _port(rest))
    written, colon, port = text.partition(":")
    name = _decoded(written, "a host")
    if name.startswith("/"):
        if "," in name:
            raise WrongSetting("store has a unix socket with a comma in its name", hint="name another folder")
        return Host(name, _port(colon + port))
    if ":" in port:
        raise WrongSetting(
            "store has an IPv6 address without brackets", hint="for example [2001:db8::1]:5432"
        )
    if not _NAME.match(name):
        raise WrongSetting("store has a host that is neither a name nor an address", hint=_SOCKET)
    return Host(name, _port(colon + port))


def _port(text: str) -> int:
    """Of what stands behind the name of a host: nothing, or a colon and a number."""
    number = text.removeprefix(":")
    if not text:
        return PORT
    if text[0] != ":" or not re.fullmatch(r"[0-9]{1,5}", number) or not 0 < int(number) < 65_536:
        raise WrongSetting(
            "store has a port that is no number from 1 to 65535", hint="for example db1.example.com:5432"
        )
    return int(number)


def _options(query: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name in ("password", "passfile"):
            raise WrongSetting("store has a password in it, and settings have none", hint=_PASSWORDS)
        if name not in OPTIONS:
            near = nearest(name, OPTIONS)
            raise WrongSetting(
                "store has an option that there is not",
                hint=f"did you mean {near}?" if near else f"there are {listed(OPTIONS)}",
            )
        if name in found:
            raise WrongSetting(f"store says twice what {name} is", hint="leave one of them out")
        found[name] = _option(name, _decoded(value, name))
    return tuple(found.items())


def _option(name: str, value: str) -> str:
    if not value:
        raise WrongSetting(f"store says nothing of what {name} is", hint="give it a value, or leave it out")
    if name in _FILES:
        system = name == "sslrootcert" and value == SYSTEM
        return value if system else os.path.abspath(os.path.expanduser(value))
    if name == "connect_timeout":
        if not re.fullmatch(r"[0-9]{1,2}", value) or int(value) not in _SECONDS:
            raise WrongSetting(
                f"connect_timeout in store must be a whole number, {_SECONDS[0]} to {_SECONDS[-1]}",
                hint="seconds that one try to connect may take",
            )
        return str(int(value))
    choices = _MODES if name == "sslmode" else _WRITING
    if value not in choices:
        near = nearest(value, choices)
        hint = f"did you mean {near}?" if near else "a server has to write"
        raise WrongSetting(f"{name} in store must be {listed(choices)}", hint=hint)
    return value


def _check_tls(found: StoreChoice) -> None:
    """WrongSetting for options that exclude or need each other."""
    options: Mapping[str, str] = dict(found.options)
    files = [name for name in _FILES if name in options]
    if found.sslmode == "disable" and files:
        raise WrongSetting(
            f"sslmode=disable and {files[0]} in store exclude each other", hint="leave one of them out"
        )
    if ("sslcert" in options) != ("sslkey" in options):
        there, missing = ("sslcert", "sslkey") if "sslcert" in options else ("sslkey", "sslcert")
        raise WrongSetting(
            f"sslcert and sslkey in store belong together: there is {there}, and no {missing}",
            hint="give both, or neither",
        )
    roots = options.get("sslrootcert", "")
    if found.sslmode == "verify-ca" and roots in ("", SYSTEM):
        raise WrongSetting(
            "sslmode=verify-ca in store needs a CA of its own: any host has a certificate by one that all trust",
            hint=f"sslrootcert=FILE names that CA; {_VERIFIED} also looks at the host's name",
        )


def _decoded(text: str, what: str) -> str:
    """A part of the URL, its escapes undone; "" stays."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise WrongSetting(
            f"store has a % that begins no escape, in {what}", hint="a % itself is written %25"
        )
    try:
        found = unquote(text, errors="strict")
    except UnicodeDecodeError:
        found = "\0"
    if re.search(r"[\x00-\x1f\x7f]", found):
        raise WrongSetting(f"store has what is no text, in {what}", hint=f"for example {_EXAMPLE}")
    return found


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
