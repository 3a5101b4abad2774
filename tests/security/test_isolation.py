"""What is another account's is answered like what does not exist: for everything that a field of an operation can name.

An account does every operation once. Before each one it tries it with another account's things in place of its own, one
field at a time, and with things of the same shape that nobody has; nothing of these tries is kept.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import pytest

from keystead.api.operation import CATALOGUE, Operation
from keystead.api.parameters import Role
from keystead.domain.products import CONSOLE, KEYSTEAD, KMS, RAM, Product
from keystead.entropy import SeededEntropy
from tests.at_console import Console
from tests.harness import Members, Service
from tests.meta.test_catalogue import scenario, users_and_policies
from tests.ram import allow

AccessKey = tuple[str, str]
NOBODY_ID = "00000000-1111-4222-8333-444444444444"
# They name a thing too, but the pipeline leaves it to the operations to look it up.
OTHER_FIELDS = {"UserAccessKeyId", "ImportToken", "Filters", "NewUserName", "NewGroupName"}


class Pair(NamedTuple):
    """Something of another account, and something like it that nobody has."""

    theirs: str
    nobodys: str


class Neighbour(Service):
    """An account beside the first one, of which it knows every name."""

    def __init__(self, policy: Callable[[str], str] = lambda stranger: "") -> None:
        """`policy` gives that of the owner's keys, if any."""
        super().__init__()
        self.theirs, self.owner_key = self.account, self.access_key
        status, made = self.operate("CreateAccount")
        assert status == 200
        self.account = made["Account"]["AccountId"]
        root = made["AccessKey"]
        self.access_key = (root["AccessKeyId"], root["AccessKeySecret"])
        self.tried: Counter[tuple[str, str]] = Counter()  # actions and fields
        self.differences: list[str] = []
        self.pairs = self._pairs_of_owner(policy(self.account))
        self.callers = {
            "root": self.access_key,
            "AdministratorAccess": self._user("admin"),
            "a user without rights": self._user("none"),
        }

    def _user(self, name: str) -> AccessKey:
        self._as(self.access_key, "CreateUser", RAM.version, UserName=name)
        if name == "admin":
            attached = {"PolicyType": "System", "PolicyName": "AdministratorAccess", "UserName": name}
            self._as(self.access_key, "AttachPolicyToUser", RAM.version, **attached)
        made = self._as(self.access_key, "CreateAccessKey", RAM.version, UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["AccessKeySecret"]

    def _as(
        self, access_key: AccessKey, action: str, version: str = KMS.version, **parameters: str
    ) -> Members:
        asked = {"Version": version, **parameters}
        response = self.send(self.request(action, asked, access_key=access_key))
        members = json.loads(response.body)
        assert response.status == 200, members
        assert isinstance(members, dict)
        return members

    def _pairs_of_owner(self, policy: str) -> dict[str, list[Pair]]:
        """What the owner has, by kind."""

        def own(action: str, version: str = KMS.version, **parameters: str) -> Members:
            return self._as(self.owner_key, action, version, **parameters)

        keys: list[Pair] = []
        versions: list[Pair] = []
        for number, asked in enumerate(({}, {"KeySpec": "RSA_2048"}, {"Origin": "EXTERNAL"})):
            more = {"Policy": policy} if policy else {}
            key = own("CreateKey", **asked, **more)["KeyMetadata"]
            name = f"alias/theirs-{number}"
            own("CreateAlias", KeyId=key["KeyId"], AliasName=name)
            alias_arn = key["Arn"].replace(f"key/{key['KeyId']}", name)
            keys += [Pair(text, text.replace(key["KeyId"], NOBODY_ID)) for text in (key["KeyId"], key["Arn"])]
            keys += [Pair(text, text.replace("theirs", "nobody")) for text in (name, alias_arn)]
            # In an account that there is not.
            keys.append(Pair(key["Arn"], key["Arn"].replace(self.theirs, "1999999999999999")))
            listed = own("ListKeyVersions", KeyId=key["KeyId"])["KeyVersions"]["KeyVersion"]
            versions.append(Pair(listed[0]["KeyVersionId"], NOBODY_ID))
        symmetric, _, external = (pair.theirs for pair in keys[::5])
        blob = own("Encrypt", KeyId=symmetric, Plaintext="x")["CiphertextBlob"]
        wrapping = {"WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": "RSAES_OAEP_SHA_256"}
        token = own("GetParametersForImport", KeyId=external, **wrapping)["ImportToken"]
        filters = json.dumps([{"Key": "KeyId", "Values": [symmetric]}])
        own("CreateUser", RAM.version, UserName="theirs")
        own("CreateGroup", RAM.version, GroupName="theirs")
        own("CreatePolicy", RAM.version, PolicyName="theirs", PolicyDocument=json.dumps(allow("kms:*")))
        access_key = own("CreateAccessKey", RAM.version, UserName="theirs")["AccessKey"]["AccessKeyId"]
        device = own("CreateVirtualMFADevice", RAM.version, VirtualMFADeviceName="theirs")
        serial = device["VirtualMFADevice"]["SerialNumber"]
        named = [Pair("theirs", "nobody")]
        raw = base64.b64decode(token)
        return {
            Role.KEY.value: keys,
            Role.KEYS.value: keys,
            Role.SOURCE_KEY.value: keys,
            Role.VERSION.value: versions,
            Role.SOURCE_VERSION.value: versions,
            Role.BLOB.value: [Pair(blob, of_nobody(blob))],
            Role.SOURCE.value: [Pair(blob, of_nobody(blob))],
            Role.ALIAS.value: [Pair("alias/theirs-0", "alias/nobody-0")],
            Role.NEW_ALIAS.value: [Pair("alias/theirs-0", "alias/nobody-0")],
            Role.USER.value: named,
            Role.GROUP.value: named,
            Role.POLICY.value: named,
            Role.MFA.value: named,
            "SerialNumber": [Pair(serial, serial.replace("theirs", "nobodys"))],
            "NewUserName": named,
            "NewGroupName": named,
            "UserAccessKeyId": [Pair(access_key, f"LTAI{'0' * (len(access_key) - 4)}")],
            "ImportToken": [Pair(token, base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode())],
            "Filters": [Pair(filters, filters.replace(symmetric, NOBODY_ID))],
        }

    # --- the tries

    def call(self, action: str, host: str = "localhost:8443", **parameters: str) -> tuple[int, Members]:
        operation = CATALOGUE.find(parameters.get("Version", KMS.version), action)
        assert operation is not None
        if not any(action == tried for tried, _ in self.tried):
            self.tried[action, ""] += 1
            self._try_all(operation, host, parameters)
        return super().call(action, host, **parameters)

    def _try_all(self, operation: Operation, host: str, parameters: dict[str, str]) -> None:
        dry_runs = any(field.name == "DryRun" for field in operation.fields)
        for field in operation.fields:
            role = field.param.role
            kind = field.name if role is None or field.name in self.pairs else role.value
            name = f"{field.name}.1" if field.param.role is Role.KEYS else field.name
            for pair in self.pairs.get(kind, []):
                self.tried[operation.action, field.name] += 1
                for caller, more in product(self.callers, ({}, {"DryRun": "true"}) if dry_runs else ({},)):
                    answers = [
                        self._tried(
                            self.callers[caller], operation, host, {**parameters, name: value, **more}, pair
                        )
                        for value in pair
                    ]
                    if answers[0] != answers[1]:
                        self.differences.append(
                            f"{caller}: {operation.action} {name}={pair.theirs}: {answers[0]} ≠ {answers[1]}"
                        )

    def _tried(
        self, access_key: AccessKey, operation: Operation, host: str, parameters: dict[str, str], pair: Pair
    ) -> tuple[int, str, str]:
        """Status, header fields and body, without what was asked for; what is drawn is the same each time."""
        asked = {"Version": operation.product.version, **parameters}
        request = self.request(operation.action, asked, host=host, access_key=access_key)
        self.pipeline.entropy = SeededEntropy(b"try")
        self.store.begin()
        answer = self.pipeline.answer_now(self.pipeline.open_batch(), request)
        self.store.rollback()
        self.pipeline.entropy = self.entropy
        assert answer.fault is None
        body = answer.response.body.decode()
        # A device's serial number has its name, which a refusal may tell by itself.
        names = (one.rpartition(":mfa/")[2] for one in pair if ":mfa/" in one)
        for value in (*pair, *(json.dumps(one)[1:-1] for one in pair), *names):
            body = body.replace(value, "WHAT WAS ASKED FOR")
        body = re.sub(r'("QRCodePNG":")[^"]*', r"\1A PICTURE OF THE NAME", body)
        return answer.response.status, str(answer.response.headers), body


def of_nobody(blob: str, version_id: str = NOBODY_ID) -> str:
    """A ciphertext of the same shape, under a version that nobody has."""
    return base64.b64encode(version_id.encode() + base64.b64decode(blob)[36:]).decode()


def statement(effect: str, account: str, *actions: str) -> dict[str, Any]:
    principal = {"RAM": [f"acs:ram::{account}:root"]}
    return {"Effect": effect, "Action": list(actions), "Principal": principal, "Resource": ["*"]}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "1", "Statement": statements})


