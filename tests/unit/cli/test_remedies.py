from collections.abc import Mapping
from typing import Any

import pytest

from keystead.api.operation import CATALOGUE
from keystead.cli.remedies import remedy
from keystead.domain.products import KMS, RAM
from tests.harness import Service

URL = "https://kms.example:8443"


def told(service: Service, action: str, **parameters: str) -> tuple[str, str]:
    """The code of a refused call, and the hint about it."""

    def ask(asked: str, more: dict[str, str]) -> Mapping[str, Any] | None:
        status, members = service.call(asked, **more)
        return members if status == 200 else None

    status, refusal = service.call(action, **parameters)
    assert status >= 400
    operation = CATALOGUE.find(parameters.get("Version", KMS.version), action)
    return refusal["Code"], remedy(refusal, parameters, operation, ask, URL)


def test_a_taken_alias_is_shown_with_its_key_and_how_to_have_it() -> None:
    service = Service()
    first, second = service.key(), service.key()
    service.ok("CreateAlias", AliasName="alias/a", KeyId=first)
    create = {"AliasName": "alias/a", "KeyId": second}
    code, hint = told(service, "CreateAlias", **create)
    assert code == "AliasAlreadyExists"
    assert hint == (
        f"alias/a names the key {first}, which is in state Enabled; "
        f"keystead kms UpdateAlias --AliasName alias/a --KeyId {second} moves the alias, "
        "DeleteAlias --AliasName alias/a frees it"
    )
    service.ok("ScheduleKeyDeletion", KeyId=first, PendingWindowInDays="7")
    _, hint = told(service, "CreateAlias", **create)
    assert f"{first}, which is in state PendingDeletion until 2026-01-09T03:04:05Z, and goes with it" in hint
    assert f"keystead kms CancelKeyDeletion --KeyId {first} keeps it" in hint
    assert "UpdateAlias" in hint
    # What the hint says works.
    service.ok("UpdateAlias", **create)
    assert told(service, "CreateAlias", **create) == (
        "AliasAlreadyExists", "alias/a names this very key already",
    )  # fmt: skip
    arn = f"acs:kms:cn-hangzhou:{service.account}:key/{second}"
    assert told(service, "CreateAlias", AliasName="alias/a", KeyId=arn)[1].endswith("already")
    service.ok("DeleteAlias", AliasName="alias/a")
    service.ok("CreateAlias", **create)


def test_a_state_that_is_in_the_way_is_shown_with_the_way_out() -> None:
    service = Service()
    key_id = service.key()
    encrypt = {"KeyId": key_id, "Plaintext": "x"}
    service.ok("DisableKey", KeyId=key_id)
    code, hint = told(service, "Encrypt", **encrypt)
    assert code == "Rejected.Disabled"
    assert hint == (
        f"it is the key {key_id}, which is in state Disabled; keystead kms EnableKey --KeyId {key_id} enables it"
    )
    service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    for action, asked in (("Encrypt", encrypt), ("EnableKey", {"KeyId": key_id})):
        _, hint = told(service, action, **asked)
        assert "PendingDeletion until 2026-01-09T03:04:05Z; keystead kms CancelKeyDeletion" in hint
    external = service.key(Origin="EXTERNAL")
    code, hint = told(service, "Encrypt", KeyId=external, Plaintext="x")
    assert (code, hint.endswith(f"keystead key import {external} FILE gives it its material")) == (
        "Rejected.PendingImport", True,
    )  # fmt: skip
    # That there is nothing to cancel is no puzzle.
    for enabled in (True, False):
        other = service.key()
        if not enabled:
            service.ok("DisableKey", KeyId=other)
        assert told(service, "CancelKeyDeletion", KeyId=other) == ("Rejected.StateModifiedFailed", "")


