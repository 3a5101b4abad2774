"""Policy documents for people: what each statement says, what is wrong with one, and some to start from."""

import json
from typing import Any, NamedTuple

from keystead.access.documents import MAXIMUM_CHARACTERS, Malformed, identity_document
from keystead.api import questions
from keystead.console.locales import marked as N_


class Said(NamedTuple):
    """What a statement says, as lists of texts."""

    effect: str
    but_actions: bool  # all but these
    actions: tuple[str, ...]
    but_resources: bool
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]  # operator, key, values


class Checked(NamedTuple):
    """A document that was read: what it says, or what is wrong with it; and how long it is."""

    characters: int
    most: int
    said: tuple[Said, ...]
    problem: str
    idle: tuple[
        str, ...
    ] = ()  # actions that are none of this server, so that they allow and deny nothing here


def check(text: str) -> Checked:
    """Read a document as the service does."""
    try:
        idle = questions.idle(identity_document(text))
    except Malformed as error:
        return Checked(len(text), MAXIMUM_CHARACTERS, (), str(error))
    return Checked(len(text), MAXIMUM_CHARACTERS, _said(json.loads(text)["Statement"]), "", idle)


def _said(statements: list[dict[str, Any]]) -> tuple[Said, ...]:
    return tuple(
        Said(
            effect=one["Effect"],
            but_actions="NotAction" in one,
            actions=_words(one.get("Action", one.get("NotAction"))),
            but_resources="NotResource" in one,
            resources=_words(one.get("Resource", one.get("NotResource"))),
            conditions=tuple(
                (operator, key, _words(values))
                for operator, keys in one.get("Condition", {}).items()
                for key, values in keys.items()
            ),
        )
        for one in statements
    )


def _words(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


class Template(NamedTuple):
    """A document to start from."""

    name: str
    title: str
    actions: tuple[str, ...]
    condition: dict[str, dict[str, str]]
    one_key: bool = True  # whether it is about a key, and not about all there is


_USES = (
    "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Asymmetric*", "kms:GetPublicKey",
    "kms:*Mac", "kms:DescribeKey",
)  # fmt: skip
_SEES = ("kms:Describe*", "kms:List*", "kms:GetKeyPolicy", "kms:GetPublicKey")

TEMPLATES = (
    Template("encrypt", N_("Encrypt only"), ("kms:Encrypt", "kms:GenerateDataKey*", "kms:DescribeKey"), {}),
    Template("decrypt", N_("Decrypt only"), ("kms:Decrypt", "kms:DescribeKey"), {}),
    Template("use", N_("All uses of a key, and no management"), _USES, {}),
    Template("see", N_("See everything, use and change nothing"), _SEES, {}, one_key=False),
    Template(
        "tag",
        N_("Use keys with a tag"),
        _USES[:-1],
        {"StringEquals": {"kms:tag/environment": "production"}},
        one_key=False,
    ),
    Template(
        "address", N_("Use a key from some addresses"), _USES, {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}}
    ),
)
BY_NAME = {template.name: template for template in TEMPLATES}


def start(name: str, key_arn: str) -> str:
    """The text of a template, about a key; "" if there is no such template."""
    template = BY_NAME.get(name)
    if template is None:
        return ""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": list(template.actions),
        "Resource": [key_arn if template.one_key else "*"],
    }
    if template.condition:
        statement["Condition"] = template.condition
    return json.dumps({"Version": "1", "Statement": [statement]}, indent=2)
