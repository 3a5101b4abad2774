import gc

import pytest

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api import bind
from keystead.api.http import receive
from keystead.api.http.message import Channel, HttpRequest
from keystead.api.operation import CATALOGUE
from keystead.domain.products import KMS
from keystead.errors import ActionNotFound, InvalidParameter, InvalidVersion, MissingParameter
from keystead.operations.kms.tags import UntagResourcesRequest


def test_an_operation_is_found_by_version_and_action() -> None:
    assert bind.find_operation(CATALOGUE, "Encrypt", KMS.version).action == "Encrypt"
    for action, version, error in (
        ("", KMS.version, MissingParameter),
        ("Encrypt", "", MissingParameter),
        ("Encrypt", "2015-05-02", InvalidVersion),
        ("encrypt", KMS.version, ActionNotFound),
        ("GenerateRandom", KMS.version, ActionNotFound),
    ):
        with pytest.raises(error):
            bind.find_operation(CATALOGUE, action, version)


@pytest.mark.parametrize(
    ("host", "region_id", "expected"),
    [
        ("kms.cn-beijing.aliyuncs.com", "cn-hangzhou", "cn-beijing"),
        ("KMS-VPC.cn-beijing.aliyuncs.com:443", "", "cn-beijing"),
        ("kms-intranet.cn-beijing.aliyuncs.com", "", "cn-beijing"),
        ("localhost:8443", "cn-shanghai", "cn-shanghai"),
        ("kms.aliyuncs.com", "", "home"),
        ("kms.a--b.aliyuncs.com", "", "home"),
        ("localhost", "", "home"),
        ("", "", "home"),
    ],
)
def test_region_is_the_hosts_else_the_parameters_else_the_servers(
    host: str, region_id: str, expected: str
) -> None:
    assert bind.region_of(KMS, host, {"RegionId": region_id}, "home") == expected


@pytest.mark.parametrize("region", ["CN", "a" * 33, "a--b", "-a", "a_b", "a\n"])
def test_a_malformed_region_is_refused(region: str) -> None:
    with pytest.raises(InvalidParameter):
        bind.region_of(KMS, "localhost", {"RegionId": region}, "home")


def test_recordable_leaves_out_the_sensitive_and_cuts_the_long() -> None:
    encrypt = CATALOGUE.find(KMS.version, "Encrypt")
    create = CATALOGUE.find(KMS.version, "CreateKey")
    decrypt = CATALOGUE.find(KMS.version, "Decrypt")
    assert encrypt is not None
    assert create is not None
    assert decrypt is not None
    sent = {"KeyId": "k", "Plaintext": "canary", "EncryptionContext": "{}", "Other": "x", "DryRun": ""}
    assert bind.recordable(encrypt, sent) == {"KeyId": "k", "EncryptionContext": "{}"}
    assert bind.recordable(create, {"Description": "d" * 9000}) == {"Description": "d" * 8192}
    assert bind.recordable(decrypt, {"CiphertextBlob": "b"}) == {}


def test_what_is_no_element_of_a_list_is_ignored_and_recorded() -> None:
    untag = CATALOGUE.find(KMS.version, "UntagResources")
    assert untag is not None
    odd = {"TagKey.x": "a", "TagKey.0": "b", "TagKey.1.2": "c", "TagKey.": "d"}
    sent = {"ResourceType": "key", "ResourceId.1": "k", "TagKey.2": "second", "TagKey.1": "first", **odd}
    request = bind.bind(untag, {"RegionId": "cn-hangzhou", **sent})
    assert isinstance(request, UntagResourcesRequest)
    assert request.tag_key == ["first", "second"]
    assert bind.recordable(untag, sent) == sent


def test_what_was_understood_shows_no_value() -> None:
    asked = {"KeyId": "k", "Plaintext": "canary"}
    found = bind.bind_call(CATALOGUE, "Encrypt", "2016-01-20", asked, "localhost", "cn-hangzhou")
    assert found.refusal is None
    assert repr(found) == "<Bound Encrypt>"


@pytest.mark.parametrize(
    "query",
    [
        "?Action=Encrypt&Version=2016-01-20&KeyId=k&Plaintext=" + "p" * 10_000,  # refused when it is bound
        "?Action=Encrypt&Version=2016-01-20&Plaintext=%",  # when it is read
    ],
)
def test_a_refused_request_leaves_nothing_to_the_garbage_collector(query: str) -> None:
    """A flood of long ones would take all memory until it runs."""
    request = HttpRequest(method="POST", target=f"/{query}", headers={}, channel=Channel.CONTROL)
    while gc.collect():  # what the tests before left, and what its end left
        pass
    gc.disable()
    try:
        asked = receive.receive(request)
        found = bind.bind_call(
            CATALOGUE, asked.action, asked.version, asked.parameters, asked.host, "cn-hangzhou"
        )
        assert (found.refusal or asked.refusal) is not None
        del asked, found
        assert gc.collect() == 0
    finally:
        gc.enable()
