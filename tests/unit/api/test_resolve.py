import pytest

from keystead.api.operation import CATALOGUE
from keystead.api.resolve import Resolver
from keystead.api.wire_types import KeyReference, Request
from keystead.domain.products import KMS
from keystead.errors import KeyNotFound, MissingParameter
from tests.harness import Service


def find(service: Service, action: str, region: str, **values: object) -> Resolver:
    operation = CATALOGUE.find(KMS.version, action)
    assert operation is not None
    request: Request = operation.request(**values)
    resolver = Resolver(service.store, service.account, region, int(service.clock.now()))
    return resolver.resolve(operation, request)


def test_it_finds_the_key_its_primary_version_and_their_arn() -> None:
    service = Service()
    key_id = service.key()
    found = find(service, "DescribeKey", service.region, key_id=KeyReference(key_id=key_id))
    assert found.key is not None
    assert found.version is not None
    assert (found.key.key_id, found.version.version_id) == (key_id, found.key.primary_version)
    assert found.resources == [f"acs:kms:{service.region}:{service.account}:key/{key_id}"]
    assert found.keys == [found.key]


def test_what_is_elsewhere_is_nowhere() -> None:
    service = Service()
    key_id = service.key()
    with pytest.raises(KeyNotFound):
        find(service, "DescribeKey", "cn-beijing", key_id=KeyReference(key_id=key_id))
    with pytest.raises(KeyNotFound):
        find(service, "DescribeKey", service.region, key_id=KeyReference(key_id=key_id, account="1"))


def test_an_operation_about_a_key_needs_one() -> None:
    with pytest.raises(MissingParameter):
        find(Service(), "TagResource", "cn-hangzhou", tags={"a": "b"})
