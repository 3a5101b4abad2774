"""Policy documents: JSON texts, read and made ready to be asked.

{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*", "Condition": {…}}]}

There are two kinds. An identity's policy says what whoever has it may do with which resources; a key's policy is attached
to the key, so that its resource is always "*", and says who: each statement has a Principal, and may have a Sid.

Source: the vendor's pages "Policy structure and syntax" and "Policy elements", and its example of SetKeyPolicy.
"""

import enum
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from keystead.access.conditions import Condition, Context, condition
from keystead.access.patterns import Patterns

MAXIMUM_CHARACTERS = 2048  # of an identity's policy
MAXIMUM_KEY_BYTES = 32_768  # of a key's policy

_ACTION = re.compile(r"\A[A-Za-z0-9*?-]{1,64}:[A-Za-z0-9*?]{1,128}\Z")
_KEY_ACTION = re.compile(r"\Akms:[A-Za-z0-9*?]{1,128}\Z", re.IGNORECASE)
_PRINCIPAL = re.compile(r"\Aacs:ram::([0-9*?]{1,20}):(root|\*|(user|role)/[A-Za-z0-9._@*?-]{1,128})\Z")
_SID = re.compile(r"\A[A-Za-z0-9_/+=.@ \-]{1,128}\Z")  # the vendor's own example has spaces


class Effect(enum.StrEnum):
    """What a statement does to the requests that it is about."""

    ALLOW = "Allow"
    DENY = "Deny"


class Malformed(ValueError):
    """What is wrong with a document, and at which place in it: `Statement[0].Condition.IpAddress`."""

    def __init__(self, place: str, reason: str) -> None:
        place, reason = _shown(place, 160), _shown(reason, 320)
        super().__init__(f"{place}: {reason}" if place else reason)


def _shown(text: str, longest: int) -> str:
    # It goes into an answer, and not every letter that JSON can spell has a place there.
    text = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text[:longest])
    return text if len(text) < longest else f"{text[: longest - 1]}…"


class Principals:
    """Whom a statement of a key's policy is about.

    `acs:ram::ACCOUNT:root` and `acs:ram::ACCOUNT:*` are an account as a whole; what its own users may do is for its policies
    to say. All else is a user or role by name.
    """

    __slots__ = ("_accounts", "_names", "texts")

    def __init__(self, texts: list[str]) -> None:
        self.texts = tuple(texts)
        whole = [text for text in texts if text.endswith((":root", ":*"))]
        self._accounts = Patterns([text.split(":", 4)[3] for text in whole])
        self._names = Patterns([text for text in texts if text not in whole])

    def has_account(self, account: str) -> bool:
        """Whether an account as a whole is among them."""
        return self._accounts.match(account)

    def has_name(self, arn: str) -> bool:
        """Whether this user or role is among them, by name."""
        return self._names.match(arn)


class Statement(NamedTuple):
    """One statement. `number` is its place in the document, from 0."""

    number: int
    sid: str
    effect: Effect
    actions: Patterns
    other_actions: bool  # NotAction: all but these
    resources: Patterns
    other_resources: bool  # NotResource: all but these
    conditions: tuple[Condition, ...]
    principals: Principals | None  # None in an identity's policy

    def about(self, action: str, resource: str) -> bool:
        """Whether it is about this action on this resource, whoever asks and under whatever conditions."""
        if self.actions.match(action) is self.other_actions:
            return False
        return self.resources.match(resource) is not self.other_resources

    def met(self, context: Context, assumed: str = "") -> bool:
        """Whether all of its conditions are; with `assumed`, those on keys that begin with it count as met."""
        return all(
            one.met(context) or (assumed != "" and one.key.startswith(assumed)) for one in self.conditions
        )


Document = tuple[Statement, ...]


def identity_document(text: str) -> Document:
    """The policy of an identity; Malformed for anything else."""
    if len(text) > MAXIMUM_CHARACTERS:
        raise Malformed(
            "", f"a policy has at most {MAXIMUM_CHARACTERS:,} characters, and this one {len(text):,}"
        )
    return _document(text, of_key=False)


def key_document(text: str) -> Document:
    """The policy of a key; Malformed for anything else."""
    size = len(text.encode(errors="surrogatepass"))
    if size > MAXIMUM_KEY_BYTES:
        raise Malformed("", f"a key's policy has at most {MAXIMUM_KEY_BYTES:,} bytes, and this one {size:,}")
    return _document(text, of_key=True)


