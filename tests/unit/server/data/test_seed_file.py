import json
from pathlib import Path

import pytest

from keystead.api.pipeline import Pipeline
from keystead.clock import FixedClock
from keystead.crypto.primitives import sm2
from keystead.crypto.primitives.libcrypto import Unavailable
from keystead.domain.keys.key import KeySpec
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError
from keystead.server.data import seed_file as seeds
from keystead.server.data import seeding
from keystead.server.data.world import open_in_memory
from tests.harness import Service
from tests.operations.test_material import parameters
from tests.ram import Ram

SEED = Path(__file__).parents[3] / "vectors" / "seed" / "seed.toml"
BLOBS = Path(__file__).parents[3] / "vectors" / "seed" / "ciphertexts.json"
WORK = "11111111-1111-4111-8111-111111111111"
TEXT = SEED.read_text(encoding="utf-8")


def planted(seed: bytes = b"") -> Service:
    """A service with the seed in it; everything else is random."""
    service = Service(seed=seed)
    seeding.seed_store(service.pipeline, seeds.read(str(SEED)))
    service.access_key = ("LTAISEED", "seeded-secret")
    return service


def test_keys_are_there_as_written() -> None:
    service = planted()
    metadata = service.ok("DescribeKey", KeyId="alias/acs/mse")["KeyMetadata"]
    assert (metadata["KeyId"], metadata["Description"], metadata["KeyState"]) == (WORK, "work", "Enabled")
    assert metadata["PrimaryKeyVersion"] == "11111111-aaaa-4111-8111-000000000002"
    assert (metadata["CreationDate"], metadata["LastRotationDate"]) == (
        "2026-01-01T00:00:00Z",
        "2026-02-01T00:00:00Z",
    )
    tags = service.ok("ListResourceTags", KeyId=WORK)["Tags"]["Tag"]
    assert {one["TagKey"]: one["TagValue"] for one in tags} == {"team": "web", "empty": ""}
    assert service.ok("ListKeyVersions", KeyId="alias/work")["TotalCount"] == 2
    found = service.ok("DescribeKey", KeyId="sm4-key", RegionId="cn-beijing")["KeyMetadata"]
    assert found["KeySpec"] == "Aliyun_SM4"
    assert service.ok("DescribeKey", KeyId="aes-192-key")["KeyMetadata"]["KeyState"] == "Disabled"
    doomed = service.ok("DescribeKey", KeyId="aes-128-key")["KeyMetadata"]
    assert (doomed["KeyState"], doomed["DeleteDate"] != "") == ("PendingDeletion", True)
    assert [one.action for one in service.records[:4]] == ["SeedKey"] * 4


def test_committed_ciphertexts_open_in_any_run() -> None:
    """Frozen: made under this seed once, by a run of its own."""
    service = planted(b"another run")
    service.ok("EnableKey", KeyId="aes-192-key")
    service.ok("CancelKeyDeletion", KeyId="aes-128-key")
    for one in json.loads(BLOBS.read_text(encoding="utf-8")):
        opened = service.ok("Decrypt", CiphertextBlob=one["CiphertextBlob"], RegionId=one["RegionId"])
        assert (opened["Plaintext"], opened["KeyId"]) == (one["Plaintext"], one["KeyId"])


def test_planting_again_changes_nothing_and_beside_others_is_refused() -> None:
    service = planted()
    seed = seeds.read(str(SEED))
    seeding.seed_store(service.pipeline, seed)
    assert service.ok("ListKeys")["TotalCount"] == 3
    service.ok("CreateKey")
    with pytest.raises(OperatorError, match="has keys already"):
        seeding.seed_store(service.pipeline, seed)
    seeding.seed_store(service.pipeline, seed, anyway=True)
    assert service.ok("ListKeys")["TotalCount"] == 4


def test_planting_again_minds_no_keys_of_services() -> None:
    service = planted()
    service.ok("Encrypt", KeyId="alias/acs/oss", Plaintext="x")
    seeding.seed_store(service.pipeline, seeds.read(str(SEED)))
    assert service.ok("ListKeys")["TotalCount"] == 4
    # The name that the seed gave to a key of its own is that key's.
    assert service.ok("DescribeKey", KeyId="alias/acs/mse")["KeyMetadata"]["Creator"] == service.account


def test_a_name_that_a_services_key_has_is_not_to_be_deleted() -> None:
    service = Service()
    service.ok("Encrypt", KeyId="alias/acs/mse", Plaintext="x")
    with pytest.raises(OperatorError, match="cannot have the alias alias/acs/mse") as caught:
        seeding.seed_store(service.pipeline, seeds.read(str(SEED)))
    assert caught.value.hint == "seed a new data directory"


