"""The reference of the policy language: all operators, keys, limits and policies of the code and no others, and every example
on it tried."""

import json
import re
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from keystead.access import conditions, documents
from keystead.access.conditions import OPERATORS, condition
from keystead.access.decisions import (
    ROOT,
    Decision,
    Outcome,
    Policy,
    PolicyType,
    combine,
    decide,
    identity_grounds,
    key_grounds,
)
from keystead.access.documents import Malformed, identity_document, key_document
from keystead.access.patterns import Patterns
from keystead.access.system_policies import SYSTEM_POLICIES
from keystead.api.operation import CATALOGUE
from keystead.domain import identities, sign_in
from keystead.domain.products import KEYSTEAD, KMS, RAM
from keystead.errors import CODES
from tests.meta.test_permissions import KMS_NEEDS, RAM_NEEDS

# All others are about an account: *.
KEYSTEAD_NEEDS = {"UsageOfKey": [("DescribeKey", "key/ID")]}

ROOT_FOLDER = Path(__file__).parents[2]
PAGE = (ROOT_FOLDER / "docs" / "reference" / "policies.md").read_text(encoding="utf-8")
OF_KIND = {
    "String": "kms:tag/a", "Number": "kms:tag/a", "Date": "acs:CurrentTime", "Boolean": "acs:MFAPresent",
    "IP address": "acs:SourceIp",
}  # fmt: skip


