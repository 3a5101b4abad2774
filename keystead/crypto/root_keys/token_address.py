"""The address of a key on a token: a PKCS #11 URI (RFC 7512)."""

import os
import re
from urllib.parse import quote, unquote

import msgspec

from keystead.errors import WrongSetting

_KNOWN = ("token", "serial", "manufacturer", "model", "object", "id")
_SHOWN = "pkcs11:token=NAME;object=NAME?module-path=/usr/lib/….so&pin-source=file:/PATH"


class TokenAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Which key, on which token, by which library, and where its PIN is: `credential:NAME`, `file:PATH`, or "" to ask.

    `token`, `serial`, `manufacturer` and `model` are "" where any will do; `object` is the label of the key, `id` its id in
    hex, one of them at least.
    """

    token: str = ""
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    object: str = ""
    id: str = ""
    module: str
    pin_source: str = ""

    @classmethod
    def of(cls, uri: str) -> "TokenAddress":
        """The address that a URI is. WrongSetting if it is none, or has the PIN itself in it."""
        scheme, _, rest = uri.partition(":")
        path, _, query = rest.partition("?")
        if scheme != "pkcs11":
            raise _wrong("it does not begin with pkcs11:")
        given = _members(path, ";") | (asked := _members(query, "&"))
        if "pin-value" in given:
            raise WrongSetting(
                "root-key has a PIN in it (pin-value), which every log and process list would show",
                hint="leave the PIN out and name where it is: pin-source=file:/PATH or credential:NAME; change that PIN",
            )
        if strange := sorted(set(given) - {*_KNOWN, "type", "module-path", "pin-source"}):
            raise _wrong(f"it has {', '.join(strange)}, which mean nothing here")
        if given.get("type", "secret-key") != "secret-key":
            raise _wrong("a root key is of type secret-key")
        if not asked.get("module-path"):
            raise _wrong("it has no module-path, the library of the token")
        if not (given.get("object") or given.get("id")):
            raise _wrong("it names no object, the label of the key")
        if not (given.get("token") or given.get("serial")):
            raise _wrong("it names no token")
        source = asked.get("pin-source", "")
        if source.startswith("|"):
            raise _wrong("a pin-source that is a command is not run")
        if source.startswith("/"):
            source = f"file:{source}"
        return cls(
            **{name: given.get(name, "") for name in _KNOWN if name != "id"},
            id=given.get("id", ""),
            module=os.path.abspath(os.path.expanduser(asked["module-path"])),
            pin_source=source,
        )

    @property
    def text(self) -> str:
        """The URI."""
        path = ";".join(
            f"{name}={_percent(value, binary=name == 'id')}"
            for name in _KNOWN
            if (value := str(getattr(self, name)))
        )
        query = f"module-path={quote(self.module, safe='/')}"
        if self.pin_source:
            query += f"&pin-source={quote(self.pin_source, safe='/:')}"
        return f"pkcs11:{path}?{query}"


def _percent(value: str, *, binary: bool) -> str:
    return re.sub("(..)", r"%\1", value) if binary else quote(value, safe="")


def _members(text: str, separator: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for member in filter(None, text.split(separator)):
        name, equals, value = member.partition("=")
        if not equals or name in found:
            raise _wrong("a member of it is no NAME=VALUE, or stands in it twice")
        if name == "id":  # bytes, of any value
            from urllib.parse import unquote_to_bytes

            found[name] = unquote_to_bytes(value).hex()
        else:
            found[name] = unquote(value)
    return found


def _wrong(why: str) -> WrongSetting:
    return WrongSetting(f"root-key is no address of a key on a token: {why}", hint=f"write {_SHOWN}")
