"""What the setting `root-key` may say: which provider the root key is from, and where that finds it: nothing secret."""

import os
from typing import Literal
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from keystead.crypto.root_keys.token_address import TokenAddress
from keystead.errors import WrongSetting
from keystead.forms import nearest
from keystead.server.data.secret_source import Source, is_credential

Kind = Literal["file", "credential", "passphrase", "pkcs11", "kms"]
KINDS: tuple[Kind, ...] = ("file", "credential", "passphrase", "pkcs11", "kms")
# What the data itself may name. The others load a library or call a host: that the operator says, and no row of a database.
LOCAL = frozenset({"file", "credential", "passphrase"})
_EXAMPLES = {
    "file": "file, or file:/other/disk/root.key",
    "credential": "credential:NAME",
    "passphrase": "passphrase, passphrase:fd:N, passphrase:credential:NAME or passphrase:file:PATH",
    "pkcs11": "pkcs11:token=NAME;object=NAME?module-path=/usr/lib/….so&pin-source=file:/PATH",
    "kms": "kms:https://HOST?key=alias/NAME&access-key=FILE, with region=REGION and ca=FILE where they are needed",
}


class KmsKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of another KMS. `access_key` is the path of an AccessKey file, "" for that of the environment."""

    endpoint: str
    key: str
    access_key: str = ""
    ca: str = ""
    region: str = ""


class Choice(msgspec.Struct, frozen=True):
    """A provider and its `place`. `text` is what the setting says, with every path whole."""

    kind: Kind
    place: str = ""

    @property
    def text(self) -> str:
        return f"{self.kind}:{self.place}" if self.place else self.kind

    @property
    def source(self) -> Source:
        """Of a passphrase, or of a token's PIN."""
        return Source(TokenAddress.of(self.text).pin_source if self.kind == "pkcs11" else self.place)

    @property
    def missing(self) -> str:
        """Why this process can't have the key without a person or a service manager, or ""."""
        if self.kind == "credential":
            return Source(self.text).missing
        return self.source.missing if self.kind in ("passphrase", "pkcs11") else ""

    @property
    def kms(self) -> KmsKey:
        """Of a key of another KMS."""
        return _kms(self.place)


def choose(text: str) -> Choice:
    """What a text means. WrongSetting if it means nothing."""
    kind, colon, place = text.partition(":")
    if kind not in KINDS:
        near = nearest(kind, KINDS)
        raise WrongSetting(
            "root-key must begin with file, credential:, passphrase, pkcs11: or kms:",
            hint=f"did you mean {near}?" if near else f"for example {_EXAMPLES['file']}",
        )
    if colon and not place:
        raise _wrong(kind)
    if kind == "file" and place:
        place = os.path.abspath(os.path.expanduser(place))
    elif kind == "credential" and not is_credential(place):
        raise _wrong(kind)
    elif kind == "passphrase":
        place = Source(place).text
    elif kind == "kms":
        place = _text(_kms(place))
    elif kind == "pkcs11":
        address = TokenAddress.of(text)
        Source(address.pin_source)
        place = address.text.partition(":")[2]
    return Choice(kind, place)


def is_local(text: str) -> bool:
    """Whether the data itself may name this provider."""
    return text.partition(":")[0] in LOCAL


def _wrong(kind: Kind) -> WrongSetting:
    return WrongSetting(f"root-key is no {kind} that could be meant", hint=f"write {_EXAMPLES[kind]}")


_PATHS = ("access-key", "ca")


def _kms(place: str) -> KmsKey:
    try:
        parts = urlsplit(place)
        members = parse_qsl(parts.query, strict_parsing=True)
        given = dict(members)
        known = {"key", "region", *_PATHS}
        if len(given) != len(members) or not set(given) <= known or not given["key"]:
            raise ValueError
    except (ValueError, KeyError):
        raise _wrong("kms") from None
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.path not in ("", "/"):
        raise WrongSetting(
            "another KMS is called over TLS: the root key goes there", hint=f"write {_EXAMPLES['kms']}"
        )
    paths = {name: os.path.abspath(os.path.expanduser(given[name])) for name in _PATHS if given.get(name)}
    return KmsKey(
        endpoint=f"https://{parts.netloc}",
        key=given["key"],
        region=given.get("region", ""),
        access_key=paths.get("access-key", ""),
        ca=paths.get("ca", ""),
    )


def _text(found: KmsKey) -> str:
    """As it is written; `alias/NAME` and paths need no escapes, and a text that does keeps its own."""
    members = {"key": found.key, "region": found.region, "access-key": found.access_key, "ca": found.ca}
    query = "&".join(f"{name}={quote(value, safe='/:@,')}" for name, value in members.items() if value)
    return f"{found.endpoint}?{query}"
