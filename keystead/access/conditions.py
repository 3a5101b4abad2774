"""Conditions of statements: operators, the keys that requests have, and whether a request meets a condition.

A condition is met if one of its values is, a negative one if none is; a block if all of its conditions are. A key that a
request does not have, or whose value the operator can't read, meets no condition, negative or not: so those on
`acs:SourceVpc` and `acs:VpcSourceIp`, which no request has here, are never met.

Source: the vendor's page "Policy elements".
"""

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from keystead.access.patterns import Patterns
from keystead.networks import network, within

Context = Mapping[str, str]  # the condition keys that a request has, with their values
Test = Callable[[str], bool]

CURRENT_TIME = "acs:CurrentTime"
SOURCE_IP = "acs:SourceIp"
SECURE_TRANSPORT = "acs:SecureTransport"
MFA_PRESENT = "acs:MFAPresent"
TAG = "kms:tag/"  # and the key of a tag
ENCRYPTION_CONTEXT = "kms:EncryptionContext/"  # and a name in it

_MAXIMUM_KEY = 256
_KEY = re.compile(r"\A[A-Za-z][A-Za-z0-9-]*:[^\x00-\x1f]+\Z")
_DATE = re.compile(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_NUMBER = re.compile(r"\A[+-]?\d{1,30}(?:\.\d{1,30})?\Z", re.ASCII)
_KNOWN = {
    CURRENT_TIME: "Date",
    SOURCE_IP: "IP address",
    SECURE_TRANSPORT: "Boolean",
    MFA_PRESENT: "Boolean",
    "acs:SourceVpc": "String",
    "acs:VpcSourceIp": "IP address",
}


class Operator(NamedTuple):
    """A condition operator. `compile` makes of the values of a condition the test of a request's; ValueError for a value
    that it can't read."""

    kind: str
    compile: Callable[[list[str]], Test]
    negative: bool = False


class Condition(NamedTuple):
    """One operator on one key."""

    operator: str
    key: str
    values: tuple[str, ...]
    test: Test
    negative: bool

    def met(self, context: Context) -> bool:
        """Whether a request that has these keys meets it."""
        value = context.get(self.key)
        if value is None:
            return False
        try:
            return self.test(value) is not self.negative
        except ValueError:
            return False


def condition(name: str, key: str, values: list[str]) -> Condition:
    """The condition of these words. ValueError says what is wrong with it."""
    found = OPERATORS.get(name)
    if found is None:
        raise ValueError(f"there is no operator {name}{_meant(name, OPERATORS)}")
    kind = kind_of(key)
    if kind not in (None, found.kind):
        fitting = ", ".join(other for other, one in OPERATORS.items() if one.kind == kind)
        raise ValueError(f"{key} is of the type {kind}, which {name} does not compare; {fitting} do")
    try:
        test = found.compile(values)
    except ValueError:
        raise ValueError(f"{name} needs {_FORMS[found.kind]}") from None
    return Condition(name, key, tuple(values), test, found.negative)


def kind_of(key: str) -> str | None:
    """The type of a condition key; None for one that every operator may read: the texts of tags and encryption contexts, and
    the keys of other services, of which nothing is known here. ValueError if there is no such key."""
    if key in _KNOWN:
        return _KNOWN[key]
    if len(key) > _MAXIMUM_KEY or not _KEY.match(key):
        raise ValueError("a condition key is a service, a colon and a name, like acs:SourceIp")
    if key.startswith((TAG, ENCRYPTION_CONTEXT)) and not key.endswith("/"):
        return None
    if key.lower().startswith(("acs:", "kms:")):
        raise ValueError(
            f"there is no condition key {key}{_meant(key, [*_KNOWN, f'{TAG}…', f'{ENCRYPTION_CONTEXT}…'])}"
        )
    return None


def _meant(word: str, words: "Mapping[str, object] | list[str]") -> str:
    by_lower = {one.lower(): one for one in words}
    near = difflib.get_close_matches(word.lower(), by_lower, 1, 0.8)
    return f" (did you mean {by_lower[near[0]]}?)" if near else f"; there are {', '.join(words)}"


# --- how values are read and compared


def _number(text: str) -> Decimal:
    if not _NUMBER.match(text):
        raise ValueError
    return Decimal(text)


def _boolean(text: str) -> bool:
    return ("false", "true").index(text.lower()) == 1


def _date(text: str) -> float:
    if not _DATE.match(text):
        raise ValueError
    return datetime.fromisoformat(text).timestamp()


def _equal(read: Callable[[str], Any]) -> Callable[[list[str]], Test]:
    def build(values: list[str]) -> Test:
        wanted = frozenset(map(read, values))
        return lambda text: read(text) in wanted

    return build


def _compared(read: Callable[[str], Any], holds: Callable[[Any, Any], bool]) -> Callable[[list[str]], Test]:
    def build(values: list[str]) -> Test:
        wanted = [read(value) for value in values]
        return lambda text: any(holds(read(text), value) for value in wanted)

    return build


def _like(values: list[str]) -> Test:
    return Patterns(values).match


def _within(values: list[str]) -> Test:
    networks = [network(value) for value in values]

    def test(text: str) -> bool:
        address = network(text)
        return any(within(address, one) for one in networks)

    return test


def _ordered(kind: str, prefix: str, read: Callable[[str], Any]) -> dict[str, Operator]:
    return {
        f"{prefix}Equals": Operator(kind, _equal(read)),
        f"{prefix}NotEquals": Operator(kind, _equal(read), negative=True),
        f"{prefix}LessThan": Operator(kind, _compared(read, operator.lt)),
        f"{prefix}LessThanEquals": Operator(kind, _compared(read, operator.le)),
        f"{prefix}GreaterThan": Operator(kind, _compared(read, operator.gt)),
        f"{prefix}GreaterThanEquals": Operator(kind, _compared(read, operator.ge)),
    }


OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator("String", _equal(str)),
    "StringNotEquals": Operator("String", _equal(str), negative=True),
    "StringEqualsIgnoreCase": Operator("String", _equal(str.casefold)),
    "StringNotEqualsIgnoreCase": Operator("String", _equal(str.casefold), negative=True),
    "StringLike": Operator("String", _like),
    "StringNotLike": Operator("String", _like, negative=True),
    **_ordered("Number", "Numeric", _number),
    **_ordered("Date", "Date", _date),
    "Bool": Operator("Boolean", _equal(_boolean)),
    "IpAddress": Operator("IP address", _within),
    "NotIpAddress": Operator("IP address", _within, negative=True),
}
_FORMS = {
    "String": "texts",
    "Number": "numbers, like 10 or 2.5",
    "Date": "times, like 2026-11-28T08:00:00Z or 2026-11-28T16:00:00+08:00",
    "Boolean": "true or false",
    "IP address": "addresses or networks, like 192.0.2.1 or 192.0.2.0/24",
}
