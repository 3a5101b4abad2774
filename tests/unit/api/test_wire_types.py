import base64
import json
from collections.abc import Callable
from typing import get_args

import pytest

from keystead.api import wire_types
from keystead.api.wire_types import KeyReference, Param, Reply
from keystead.domain.keys.key import KeyFilter
from keystead.errors import AliasUnsupported, InvalidParameter, KmsError, UnsupportedOperation
from keystead.operations.kms.encryption import EncryptRequest


def param(kind: object) -> Param:
    found = get_args(kind)[1]
    assert isinstance(found, Param)
    return found


def parse(kind: object, text: str) -> object:
    return param(kind).parse("Name", text)


def refused(kind: object, text: str) -> KmsError:
    with pytest.raises(KmsError) as caught:
        parse(kind, text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1234abcd-12ab", KeyReference(key_id="1234abcd-12ab")),
        ("alias/a", KeyReference(alias="alias/a")),
        ("alias/acs/mse", KeyReference(alias="alias/acs/mse")),
        ("acs:kms:r:1:key/k", KeyReference(key_id="k", account="1", region="r")),
        ("acs:kms:r:1:alias/a", KeyReference(alias="alias/a", account="1", region="r")),
        ("k" * 64, KeyReference(key_id="k" * 64)),
    ],
)
def test_a_key_is_named_by_id_alias_or_arn(text: str, expected: KeyReference) -> None:
    assert parse(wire_types.KeyRef, text) == expected


@pytest.mark.parametrize(
    "text",
    ["k" * 65, "a b", "密", "alias/", "acs:kms:r:1", "acs:oss:r:1:key/k", "acs:kms::1:key/k", "acs:kms:r::key/k",
     "acs:kms:r:1:secret/s", "acs:kms:r:1:key/", "k\n"],
)  # fmt: skip
def test_what_names_no_key_is_refused(text: str) -> None:
    assert isinstance(refused(wire_types.KeyRef, text), InvalidParameter)


def test_an_alias_where_only_ids_are_taken_has_its_own_code() -> None:
    assert isinstance(refused(wire_types.KeyIdRef, "alias/a"), AliasUnsupported)
    assert isinstance(refused(wire_types.KeyIdRef, "acs:kms:r:1:alias/a"), AliasUnsupported)
    assert parse(wire_types.KeyIdRef, "k") == KeyReference(key_id="k")


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("FALSE", False), ("false", False)]
)
def test_booleans_in_every_spelling(text: str, value: bool) -> None:
    assert parse(wire_types.Boolean, text) is value


@pytest.mark.parametrize("text", ["1", "yes", "tru", " true"])
def test_other_booleans_are_refused(text: str) -> None:
    assert isinstance(refused(wire_types.Boolean, text), InvalidParameter)


@pytest.mark.parametrize("text", ["+1", "1.0", "1e1", "٣", "99999999999", "-1", " 1"])
def test_integers_are_plain_digits(text: str) -> None:
    assert isinstance(refused(wire_types.PageNumber, text), InvalidParameter)


def tags(count: int) -> str:
    return json.dumps([{"TagKey": f"k{number}", "TagValue": "v"} for number in range(count)])


def test_tags_are_at_most_20() -> None:
    parsed = parse(wire_types.Tags, tags(20))
    assert isinstance(parsed, dict)
    assert len(parsed) == 20
    assert isinstance(refused(wire_types.Tags, tags(21)), InvalidParameter)
    assert parse(wire_types.Tags, "") == {}


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[1]",
        "nonsense",
        '[{"TagValue": "v"}]',
        '[{"TagKey": "k", "Other": "v"}]',
        '[{"TagKey": 1}]',
        '[{"TagKey": "k", "TagValue": 1}]',
        '[{"TagKey": "aliyun"}]',
        '[{"TagKey": "k", "TagValue": "密"}]',
        '[{"TagKey": "k"}, {"TagKey": "k"}]',
    ],
)
def test_bad_tags_are_refused(text: str) -> None:
    assert isinstance(refused(wire_types.Tags, text), InvalidParameter)


def test_a_filter_may_be_empty() -> None:
    assert parse(wire_types.KeyFilters, "") == KeyFilter()


def test_what_is_not_served_must_be_empty() -> None:
    assert parse(wire_types.Recipient, "") == ""
    refusal = refused(wire_types.Recipient, "x")
    assert isinstance(refusal, UnsupportedOperation)
    assert "enclave" in refusal.text


def test_a_request_does_not_show_its_values() -> None:
    request = EncryptRequest(key_id=KeyReference(key_id="k"), plaintext=b"canary")
    assert "canary" not in repr(request)
    assert "plaintext" in repr(request)


