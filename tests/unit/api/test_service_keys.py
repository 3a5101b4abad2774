from keystead.api.service_keys import promise
from keystead.entropy import SeededEntropy
from tests.harness import Service


def test_a_promise_is_a_key_that_no_store_has_yet() -> None:
    service = Service()
    found = promise("1000000000000001", "cn-hangzhou", "alias/acs/oss", 5, SeededEntropy(b"p"))
    assert found is not None
    assert (found.key.service, found.key.creator, found.key.created) == ("oss", "OSS", 5)
    assert found.key.key_id == found.version.key_id == found.alias.key_id
    assert found.key.primary_version == found.version.version_id
    assert found.version.material.blob == b""
    assert service.store.keys.get(*found.key.place) is None


def test_it_is_made_whole_key_version_and_alias() -> None:
    service = Service()
    found = promise(service.account, "cn-hangzhou", "alias/acs/oss", 5, service.entropy)
    assert found is not None
    service.store.begin()
    version = found.make(service.store, service.world.vault)
    service.store.commit()
    assert service.store.keys.get(*found.key.place) == found.key
    assert service.store.keys.version(found.version.account, found.version.version_id) == version
    assert version.material.blob != b""
    assert service.store.aliases.get(service.account, "cn-hangzhou", "alias/acs/oss") == found.alias


def test_other_aliases_promise_nothing() -> None:
    assert promise("1", "cn-hangzhou", "alias/oss", 5, SeededEntropy(b"p")) is None
