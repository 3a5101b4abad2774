"""The proof that nothing was used while it was closed: a key from DisableKey or ScheduleKeyDeletion on, until EnableKey or
CancelKeyDeletion, or without its material; an AccessKey that is inactive or deleted; an account that is disabled.

A record comes after a change if it is behind it on the same chain, or, on another one, if its revision is that of the change
or a later one: the server had the change before it when it answered. (A batch that changes something has the database for
itself. Its records are of the new revision once it has changed something, and of the one before until then.) Records of the
first format have no revision. Those of different chains are of servers one after the other: the log has them in order.

Rule 1: what a key may do in which state, and where a change leads, is asked of the key itself.
Rule 2: not proved is what policies say, and when a time was over: that of material, of a temporary AccessKey.
"""

from bisect import bisect_left
from typing import Any, NamedTuple

from keystead.domain.accounts import AccessKeyStatus, AccountStatus
from keystead.domain.keys.key import Key, KeySpec, KeyUsage, Origin, ProtectionLevel
from keystead.domain.keys.lifecycle import INITIAL, Event, Gate, is_open
from keystead.domain.proofs.facts import Fact, Findings, members, texts
from keystead.errors import StateModifiedFailed

# The operations that need an enabled key: each whose row of the state table is Gate.USE.
USING = frozenset(
    {
        "AsymmetricDecrypt", "AsymmetricEncrypt", "AsymmetricSign", "AsymmetricVerify", "CreateKeyVersion", "Decrypt",
        "Encrypt", "ExportDataKey", "GenerateAndExportDataKey", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
        "GenerateMac", "GetPublicKey", "ReEncrypt", "UpdateRotationPolicy", "VerifyMac",
    }
)  # fmt: skip
_OF_KEYS = frozenset(
    {
        "CancelKeyDeletion", "DeleteKeyMaterial", "DisableKey", "EnableKey", "ExpireKeyMaterial", "ImportKeyMaterial",
        "ScheduleKeyDeletion",
    }
)  # fmt: skip
_OF_ACCESS_KEYS = frozenset({"DeleteAccessKey", "UpdateAccessKey"})
CHANGING = _OF_KEYS | _OF_ACCESS_KEYS | {"UpdateAccount"}

_KEY = Key(
    account="",
    region="",
    key_id="",
    spec=KeySpec.AES_256,
    usage=KeyUsage.ENCRYPT_DECRYPT,
    origin=Origin.EXTERNAL,
    protection=ProtectionLevel.SOFTWARE,
    state=INITIAL,
    description="",
    created=0,
    primary_version="",
    rotated=0,
)


class _Change(NamedTuple):
    revision: int
    place: int
    chain: str
    sequence: int
    action: str
    value: int  # of an import when the record was made and, if it says so, when that is over: seconds; else whether it opens
    until: int

    def is_before(self, fact: Fact) -> bool:
        """Whether a record comes after this change."""
        if fact.chain == self.chain:
            return fact.sequence > self.sequence
        if fact.revision == 0:
            return self.revision == 0 and fact.place > self.place
        return fact.revision >= self.revision


class Closed(NamedTuple):
    """How much was closed at any time."""

    keys: int = 0
    access_keys: int = 0
    accounts: int = 0