MANAGEMENT = tuple(f"kms:{operation.action}" for operation in CATALOGUE.of(KMS) if not operation.uses)
POLICIES: dict[str, Callable[[str], str]] = {
    "without a policy": lambda stranger: "",
    "shared with others": lambda stranger: document(statement("Allow", "1888888888888888", "*")),
    # Strangers may be let use a key, and no more.
    "shared for management": lambda stranger: document(statement("Allow", stranger, *MANAGEMENT)),
    "denied": lambda stranger: document(statement("Allow", stranger, "*"), statement("Deny", stranger, "*")),
}


@pytest.mark.parametrize("shared", POLICIES)
def test_what_is_another_account_s_is_answered_like_what_does_not_exist(shared: str) -> None:
    service = Neighbour(POLICIES[shared])
    for _ in (*scenario(service), *users_and_policies(service)):
        pass
    for action in ("OpenKmsService", "GetChallenge"):  # these refuse whomever
        service.call(action)
    service.call("ChangePassword", Version=RAM.version)  # of whoever calls, and nobody else
    assert service.differences == []
    for operation in (*CATALOGUE.of(KMS), *CATALOGUE.of(RAM)):
        assert (operation.action, "") in service.tried
        for field in operation.fields:
            if field.param.role is not None or field.name in OTHER_FIELDS:
                assert service.tried[operation.action, field.name], (operation.action, field.name)


