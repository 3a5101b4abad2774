"""Every parameter of every operation that refuses anything: what is told, on the wire and as a hint, in words."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE, Field, Operation
from keystead.api.wire_types import Role
from keystead.cli.remedies import remedy
from keystead.domain.products import CONSOLE, KEYSTEAD
from keystead.errors import KmsError, OperatorError
from keystead.server.data import seed_file
from tests.harness import Service

# What a regular expression has in it and a sentence does not. JSON is shown with brackets.
REGEX = re.compile(r"\\[AZdswb]|\[\^|[a-z]-[a-z]\b|A-Z|0-9|\(\?|[\])][*+?{]|\.[*+]|[\^$|]|\{\d")

_POLICY = {
    "Version": "1",
    "Statement": [
        {"Effect": "Allow", "Action": ["kms:*"], "Principal": {"RAM": ["acs:ram::1:*"]}, "Resource": ["*"]}
    ],
}
_DOCUMENT = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
FIT = [
    "k-1", "alias/a", "1", "7", "true", base64.b64encode(bytes(32)).decode(), "{}", '[{"TagKey": "a"}]', '["a"]',
    json.dumps(_POLICY), "cn-hangzhou", "kms", "v1", "1" * 16, json.dumps(_DOCUMENT),
    "acs:ram::1000000000000001:mfa/a", "123456", "",
]  # fmt: skip
# The longest ones are for what takes almost anything.
UNFIT = ["?", "{", "alias/acs/x", "!" * 129, "!" * 8193]


def takes(field: Field, text: str) -> bool:
    try:
        field.param.parse(field.name, text)
    except (KmsError, ValueError):
        return False
    return True


def as_sent(field: Field, text: str) -> dict[str, str]:
    """A value as a client sends it."""
    if field.param.kind != "Array":
        return {field.name: text}
    return {f"{field.name}.1.Key" if field.name == "Tag" else f"{field.name}.1": text}


def fitting(field: Field) -> dict[str, str]:
    """A value that its type takes."""
    if field.param.kind == "Array":
        return as_sent(field, "k")
    return as_sent(field, next(text for text in [*field.param.choices[:1], *FIT] if takes(field, text)))


def refusing(operation: Operation) -> list[tuple[Field, str]]:
    """The parameters whose type refuses something, each with a value that it refuses."""
    found = []
    for field in operation.fields:
        if field.param.kind == "Array":
            unfit = "" if field.name == "TagKey" else "?"
            found += [(field, unfit)] if unfit else [(field, "!" * 129)]
        elif field.param.role not in (Role.BLOB, Role.SOURCE):  # the pipeline looks at those
            found.append((field, next(text for text in UNFIT if not takes(field, text))))
    return found


CASES = [(one, field, unfit) for one in CATALOGUE for field, unfit in refusing(one)]


def told(service: Service, operation: Operation, parameters: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The members of the refusal, and the hint of `keystead kms`."""
    if operation.product is CONSOLE:
        session = "" if operation.proof is not None else service.owner()
        status, members = service.console(operation.action, session, CONSOLE, **parameters)
    elif operation.product is KEYSTEAD:
        status, members = service.operate(operation.action, **parameters)
    else:
        status, members = service.call(
            operation.action, **{**parameters, "Version": operation.product.version}
        )
    assert status >= 400
    return members, remedy(members, parameters, operation, lambda action, asked: None, "https://here")


@pytest.mark.parametrize(
    ("operation", "field", "unfit"), CASES, ids=[f"{one.action}-{field.name}" for one, field, _ in CASES]
)
def test_a_refused_parameter_is_told_with_its_rule_in_words(
    operation: Operation, field: Field, unfit: str
) -> None:
    others = {
        name: text
        for one in operation.fields
        if one.required and one is not field
        for name, text in fitting(one).items()
    }
    members, hint = told(Service(), operation, {**others, **as_sent(field, unfit)})
    assert members["Code"] in {"InvalidParameter", *(error.code for error in field.param.errors)}
    # What the vendor says, in its words: clients match on them.
    if members["Code"] == "InvalidParameter":
        message = f'The specified parameter "{field.name}" is not valid.'
        # Of a policy it is told, after that, where it is wrong.
        told_where = members["Message"].startswith(f"{message} ") and field.name == "Policy"
        assert members["Message"] == message or told_where
    assert REGEX.search(members["Message"]) is None
    if unfit.startswith("alias/acs") and "acs is reserved" in hint:
        return
    assert f"--{field.name} is {field.param.limits}" in hint
    assert REGEX.search(hint) is None, hint
    assert unfit not in hint or len(unfit) == 1


@pytest.mark.parametrize("operation", list(CATALOGUE), ids=lambda one: f"{one.product.name}-{one.action}")
def test_every_rule_is_there_and_in_words(operation: Operation) -> None:
    for field in operation.fields:
        assert field.param.limits
        assert REGEX.search(field.param.limits) is None, field.param.limits
        assert operation.rule(field.name) == operation.rule(f"{field.name}.1.Key") == field.param.limits
    for name in ("RegionId", "DryRun"):
        assert operation.rule(name)
    assert operation.rule("Nonsense") == ""


def test_what_every_operation_takes_has_a_rule_too() -> None:
    service, operation = Service(), next(iter(CATALOGUE))
    operation = CATALOGUE.find("2016-01-20", "ListKeys") or operation
    for name, rule in (("RegionId", "lower-case letters and digits"), ("DryRun", "true or false")):
        members, hint = told(service, operation, {name: "CN_x"})
        assert members["Message"] == f'The specified parameter "{name}" is not valid.'
        assert hint.startswith(f"--{name} is {rule}")


def test_a_missing_parameter_is_told_with_its_rule() -> None:
    operation = CATALOGUE.find("2016-01-20", "ScheduleKeyDeletion")
    assert operation is not None
    members, hint = told(Service(), operation, {"KeyId": "k"})
    assert (members["Code"], hint) == ("MissingParameter", "--PendingWindowInDays is 7 to 366 days")


@pytest.mark.parametrize(
    ("pattern", "flagged"),
    [
        (r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", True),
        ("alias/ and 1 to 255 of A-Z a-z 0-9 - _ /", True),
        ("yes|no", True),
        ("^a", True),
        ("a{1,255}", True),
        ("7 to 366 days", False),
        ('JSON as [{"TagKey": "a", "TagValue": "b"}], at most 20', False),
    ],
)
def test_the_check_finds_regular_expressions(pattern: str, flagged: bool) -> None:
    assert (REGEX.search(pattern) is not None) is flagged


def test_a_seeds_refusals_are_in_words(tmp_path: Any) -> None:
    key = '[[key]]\nid = "k"\n{}\n[[key.version]]\nid = "00000000-0000-0000-0000-000000000000"\nmaterial = "x"\n'
    for content in (
        'account = "1"', 'region = "R"', key.format('region = "R"'), key.format('aliases = ["a"]'),
        key.format('tags = {"?" = "x"}'), key.format('spec = "AES"'), key.format("").replace('"k"', '"?"'),
        '[[access_key]]\nid = "?"\nsecret = "x"', '[[access_key]]\nid = "x"\nsecret = " "', "colour = 1",
    ):  # fmt: skip
        (tmp_path / "seed.toml").write_text(content)
        with pytest.raises(OperatorError) as refused:
            seed_file.read(str(tmp_path / "seed.toml"))
        assert REGEX.search(refused.value.message.replace(str(tmp_path), "")) is None, refused.value.message
