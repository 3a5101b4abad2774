"""A second evaluation of policies, as plainly as the vendor's pages tell it: it walks the JSON for each question anew.

Nothing here is shared with the service's own evaluation, and each step is done in another way: wildcards by trying all that a
`*` can stand for, numbers as fractions, times as seconds of a calendar, addresses as bits.
"""

import calendar
import re
import socket
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

Members = dict[str, Any]


class Policy(NamedTuple):
    """A policy of an identity, and the group that it comes from, if so."""

    name: str
    document: Members
    type: str = "Custom"
    group: str = ""


class Question(NamedTuple):
    """A request: by whom (an ARN), of which account, what on what of which owner, and the condition keys that it has."""

    who: str
    account: str
    action: str
    resource: str
    owner: str
    context: dict[str, str]

    @property
    def by_root(self) -> bool:
        return self.who.endswith(":root")


class Answer(NamedTuple):
    """Allow, ExplicitDeny or ImplicitDeny, and by which statement: `Custom NAME[0]`, `Key default[0]`, or ""."""

    outcome: str
    by: str = ""


def answer(policies: list[Policy], key_policy: Members | None, asked: Question) -> Answer:
    """What the vendor's pages say of a request."""
    own = asked.account == asked.owner
    if asked.by_root and own:
        return Answer("Allow")
    of_identity = Answer("Allow") if asked.by_root else _identity(policies, asked)
    of_key = Answer("ImplicitDeny") if key_policy is None else _key(key_policy, asked)
    both = (of_identity, of_key)
    if any(one.outcome == "ExplicitDeny" for one in both):
        return next(one for one in both if one.outcome == "ExplicitDeny")
    if own:
        return next((one for one in both if one.outcome == "Allow"), Answer("ImplicitDeny"))
    return of_key if all(one.outcome == "Allow" for one in both) else Answer("ImplicitDeny")


def _identity(policies: list[Policy], asked: Question) -> Answer:
    met = []
    for policy in policies:
        place = f"{policy.type} {policy.name}" + (f" of {policy.group}" if policy.group else "")
        met += [(effect, f"{place}[{number}]") for effect, number, _ in _met(policy.document, asked)]
    return _settle(met)


def _key(document: Members, asked: Question) -> Answer:
    met = []
    for effect, number, statement in _met(document, asked):
        named, whole = _concerned(_list(statement["Principal"]["RAM"]), asked)
        # What the account as a whole is allowed on its own key is for its own policies to pass on.
        if named or (whole and (effect == "Deny" or asked.account != asked.owner)):
            met.append((effect, f"Key default[{number}]"))
    return _settle(met)


def _concerned(principals: list[str], asked: Question) -> tuple[bool, bool]:
    named = whole = False
    for principal in principals:
        account, _, who = principal.removeprefix("acs:ram::").partition(":")
        if who in ("root", "*"):
            whole = whole or like(account, asked.account)
        else:
            named = named or like(principal, asked.who)
    return named, whole


def _settle(met: list[tuple[str, str]]) -> Answer:
    for effect, outcome in (("Deny", "ExplicitDeny"), ("Allow", "Allow")):
        for one, by in met:
            if one == effect:
                return Answer(outcome, by)
    return Answer("ImplicitDeny")


def _met(document: Members, asked: Question) -> Iterator[tuple[str, int, Members]]:
    for number, statement in enumerate(document["Statement"]):
        action = asked.action.upper()
        if "Action" in statement:
            about = any(like(one.upper(), action) for one in _list(statement["Action"]))
        else:
            about = not any(like(one.upper(), action) for one in _list(statement["NotAction"]))
        if "Resource" in statement:
            about = about and any(like(one, asked.resource) for one in _list(statement["Resource"]))
        else:
            about = about and not any(like(one, asked.resource) for one in _list(statement["NotResource"]))
        if about and _conditions(statement.get("Condition", {}), asked.context):
            yield statement["Effect"], number, statement


def _conditions(block: Members, context: dict[str, str]) -> bool:
    for operator, keys in block.items():
        for key, values in keys.items():
            if key not in context or not _holds(operator, context[key], _list(values)):
                return False
    return True


def _holds(operator: str, value: str, wanted: list[str]) -> bool:
    if operator.endswith("IpAddress"):
        inside = any(_inside(value, one) for one in wanted)
        return _bits(value) != "" and inside is (operator == "IpAddress")
    if operator == "Bool":
        return _truth(value) is not None and _truth(value) in [_truth(one) for one in wanted]
    if operator.startswith("String"):
        kind = operator.removeprefix("String")
        if kind.startswith("Not"):
            return not _holds("String" + kind.removeprefix("Not"), value, wanted)
        match kind:
            case "Equals":
                return value in wanted
            case "EqualsIgnoreCase":
                return value.upper() in [one.upper() for one in wanted]
            case _:
                return any(like(one, value) for one in wanted)
    read, comparison = (
        (_fraction, operator.removeprefix("Numeric"))
        if operator.startswith("Numeric")
        else (_seconds, operator.removeprefix("Date"))
    )
    return _compared(read, comparison, value, wanted)


def _compared(
    read: Callable[[str], Fraction | int | None], comparison: str, value: str, wanted: list[str]
) -> bool:
    given, others = read(value), [read(one) for one in wanted]
    if given is None:
        return False
    known = [other for other in others if other is not None]
    assert len(known) == len(others)
    match comparison:
        case "Equals":
            return given in known
        case "NotEquals":
            return given not in known
        case "LessThan":
            return given < max(known)
        case "LessThanEquals":
            return given <= max(known)
        case "GreaterThan":
            return given > min(known)
        case _:
            assert comparison == "GreaterThanEquals"
            return given >= min(known)


# --- how values are read


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@lru_cache(100_000)
def like(pattern: str, text: str) -> bool:
    """Whether a pattern with wildcards is the whole text."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return like(pattern[1:], text) or (bool(text) and like(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and like(pattern[1:], text[1:])


def _fraction(text: str) -> Fraction | None:
    if not re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", text):
        return None
    whole, _, after = text.partition(".")
    return Fraction(int(whole + after), 10 ** len(after))


def _truth(text: str) -> bool | None:
    return {"TRUE": True, "FALSE": False}.get(text.upper())


def _seconds(text: str) -> int | None:
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(Z|([-+])(\d\d):(\d\d))", text, re.ASCII)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[one]) for one in range(1, 7))
    if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    east = 0 if found[7] == "Z" else int(f"{found[8]}1") * (int(found[9]) * 60 + int(found[10])) * 60
    return calendar.timegm((year, month, day, hour, minute, second)) - east


def _inside(address: str, network: str) -> bool:
    """Whether an address is in a network. None is in one of the other version, but for IPv4 spelled as IPv6."""
    first, _, length = network.partition("/")
    bits, base = _bits(address), _bits(first)
    kept = int(length) if length else 128
    if length and ":" in first and len(base) == 32:
        kept -= 96  # it was counted with the 96 bits that say that it is IPv4
    return len(bits) == len(base) and bits[:kept] == base[:kept]


def _bits(address: str) -> str:
    """The address as 0 and 1; "" for what is none."""
    try:
        raw = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError:
        return ""
    return "".join(f"{byte:08b}" for byte in raw.removeprefix(bytes(10) + b"\xff\xff"))
