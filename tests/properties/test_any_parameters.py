"""Whatever the parameters are, the answer is the vendor's: a success or a code from the catalogue, never our fault."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE, Operation
from keystead.domain.products import KMS
from keystead.errors import CODES
from tests.harness import Service

SERVICE = Service()
KEY = SERVICE.key()
SERVICE.ok("CreateAlias", KeyId=KEY, AliasName="alias/mine")
BLOB = SERVICE.ok("Encrypt", KeyId=KEY, Plaintext="x")["CiphertextBlob"]

# Without lone surrogates: what is not UTF-8 is refused before, see the tests of parameters.
TEXT = some.text(some.characters(exclude_categories=["Cs"]), max_size=30)
JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | TEXT
    | some.sampled_from(["Key", "Values"]),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(["Key", "Values", "TagKey", "TagValue", "KeyState", "a"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
# JSON that is nearly right gets further than JSON of any shape.
NEARLY = {
    "Filters": some.lists(
        some.fixed_dictionaries(
            {
                "Key": some.sampled_from(["KeyState", "Origin"]) | JSON,
                "Values": some.lists(TEXT | JSON) | JSON,
            }
        ),
        max_size=2,
    ).map(json.dumps),
    "Tags": some.lists(
        some.fixed_dictionaries({"TagKey": TEXT | JSON}, optional={"TagValue": TEXT | JSON}), max_size=3
    ).map(json.dumps),
    "EncryptionContext": some.dictionaries(TEXT, TEXT | JSON, max_size=3).map(json.dumps),
}
VALUES = (
    TEXT
    | JSON.map(json.dumps)
    | some.integers(-2, 2**33).map(str)
    | some.sampled_from(
        ["true", "False", "alias/mine", "alias/", KEY, BLOB, f"acs:kms:cn-hangzhou:1:key/{KEY}", "acs:kms:::", "{}", "[]",
         '{"a":"\\ud800"}', '[{"Key":[],"Values":["x"]}]', '[{"Key":"KeyState","Values":["\\udfff"]}]', "9" * 5000]
    )
)  # fmt: skip


VALID = {
    "KeyId": KEY,
    "AliasName": "alias/mine",
    "CiphertextBlob": BLOB,
    "DestinationKeyId": KEY,
    "Plaintext": "x",
    "Description": "d",
    "PendingWindowInDays": "7",
}


@pytest.mark.parametrize("operation", CATALOGUE.of(KMS), ids=lambda operation: operation.action)
@settings(max_examples=60)
@given(some.data(), some.sampled_from(["JSON", "XML"]))
def test_no_parameters_make_a_fault(operation: Operation, data: some.DataObject, form: str) -> None:
    parameters = {"Format": form}
    names = [field.name for field in operation.fields]
    # One parameter at a time, two at most: the first that is refused hides all others.
    odd = data.draw(some.lists(some.sampled_from(names), min_size=1, max_size=2) if names else some.just([]))
    for name in names:
        if name not in odd:
            parameters |= {name: VALID[name]} if name in VALID else {}
            continue
        value = data.draw(NEARLY[name] | VALUES if name in NEARLY else some.none() | VALUES, label=name)
        if value is not None:
            parameters[name] = value
    (answer,) = SERVICE.answer(SERVICE.request(operation.action, parameters))
    assert answer.fault is None
    assert answer.recorded
    assert answer.code == "" or answer.code in CODES
    assert answer.response.status in {200, *(kind.status for kind in CODES.get(answer.code, []))}
