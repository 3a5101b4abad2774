"""Suggested policies: from the records of a user who did whatever can be done, they allow just that, and nothing else."""

import json
from collections.abc import Iterator
from itertools import chain

from keystead.access.documents import MAXIMUM_CHARACTERS
from keystead.access.least_policy import least_policies
from keystead.api import questions, replay
from keystead.api.needs import Need
from keystead.api.operation import CATALOGUE
from keystead.domain.identities import User
from keystead.domain.products import KMS, LOCATION, RAM, STS
from tests.harness import Members, Service
from tests.meta.test_catalogue import scenario, users_and_policies
from tests.meta.test_permissions import Limited, allow

GROUPS, ATTACHED = 5, 5  # of a user, and policies of each
EVERYTHING = allow(("*", "*"))
NOTHING = allow(("ecs:*", "*"))

Use = tuple[str, str]


class Worker(Service):
    """A service whose calls are those of one user, who has these policies. What is made by the same calls is the same in each:
    the entropy is from a seed, and the policies' texts take none."""

    def __init__(self, documents: list[str]) -> None:
        super().__init__(seed=b"worker")
        self.user: tuple[str, str] | None = None
        self._ram("CreateUser", UserName="worker")
        documents = documents + [NOTHING] * (GROUPS * ATTACHED - len(documents))
        for number, document in enumerate(documents):
            group, policy = f"g{number // ATTACHED}", f"policy-{number}"
            if number % ATTACHED == 0:
                self._ram("CreateGroup", GroupName=group)
                self._ram("AddUserToGroup", UserName="worker", GroupName=group)
            self._ram("CreatePolicy", PolicyName=policy, PolicyDocument=document)
            self._ram("AttachPolicyToGroup", PolicyType="Custom", PolicyName=policy, GroupName=group)
        made = self._ram("CreateAccessKey", UserName="worker")["AccessKey"]
        self.user = made["AccessKeyId"], made["AccessKeySecret"]

    def _ram(self, action: str, **parameters: str) -> Members:
        return self.ok(action, Version=RAM.version, **parameters)

    def call(self, action: str, host: str = "localhost:8443", **parameters: str) -> tuple[int, Members]:
        response = self.send(self.request(action, parameters, host=host, access_key=self.user))
        return response.status, json.loads(response.body)

    def work(self) -> None:
        """Do everything."""
        for _ in chain(scenario(self), users_and_policies(self)):
            pass
        self.ok("DescribeRegions")
        self.ok("GetCallerIdentity", Version=STS.version)
        self.ok("DescribeEndpoints", Version=LOCATION.version, Id="cn-hangzhou", ServiceCode="kms")

    def uses(self) -> Iterator[Use]:
        """What the user did, by the records."""
        for record in self.records:
            if record.session == "worker" and record.code in replay.SUCCEEDED:
                call = replay.past(self.store, record)
                assert call is not None
                yield from ((need.action, need.resource) for need in call.needs)

    def allowed(self, action: str, resource: str) -> bool:
        """Whether the user may now do this."""
        (user,) = (one for one in self.store.identities.all(User, self.account) if one.name == "worker")
        need = Need(action, resource, resource.split(":")[3])
        return self.pipeline._authorizer.decide(questions.caller_of(user), need, lambda need: {}).allowed


def test_a_suggestion_allows_the_replayed_calls_and_nothing_else_of_the_catalogue() -> None:
    first = Worker([EVERYTHING])
    first.work()
    service_key = {"KeyId": "alias/acs/mse", "Plaintext": "x"}
    first.ok("Encrypt", **service_key)  # which makes the key
    uses = set(first.uses())
    documents = least_policies(uses)
    assert 1 < len(documents) <= GROUPS * ATTACHED
    assert max(map(len, documents)) < MAXIMUM_CHARACTERS
    actions = set(questions.actions()) - {
        one.action_on() for one in CATALOGUE if one.free or one.action == "ReEncrypt"
    }
    # Nobody can do the first two with success, nor are those of our own product and of people part of the work.
    never = {"kms:OpenKmsService", "kms:GetChallenge", "keystead:ExplainAccess", "keystead:SimulatePolicy"}
    never |= {"keystead:DescribeServer", "actiontrail:LookupEvents", "ram:ChangePassword"}
    assert {action for action, _ in uses} == actions - never

    again = Worker(documents)
    again.work()  # every call of it must succeed
    # To make the key of a service takes more than to use it.
    assert not again.allowed("kms:Encrypt", f"acs:kms:cn-hangzhou:{again.account}:key/*")
    worker, again.user = again.user, None
    again.ok("Encrypt", **service_key)
    again.user = worker
    again.ok("Encrypt", **service_key)
    assert set(again.uses()) == uses

    place = f"acs:kms:cn-hangzhou:{again.account}"
    named = {resource for _, resource in uses}
    named |= {f"{place}:key/other", f"{place}:alias/other", f"{place}:secret/other"}
    named |= {f"acs:ram::{again.account}:{kind}/other" for kind in ("user", "group", "policy")}
    tried = {("kms:Other", resource) for resource in named} | {("oss:Other", resource) for resource in named}
    for name, action in questions.actions().items():
        operation = action.operation
        for account in (again.account, "1000000000000002"):
            for region in ("cn-hangzhou", "cn-beijing"):
                tried.add((name, operation.container_in(account, region, "worker")))
        if operation.roles:
            tried |= {(name, resource) for resource in named}
            tried |= {
                (name, resource.replace("cn-hangzhou", "cn-beijing"))
                for resource in named
                if "kms" in resource
            }
            tried |= {(name, resource.replace(again.account, "1000000000000002")) for resource in named}
    assert len(tried) > 10_000
    assert {use for use in tried if again.allowed(*use)} == uses


def test_the_records_tell_what_each_operation_needs() -> None:
    """The same that its refusals name, one after the other."""
    service = Limited()
    for _ in scenario(service):
        pass
    told = 0
    for record in service.records:
        needed = service.needs.get((record.version, record.action))
        if record.session != "alice" or record.version != KMS.version or needed is None:
            continue
        assert record.code in replay.SUCCEEDED | replay.REFUSED
        call = replay.past(service.store, record)
        assert call is not None
        assert sorted((need.action, need.resource) for need in call.needs) == sorted(needed), record.action
        told += 1
    assert told > 2 * len(CATALOGUE.of(KMS))
