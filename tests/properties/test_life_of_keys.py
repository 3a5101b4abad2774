"""A state machine: keys, aliases and ciphertexts behave as a simple model says, whatever the order of calls."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from keystead.api.batch import Batch
from keystead.api.service import delete_due
from keystead.domain.audit import GENESIS, link
from keystead.domain.keys import DAY
from tests.harness import Service

NAMES = some.sampled_from(["alias/a", "alias/b", "alias/c"])
USE = {"Enabled": "", "Disabled": "Rejected.Disabled", "PendingDeletion": "Rejected.PendingDeletion"}
FAILED = "Rejected.StateModifiedFailed"


class Life(RuleBasedStateMachine):
    keys = Bundle("keys")
    blobs = Bundle("blobs")

    def __init__(self) -> None:
        super().__init__()
        self.service = Service()
        self.states: dict[str, str] = {}
        self.due: dict[str, float] = {}
        self.aliases: dict[str, str] = {}

    def code(self, action: str, **parameters: str) -> str:
        return str(self.service.call(action, **parameters)[1].get("Code", ""))

    @rule(target=keys)
    def create(self) -> str:
        key_id = self.service.key()
        self.states[key_id] = "Enabled"
        return key_id

    @rule(key_id=keys, action=some.sampled_from(["EnableKey", "DisableKey"]))
    def toggle(self, key_id: str, action: str) -> None:
        code = self.code(action, KeyId=key_id)
        state = self.states.get(key_id)
        if state in ("Enabled", "Disabled"):
            assert code == ""
            self.states[key_id] = "Enabled" if action == "EnableKey" else "Disabled"
        else:
            assert code == (FAILED if state else "Forbidden.KeyNotFound")

    @rule(key_id=keys, days=some.integers(7, 20))
    def schedule(self, key_id: str, days: int) -> None:
        code = self.code("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=str(days))
        state = self.states.get(key_id)
        if state in ("Enabled", "Disabled"):
            assert code == ""
            self.states[key_id] = "PendingDeletion"
            self.due[key_id] = int(self.service.clock.now()) + days * DAY
        else:
            assert code == (FAILED if state else "Forbidden.KeyNotFound")

    @rule(key_id=keys)
    def cancel(self, key_id: str) -> None:
        code = self.code("CancelKeyDeletion", KeyId=key_id)
        state = self.states.get(key_id)
        if state == "PendingDeletion":
            assert code == ""
            self.states[key_id] = "Enabled"
            del self.due[key_id]
        else:
            assert code == (FAILED if state else "Forbidden.KeyNotFound")

    @rule(days=some.integers(1, 10))
    def time_passes(self, days: int) -> None:
        service = self.service
        service.clock.advance(days * DAY)
        service.store.begin()
        batch = Batch(service.store)
        delete_due(service.pipeline, batch)
        batch.write()
        service.store.commit()
        for key_id in [one for one, due in self.due.items() if due <= service.clock.now()]:
            del self.due[key_id], self.states[key_id]
            self.aliases = {name: owner for name, owner in self.aliases.items() if owner != key_id}

    @rule(key_id=keys, name=NAMES)
    def name_it(self, key_id: str, name: str) -> None:
        code = self.code("CreateAlias", KeyId=key_id, AliasName=name)
        state = self.states.get(key_id)
        if state is None:
            assert code == "Forbidden.KeyNotFound"
        elif state == "PendingDeletion":
            assert code == FAILED
        elif name in self.aliases:
            assert code == "AliasAlreadyExists"
        else:
            assert code == ""
            self.aliases[name] = key_id

    @rule(key_id=keys, name=NAMES)
    def move_the_name(self, key_id: str, name: str) -> None:
        code = self.code("UpdateAlias", KeyId=key_id, AliasName=name)
        state = self.states.get(key_id)
        if state is None:
            assert code == "Forbidden.KeyNotFound"
        elif name not in self.aliases:
            assert code == "Forbidden.AliasNotFound"
        elif state == "PendingDeletion":
            assert code == "Rejected.PendingDeletion"
        else:
            assert code == ""
            self.aliases[name] = key_id

    @rule(name=NAMES)
    def unname(self, name: str) -> None:
        code = self.code("DeleteAlias", AliasName=name)
        assert code == ("" if name in self.aliases else "Forbidden.AliasNotFound")
        self.aliases.pop(name, None)

    @rule(target=blobs, key_id=keys, text=some.text(some.characters(codec="utf-8"), min_size=1, max_size=9))
    def encrypt(self, key_id: str, text: str) -> tuple[str, str, str]:
        status, members = self.service.call("Encrypt", KeyId=key_id, Plaintext=text)
        state = self.states.get(key_id)
        assert members.get("Code", "") == (USE[state] if state else "Forbidden.KeyNotFound")
        return (key_id, text, members["CiphertextBlob"]) if status == 200 else (key_id, text, "")

    @rule(key_id=keys)
    def rotate(self, key_id: str) -> None:
        code = self.code("CreateKeyVersion", KeyId=key_id)
        state = self.states.get(key_id)
        assert code == (USE[state] if state else "Forbidden.KeyNotFound")

    @rule(target=blobs, blob=blobs, key_id=keys)
    def re_encrypt(self, blob: tuple[str, str, str], key_id: str) -> tuple[str, str, str]:
        source, text, sealed = blob
        if not sealed:
            return blob
        again = {"CiphertextBlob": sealed, "DestinationKeyId": key_id}
        status, members = self.service.call("ReEncrypt", **again)
        allowed = self.states.get(source) == self.states.get(key_id) == "Enabled"
        assert (status == 200) == allowed
        return (key_id, text, members["CiphertextBlob"]) if allowed else (key_id, text, "")

    @rule(name=NAMES)
    def encrypt_by_name(self, name: str) -> None:
        status, members = self.service.call("Encrypt", KeyId=name, Plaintext="x")
        owner = self.aliases.get(name)
        assert members.get("Code", "") == (USE[self.states[owner]] if owner else "Forbidden.AliasNotFound")
        assert status != 200 or members["KeyId"] == owner

    @rule(blob=blobs)
    def decrypt(self, blob: tuple[str, str, str]) -> None:
        key_id, text, sealed = blob
        if not sealed:
            return
        _, members = self.service.call("Decrypt", CiphertextBlob=sealed)
        state = self.states.get(key_id)
        assert members.get("Code", "") == (USE[state] if state else "InvalidParameter")
        assert members.get("Plaintext", text) == text

    @invariant()
    def listings_agree(self) -> None:
        keys = self.service.ok("ListKeys", PageSize="100")
        assert [row["KeyId"] for row in keys["Keys"]["Key"]] == list(self.states)
        aliases = self.service.ok("ListAliases", PageSize="100")
        found = {row["AliasName"]: row["KeyId"] for row in aliases["Aliases"]["Alias"]}
        assert found == self.aliases

    def teardown(self) -> None:
        previous = GENESIS
        for record, stored in self.service.store.audit.records.values():
            previous = link(previous, record)
            assert previous == stored


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    derandomize=True,
    report_multiple_bugs=False,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