def _document(text: str, *, of_key: bool) -> Document:
    if text.startswith("\ufeff"):
        raise Malformed("", "it begins with a byte order mark: save it as UTF-8 without one")
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except Malformed:
        raise
    except RecursionError:
        raise Malformed("", "it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Malformed(
            "", f"it is not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except ValueError:  # a number of thousands of digits
        raise Malformed("", "it has a number that is too long") from None
    if not isinstance(document, dict):
        raise Malformed("", 'it must be an object: {"Version": "1", "Statement": […]}')
    _check_members("", document, {"Version", "Statement"}, {"Version", "Statement"})
    if document["Version"] != "1":
        raise Malformed("Version", 'must be "1"')
    statements = document["Statement"]
    if isinstance(statements, dict):
        raise Malformed("Statement", "must be a list of statements, even of one: [{…}]")
    if not isinstance(statements, list) or not statements:
        raise Malformed("Statement", "must be a list of at least one statement")
    return tuple(_statement(number, one, of_key=of_key) for number, one in enumerate(statements))


def _statement(number: int, found: object, *, of_key: bool) -> Statement:
    place = f"Statement[{number}]"
    if not isinstance(found, dict):
        raise Malformed(place, "must be an object")
    allowed = {"Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
    if of_key:
        allowed = {"Sid", "Effect", "Action", "NotAction", "Principal", "Resource", "Condition"}
    _check_members(place, found, allowed, {"Effect", "Principal"} if of_key else {"Effect"})
    if found["Effect"] not in tuple(Effect):
        raise Malformed(f"{place}.Effect", "must be Allow or Deny")
    actions, other_actions = _either(place, found, "Action")
    for action in actions:
        if action != "*" and not (_KEY_ACTION if of_key else _ACTION).match(action):
            what = "action on a key" if of_key else "action"
            raise Malformed(f"{place}.{'NotAction' if other_actions else 'Action'}", _not_an(what, action))
    resources, other_resources = _either(place, found, "Resource")
    if of_key and resources != ["*"]:
        raise Malformed(
            f"{place}.Resource", 'must be ["*"]: the policy is about the key that it is attached to'
        )
    for resource in resources:
        if resource != "*" and not _is_resource(resource):
            raise Malformed(
                f"{place}.{'NotResource' if other_resources else 'Resource'}", _not_an("resource", resource)
            )
    return Statement(
        number=number,
        sid=_sid(place, found),
        effect=Effect(found["Effect"]),
        actions=Patterns(actions, fold=True),
        other_actions=other_actions,
        resources=Patterns(resources),
        other_resources=other_resources,
        conditions=tuple(_conditions(f"{place}.Condition", found.get("Condition", {}))),
        principals=_principals(f"{place}.Principal", found["Principal"]) if of_key else None,
    )


def _either(place: str, found: Mapping[str, Any], name: str) -> tuple[list[str], bool]:
    both = [one for one in (name, f"Not{name}") if one in found]
    if len(both) != 1:
        raise Malformed(place, f"must have {name} or Not{name}, and not both")
    return _words(f"{place}.{both[0]}", found[both[0]]), both[0] != name


def _words(place: str, value: object) -> list[str]:
    given: list[object] = value if isinstance(value, list) else [value]
    words = [word for word in given if isinstance(word, str)]
    if not given:
        raise Malformed(place, "must not be empty")
    if len(words) != len(given):
        raise Malformed(
            place, 'must be a text or a list of texts, each in double quotation marks ("true", "10")'
        )
    return words


def _conditions(place: str, block: object) -> "list[Condition]":
    if not isinstance(block, dict):
        raise Malformed(place, 'must be an object: {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}}')
    found = []
    for operator, keys in block.items():
        if not isinstance(keys, dict) or not keys:
            raise Malformed(f"{place}.{operator}", "must be an object of condition keys and their values")
        for key, value in keys.items():
            values = _words(f"{place}.{operator}.{key}", value)
            try:
                found.append(condition(operator, key, values))
            except ValueError as error:
                raise Malformed(f"{place}.{operator}.{key}", str(error)) from None
    return found


def _principals(place: str, value: object) -> Principals:
    if not isinstance(value, dict) or value.keys() != {"RAM"}:
        raise Malformed(place, 'must be {"RAM": […]}')
    words = _words(f"{place}.RAM", value["RAM"])
    for word in words:
        if not _PRINCIPAL.match(word):
            raise Malformed(f"{place}.RAM", _not_an("principal", word))
    return Principals(words)


def _sid(place: str, found: Mapping[str, Any]) -> str:
    sid = found.get("Sid", "")
    if "Sid" in found and (not isinstance(sid, str) or not _SID.match(sid)):
        raise Malformed(f"{place}.Sid", "must have 1 to 128 letters, digits, spaces and _ / + = . @ -")
    return str(sid)


def _is_resource(text: str) -> bool:
    parts = text.split(":", 4)
    return len(parts) == 5 and parts[0] == "acs" and bool(parts[1]) and bool(parts[4])


_EXAMPLES = {
    "action on a key": "an operation of kms, like kms:Encrypt, kms:Describe* or *",
    "action": "a service and an operation, like kms:Encrypt, kms:Describe* or *",
    "resource": "acs:SERVICE:REGION:ACCOUNT:RESOURCE, like acs:kms:*:*:key/*, or *",
    "principal": "acs:ram::ACCOUNT:root, acs:ram::ACCOUNT:user/NAME or acs:ram::ACCOUNT:*",
}


def _not_an(what: str, text: str) -> str:
    return f"{json.dumps(text[:80], ensure_ascii=False)} must be {_EXAMPLES[what]}"


def _check_members(place: str, found: Mapping[str, Any], allowed: set[str], needed: set[str]) -> None:
    for name in found:
        if name not in allowed:
            where = f"{place}.{name}" if place else name
            raise Malformed(where, f"there is no such member here; there are {', '.join(sorted(allowed))}")
    for name in sorted(needed - found.keys()):
        raise Malformed(place, f"has no {name}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise Malformed(
            "",
            f"the member {next(name for name in names if names.count(name) > 1)} stands twice in one object",
        )
    return found


def _refuse_constant(text: str) -> None:
    raise Malformed("", f"{text} is not JSON")
