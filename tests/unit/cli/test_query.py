"""What --query takes, what it refuses before a call, and what it says of an answer without what was asked for."""

from typing import Any

import pytest

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE, Operation
from keystead.cli.output import WrongCommandLine
from keystead.cli.query import Query, names
from keystead.domain.products import KMS
from keystead.errors import OperatorError


def operation(action: str) -> Operation:
    found = CATALOGUE.find(KMS.version, action)
    assert found is not None
    return found


ANSWER: dict[str, Any] = {
    "Keys": {"Key": [{"KeyId": "a", "KeyArn": "x"}, {"KeyId": "b", "KeyArn": "y"}]},
    "TotalCount": 2,
    "RequestId": "r",
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("TotalCount", 2),
        ("RequestId", "r"),
        ("Keys.Key[].KeyId", ["a", "b"]),
        ("Keys.Key[*].KeyId", ["a", "b"]),
        ("Keys.Key[-1].KeyId", "b"),
        ("Keys.Key[1:].KeyId", ["b"]),
        ("Keys.Key[?KeyId=='b'].KeyArn", ["y"]),
        ("Keys.Key[?KeyId=='b'].KeyArn | [0]", "y"),
        ("Keys.Key[?KeyId=='c']", []),
        ("Keys.Key[].[KeyId, KeyArn]", [["a", "x"], ["b", "y"]]),
        ("{n: TotalCount, first: Keys.Key[0].KeyId}", {"n": 2, "first": "a"}),
        ("{n: TotalCount, k: Keys}.k.Key[0].KeyId", "a"),
        ("length(Keys.Key)", 2),
        ("sort_by(Keys.Key, &KeyArn)[].KeyId", ["a", "b"]),
        ("Keys.* | [0][].KeyId", ["a", "b"]),
        ("Nothing || TotalCount", 2),
        ("Keys.Key[?KeyId=='a' && !(KeyArn=='y')].KeyId", ["a"]),
        ("@.TotalCount", 2),
        ("[TotalCount, RequestId][0]", 2),
    ],
)
def test_what_is_asked_for(expression: str, found: object) -> None:
    query = Query(expression)
    query.check(operation("ListKeys").reply.shape())
    assert query.of(ANSWER) == found


@pytest.mark.parametrize(
    ("action", "expression", "said", "hint"),
    [
        ("CreateKey", "KeyMetadata.KeyID", "no member 'KeyID'", "did you mean KeyId?"),
        ("CreateKey", "KeyId", "no member 'KeyId'", "did you mean KeyMetadata.KeyId?"),
        ("CreateKey", "Zebra", "no member 'Zebra'", "it has KeyMetadata, RequestId"),
        ("CreateKey", "KeyMetadata.KeyId.x", "asked of a single value", "end the query before it"),
        ("CreateKey", "KeyMetadata[0]", "a list is expected", "leave [] out"),
        ("CreateKey", "KeyMetadata[*].KeyId", "a list is expected", "leave [] out"),
        ("CreateKey", "foo(@)", "unknown function: foo()", "KeyMetadata.KeyId is a member"),
        ("CreateKey", "length(@, @)", "expected 1 argument", "KeyMetadata.KeyId is a member"),
        ("ListKeys", "Keys.Key.KeyId", "asked of a list", "write [].KeyId"),
        ("ListKeys", "Keys.Key[?Id=='b']", "no member 'Id'", "KeyId"),
        ("ListKeys", "Keys.Key[].[KeyId, Arn]", "no member 'Arn'", "KeyArn"),
        ("ListKeys", "{n: Total}", "no member 'Total'", "TotalCount"),
        ("ListKeys", "TotalCount | Foo", "asked of a single value", "end the query before it"),
        ("TagResource", "KeyId", "no member 'KeyId'", "RequestId"),
    ],
)
def test_what_no_answer_has_is_refused(action: str, expression: str, said: str, hint: str) -> None:
    with pytest.raises(WrongCommandLine) as refused:
        Query(expression).check(operation(action).reply.shape())
    assert said in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("a..b", "'.' is not expected at column 3"),
        ("a b", "'b' is not expected at column 3"),
        ("a=b", "'=' is not expected at column 2"),
        ("a[", "incomplete expression"),
        ("", "cannot be empty"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, said: str) -> None:
    with pytest.raises(WrongCommandLine, match="is not a JMESPath expression") as refused:
        Query(expression)
    assert refused.value.message.endswith(said)


