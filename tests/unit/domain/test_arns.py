import pytest

from keystead.domain.arns import Arn, access_key_arn, alias_arn, key_arn, parse


def test_an_arn_is_parsed_as_it_is_written() -> None:
    text = key_arn("1", "cn-hangzhou", "k")
    assert text == "acs:kms:cn-hangzhou:1:key/k"
    assert parse(text) == Arn("cn-hangzhou", "1", "key/k")
    assert str(Arn("cn-hangzhou", "1", "alias/a:b")) == alias_arn("1", "cn-hangzhou", "alias/a:b")


@pytest.mark.parametrize(
    "text", ["", "acs:kms:r:1", "acs:oss:r:1:key/k", "arn:kms:r:1:key/k", "acs:kms::1:k", "acs:kms:r:1:"]
)
def test_what_is_no_arn_is_none(text: str) -> None:
    assert parse(text) is None


def test_an_access_key_is_a_resource_of_ram_and_none_of_ours() -> None:
    assert access_key_arn("1", "LTAI") == "acs:ram::1:accesskey/LTAI"
    assert parse(access_key_arn("1", "LTAI")) is None
