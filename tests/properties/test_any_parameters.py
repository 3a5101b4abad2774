"""Whatever the parameters are, the answer is the vendor's: a success or a code from the catalogue, never our fault."""

import json

from hypothesis import given, settings
from hypothesis import strategies as some

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE, KMS, Operation
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
VALUES = (
    TEXT
    | JSON.map(json.dumps)
    | some.integers(-2, 2**33).map(str)
    | some.sampled_from(
        ["true", "False", "alias/mine", "alias/", KEY, BLOB, f"acs:kms:cn-hangzhou:1:key/{KEY}", "acs:kms:::", "{}", "[]",
         '{"a":"\\ud800"}', '[{"Key":[],"Values":["x"]}]', '[{"Key":"KeyState","Values":["\\udfff"]}]', "9" * 5000]
    )
)  # fmt: skip


@settings(max_examples=600)
@given(some.data(), some.sampled_from(CATALOGUE.of(KMS)), some.sampled_from(["JSON", "XML"]))
def test_no_parameters_make_a_fault(data: some.DataObject, operation: Operation, form: str) -> None:
    parameters = {"Format": form}
    for field in operation.fields:
        value = data.draw(some.none() | VALUES, label=field.name)
        if value is not None:
            parameters[field.name] = value
    (answer,) = SERVICE.answer(SERVICE.request(operation.action, parameters))
    assert answer.fault is None
    assert answer.recorded
    assert answer.code == "" or answer.code in CODES
    assert answer.response.status in {200, *(kind.status for kind in CODES.get(answer.code, []))}
