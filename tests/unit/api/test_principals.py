import json

import pytest

from keystead.access.decisions import PolicyType
from keystead.api import principals
from keystead.api.principals import Principals, compiled, compiled_of_key
from keystead.domain.identities import (
    Attachment,
    CustomPolicy,
    Group,
    Kind,
    Member,
    PolicyVersion,
    User,
)
from keystead.domain.policies import of_everybody
from keystead.entropy import SeededEntropy
from keystead.store.identity_ports import Identity
from keystead.store.memory import MemoryStore

ACCOUNT = "1000000000000001"
KEY = f"acs:kms:cn-hangzhou:{ACCOUNT}:key/k"


def document(action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "1", "Statement": [statement]})


def attachment(kind: Kind, holder: str, policy: str, policy_type: str = "Custom") -> Attachment:
    return Attachment(
        account=ACCOUNT, kind=kind, holder=holder, policy_type=policy_type, policy=policy, attached=1
    )


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore(entropy=SeededEntropy())
    made.begin()
    every: list[Identity] = [
        *(User(account=ACCOUNT, user_id=one, name=one, created=1, updated=1) for one in ("alice", "bob")),
        *(Group(account=ACCOUNT, group_id=f"g{one}", name=one, created=1, updated=1) for one in ("a", "b")),
        Member(account=ACCOUNT, group_id="ga", user_id="alice", joined=1),
        CustomPolicy(account=ACCOUNT, name="p", created=1, updated=1, current=2, latest=2),
        PolicyVersion(account=ACCOUNT, policy="p", number=1, document=document("kms:Decrypt"), created=1),
        PolicyVersion(account=ACCOUNT, policy="p", number=2, document=document("kms:Encrypt"), created=1),
        attachment(Kind.GROUP, "ga", "p"),
        attachment(Kind.GROUP, "gb", "AdministratorAccess", "System"),
        attachment(Kind.USER, "alice", "AliyunKMSReadOnlyAccess", "System"),
        attachment(Kind.USER, "bob", "AdministratorAccess", "System"),
    ]
    for one in every:
        made.identities.add(one)
    return made


def test_a_user_has_its_own_policies_and_then_those_of_its_groups(store: MemoryStore) -> None:
    known = Principals(store)
    found = known.policies(ACCOUNT, "alice")
    assert [(one.type, one.name, one.group) for one in found] == [
        (PolicyType.SYSTEM, "AliyunKMSReadOnlyAccess", ""),
        (PolicyType.CUSTOM, "p", "a"),
    ]
    assert found[1].document[0].actions.texts == ("kms:Encrypt",)
    assert known.policies(ACCOUNT, "alice") is found
    assert known.policies(ACCOUNT, "carol") == ()
    alice = known.user(ACCOUNT, "alice")
    assert alice is not None
    assert alice.name == "alice"
    assert known.user(ACCOUNT, "carol") is None
    assert known.user("1000000000000002", "alice") is None


def test_what_is_about_a_request_is_remembered_until_something_changes(store: MemoryStore) -> None:
    known = Principals(store)
    about = (ACCOUNT, "alice", "kms:Encrypt", KEY)
    (ground,) = known.grounds(*about)
    assert (ground.policy.name, ground.policy.group) == ("p", "a")
    assert known.grounds(*about) is known.grounds(*about)
    store.identities.remove(attachment(Kind.GROUP, "ga", "p"))
    assert known.grounds(*about) == ()
    with store.savepoint() as undo:
        store.identities.add(attachment(Kind.USER, "alice", "p"))
        assert len(known.grounds(*about)) == 1
        undo()
    assert known.grounds(*about) == ()
    store.identities.remove(User(account=ACCOUNT, user_id="bob", name="bob", created=1, updated=1))
    assert known.user(ACCOUNT, "bob") is None


def test_no_more_is_remembered_than_there_is_room_for(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(principals, "_REMEMBERED", 2)
    known = Principals(store)
    for number in range(5):
        assert len(known.grounds(ACCOUNT, "bob", "kms:Encrypt", f"{KEY}{number}")) == 1
        assert len(known._account(ACCOUNT).grounds) <= 2


def test_what_is_no_policy_by_the_rules_of_now_grants_nothing() -> None:
    assert compiled('{"Version": "2"}') == ()
    assert compiled_of_key('{"Version": "2"}') == ()
    assert len(compiled(document("*"))) == len(compiled_of_key(of_everybody(ACCOUNT))) == 1
    assert compiled(document("*")) is compiled(document("*"))
