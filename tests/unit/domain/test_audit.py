import msgspec
import pytest

from keystead.domain.audit import COLUMNS, GENESIS, Head, Kind, Record, columns, hashed, link

RECORD = Record(
    chain="9cf8f15b-e389-4edb-867e-c16075496068",
    sequence=1,
    time=1767323045000,
    kind=Kind.API_CALL,
    account="1000000000000001",
    region="cn-hangzhou",
    product="Kms",
    version="2016-01-20",
    action="Encrypt",
    caller_type="root-account",
    principal="1000000000000001",
    access_key_id="LTAI",
    session="",
    source="127.0.0.1",
    host="localhost:8443",
    user_agent="tests",
    tls="TLSv1.3",
    resources="[]",
    parameters='{"KeyId":"密"}',
    status=200,
    code="",
    request_id="r",
    revision=41,
)
FIRST = msgspec.structs.replace(RECORD, format=1, revision=0)


def test_link_is_known() -> None:
    """Frozen: records of these formats are verified for ever."""
    assert link(GENESIS, FIRST).hex() == "80f48651fc2028eb0924459fd76a29629e299cbc70cad683a2e13f107cc9ca1f"
    assert link(GENESIS, RECORD).hex() == "82280b251262048f525db13df55d203b780603c88a23818cfc7c82eb68d2cbe2"


def test_the_first_format_has_no_revision() -> None:
    assert hashed(columns(FIRST)).endswith(b"1:r")
    assert hashed(columns(RECORD)) == hashed(columns(FIRST)).replace(b"1:1", b"1:2", 1) + b"2:41"
    assert link(GENESIS, msgspec.structs.replace(FIRST, revision=1)) != link(GENESIS, FIRST)


def test_every_column_is_bound() -> None:
    assert set(COLUMNS) == set(RECORD.__struct_fields__)
    plain = link(GENESIS, RECORD)
    for name in COLUMNS:
        value = getattr(RECORD, name)
        changed = (
            value + 1 if isinstance(value, int) else Kind.SERVICE_EVENT if name == "kind" else value + "x"
        )
        assert link(GENESIS, msgspec.structs.replace(RECORD, **{name: changed})) != plain, name
    assert link(b"\1" * 32, RECORD) != plain


def test_neighbouring_columns_do_not_run_together() -> None:
    one = msgspec.structs.replace(RECORD, source="ab", host="c")
    other = msgspec.structs.replace(RECORD, source="a", host="bc")
    assert link(GENESIS, one) != link(GENESIS, other)


def test_head_is_written_as_count_and_hash() -> None:
    assert str(Head(3, b"\1" * 32)) == "3:" + "01" * 32


def test_a_record_is_not_changed() -> None:
    with pytest.raises(AttributeError):
        RECORD.code = "x"  # type: ignore[misc]