@pytest.mark.parametrize(
    ("kind", "minimum", "maximum"),
    [
        (wire_types.PageNumber, 1, 2**31 - 1),
        (wire_types.PageSize, 1, 100),
        (wire_types.PendingWindow, 7, 366),
        (wire_types.DataKeyBytes, 1, 1024),
        (wire_types.ExpiryTime, 0, 253_402_300_799),
    ],
)
def test_numbers_are_within_their_limits(kind: object, minimum: int, maximum: int) -> None:
    assert parse(kind, str(minimum)) == minimum
    assert parse(kind, str(maximum)) == maximum
    assert parse(kind, f"0{minimum}") == minimum
    for outside in (minimum - 1, maximum + 1):
        assert isinstance(refused(kind, str(outside)), InvalidParameter)


@pytest.mark.parametrize(
    ("kind", "maximum"),
    [
        (wire_types.Description, 8192),
        (wire_types.InstanceId, 128),
        (wire_types.NextToken, 64),
        (wire_types.VersionId, 64),
        (wire_types.SourceVersionId, 64),
        (wire_types.PolicyName, 64),
        (wire_types.RotationInterval, 64),
        (wire_types.Region, 32),
    ],
)
def test_texts_are_counted_in_characters(kind: object, maximum: int) -> None:
    assert parse(kind, "密" * maximum) == "密" * maximum
    assert parse(kind, "") == ""
    assert isinstance(refused(kind, "密" * (maximum + 1)), InvalidParameter)


@pytest.mark.parametrize("kind", [wire_types.AliasName, wire_types.NewAliasName])
def test_alias_names_have_their_limits(kind: object) -> None:
    assert parse(kind, "alias/" + "a" * 255) == "alias/" + "a" * 255
    for text in ("alias/", "alias/" + "a" * 256, "alias/acs", "alias/acs/x", "x"):
        assert isinstance(refused(kind, text), InvalidParameter)


def test_plaintext_is_the_text_itself_and_at_most_6144_bytes() -> None:
    assert parse(wire_types.Plaintext, "aGVsbG8=") == b"aGVsbG8="
    assert parse(wire_types.Plaintext, "é" * 3072) == "é".encode() * 3072
    longest = base64.b64encode(bytes(6144)).decode()
    assert parse(wire_types.Plaintext, longest) == longest.encode()
    for text in (
        "é" * 3073,
        base64.b64encode(bytes(6145)).decode(),
        longest[:-1] + "-",
        longest + "=",
        "\n" + longest,
    ):
        assert isinstance(refused(wire_types.Plaintext, text), InvalidParameter)


def test_a_context_is_at_most_8192_characters_of_json() -> None:
    longest = json.dumps({"a": "x" * 8183})
    assert len(longest) == 8192
    assert parse(wire_types.Context, longest) == {"a": "x" * 8183}
    assert isinstance(refused(wire_types.Context, longest[:-1] + " }"), InvalidParameter)
    assert (
        parse(wire_types.Context, "")
        == parse(wire_types.Context, "{}")
        == parse(wire_types.Context, " { } ")
        == {}
    )


def test_a_choice_is_case_sensitive_and_may_have_refusals_of_its_own() -> None:
    one = wire_types.choice("A", "B", refuse={"C": UnsupportedOperation})
    assert (one.parse("Name", "A"), one.choices, one.limits) == ("A", ("A", "B"), "A or B")
    with pytest.raises(InvalidParameter):
        one.parse("Name", "a")
    with pytest.raises(UnsupportedOperation):
        one.parse("Name", "C")


def listed(count: int, **more: str) -> str:
    """Tags as the decoder gives those of `Tag.N.Key`."""
    return json.dumps([{"Key": f"k{number}", **more} for number in range(count)])


def names(count: int) -> str:
    return json.dumps([f"k{number}" for number in range(count)])


@pytest.mark.parametrize(
    ("kind", "text_of"),
    [
        (wire_types.Tags, tags),
        (wire_types.TagList, listed),
        (wire_types.TagKeys, names),
        (wire_types.TagKeyList, names),
    ],
)
def test_every_list_of_tags_has_at_most_20(kind: object, text_of: Callable[[int], str]) -> None:
    for count in (1, 20):
        found = parse(kind, text_of(count))
        assert isinstance(found, dict | list)
        assert list(found) == [f"k{number}" for number in range(count)]
    assert refused(kind, text_of(21)).status == 400
    if kind is not wire_types.Tags:
        assert refused(kind, text_of(0)).status == 400


