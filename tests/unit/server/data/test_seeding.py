from pathlib import Path

import pytest

from keystead.errors import OperatorError
from keystead.server.data import seed_file as seeds
from keystead.server.data import seeding
from tests.harness import Service
from tests.ram import Ram

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


WHO = """
[[policy]]
name = "encrypt"
description = "d"
document = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}]}'
[[group]]
name = "staff"
comments = "c"
policies = ["AliyunKMSReadOnlyAccess"]
[[user]]
name = "ann"
display_name = "Ann"
groups = ["staff"]
policies = ["encrypt", "AliyunRAMReadOnlyAccess"]
[[user.access_key]]
id = "LTAIANN"
secret = "secret-of-ann"
"""


def test_users_have_what_the_seed_says(tmp_path: Path) -> None:
    ids = set()
    for seed in (b"one run", b"another"):
        service = Service(seed=seed)
        plant(service, tmp_path, WHO)
        ann = Ram(service, ("LTAIANN", "secret-of-ann"))
        user = ann.ok("GetUser", UserName="ann")["User"]
        assert user["DisplayName"] == "Ann"
        ids.add((user["UserId"], ann.ok("GetGroup", GroupName="staff")["Group"]["GroupId"]))
        assert ann.ok("ListGroupsForUser", UserName="ann")["Groups"]["Group"][0]["Comments"] == "c"
        listed = ann.ok("ListPoliciesForUser", UserName="ann")["Policies"]["Policy"]
        assert [(one["PolicyType"], one["PolicyName"]) for one in listed] == [
            ("Custom", "encrypt"),
            ("System", "AliyunRAMReadOnlyAccess"),
        ]
        (row,) = ann.ok("ListAccessKeys", UserName="ann")["AccessKeys"]["AccessKey"]
        assert row["AccessKeyId"] == "LTAIANN"
        key = service.key()
        assert service.send(service.request("ListKeys", access_key=ann.access_key)).status == 200
        asked = {"KeyId": key, "Plaintext": "x"}
        assert service.send(service.request("Encrypt", asked, access_key=ann.access_key)).status == 200
        assert ann.refused("CreateUser", UserName="bob") == (403, "NoPermission")
    assert len(ids) == 1


def test_users_are_planted_once_and_what_changed_since_stays(tmp_path: Path) -> None:
    service = Service()
    plant(service, tmp_path, WHO)
    ram = Ram(service)
    ram.ok("DetachPolicyFromUser", PolicyType="Custom", PolicyName="encrypt", UserName="ann")
    ram.ok("UpdateUser", UserName="ann", NewComments="since")
    plant(service, tmp_path, WHO)
    assert len(ram.ok("ListPoliciesForUser", UserName="ann")["Policies"]["Policy"]) == 1
    assert ram.ok("GetUser", UserName="ann")["User"]["Comments"] == "since"
    assert len(ram.ok("ListUsers")["Users"]["User"]) == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"kms:Encrypt"', '"kms:*"', "the policy encrypt of this server is not the seed's"),
        ("secret-of-ann", "another", "has another secret than the seed's"),
        ('name = "ann"', 'name = "bob"', "the AccessKey LTAIANN of this server is not of the seed's user"),
    ],
)
def test_users_and_policies_that_changed_in_the_seed_are_told(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    service = Service()
    plant(service, tmp_path, WHO)
    with pytest.raises(OperatorError, match=told):
        plant(service, tmp_path, WHO.replace(old, new))
    assert len(Ram(service).ok("ListUsers")["Users"]["User"]) == 1


POLICIES = "".join(
    f"""[[policy]]
name = "p{number}"
document = '{{"Version": "1", "Statement": [{{"Effect": "Deny", "Action": "*", "Resource": "*"}}]}}'
"""
    for number in range(6)
)
GROUPS = "".join(f'[[group]]\nname = "g{number}"\n' for number in range(6))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (WHO.replace('"encrypt"\nd', '"a_b"\nd'), "line 3: policy[0].name: a policy's name is"),
        (WHO.replace('"encrypt"\nd', '"AliyunKMSFullAccess"\nd'), "the vendor has a policy of this name"),
        (WHO.replace('"Allow"', '"Permit"'), "line 5: policy[0].document: Statement[0].Effect"),
        (WHO.replace('["staff"]', '["crew"]'), "user[0].groups: there is no group crew"),
        (WHO.replace('["staff"]', '["staff", "staff"]'), "user[0].groups: a group is there twice"),
        (WHO.replace('["encrypt", ', '["decrypt", '), "user[0].policies: there is no policy decrypt"),
        (WHO.replace('["encrypt", ', '["encrypt", "encrypt", '), "user[0].policies: a policy is there twice"),
        (WHO.replace('"ann"\n', '"a@b"\n'), "user[0].name: a user's name is"),
        (WHO.replace('"staff"\nc', '"a_b"\nc'), "group[0].name: a group's name is"),
        (WHO + '[[user]]\nname = "ann"\n', "line 19: user[1].name: there is a user of this name already"),
        (WHO + '[[group]]\nname = "staff"\n', "group[1].name: there is a group of this name already"),
        (
            WHO + '[[user]]\nname = "bob"\n[[user.access_key]]\nid = "LTAIANN"\nsecret = "x"\n',
            "line 21: user[1].access_key[0].id: there is an AccessKey with this id already",
        ),
        (
            WHO + "".join(f'[[user.access_key]]\nid = "LTAI{one}"\nsecret = "x"\n' for one in range(2)),
            "user[0]: a user has at most 2 AccessKeys",
        ),
        (
            POLICIES + '[[group]]\nname = "g"\npolicies = ["p0", "p1", "p2", "p3", "p4", "p5"]\n',
            "at most 5 policies of the file's",
        ),
        (
            GROUPS + '[[user]]\nname = "u"\ngroups = ["g0", "g1", "g2", "g3", "g4", "g5"]\n',
            "a user is in at most 5 groups",
        ),
        (SEED.replace("aliases", 'policy = "{"\naliases'), "line 4: key[0].policy: it is not JSON"),
    ],
)
def test_what_is_wrong_with_users_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(OperatorError) as refused:
        plant(Service(), tmp_path, text)
    assert told in str(refused.value)


def test_a_key_has_the_policy_of_the_seed(tmp_path: Path) -> None:
    service = Service()
    statement = (
        '{"Effect": "Allow", "Action": ["kms:*"], "Principal": {"RAM": ["acs:ram::1000000000000001:user/ann"]}, '
        '"Resource": ["*"]}'
    )
    document = f'{{"Version": "1", "Statement": [{statement}]}}'
    plant(service, tmp_path, WHO + SEED.replace("[[key.version]]", f"policy = '{document}'\n[[key.version]]"))
    assert service.ok("GetKeyPolicy", KeyId="k")["Policy"] == document
    asked = service.request("DisableKey", {"KeyId": "k"}, access_key=("LTAIANN", "secret-of-ann"))
    assert service.send(asked).status == 200