def rows(head: str, page: str = PAGE) -> list[list[str]]:
    """The rows of the table that has this head."""
    _, found, after = page.partition(f"\n| {head} |\n")
    assert found, head
    lines = after.splitlines()[1:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[:end]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


# --- whole documents


@pytest.mark.parametrize(("request_", "having", "answer"), rows("Request | With | Answer"))
def test_the_first_policy_answers_as_it_says(request_: str, having: str, answer: str) -> None:
    (first, _) = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    policy = Policy(PolicyType.CUSTOM, "p", identity_document(first))
    (action, resource), (key, value) = codes(request_), codes(having)
    assert decide(identity_grounds([policy], action, resource), {key: value}).outcome.value == answer


def test_the_keys_policy_lets_in_whom_it_says() -> None:
    (_, second) = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    policy = Policy(PolicyType.KEY, "default", key_document(second))
    own, other = "1234567890123456", "6543210987654321"

    def answer(account: str, user: str, action: str, context: dict[str, str]) -> Outcome:
        arn = f"acs:ram::{account}:user/{user}"
        return decide(key_grounds(policy, action, "", own, account, arn), context).outcome

    shop = {"kms:EncryptionContext/for": "shop"}
    assert answer(other, "shop", "kms:Decrypt", shop) is Outcome.ALLOW
    assert answer(other, "shop", "kms:Decrypt", {}) is Outcome.IMPLICIT_DENY
    assert answer(other, "shop", "kms:Encrypt", shop) is Outcome.IMPLICIT_DENY
    assert answer(other, "bob", "kms:Decrypt", shop) is Outcome.IMPLICIT_DENY
    assert (
        answer(own, "bob", "kms:Decrypt", shop) is Outcome.IMPLICIT_DENY
    )  # it is left to bob's own policies


SAYS = {
    "allow": [Outcome.ALLOW],
    "deny": [Outcome.EXPLICIT_DENY],
    "nothing": [Outcome.IMPLICIT_DENY],
    "anything": list(Outcome),
}


@pytest.mark.parametrize(
    ("who", "identity", "key", "answer"), rows("Who calls | User's policies | Key's policy | Answer")
)
def test_both_answers_together(who: str, identity: str, key: str, answer: str) -> None:
    same = "another account" not in who
    for first in [ROOT] if "root" in who else [Decision(one) for one in SAYS[identity]]:
        for second in SAYS[key]:
            found = combine(first, Decision(second), same_account=same)
            assert found.allowed is (answer == "allowed"), (first, second)


def test_the_table_of_both_answers_is_whole() -> None:
    table = rows("Who calls | User's policies | Key's policy | Answer")
    every = {(one, other) for one in Outcome for other in Outcome}
    for who in ("a user, a key of its account", "a user, a key of another account"):
        of_who = [(identity, key) for caller, identity, key, _ in table if caller == who]
        said = {(one, other) for identity, key in of_who for one in SAYS[identity] for other in SAYS[key]}
        assert said == every


# --- operators, keys, wildcards


def test_the_operators_are_those_of_the_code() -> None:
    table = rows("Operator | Type | Values | Met by | Not met by")
    assert [(codes(name)[0], kind) for name, kind, *_ in table] == [
        (name, one.kind) for name, one in OPERATORS.items()
    ]


@pytest.mark.parametrize(
    ("name", "kind", "values", "met", "unmet"), rows("Operator | Type | Values | Met by | Not met by")
)
def test_an_operator_does_what_its_row_says(name: str, kind: str, values: str, met: str, unmet: str) -> None:
    key = OF_KIND[kind]
    made = condition(codes(name)[0], key, codes(values))
    assert codes(met)
    assert codes(unmet)
    assert [value for value in codes(met) if not made.met({key: value})] == []
    assert [value for value in codes(unmet) if made.met({key: value})] == []
    assert not made.met({})


def test_the_condition_keys_are_those_of_the_code() -> None:
    table = rows("Key | Type | When it is there | Example")
    known = {
        **conditions._KNOWN,
        f"{conditions.TAG}KEY": "text",
        f"{conditions.ENCRYPTION_CONTEXT}NAME": "text",
    }
    assert {codes(key)[0]: kind for key, kind, *_ in table} == known
    for key, _, _, example in table:
        ((operator, block),) = json.loads(codes(example)[0]).items()
        ((named, values),) = block.items()
        assert named.startswith(codes(key)[0].removesuffix("KEY").removesuffix("NAME"))
        condition(operator, named, values if isinstance(values, list) else [values])


@pytest.mark.parametrize(("text", "matching", "other"), rows("Text | Matches | Does not match"))
def test_wildcards(text: str, matching: str, other: str) -> None:
    (pattern,) = codes(text)
    assert [one for one in codes(matching) if not Patterns([pattern]).match(one)] == []
    assert [one for one in codes(other) if Patterns([pattern]).match(one)] == []


@pytest.mark.parametrize(("text", "about", "other"), rows("Resource | Is about | And not about"))
def test_resources(text: str, about: str, other: str) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": codes(text)}
    (made,) = identity_document(json.dumps({"Version": "1", "Statement": [statement]}))
    assert all(made.about("kms:X", one) for one in codes(about))
    assert not any(made.about("kms:X", one) for one in codes(other))


def of_key(**members: Any) -> str:
    statement = {"Effect": "Allow", "Action": "*", "Resource": ["*"], **members}
    return json.dumps({"Version": "1", "Statement": [statement]})


def test_principals() -> None:
    account = "1234567890123456"
    found = {}
    for cell, _ in rows("Principal | Who"):
        (text,) = codes(cell)
        (made,) = key_document(of_key(Principal={"RAM": [text]}))
        assert made.principals is not None
        found[text.removeprefix(f"acs:ram::{account}:")] = (
            made.principals.has_account(account),
            made.principals.has_name(f"acs:ram::{account}:user/shop"),
            made.principals.has_name(f"acs:ram::{account}:user/team-a"),
        )
    assert found == {
        "root": (True, False, False),
        "*": (True, False, False),
        "user/shop": (False, True, False),
        "user/team-*": (False, False, True),
        "role/deploy": (False, False, False),
    }


# --- elements and refusals


def test_the_elements_are_those_of_the_code() -> None:
    listed: dict[str, set[str]] = {"user": set(), "key": set()}
    for names, where, _ in rows("Element | In | What it is"):
        for kind in ["user", "key"] if where == "both" else [where.removeprefix("a ").removesuffix("'s")]:
            listed[kind] |= set(codes(names))

    def admitted(kind: str, read: Callable[[str], object]) -> set[str]:
        """As the refusals of a member that there is not tell."""
        with pytest.raises(Malformed) as of_document:
            read('{"x": 1}')
        with pytest.raises(Malformed) as of_statement:
            read('{"Version": "1", "Statement": [{"x": 1}]}')
        told = [str(one.value).rpartition("there are ")[2] for one in (of_document, of_statement)]
        return set(", ".join(told).split(", "))

    assert listed == {"user": admitted("user", identity_document), "key": admitted("key", key_document)}


@pytest.mark.parametrize(("statement", "message"), rows("Statement | Message"))
def test_what_is_refused_is_refused_in_these_words(statement: str, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        identity_document(f'{{"Version": "1", "Statement": [{codes(statement)[0]}]}}')
    assert str(refused.value) == message


def test_every_code_on_the_page_is_one() -> None:
    named = set(
        re.findall(
            r"`((?:LimitExceeded|Forbidden)[.\w]*|NoPermission|MalformedPolicyDocument|InvalidParameter)`",
            PAGE,
        )
    )
    assert named - set(CODES) == set()
    of_ram = {code for code in CODES if code.startswith("LimitExceeded.")}
    assert {one for one in named if one.startswith("LimitExceeded.")} == of_ram
    assert {kind.status for code in of_ram for kind in CODES[code]} == {409}


def test_the_limits_are_those_of_the_code() -> None:
    assert {what: int(most.replace(",", "")) for what, most in rows("What | At most")} == {
        "characters of a policy": documents.MAXIMUM_CHARACTERS,
        "characters of a condition key": conditions._MAXIMUM_KEY,
        "bytes of a key's policy": documents.MAXIMUM_KEY_BYTES,
        "policies of the account's own, attached to one user or group": identities.ATTACHED,
        "system policies attached to one user or group": identities.ATTACHED_SYSTEM,
        "versions of a policy": identities.VERSIONS,
        "policies of an account": identities.POLICIES,
        "users of an account": identities.USERS,
        "groups of an account": identities.GROUPS,
        "groups of a user": identities.GROUPS_OF_USER,
        "AccessKeys of a user": identities.ACCESS_KEYS,
        "virtual MFA devices of an account": sign_in.MFA_DEVICES,
    }
    assert f"at most {documents.MAXIMUM_CHARACTERS:,} characters" in PAGE
    assert f"at most {documents.MAXIMUM_KEY_BYTES:,} bytes" in PAGE


def test_the_system_policies_are_those_of_the_code() -> None:
    shown = {}
    for name, policy in SYSTEM_POLICIES.items():
        (statement,) = json.loads(policy.text)["Statement"]
        assert statement["Effect"] == "Allow"
        shown[name] = [statement["Action"], statement["Resource"]]
    assert {
        codes(name)[0]: [codes(one) for one in more] for name, *more in rows("Name | Allows | On")
    } == shown


# --- what operations need


def test_the_page_on_permissions_says_what_the_operations_are_found_to_need() -> None:
    spec = spec_from_file_location("generate", ROOT_FOLDER / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = module_from_spec(spec)
    spec.loader.exec_module(generate)
    for one in CATALOGUE:
        found = [
            (action.split(":")[1], resource.split(":", 4)[4]) for action, resource in generate.needs(one)
        ]
        if one.product == KMS:
            expected = sorted(KMS_NEEDS.get(one.action, [(one.action, "key/")]))
            kinds = sorted((action, re.sub(r"/.*", "/", resource)) for action, resource in found)
            if one.action == "ListTagResources":
                kinds.remove((one.action, "key/"))  # the keys, for a call that names some
            assert kinds == expected, one.action
        elif one.product == RAM:
            names = sorted(
                re.sub(r"/(bob|team|alice|phone)$", "/NAME", resource) for resource in RAM_NEEDS[one.action]
            )
            assert sorted(resource for _, resource in found) == [
                one.replace("policy/p", "policy/NAME") for one in names
            ]
            assert {action for action, _ in found} == {one.action}
        elif one.product == KEYSTEAD and generate.for_clients(one):
            assert found == KEYSTEAD_NEEDS.get(one.action, [(one.action, "*")])
        elif generate.for_clients(one):
            assert found == []
    page = generate.permissions()
    assert re.findall(r"^\| (\w+) \|", page.replace("| Operation |", ""), re.MULTILINE) == [
        one.action
        for product in CATALOGUE.products.values()
        for one in CATALOGUE.of(product)
        if generate.for_clients(one)
    ]
    assert "| ExplainAccess | `keystead:ExplainAccess` | `acs:keystead:REGION:ACCOUNT:*` |  |  |\n" in page
    assert "| Encrypt | `kms:Encrypt` | `acs:kms:REGION:ACCOUNT:key/ID` | yes | yes |\n" in page
    assert "| GenerateMac | `kms:GenerateMac` | `acs:kms:REGION:ACCOUNT:key/ID` | yes |  |\n" in page
    assert "| DescribeKey | `kms:DescribeKey` | `acs:kms:REGION:ACCOUNT:key/ID` |  |  |\n" in page
    assert "| DescribeRegions | – | – |  |  |\n" in page
