import json
import random

import pytest

from keystead.access.documents import MAXIMUM_CHARACTERS, identity_document
from keystead.access.least_policy import least_policies

ACCOUNT = "1000000000000001"


def key(number: int) -> str:
    return f"acs:kms:cn-hangzhou:{ACCOUNT}:key/{number:036}"


def pairs(documents: list[str]) -> set[tuple[str, str]]:
    """What documents allow, which have no wildcards."""
    return {
        (action, resource)
        for document in documents
        for statement in json.loads(document)["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_nothing_takes_no_policy() -> None:
    assert least_policies([]) == []


def test_a_small_one_is_readable_and_grouped() -> None:
    (document,) = least_policies(
        [("kms:Encrypt", key(1)), ("kms:Decrypt", key(1)), ("kms:Decrypt", key(2)), ("kms:Decrypt", key(1))]
    )
    assert "\n  " in document
    assert [(one["Action"], one["Resource"]) for one in json.loads(document)["Statement"]] == [
        (["kms:Decrypt"], [key(2)]),  # a key's name is longer than an action's
        (["kms:Decrypt", "kms:Encrypt"], [key(1)]),
    ]


def test_resources_of_the_same_actions_stand_together_where_that_is_shorter() -> None:
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"]
    uses = {(action, key(number)) for action in actions for number in range(3)} | {("kms:Encrypt", key(9))}
    (document,) = least_policies(uses)
    assert pairs([document]) == uses
    assert len(json.loads(document)["Statement"]) == 2


def test_a_policy_is_as_long_as_one_may_be_with_the_line_end_of_its_file() -> None:
    """Both sides of the limit: one more letter, and it takes two."""

    def suggested(letters: int) -> list[str]:
        uses = [("kms:Encrypt", key(number)) for number in range(21)]
        uses.append(("kms:Encrypt", f"acs:kms:cn-hangzhou:{ACCOUNT}:alias/{'a' * letters}"))
        return least_policies(uses)

    fitting = max(letters for letters in range(1, 255) if len(suggested(letters)) == 1)
    (whole,) = suggested(fitting)
    assert len(whole) == MAXIMUM_CHARACTERS - 1
    identity_document(f"{whole}\n")
    assert len(suggested(fitting + 1)) == 2


def test_as_many_actions_as_there_are_on_one_resource() -> None:
    uses = {(f"kms:Action{number:040}", key(1)) for number in range(200)}
    documents = least_policies(uses)
    assert pairs(documents) == uses
    assert all(len(one) < MAXIMUM_CHARACTERS for one in documents)


@pytest.mark.parametrize("seed", range(40))
def test_they_allow_exactly_that_and_are_well_filled(seed: int) -> None:
    drawn = random.Random(seed)
    actions = [f"kms:Action{number}" for number in range(drawn.randint(1, 30))]
    uses = {(drawn.choice(actions), key(drawn.randrange(60))) for _ in range(drawn.randint(1, 400))}
    documents = least_policies(uses)
    assert pairs(documents) == uses
    for one in documents:
        identity_document(f"{one}\n")
    assert least_policies(sorted(uses, reverse=True)) == documents
    sizes = [len(one) for one in documents[:-1]]
    assert all(size > MAXIMUM_CHARACTERS - 400 for size in sizes), sizes
