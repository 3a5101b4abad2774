import pytest

from keystead.access.conditions import OPERATORS, condition, kind_of

MOST = "kms:tag/" + "x" * 248


@pytest.mark.parametrize(
    ("operator", "key", "values", "context", "met"),
    [
        ("StringEquals", "kms:tag/a", ["x", ""], {"kms:tag/a": ""}, True),
        ("StringEquals", "kms:tag/a", ["x"], {"kms:tag/A": "x"}, False),
        ("StringNotEquals", "kms:tag/a", ["x"], {}, False),
        ("StringEqualsIgnoreCase", "kms:tag/a", ["STRASSE"], {"kms:tag/a": "straße"}, True),
        ("StringLike", "kms:EncryptionContext/a b", ["*"], {"kms:EncryptionContext/a b": ""}, True),
        ("NumericEquals", "ecs:n", ["1" * 30], {"ecs:n": "1" * 30 + ".0"}, True),
        ("NumericEquals", "ecs:n", ["1"], {"ecs:n": "1" * 31}, False),
        ("NumericNotEquals", "ecs:n", ["1"], {"ecs:n": "1" * 31}, False),
        ("DateLessThan", "acs:CurrentTime", ["0001-01-01T00:00:00+23:59"], {"acs:CurrentTime": "now"}, False),
        ("DateLessThan", "acs:CurrentTime", ["9999-12-31T23:59:59-23:59"], {"acs:CurrentTime": "2026-01-01T00:00:00Z"}, True),
        ("Bool", "acs:SecureTransport", ["true"], {"acs:SecureTransport": "true"}, True),
        ("IpAddress", "acs:SourceIp", ["10.0.0.0/255.0.0.0"], {"acs:SourceIp": "10.9.9.9"}, True),
        ("NotIpAddress", "acs:SourceIp", ["10.0.0.0/8"], {"acs:SourceIp": "10.9.9.9"}, False),
    ],
)  # fmt: skip
def test_a_condition_is_met_or_not(
    operator: str, key: str, values: list[str], context: dict[str, str], met: bool
) -> None:
    made = condition(operator, key, values)
    assert (made.operator, made.key, made.values) == (operator, key, tuple(values))
    assert made.met(context) is met


@pytest.mark.parametrize(
    ("operator", "key", "value", "reason"),
    [
        ("StringEqual", "kms:tag/a", "x", "there is no operator StringEqual (did you mean StringEquals?)"),
        ("stringequals", "kms:tag/a", "x", "there is no operator stringequals (did you mean StringEquals?)"),
        ("Null", "kms:tag/a", "x", "there is no operator Null; there are StringEquals, StringNotEquals, "),
        ("StringEquals", "acs:SourceIp", "x", "acs:SourceIp is of the type IP address, which StringEquals does not comp"),
        ("DateEquals", "acs:SourceIp", "x", "acs:SourceIp is of the type IP address, which DateEquals does not compare; "),
        ("Bool", "acs:CurrentTime", "true", "acs:CurrentTime is of the type Date, which Bool does not compare; Date"),
        ("StringEquals", "acs:sourceip", "x", "there is no condition key acs:sourceip (did you mean acs:SourceIp?)"),
        ("StringEquals", "ACS:SourceVpc", "x", "there is no condition key ACS:SourceVpc (did you mean acs:SourceVpc?)"),
        ("StringEquals", "kms:tag", "x", "there is no condition key kms:tag (did you mean kms:tag/…?)"),
        ("StringEquals", "kms:tag/", "x", "there is no condition key kms:tag/ (did you mean kms:tag/…?)"),
        ("StringEquals", "kms:whatever", "x", "there is no condition key kms:whatever; "),
        ("StringEquals", "acs:ResourceTag/a", "x", "there is no condition key acs:ResourceTag/a; there are acs:CurrentTime, "),
        ("StringEquals", "SourceIp", "x", "a condition key is a service, a colon and a name, like acs:SourceIp"),
        ("StringEquals", ":SourceIp", "x", "a condition key is a service"),
        ("StringEquals", "ecs:", "x", "a condition key is a service"),
        ("StringEquals", "ecs:a\nb", "x", "a condition key is a service"),
        ("StringEquals", MOST + "x", "x", "a condition key is a service"),
        ("NumericEquals", "ecs:n", "ten", "NumericEquals needs numbers, like 10 or 2.5"),
        ("NumericEquals", "ecs:n", "", "NumericEquals needs numbers"),
        ("NumericEquals", "ecs:n", "1e3", "NumericEquals needs numbers"),
        ("NumericEquals", "ecs:n", "NaN", "NumericEquals needs numbers"),
        ("NumericEquals", "ecs:n", ".5", "NumericEquals needs numbers"),
        ("NumericEquals", "ecs:n", "1" * 31, "NumericEquals needs numbers"),
        ("NumericEquals", "ecs:n", "1." + "1" * 31, "NumericEquals needs numbers"),
        ("NumericEquals", "ecs:n", "٣", "NumericEquals needs numbers"),
        ("DateEquals", "acs:CurrentTime", "2026-11-28", "DateEquals needs times, like 2026-11-28T08:00:00Z or "),
        ("DateEquals", "acs:CurrentTime", "2026-11-28T08:00Z", "DateEquals needs times"),
        ("DateEquals", "acs:CurrentTime", "2026-11-28T08:00:00", "DateEquals needs times"),
        ("DateEquals", "acs:CurrentTime", "2026-13-01T00:00:00Z", "DateEquals needs times"),
        ("DateEquals", "acs:CurrentTime", "2026-02-29T00:00:00Z", "DateEquals needs times"),
        ("DateEquals", "acs:CurrentTime", "0000-01-01T00:00:00Z", "DateEquals needs times"),
        ("DateEquals", "acs:CurrentTime", "2026-01-01T00:00:00+24:00", "DateEquals needs times"),
        ("Bool", "acs:MFAPresent", "yes", "Bool needs true or false"),
        ("IpAddress", "acs:SourceIp", "192.0.2.256", "IpAddress needs addresses or networks, like 192.0.2.1 or "),
        ("IpAddress", "acs:SourceIp", "192.0.2.0/33", "IpAddress needs addresses or networks"),
        ("IpAddress", "acs:SourceIp", "2001:db8::/129", "IpAddress needs addresses or networks"),
        ("IpAddress", "acs:SourceIp", "192.0.2.*", "IpAddress needs addresses or networks"),
        ("NotIpAddress", "acs:SourceIp", "fe80::1%eth0", "NotIpAddress needs addresses or networks"),
        ("IpAddress", "acs:SourceIp", "192.0.02.1", "IpAddress needs addresses or networks"),
        ("IpAddress", "acs:SourceIp", "", "IpAddress needs addresses or networks"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_condition_is_said(operator: str, key: str, value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        condition(operator, key, ["2026-11-28T08:00:00Z" if operator.startswith("Date") else value, value])
    assert str(refused.value).startswith(reason)


def test_texts_of_tags_and_contexts_and_of_other_services_may_be_of_any_type() -> None:
    values = {"Number": "1", "Date": "2026-11-28T08:00:00Z", "Boolean": "true", "IP address": "::1"}
    for key in (MOST, "kms:EncryptionContext/a", "ecs:tag/a"):
        assert kind_of(key) is None
        for name, operator in OPERATORS.items():
            value = values.get(operator.kind, "x")
            assert condition(name, key, [value]).met({key: value}) is (
                not operator.negative and name.removesuffix("Than") == name
            )
