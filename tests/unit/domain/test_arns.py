import pytest

from keystead.domain.arns import Arn, alias_arn, key_arn, parse


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
