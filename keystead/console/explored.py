"""An operation as the explorer has it: from the catalogue, a form for its parameters and the permissions that it needs."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.catalogue import CATALOGUE, Field, Operation
from keystead.api.parameters import Role
from keystead.console.same_call import Given
from keystead.console.visit import Visit
from keystead.domain.arns import alias_arn, ram_arn
from keystead.domain.products import KMS, RAM, STS, Product

PRODUCTS: dict[str, Product] = {product.name.lower(): product for product in (KMS, RAM, STS)}
# What an answer says once, or in the clear, by the members' names.
SECRETS = frozenset({"AccessKeySecret", "Base32StringSeed", "Plaintext", "QRCodePNG"})
_MEMBERS = re.compile(r"\b\w+\.1\.(\w+)")
# Passwords and codes: typed by people, of one line, and not seen again.
_TYPED_SECRETS = ("Password", "AuthenticationCode")
_DOCUMENTS = ("Policy", "PolicyDocument")
_KEYS = (Role.KEY, Role.KEYS, Role.BLOB, Role.SOURCE)
_ALIASES = (Role.ALIAS, Role.NEW_ALIAS)


class Input(NamedTuple):
    """One parameter in the form. `kind` is that of the design system's fields."""

    name: str
    kind: str
    hint: str
    required: bool
    value: str
    options: tuple[str, ...] = ()
    several: str = ""  # how each line of a list is written
    secret: bool = False  # not shown again

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [(one, one) for one in self.options]


def find(product: str, action: str) -> Operation | None:
    """The operation of this name, or None."""
    found = PRODUCTS.get(product)
    return None if found is None else CATALOGUE.find(found.version, action)


def families(text: str) -> dict[str, dict[str, list[Operation]]]:
    """The operations by product and family whose action or summary has a text, in whatever case."""
    wanted = text.strip().lower()
    shown: dict[str, dict[str, list[Operation]]] = {}
    for name, product in PRODUCTS.items():
        for family, operations in CATALOGUE.families(product).items():
            if some := [one for one in operations if wanted in f"{one.action} {one.summary}".lower()]:
                shown.setdefault(name, {})[family] = some
    return shown


def _fields(operation: Operation) -> list[Field]:
    return [field for field in operation.fields if field.name != "DryRun"]  # a button of its own


def inputs(operation: Operation, visit: Visit, *, answered: bool) -> list[Input]:
    """The form's fields with what was typed in them; what is secret is not shown again once the call was `answered`."""
    return [_input(field, visit, answered) for field in _fields(operation)]


def _input(field: Field, visit: Visit, answered: bool) -> Input:
    param = field.param
    typed_secret = param.sensitive and field.name.startswith(("New", "Old", *_TYPED_SECRETS))
    document = field.name in _DOCUMENTS
    # What is secret never came from an address.
    in_address = visit.request.method == "GET"
    hidden = typed_secret or (param.sensitive and (in_address or (answered and not document)))
    value = "" if hidden else visit.field(field.name) or (visit.region if field.name == "RegionId" else "")
    kind, several = "text", ""
    options: tuple[str, ...] = ()
    if param.choices:
        kind, options = "select", tuple(str(one) for one in param.choices)
    elif param.kind == "Boolean":
        kind, options = "select", ("true", "false")
    elif param.kind == "Array":
        kind, several = "area", "=".join(dict.fromkeys(_MEMBERS.findall(param.limits))) or field.name
    elif typed_secret:
        kind = "password"
    elif document or param.kind == "Map" or param.binary or field.name in ("Plaintext", "Tags", "Filters"):
        kind = "area"
    hint = field.doc or ("" if options else param.limits)
    if field.default and field.default not in hint:
        hint = f"{hint} ({field.default})"
    return Input(field.name, kind, hint, field.required, value, options, several, typed_secret)


def parameters(operation: Operation, visit: Visit) -> dict[str, str]:
    """The call's parameters, from the form; a list has a line for each of its items."""
    given: dict[str, str] = {}
    for field in _fields(operation):
        value = visit.field(field.name)
        if field.param.kind == "Array":
            given |= _listed(field, value)
        elif field.param.binary:
            given[field.name] = "".join(value.split())
        elif value:
            given[field.name] = value.replace("\r\n", "\n")
    return {name: value for name, value in given.items() if value}


def _listed(field: Field, value: str) -> dict[str, str]:
    members = list(dict.fromkeys(_MEMBERS.findall(field.param.limits)))
    given: dict[str, str] = {}
    for number, line in enumerate(filter(None, (line.strip() for line in value.splitlines())), 1):
        if not members:
            given[f"{field.name}.{number}"] = line
            continue
        for member, part in zip(members, line.split("=", len(members) - 1), strict=False):
            given[f"{field.name}.{number}.{member}"] = part
    return given


def shown(operation: Operation, given: Mapping[str, str]) -> list[Given]:
    """The parameters for who repeats the call elsewhere: what is secret is in a file."""
    by_name = {field.name: field.param for field in operation.fields}
    rows = []
    for name, value in given.items():
        param = by_name.get(name.partition(".")[0])
        if param is not None and (param.sensitive or param.binary) and name != "UserAccessKeyId":
            rows.append(Given(name, file=f"{name.lower()}.txt", read="line" if param.binary else "text"))
        else:
            rows.append(Given(name, value))
    return rows


def needs(operation: Operation, visit: Visit, on: str) -> list[tuple[str, str]]:
    """What has to be allowed: an action on an ARN, of everything of its kind, or `on` what the person named."""
    place = f"{visit.region if operation.product.regional else ''}:{visit.account}"
    name = operation.product.name.lower()
    if operation.free:
        return []
    found = []
    for role in dict.fromkeys(field.param.role for field in operation.roles):
        if role in _KEYS:
            found.append((operation.action_on(role), visit.key_arn("*")))
        elif role in _ALIASES:
            found.append((operation.action_on(role), alias_arn(visit.account, visit.region, "alias/*")))
        elif role not in (Role.VERSION, Role.SOURCE_KEY, Role.SOURCE_VERSION) and role is not None:
            found.append((operation.action_on(role), ram_arn(visit.account, role.value, "*")))
    if operation.container or not found:
        assert visit.session is not None
        container = operation.container.format(caller=visit.session.user) or "*"
        found.append((operation.action_on(), f"acs:{name}:{place}:{container}"))
    return [(action, on if on and on.startswith(arn.removesuffix("*")) else arn) for action, arn in found]


def answer(reply: Mapping[str, Any], *, hidden: bool) -> str:
    """An answer as JSON for people; with its secrets `hidden`."""
    return json.dumps(_without(reply) if hidden else reply, indent=2, ensure_ascii=False)


def has_secrets(reply: Any) -> bool:
    """Whether an answer has what is shown on demand only."""
    return bool(_without(reply) != reply)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "••••••" if name in SECRETS and one else _without(one) for name, one in value.items()}
    return [_without(one) for one in value] if isinstance(value, list) else value
