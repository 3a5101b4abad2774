import pytest

from tests.harness import Service


def test_an_alias_names_a_key_and_can_be_moved_and_removed() -> None:
    service = Service()
    first, second = service.key(), service.key()
    assert list(service.ok("CreateAlias", AliasName="alias/a/b", KeyId=first)) == ["RequestId"]
    assert service.ok("DescribeKey", KeyId="alias/a/b")["KeyMetadata"]["KeyId"] == first
    service.ok("UpdateAlias", AliasName="alias/a/b", KeyId=second)
    assert service.ok("DescribeKey", KeyId="alias/a/b")["KeyMetadata"]["KeyId"] == second
    assert service.ok("ListAliasesByKeyId", KeyId=first)["TotalCount"] == 0
    service.ok("DeleteAlias", AliasName="alias/a/b")
    assert service.refused("DescribeKey", KeyId="alias/a/b") == "Forbidden.AliasNotFound"
    assert service.refused("DeleteAlias", AliasName="alias/a/b") == "Forbidden.AliasNotFound"
    assert service.refused("UpdateAlias", AliasName="alias/a/b", KeyId=first) == "Forbidden.AliasNotFound"


def test_an_alias_is_unique_in_account_and_region() -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", AliasName="alias/one", KeyId=key_id)
    assert service.refused("CreateAlias", AliasName="alias/one", KeyId=key_id) == "AliasAlreadyExists"
    other = service.key(RegionId="cn-beijing")
    service.ok("CreateAlias", RegionId="cn-beijing", AliasName="alias/one", KeyId=other)


def test_a_moved_alias_does_not_change_what_a_ciphertext_opens_under() -> None:
    service = Service()
    first, second = service.key(), service.key()
    service.ok("CreateAlias", AliasName="alias/w", KeyId=first)
    blob = service.ok("Encrypt", KeyId="alias/w", Plaintext="x")["CiphertextBlob"]
    service.ok("UpdateAlias", AliasName="alias/w", KeyId=second)
    assert service.ok("Decrypt", CiphertextBlob=blob)["KeyId"] == first


@pytest.mark.parametrize("action", ["CreateAlias", "UpdateAlias"])
def test_an_alias_is_not_a_key_id_here(action: str) -> None:
    service = Service()
    service.ok("CreateAlias", AliasName="alias/one", KeyId=service.key())
    name = {"CreateAlias": "alias/two", "UpdateAlias": "alias/one"}[action]
    assert service.refused(action, AliasName=name, KeyId="alias/one") == "Unsupported.Alias"


def test_a_key_arn_is_a_key_id() -> None:
    service = Service()
    arn = service.ok("CreateKey")["KeyMetadata"]["Arn"]
    service.ok("CreateAlias", AliasName="alias/one", KeyId=arn)
    assert service.ok("ListAliasesByKeyId", KeyId=arn)["TotalCount"] == 1


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("alias/x", True),
        ("alias/" + "x" * 255, True),
        ("alias/" + "x" * 256, False),
        ("alias/", False),
        ("Apollo/WorkKey", False),
        ("alias/acs/x", False),
        ("alias/ac", True),
        ("alias/x\n", False),
        ("alias/a b", False),
        ("alias/密", False),
    ],
)
def test_alias_names(name: str, accepted: bool) -> None:
    service = Service()
    status, members = service.call("CreateAlias", AliasName=name, KeyId=service.key())
    assert (status == 200) == accepted
    assert accepted or members["Message"] == 'The specified parameter "AliasName" is not valid.'


def test_list_aliases_pages_in_order_of_creation() -> None:
    service = Service()
    first, second = service.key(), service.key()
    for number in range(5):
        service.ok("CreateAlias", AliasName=f"alias/n{number}", KeyId=first if number % 2 else second)
    page = service.ok("ListAliases", PageSize="2", PageNumber="2")
    assert list(page) == ["Aliases", "TotalCount", "PageNumber", "PageSize", "RequestId"]
    assert [alias["AliasName"] for alias in page["Aliases"]["Alias"]] == ["alias/n2", "alias/n3"]
    assert page["Aliases"]["Alias"][0] == {
        "AliasName": "alias/n2",
        "KeyId": second,
        "AliasArn": f"acs:kms:cn-hangzhou:{service.account}:alias/n2",
    }
    assert page["TotalCount"] == 5
    page = service.ok("ListAliasesByKeyId", KeyId=first, PageSize="1", PageNumber="2")
    assert [alias["AliasName"] for alias in page["Aliases"]["Alias"]] == ["alias/n3"]
    assert page["TotalCount"] == 2
    assert service.ok("ListAliases", RegionId="cn-beijing")["Aliases"] == {"Alias": []}