def test_a_seed_of_another_account_is_refused() -> None:
    clock, entropy = FixedClock(), SeededEntropy()
    world, _ = open_in_memory(clock, entropy, "1999999999999999")
    pipeline = Pipeline(
        store=world.store,
        vault=world.vault,
        clock=clock,
        entropy=entropy,
        region="cn-hangzhou",
        account=world.account,
        server_id=world.server_id,
    )
    with pytest.raises(OperatorError, match="is of account 1000000000000001"):
        seeding.seed_store(pipeline, seeds.read(str(SEED)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('account = "1000000000000001"', 'account = "1"', "line 2: account: an account is 16 digits"),
        ('region = "cn-hangzhou"', "region = 7", "line 3: region: Expected `str`, got `int`"),
        ('description = "work"', 'colour = "work"', "line 5: key[0]: Object contains unknown field `colour`"),
        ('id = "11111111-1111-4111-8111-111111111111"', 'id = "a b"', "line 6: key[0].id: a key id is"),
        ('id = "aes-192-key"', 'id = "---"', "line 31: key[2].id: a key id is"),
        ('region = "cn-hangzhou"', 'region = "CN"', "line 3: region: a region is lower-case letters and digits"),
        ('region = "cn-beijing"', 'region = "cn_beijing"', "key[1].region: a region is lower-case letters"),
        ('description = "work"', f'description = "{"d" * 8193}"', "line 7: key[0].description: a description has at most 8192"),
        ('id = "sm4-key"', f'id = "{WORK}"\nregion = "cn-hangzhou"', "Cannot overwrite a value"),
        ('id = "aes-192-key"', f'id = "{WORK}"', "line 31: key[2].id: there is a key with this id already"),
        ('spec = "Aliyun_SM4"', 'spec = "SM5"', "line 24: key[1].spec: Invalid enum value 'SM5'"),
        ('state = "Disabled"', 'state = "PendingImport"', "line 33: key[2].state: only EXTERNAL keys wait"),
        ("empty =", '"aliyun" =', "line 8: key[0].tags: a tag is 1 to 128 letters, digits"),
        ('"alias/work"', '"work"', "line 9: key[0].aliases: an alias is alias/"),
        ('"alias/work"', '"alias/acs/mse"', "line 9: key[0].aliases: alias/acs/mse is there already"),
        ('id = "11111111-aaaa-4111-8111-000000000002"', 'id = "2"', "line 17: key[0].version[1].id: a version id is a UUID"),
        ("000000000002", "000000000001", "line 17: key[0].version[1].id: there is a version with this id already"),
        ('spec = "Aliyun_SM4"', 'spec = "Aliyun_AES_256"', "line 28: key[1].version[0].material: it is the base64 of 32 bytes"),
        ('id = "LTAISEED"', 'id = "-"', "line 46: access_key[0].id: an AccessKey id is"),
        ('secret = "seeded-secret"', 'secret = "päss"', "line 47: access_key[0].secret: a secret is 1 to 128"),
        ("[[access_key]]", '[[access_key]]\nid = "LTAISEED"\nsecret = "s"\n[[access_key]]', "access_key[1].id: there is an AccessKey"),
        ('material = "', 'material = "-', "key[0].version[0].material: it is the base64 of 32 bytes"),
        ("[[key.version]]", "[[key.versions]]", "key[0]: Object contains unknown field `versions`"),
        ("[[key]]", "[[key]", "is not valid TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = tmp_path / "seed.toml"
    assert old in TEXT
    file.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(OperatorError) as problem:
        seeds.read(str(file))
    assert told in problem.value.message
    assert "seeded-secret" not in problem.value.message


def test_a_machine_without_sm2_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(data: bytes) -> bytes:
        raise Unavailable

    monkeypatch.setattr(sm2, "load_private", unavailable)
    file = tmp_path / "seed.toml"
    file.write_text(f'[[key]]\nid = "a"\nspec = "EC_SM2"\n[[key.version]]\nid = "{WORK}"\nmaterial = "x"\n')
    with pytest.raises(OperatorError, match=r"line 3: key\[0\].spec: OpenSSL 3 with SM2 is not"):
        seeds.read(str(file))


def test_a_key_without_a_version_and_too_many_tags(tmp_path: Path) -> None:
    file = tmp_path / "seed.toml"
    file.write_text('[[key]]\nid = "a"\n')
    with pytest.raises(OperatorError, match=r"line 1: key\[0\]: a key needs a \[\[key.version\]\]"):
        seeds.read(str(file))
    many = ", ".join(f'k{number} = "v"' for number in range(21))
    file.write_text(TEXT.replace('team = "web", empty = ""', many), encoding="utf-8")
    with pytest.raises(OperatorError, match="at most 20 tags"):
        seeds.read(str(file))
    with pytest.raises(OperatorError, match="cannot read the seed"):
        seeds.read(str(tmp_path / "none"))


def test_the_seed_of_the_docs_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
    file = tmp_path / "seed.toml"
    whole = "".join(part.partition("```")[0] for part in page.split("```toml\n")[1:])
    file.write_text(whole, encoding="utf-8")
    service = Service()
    seeding.seed_store(service.pipeline, seeds.read(str(file)))
    assert service.ok("DescribeKey", KeyId="alias/acs/mse")["KeyMetadata"]["Description"] == "work"
    assert Ram(service).ok("GetUser", UserName="deploy")


EVERY = SEED.with_name("every.toml")
FROZEN = json.loads(SEED.with_name("every.json").read_text(encoding="utf-8"))


def test_what_was_made_under_keys_of_every_spec_opens_in_any_run() -> None:
    """Frozen: made under this seed once, by a run of its own."""
    service = Service(seed=b"another run")
    seeding.seed_store(service.pipeline, seeds.read(str(EVERY)))
    specs = set()
    for action, asked, expected in FROZEN:
        answer = service.ok(action, **asked)
        assert expected.items() <= answer.items(), (action, asked)
        specs.add(service.ok("DescribeKey", KeyId=answer["KeyId"])["KeyMetadata"]["KeySpec"])
    assert specs == set(KeySpec)
    waiting = service.ok("DescribeKey", KeyId="waiting")["KeyMetadata"]
    assert (waiting["KeyState"], waiting["Origin"]) == ("PendingImport", "EXTERNAL")
    other = Service(seed=b"a third run")
    seeding.seed_store(other.pipeline, seeds.read(str(EVERY)))
    again = other.ok("DescribeKey", KeyId="waiting")["KeyMetadata"]
    assert again["PrimaryKeyVersion"] == waiting["PrimaryKeyVersion"]


def test_a_seeded_external_key_takes_its_own_material_again() -> None:
    service = Service()
    seeding.seed_store(service.pipeline, seeds.read(str(EVERY)))
    service.ok("DeleteKeyMaterial", KeyId="brought")
    wrong = parameters(service, "brought", material=bytes(32))
    assert service.refused("ImportKeyMaterial", **wrong) == "InvalidKeyMaterial"
    service.ok("ImportKeyMaterial", **parameters(service, "brought", material=bytes(range(32))))
    service.ok("ImportKeyMaterial", **parameters(service, "waiting"))
    kept = FROZEN[-1]
    assert service.ok(kept[0], **kept[1])["Plaintext"] == "kept"


@pytest.mark.parametrize(
    ("key", "version", "told"),
    [
        (
            'spec = "RSA_2048"',
            'material = "AA=="',
            "line 6: key[0].version[0].material: it is the PKCS#8 PEM",
        ),
        (
            'spec = "HMAC_SM3"',
            'material = "AA=="',
            "line 6: key[0].version[0].material: it is the base64 of 32",
        ),
        (
            'spec = "EC_P256"\nusage = "ENCRYPT/DECRYPT"',
            "",
            "line 4: key[0].usage: a key of EC_P256 is not for",
        ),
        (
            'spec = "EC_P256"\norigin = "EXTERNAL"',
            "",
            "line 4: key[0].origin: only symmetric keys are EXTERNAL",
        ),
        (
            'origin = "EXTERNAL"\nstate = "PendingImport"',
            'material = "AA=="',
            "line 7: key[0].version[0].material: a key that waits for its material has none",
        ),
        (
            'origin = "EXTERNAL"',
            'material = ""\n[[key.version]]\nid = "00000000-0000-4000-8000-000000000002"',
            "line 1: key[0]: an EXTERNAL key has one",
        ),
    ],
)
def test_wrong_material_is_told(tmp_path: Path, key: str, version: str, told: str) -> None:
    file = tmp_path / "seed.toml"
    head = '[[key.version]]\nid = "00000000-0000-4000-8000-000000000001"'
    file.write_text(f'[[key]]\nid = "k"\n{key}\n{head}\n{version}\n')
    with pytest.raises(OperatorError) as problem:
        seeds.read(str(file))
    assert told in problem.value.message