class Uses:
    """See the module. `learn` every change of the log, then `settle`, then `check` every use."""

    def __init__(self) -> None:
        self._keys: dict[str, list[_Change]] = {}  # by ARN
        self._access_keys: dict[str, list[_Change]] = {}  # by id
        self._accounts: dict[str, list[_Change]] = {}
        self._chains: dict[str, str] = {}
        self.findings = Findings()

    def learn(self, fact: Fact) -> None:
        """Take the record of one of CHANGING."""
        value = until = 0
        if fact.action in _OF_KEYS:
            kept, names = self._keys, [one for one in texts(fact.resources) if ":key/" in one]
            if fact.action == "ImportKeyMaterial":
                value, until = fact.time // 1000, _number(fact.parameters, "KeyMaterialExpireUnix")
        elif fact.action in _OF_ACCESS_KEYS:
            kept, names = self._access_keys, _ends(fact.resources, ":accesskey/")
            value = members(fact.parameters).get("Status") == AccessKeyStatus.ACTIVE
        else:
            kept, names = (
                self._accounts,
                [one.split(":")[3] for one in texts(fact.resources) if one.endswith(":root")],
            )
            status = members(fact.parameters).get("Status")
            if not status:
                return
            value = status == AccountStatus.ACTIVE
        chain = self._chains.setdefault(fact.chain, fact.chain)
        for name in names:
            change = _Change(fact.revision, fact.place, chain, fact.sequence, fact.action, value, until)
            kept.setdefault(name, []).append(change)

    def settle(self) -> Closed:
        """All changes are known. Gives how much there is that was closed at any time."""
        self._keys = _closed(self._keys, _of_key)
        self._access_keys = _closed(self._access_keys, _by_value)
        self._accounts = _closed(self._accounts, _by_value)
        return Closed(len(self._keys), len(self._access_keys), len(self._accounts))

    def check_key(self, fact: Fact) -> None:
        """Take the record of one of USING."""
        for arn in texts(fact.resources):
            if arn in self._keys:
                self._judge(fact, self._keys[arn], f"used {arn}")

    def check_caller(self, fact: Fact) -> None:
        """Take the record of a call that was signed."""
        if fact.access_key_id in self._access_keys:
            self._judge(
                fact, self._access_keys[fact.access_key_id], f"came by AccessKey {fact.access_key_id}"
            )
        if fact.account in self._accounts:
            self._judge(fact, self._accounts[fact.account], f"came from account {fact.account}")

    def _judge(self, fact: Fact, turns: "list[_Change]", what: str) -> None:
        before = bisect_left(turns, True, key=lambda one: not one.is_before(fact))
        if before % 2:  # the first one closes, the next one opens again
            closing = turns[before - 1]
            self.findings.add(
                f"record {fact.sequence} of chain {fact.chain}: {fact.action} {what}{_at(fact.revision)}, after "
                f"{closing.action} in record {closing.sequence} of chain {closing.chain}{_at(closing.revision)}"
            )


def _closed(changes: dict[str, list[_Change]], turns: Any) -> dict[str, list[_Change]]:
    """Of what was closed at any time, the changes that closed it and opened it again, in turn."""
    found = {name: turns(sorted(kept, key=lambda one: one[:2])) for name, kept in changes.items()}
    return {name: kept for name, kept in found.items() if kept}


def _of_key(changes: list[_Change]) -> list[_Change]:
    key, turns, was_open = _KEY, list[_Change](), True
    for change in changes:
        try:
            key = _changed(key, change)
        except StateModifiedFailed:  # no server of ours does that: it changes nothing
            continue
        now_open = is_open(Gate.USE, key.state)
        if now_open is not was_open:
            turns.append(change)
        was_open = now_open
    return turns


def _changed(key: Key, change: _Change) -> Key:
    match change.action:
        case "EnableKey":
            return key.after(Event.ENABLE)
        case "DisableKey":
            return key.after(Event.DISABLE)
        case "CancelKeyDeletion":
            return key.after(Event.CANCEL_DELETION)
        case "ScheduleKeyDeletion":
            return key.scheduled(0)
        case "ImportKeyMaterial":  # what was imported before may have been over by then
            return key.at(change.value).with_material(b"", change.until or None)
        case _:
            return key.without_material()


def _by_value(changes: list[_Change]) -> list[_Change]:
    turns: list[_Change] = []
    for change in changes:
        if bool(change.value) is bool(len(turns) % 2):
            turns.append(change)
    return turns


def _at(revision: int) -> str:
    return f" at revision {revision}" if revision else ""


def _ends(resources: str, kind: str) -> list[str]:
    return [one.partition(kind)[2] for one in texts(resources) if kind in one]


def _number(content: str, name: str) -> int:
    text = str(members(content).get(name, ""))
    return int(text) if text.isascii() and text.isdigit() else 0