def test_a_protection_is_shown_with_its_reason() -> None:
    service = Service()
    metadata = service.ok("CreateKey")["KeyMetadata"]
    protect = {"ProtectedResourceArn": metadata["Arn"], "EnableDeletionProtection": "true"}
    service.ok("SetDeletionProtection", **protect)
    schedule = {"KeyId": metadata["KeyId"], "PendingWindowInDays": "7"}
    code, hint = told(service, "ScheduleKeyDeletion", **schedule)
    assert code == "Rejected.DeletionProtection"
    assert hint == (
        f"keystead kms SetDeletionProtection --ProtectedResourceArn {metadata['Arn']} "
        "--EnableDeletionProtection false allows it"
    )
    service.ok("SetDeletionProtection", **protect, DeletionProtectionDescription="used by nacos")
    _, hint = told(service, "ScheduleKeyDeletion", **schedule)
    assert hint.startswith("the reason that was given: used by nacos; keystead kms SetDeletionProtection")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alias/acs/MSE", "did you mean alias/acs/mse?"),
        ("alias/acs/zzzzzz", "it is none of the services that have a key: acm, actiontrail, "),
        ("alias/acs/oss", "--service-keys yes"),
        ("acs:kms:cn-beijing:1000000000000001:alias/acs/oss", ""),
        ("alias/other", "it was looked for"),
        ("alias/my-alias/acs/oss", "it was looked for"),
    ],
)
def test_a_services_alias_that_is_not_found_says_why(name: str, expected: str) -> None:
    service = Service()
    service.pipeline.service_keys = False
    code, hint = told(service, "Encrypt", KeyId=name, Plaintext="x")
    assert code == "Forbidden.AliasNotFound"
    assert expected in hint


def test_a_reserved_name_is_called_so() -> None:
    service = Service()
    code, hint = told(service, "CreateAlias", AliasName="alias/acs/mse", KeyId=service.key())
    assert (code, hint) == ("InvalidParameter", "alias/acs is reserved for the keys of services")
    assert told(service, "CreateAlias", AliasName="alias/ä", KeyId=service.key())[1].startswith(
        "--AliasName is alias/ and then 1 to 255 letters"
    )


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("AliasAlreadyExists", {"AliasName": "alias/a", "KeyId": "k"}),
        ("AliasAlreadyExists", {}),
        ("Rejected.Disabled", {"CiphertextBlob": "b"}),
        ("Rejected.DeletionProtection", {"KeyId": "k"}),
        ("InvalidParameter", {"KeyId": "k"}),
        ("InvalidParameter", {}),
        ("Unsupported.Alias", {"KeyId": "alias/a"}),
        ("Forbidden.KeyVersionNotFound", {}),
        ("ServiceUnavailable", {}),
    ],
)
def test_without_an_answer_there_is_no_hint(code: str, parameters: dict[str, str]) -> None:
    assert remedy({"Code": code}, parameters, None, lambda action, asked: None, URL) == ""


@pytest.mark.parametrize(
    "answer", [{}, {"KeyMetadata": {}}, {"KeyMetadata": {"KeyId": "k", "Arn": "a"}}, {"KeyMetadata": "text"}]
)
def test_an_answer_of_another_shape_gives_no_hint(answer: dict[str, Any]) -> None:
    asked = {"AliasName": "alias/a", "KeyId": "k"}
    assert remedy({"Code": "AliasAlreadyExists"}, asked, None, lambda action, more: answer, URL) == ""


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"Keys": "x"},
        {"Keys": {"Key": "x"}},
        {"Keys": {"Key": [{"KeyArn": "x"}]}},
        {"Keys": {"Key": []}},
    ],
)
def test_a_key_that_is_not_found_says_at_least_who_was_asked(answer: dict[str, Any] | None) -> None:
    refusal = {"Code": "Forbidden.KeyNotFound"}
    shows = "; keystead kms ListKeys shows the keys, ListAliases their other names"
    assert remedy(refusal, {"KeyId": "k"}, None, lambda action, more: answer, URL) == (
        f"it was looked for at {URL}{shows}"
    )
    asked = {"KeyId": "k", "RegionId": "cn-beijing"}
    assert remedy(refusal, asked, None, lambda action, more: answer, URL).startswith(
        f"it was looked for in region cn-beijing at {URL}"
    )


