from tests.harness import Service


def test_the_service_is_open() -> None:
    service = Service()
    assert service.ok("DescribeAccountKmsStatus")["AccountStatus"] == "Enabled"
    assert service.refused("OpenKmsService") == "Forbidden.Opened"


def test_attested_delivery_is_refused() -> None:
    service = Service()
    assert service.refused("GetChallenge") == "UnsupportedOperation"
    key_id = service.key()
    assert service.refused("GenerateDataKey", KeyId=key_id, Recipient="enclave") == "UnsupportedOperation"