def test_what_every_other_product_answers_does_not_depend_on_others() -> None:
    """Sts and Location name nothing; of our own products one is the operator's, who has all accounts, and the console's
    operations name things of the caller's account alone (see the tests of each)."""
    for operation in CATALOGUE:
        if operation.product not in (KMS, RAM, KEYSTEAD, CONSOLE):
            assert operation.free
            assert not operation.roles


@pytest.mark.parametrize(("action", "product"), [("UsageOfKey", KEYSTEAD), ("ListKeyUsers", CONSOLE)])
def test_the_console_answers_of_another_account_s_key_as_of_none(action: str, product: Product) -> None:
    service = Service()
    theirs = service.key()
    status, made = service.operate("CreateAccount")
    assert status == 200
    console = Console(service, account=made["Account"]["AccountId"])
    answers = [
        service.console(action, console.token, product, KeyId=key_id) for key_id in (theirs, NOBODY_ID)
    ]
    for _, members in answers:
        del members["RequestId"], members["Recommend"]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_a_planted_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from keystead.api.resolve import Resolver
    from keystead.errors import NoPermission

    foreign = Resolver._foreign

    def telling(self: Resolver, role: Role, reference: Any) -> Any:
        if self._store.keys.get(reference.account, reference.region, reference.key_id) is not None:
            raise NoPermission(about="", detail=None)
        return foreign(self, role, reference)

    monkeypatch.setattr(Resolver, "_foreign", telling)
    service = Neighbour()
    service.call("DescribeKey", KeyId=service.key())
    assert any("DescribeKey KeyId=acs:" in one for one in service.differences)
