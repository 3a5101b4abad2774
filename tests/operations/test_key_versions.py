import pytest

from tests.harness import Service


def rotate(service: Service, key_id: str) -> str:
    service.clock.time += 60
    return str(service.ok("CreateKeyVersion", KeyId=key_id)["KeyVersion"]["KeyVersionId"])


def test_a_new_version_encrypts_and_all_versions_decrypt() -> None:
    service = Service()
    key_id = service.key()
    sealed = [service.ok("Encrypt", KeyId=key_id, Plaintext="0")]
    for number in range(1, 4):
        version_id = rotate(service, key_id)
        metadata = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
        assert metadata["PrimaryKeyVersion"] == version_id
        assert metadata["LastRotationDate"] > metadata["CreationDate"]
        sealed.append(service.ok("Encrypt", KeyId=key_id, Plaintext=str(number)))
        assert sealed[-1]["KeyVersionId"] == version_id
    assert len({one["KeyVersionId"] for one in sealed}) == 4
    for number, one in enumerate(sealed):
        opened = service.ok("Decrypt", CiphertextBlob=one["CiphertextBlob"])
        assert (opened["Plaintext"], opened["KeyVersionId"]) == (str(number), one["KeyVersionId"])


def test_there_is_no_shortest_time_between_versions() -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateKeyVersion", KeyId=key_id)
    service.ok("CreateKeyVersion", KeyId=key_id)
    assert service.ok("ListKeyVersions", KeyId=key_id)["TotalCount"] == 3


def test_versions_are_listed_page_by_page() -> None:
    service = Service()
    key_id = service.key()
    service.ok("CreateAlias", KeyId=key_id, AliasName="alias/a")
    first = service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["PrimaryKeyVersion"]
    versions = [first, *(rotate(service, key_id) for _ in range(4))]
    found = []
    for page in (1, 2, 3):
        listed = service.ok("ListKeyVersions", KeyId="alias/a", PageNumber=str(page), PageSize="2")
        assert (listed["TotalCount"], listed["PageNumber"], listed["PageSize"]) == (5, page, 2)
        found += listed["KeyVersions"]["KeyVersion"]
    assert [one["KeyVersionId"] for one in found] == versions[::-1]
    assert {one["KeyId"] for one in found} == {key_id}
    for one in found:
        described = service.ok("DescribeKeyVersion", KeyId=key_id, KeyVersionId=one["KeyVersionId"])
        assert described["KeyVersion"] == one
    assert service.ok("ListKeyVersions", KeyId=key_id, PageNumber="9")["KeyVersions"] == {"KeyVersion": []}


def test_a_version_is_found_at_its_own_key_only() -> None:
    service = Service()
    one, two = service.key(), service.key()
    version_id = service.ok("DescribeKey", KeyId=one)["KeyMetadata"]["PrimaryKeyVersion"]
    for wrong in (version_id, "none"):
        refused = service.refused("DescribeKeyVersion", KeyId=two, KeyVersionId=wrong)
        assert refused == "Forbidden.KeyVersionNotFound"
    assert service.refused("DescribeKeyVersion", KeyId=one) == "MissingParameter"
    assert service.refused("DescribeKeyVersion", KeyId=one, KeyVersionId="x" * 65) == "InvalidParameter"


@pytest.mark.parametrize(
    ("state", "code"),
    [("DisableKey", "Rejected.Disabled"), ("ScheduleKeyDeletion", "Rejected.PendingDeletion")],
)
def test_only_an_enabled_key_is_rotated(state: str, code: str) -> None:
    service = Service()
    key_id = service.key()
    more = {"PendingWindowInDays": "7"} if state == "ScheduleKeyDeletion" else {}
    service.ok(state, KeyId=key_id, **more)
    assert service.refused("CreateKeyVersion", KeyId=key_id) == code
    assert service.ok("ListKeyVersions", KeyId=key_id)["TotalCount"] == 1


def test_a_ciphertext_is_brought_to_the_primary_version() -> None:
    service = Service()
    key_id = service.key()
    old = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    version_id = rotate(service, key_id)
    made = service.ok("ReEncrypt", CiphertextBlob=old, DestinationKeyId=key_id)
    assert made["KeyVersionId"] != version_id  # of the version that opened it
    opened = service.ok("Decrypt", CiphertextBlob=made["CiphertextBlob"])
    assert (opened["Plaintext"], opened["KeyVersionId"]) == ("x", version_id)