def test_a_key_that_is_not_found_says_where_it_was_looked_for() -> None:
    service = Service()
    key = service.key()
    service.ok("CreateAlias", AliasName="alias/Apollo/Tls", KeyId=key)
    place = f"it was looked for in region cn-hangzhou of account {service.account} at {URL}; keystead kms ListKeys "
    for action, parameters in (
        ("DescribeKey", {"KeyId": "nosuch"}),
        ("Encrypt", {"KeyId": "alias/nosuch", "Plaintext": "x"}),
        ("DeleteAlias", {"AliasName": "alias/nosuch"}),
        ("ListTagResources", {"ResourceType": "key", "RegionId": "cn-hangzhou", "ResourceId.1": "nosuch"}),
    ):
        code, hint = told(service, action, **parameters)
        assert (code.endswith("NotFound"), hint.startswith(place)) == (True, True), (code, hint)
    _, hint = told(service, "DescribeKey", KeyId="alias/Apolo/Tls")
    assert hint.startswith(f"did you mean alias/Apollo/Tls? {place}")
    code, hint = told(service, "DescribeKeyVersion", KeyId=key, KeyVersionId="nosuch")
    assert (code, hint) == (
        "Forbidden.KeyVersionNotFound", f"keystead kms ListKeyVersions --KeyId {key} shows its versions",
    )  # fmt: skip
    code, hint = told(service, "ScheduleKeyDeletion", KeyId="alias/Apollo/Tls", PendingWindowInDays="7")
    assert (code, hint) == (
        "Unsupported.Alias", f"--KeyId is a key's id or key ARN, not an alias; alias/Apollo/Tls stands for {key}",
    )  # fmt: skip


def test_an_access_key_of_another_server_says_which_was_asked() -> None:
    refusal = {"Code": "InvalidAccessKeyId.NotFound"}
    hint = remedy(refusal, {}, None, lambda action, more: None, URL)
    assert hint.startswith(f"{URL} does not know this AccessKey; keystead access-key list")


def test_a_word_that_is_none_of_the_choices_is_told_with_the_one_that_was_meant() -> None:
    service = Service()
    code, hint = told(service, "CreateKey", KeySpec="aliyun_aes256")
    assert code == "InvalidParameter"
    assert hint.startswith("--KeySpec is Aliyun_AES_256, Aliyun_AES_192,")
    assert hint.endswith("; did you mean Aliyun_AES_256?")
    for text, meant in (("aes_256", "Aliyun_AES_256"), ("sm3", "HMAC_SM3"), ("RSA-2048", "RSA_2048")):
        assert told(service, "CreateKey", KeySpec=text)[1].endswith(f"; did you mean {meant}?")
    for text in ("zzz", "z"):
        assert told(service, "CreateKey", KeySpec=text)[1].endswith("or HMAC_SM3")


@pytest.mark.parametrize(
    "message",
    [
        'The specified parameter "PendingWindowInDays" is not valid.',
        "The specified parameter PendingWindowInDays is not valid.",
        "The specified parameter is not valid.",
        "The specified parameter is invalid.",
        "",
    ],
)
def test_the_vendors_ways_to_refuse_a_parameter(message: str) -> None:
    operation = CATALOGUE.find(KMS.version, "ScheduleKeyDeletion")
    refusal = {"Code": "InvalidParameter", "Message": message}
    parameters = {"KeyId": "k", "PendingWindowInDays": "3"}
    hint = remedy(refusal, parameters, operation, lambda action, more: None, URL)
    assert hint == "--PendingWindowInDays is 7 to 366 days"


def test_a_document_that_is_the_name_of_a_file() -> None:
    service = Service()
    rule = "--PolicyDocument is JSON: a policy, at most 2048 characters"
    for text, hint in (
        ("policy.json", f"{rule}; --PolicyDocument file:PATH reads it from a file"),
        (' {"Version": "1"}', rule),
    ):
        asked = {"Version": RAM.version, "PolicyName": "p", "PolicyDocument": text}
        assert told(service, "CreatePolicy", **asked) == ("MalformedPolicyDocument", hint)