@pytest.mark.parametrize("one", list(CATALOGUE), ids=lambda one: f"{one.product.name} {one.action}")
def test_every_operation_has_a_shape(one: Operation) -> None:
    Query("RequestId").check(one.reply.shape())


def test_an_answer_without_it_says_what_it_has_and_no_value() -> None:
    with pytest.raises(OperatorError, match="the call succeeded") as refused:
        Query("Keys.Key[?KeyId=='c'] | [0].KeyId").of(ANSWER)
    assert refused.value.hint.startswith("it has Keys.Key[].KeyId, Keys.Key[].KeyArn, TotalCount, RequestId;")
    assert not isinstance(refused.value, WrongCommandLine)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("length(TotalCount)", "length() takes a text, a list or an object, and is given a number"),
        ("sort(Keys.Key[0].KeyId)", "sort() takes a list of texts or a list of numbers, and is given a text"),
        ("join(',', TotalCount)", "join() takes a list of texts, and is given a number"),
        ("abs(RequestId)", "abs() takes a number, and is given a text"),
    ],
)
def test_a_value_of_the_wrong_kind_is_no_fault_of_the_expression(expression: str, said: str) -> None:
    listing = CATALOGUE.find("2016-01-20", "ListKeys")
    assert listing is not None
    with pytest.raises(WrongCommandLine, match="does not fit the answer") as refused:
        Query(expression).check(listing.reply.shape())
    assert refused.value.message.endswith(said)
    assert "Keys.Key[].KeyId" in refused.value.hint
    # With --force nothing is known before, and no value of the answer is told after.
    with pytest.raises(
        OperatorError, match="the call succeeded, and --query does not fit its answer"
    ) as late:
        Query(expression).of({**ANSWER, "RequestId": "s3cret"})
    assert late.value.message.endswith(said)
    assert "s3cret" not in late.value.message + late.value.hint


@pytest.mark.parametrize("expression", ["nosuch(TotalCount)", "length()"])
def test_a_function_that_is_not_there_or_lacks_a_value_is_no_expression(expression: str) -> None:
    listing = CATALOGUE.find("2016-01-20", "ListKeys")
    assert listing is not None
    with pytest.raises(WrongCommandLine, match="is not a JMESPath expression"):
        Query(expression).check(listing.reply.shape())


def test_names_of_members() -> None:
    assert names({"A": {"B": 1}, "C": [{"D": 1}, {"E": 2}], "F": [], "G": ["x"], "H": [[{"I": 1}]]}) == [
        "A.B",
        "C[].D",
        "F",
        "G",
        "H[][].I",
    ]


@pytest.mark.parametrize(
    ("expression", "said", "hint"),
    [
        ("Keys.Key[?KeyId==x]", "has no member 'x' there", "if it is a text, put it in single quotes: 'x'"),
        ("Keys.Key[?KeyID==x]", "has no member 'KeyID' there", "did you mean KeyId?"),
        ("Keys.Key[?KeyId==a-b]", "is not a JMESPath expression", "a text stands in single quotes"),
        ("Keys.Key | length", "length is a function, and is given nothing", "write length(@)"),
        ("Keys | keys", "keys is a function, and is given nothing", "write keys(@)"),
    ],
)
def test_what_other_languages_would_take(expression: str, said: str, hint: str) -> None:
    with pytest.raises(WrongCommandLine) as error:
        Query(expression).check(operation("ListKeys").reply.shape())
    assert said in error.value.message
    assert error.value.hint.startswith(hint)


@pytest.mark.parametrize("expression", ["Keys.Key[0]", "Keys.Key[-1].KeyId"])
def test_an_element_that_a_list_has_not(expression: str) -> None:
    with pytest.raises(OperatorError, match=r"the call succeeded, and the list Keys\.Key is empty"):
        Query(expression).of(ANSWER | {"Keys": {"Key": []}})
    with pytest.raises(OperatorError, match=r"the list Keys\.Key has 2 of them"):
        Query("Keys.Key[2].KeyId").of(ANSWER)
    with pytest.raises(OperatorError, match=r"its answer has nothing at Keys\.Key\[0\]\.Nothing"):
        Query("Keys.Key[0].Nothing").of(ANSWER)
