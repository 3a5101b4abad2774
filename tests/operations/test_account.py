from tests.harness import Service


def test_the_service_is_open() -> None:
    service = Service()
    assert service.ok("DescribeAccountKmsStatus")["AccountStatus"] == "Enabled"
    assert service.refused("OpenKmsService") == "Forbidden.Opened"