@pytest.mark.parametrize(("length", "fits"), [(0, False), (1, True), (128, True), (129, False)])
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (wire_types.Tags, '[{"TagKey": "%s"}]'),
        (wire_types.TagList, '[{"Key": "%s"}]'),
        (wire_types.TagKeys, '["%s"]'),
        (wire_types.TagKeyList, '["%s"]'),
    ],
)
def test_a_tags_key_has_1_to_128_characters(kind: object, form: str, length: int, fits: bool) -> None:
    text = form % ("k" * length)
    if fits:
        assert parse(kind, text) in (["k" * length], {"k" * length: ""})
    else:
        assert refused(kind, text).status == 400


@pytest.mark.parametrize(("length", "fits"), [(0, True), (128, True), (129, False)])
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (wire_types.Tags, '[{"TagKey": "k", "TagValue": "%s"}]'),
        (wire_types.TagList, '[{"Key": "k", "Value": "%s"}]'),
    ],
)
def test_a_tags_value_has_at_most_128_characters(kind: object, form: str, length: int, fits: bool) -> None:
    text = form % ("v" * length)
    if fits:
        assert parse(kind, text) == {"k": "v" * length}
    else:
        assert refused(kind, text).status == 400


def test_resources_are_1_to_50() -> None:
    for count in (1, 50):
        assert parse(wire_types.ResourceIds, names(count)) == tuple(
            KeyReference(key_id=f"k{number}") for number in range(count)
        )
    for count in (0, 51):
        assert isinstance(refused(wire_types.ResourceIds, names(count)), InvalidParameter)


def test_bytes_are_strict_base64_of_1_to_6144() -> None:
    for length in (1, 6143, 6144):
        assert parse(wire_types.Bytes, base64.b64encode(b"b" * length).decode()) == b"b" * length
    for text in ("", base64.b64encode(b"b" * 6145).decode(), "AA", "AB==", "AA==\n", "AA==AA==", "A_==", "é"):
        assert isinstance(refused(wire_types.Bytes, text), InvalidParameter)


def test_a_digest_is_32_bytes() -> None:
    assert parse(wire_types.Digest, base64.b64encode(bytes(32)).decode()) == bytes(32)
    for length in (0, 31, 33, 64):
        assert isinstance(
            refused(wire_types.Digest, base64.b64encode(bytes(length)).decode()), InvalidParameter
        )


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_policy_is_at_most_32768_bytes(letter: str) -> None:
    statement = {"Effect": "Allow", "Action": "kms:*", "Principal": {"RAM": "acs:ram::*:*"}, "Resource": "*"}

    def policy(length: int) -> str:
        condition = {"StringEquals": {"kms:tag/team": "TEAM"}}
        text = json.dumps({"Version": "1", "Statement": [{**statement, "Condition": condition}]})
        room, size = length - len(text) + 4, len(letter.encode())
        return text.replace("TEAM", letter * (room // size) + "x" * (room % size))

    for length in (32_767, 32_768):
        assert len(policy(length).encode()) == length
        assert parse(wire_types.Policy, policy(length)) == policy(length)
    assert isinstance(refused(wire_types.Policy, policy(32_769)), InvalidParameter)


def test_filters_are_at_most_10_of_10_values() -> None:
    def filters(rows: int, values: int) -> str:
        wanted = [str(number) for number in range(values)]
        return json.dumps([{"Key": "KeySpec", "Values": wanted}] * rows)

    for rows, values in ((0, 0), (1, 0), (1, 10), (10, 1), (10, 10)):
        specs = frozenset(str(number) for number in range(values)) if rows else frozenset[str]()
        assert parse(wire_types.KeyFilters, filters(rows, values)) == KeyFilter(specs=specs)
    for rows, values in ((11, 1), (1, 11)):
        assert isinstance(refused(wire_types.KeyFilters, filters(rows, values)), InvalidParameter)


@pytest.mark.parametrize(
    ("key", "facet"),
    [
        ("KeyState", "states"),
        ("KeySpec", "specs"),
        ("KeyUsage", "usages"),
        ("Origin", "origins"),
        ("ProtectionLevel", "protections"),
    ],
)
def test_a_filter_is_of_its_facet(key: str, facet: str) -> None:
    text = json.dumps([{"Key": key, "Values": ["x", "y"]}])
    assert parse(wire_types.KeyFilters, text) == KeyFilter(**{facet: frozenset({"x", "y"})})


class Noted(Reply, frozen=True):
    note: str | None = None
    count: int = 0


def test_the_shape_of_a_member_that_may_be_absent_is_that_of_its_value() -> None:
    assert Noted.shape() == {"Note": "", "Count": 0, "RequestId": ""}
