from pathlib import Path

import pytest

from keystead.errors import OperatorError
from keystead.server.data import seed_file as seeds
from keystead.server.data import seeding
from tests.harness import Service

SEED = """
[[key]]
id = "k"
aliases = ["alias/a"]
[[key.version]]
id = "00000000-0000-4000-8000-000000000001"
material = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""


def plant(service: Service, folder: Path, text: str) -> None:
    file = folder / "seed.toml"
    file.write_text(text, encoding="utf-8")
    seeding.seed_store(service.pipeline, seeds.read(str(file)), anyway=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AAEC", "AAED"),
        ("000000000001", "000000000002"),
        ('id = "k"', 'id = "k"\norigin = "EXTERNAL"'),
    ],
)
def test_a_seed_that_changed_is_told(tmp_path: Path, old: str, new: str) -> None:
    """Else ciphertexts that are committed with the new one would not open, and nothing would say why."""
    service = Service()
    plant(service, tmp_path, SEED)
    plant(service, tmp_path, SEED)
    service.ok("DisableKey", KeyId="k")
    plant(service, tmp_path, SEED)
    with pytest.raises(OperatorError, match="the key k of this server is not the seed's"):
        plant(service, tmp_path, SEED.replace(old, new))


def test_material_that_was_deleted_since_is_no_other_material(tmp_path: Path) -> None:
    service = Service()
    external = SEED.replace('id = "k"', 'id = "k"\norigin = "EXTERNAL"')
    plant(service, tmp_path, external)
    service.ok("DeleteKeyMaterial", KeyId="k")
    plant(service, tmp_path, external)
    metadata = service.ok("DescribeKey", KeyId="k")["KeyMetadata"]
    assert metadata["KeyState"] == "PendingImport"


def test_names_and_versions_of_other_keys_are_theirs(tmp_path: Path) -> None:
    service = Service()
    plant(service, tmp_path, SEED)
    other = SEED.replace('id = "k"', 'id = "other"')
    with pytest.raises(OperatorError, match="cannot have the alias alias/a"):
        plant(service, tmp_path, other)
    with pytest.raises(OperatorError, match="cannot have the version 00000000-0000-4000-8000-000000000001"):
        plant(service, tmp_path, other.replace("alias/a", "alias/b"))
    assert service.ok("ListKeys")["TotalCount"] == 1


def test_an_access_key_with_another_secret_is_told(tmp_path: Path) -> None:
    service = Service()
    access_key = '[[access_key]]\nid = "A1"\nsecret = "one"\n'
    plant(service, tmp_path, access_key)
    plant(service, tmp_path, access_key)
    with pytest.raises(OperatorError, match="the AccessKey A1 of this server has another secret"):
        plant(service, tmp_path, access_key.replace("one", "two"))


def test_keys_of_one_id_wait_in_two_regions(tmp_path: Path) -> None:
    service = Service()
    waiting = '[[key]]\nid = "k"\norigin = "EXTERNAL"\nstate = "PendingImport"\n'
    plant(service, tmp_path, waiting + waiting + 'region = "cn-beijing"\n')
    for region in ("cn-hangzhou", "cn-beijing"):
        shown = service.ok("DescribeKey", KeyId="k", RegionId=region)["KeyMetadata"]
        assert shown["KeyState"] == "PendingImport"
