"""Sessions, as a person at the console has them."""

import json
from collections import Counter

import msgspec
import pytest

from keystead.api import attempts
from keystead.api.operation import CATALOGUE
from keystead.api.scheduled import purge_sessions
from keystead.api.slow import Attempt, Slow
from keystead.crypto import passwords
from keystead.domain.audit import Kind
from keystead.domain.products import CONSOLE, KEYSTEAD, KMS, RAM, STS
from keystead.domain.sessions import How, Session, hashed
from keystead.domain.sign_in import KnownAddress, LoginProfile
from keystead.errors import BadRequest, OperatorError
from tests.harness import Service
from tests.ram import allow, two_codes
from tests.signing_in import OTHER, PASSWORD, People


def test_who_signs_in_may_do_what_the_policies_let_them() -> None:
    service = People()
    service.person("alice", allow("kms:CreateKey", "kms:DescribeKey"))
    token = service.sign_in("alice")
    status, made = service.console("CreateKey", token, KMS)
    assert status == 200
    record = service.records[-1]
    shown = service.shown(token)
    assert (record.kind, record.caller_type, record.session) == (Kind.CONSOLE_OPERATION, "ram-user", "alice")
    assert record.access_key_id == shown["SessionId"]
    assert record.access_key_id.startswith("console-")
    assert (record.principal, record.source, record.user_agent) == (shown["UserId"], "192.0.2.1", "tests")
    assert service.console("ListKeys", token, KMS)[1]["Code"] == "Forbidden.NoPermission"
    caller = service.console("GetCallerIdentity", token, STS)[1]
    assert caller["Arn"].endswith(":user/alice")
    key_id = made["KeyMetadata"]["KeyId"]
    assert service.console("DescribeKey", service.owner(), KMS, KeyId=key_id)[0] == 200
    assert service.records[-1].caller_type == "root-account"


def test_what_a_session_shows() -> None:
    service = People()
    service.person("alice")
    token = service.sign_in("alice")
    shown = service.shown(token)
    assert (shown["AccountId"], shown["UserName"], shown["Root"]) == (service.account, "alice", False)
    assert (shown["How"], shown["MfaPresent"], shown["MfaBound"], shown["Pending"]) == (
        "password",
        False,
        False,
        [],
    )
    assert shown["CreateDate"] == "2026-01-02T03:04:05Z"
    assert shown["IdleDate"] == "2026-01-02T03:34:05Z"
    assert shown["ExpireDate"] == "2026-01-02T15:04:05Z"
    assert shown["ConfirmedUntil"] == "2026-01-02T03:09:05Z"
    assert shown["PasswordPolicy"]["MinimumPasswordLength"] == 8
    assert service.root.ok("GetUser", UserName="alice")["User"]["LastLoginDate"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize("name", ["alice", "alice@1000000000000001"])
def test_a_user_may_say_the_account(name: str) -> None:
    service = People()
    service.person("alice")
    assert service.shown(service.sign_in(name))["UserName"] == "alice"


def test_users_of_another_account_say_theirs() -> None:
    service = People()
    made = service.operate("CreateAccount")[1]
    account = made["Account"]["AccountId"]
    pair = (made["AccessKey"]["AccessKeyId"], made["AccessKey"]["AccessKeySecret"])
    for action, more in (("CreateUser", {}), ("CreateLoginProfile", {"Password": PASSWORD})):
        asked = {"Version": RAM.version, "UserName": "bob", **more}
        assert service.send(service.request(action, asked, access_key=pair)).status == 200
    assert service.try_to_sign_in("bob") == "SignInRefused"
    assert service.shown(service.sign_in(f"bob@{account}"))["AccountId"] == account
    service.operate("UpdateAccount", AccountId=account, Status="Disabled")
    assert service.try_to_sign_in(f"bob@{account}") == "SignInRefused"


# --- nobody learns who there is


def test_a_wrong_password_and_nobody_are_answered_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    service = People()
    service.person("alice")
    service.root.user("machine")  # has no login profile
    tried: list[str] = []
    real = passwords.matches

    def matches(encoded: str, password: str) -> bool:
        tried.append(encoded)
        return real(encoded, password)

    monkeypatch.setattr(passwords, "matches", matches)
    answers = []
    for name in ("alice", "machine", "nobody", "nobody@nowhere", "a@b@c", "alice@9999999999999999", "@", "?"):
        status, members = service.console("CreateSession", UserName=name, Password="wrong")
        answers.append(
            (status, members["Code"], members["Message"], sorted(members), set(members["Recommend"][:60]))
        )
    assert len({str(one) for one in answers}) == 1
    assert answers[0][:2] == (403, "SignInRefused")
    # As long for all: each costs one hash of the same strength.
    assert len(tried) == 8
    assert tried[1:] == [passwords.DECOY] * 7
    assert {one.rsplit("$", 2)[0] for one in tried} == {passwords.DECOY.rsplit("$", 2)[0]}


def test_a_failed_sign_in_is_recorded_of_who_exists_without_what_was_typed() -> None:
    service = People()
    service.person("alice")
    before = len(service.records)
    typed = "typed-by-mistake"
    assert service.try_to_sign_in(typed, typed) == "SignInRefused"
    assert len(service.records) == before
    assert service.try_to_sign_in("alice", typed) == "SignInRefused"
    record = service.records[-1]
    assert (record.kind, record.action, record.code) == (
        Kind.CONSOLE_OPERATION,
        "CreateSession",
        "SignInRefused",
    )
    assert (record.session, record.access_key_id, record.source) == ("alice", "", "192.0.2.1")
    service.sign_in("alice")
    assert all(typed not in str(one) and PASSWORD not in str(one) for one in service.records)


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_a_refusal_waits_for_the_disk_whoever_it_is(name: str) -> None:
    service = People()
    service.person("alice")
    for code in ("SignInRefused", "TooManyAttempts"):
        prepared = service.pipeline.prepare(
            service.received("CreateSession", UserName=name, Password="wrong")
        )
        attempt = Attempt()
        while True:
            service.store.begin()
            batch = service.pipeline.open_batch()
            try:
                assert service.pipeline.answer(batch, prepared, attempt).code == code
            except Slow as slow:
                assert batch.empty
                service.store.rollback()
                attempt.remember(slow, slow.run())
            else:
                break
        assert not batch.empty
        batch.write()
        service.store.commit()
        service.root.ok("SetPasswordPolicy", MaxLoginAttemps="1")
        service.try_to_sign_in(name, "wrong")


def test_an_answer_for_nobody_tells_metrics_and_log_no_name() -> None:
    service = People()
    typed = "typed-by-mistake"
    answer = service.take(service.received("CreateSession", UserName=typed, Password=PASSWORD))
    assert (answer.recorded, answer.code, answer.source, answer.access_key_id) == (
        False, "SignInRefused", "192.0.2.1", "none",
    )  # fmt: skip
    assert typed not in str(answer)


# --- codes


def test_a_code_is_asked_for_once_the_password_was_right_and_taken_once() -> None:
    service = People()
    service.person("alice", allow("kms:*") | {"Version": "1"})
    service.phone("alice")
    assert service.try_to_sign_in("alice", "wrong") == "SignInRefused"
    assert service.try_to_sign_in("alice", "wrong", service.code("alice")) == "SignInRefused"
    assert service.try_to_sign_in("alice") == "MfaCodeRequired"
    assert service.try_to_sign_in("alice", code="000000") == "MfaCodeWrong"
    code = service.code("alice")
    token = service.sign_in("alice", code=code)
    assert service.shown(token)["MfaPresent"] is True
    assert service.try_to_sign_in("alice", code=code) == "MfaCodeWrong"  # replayed
    assert service.try_to_sign_in("alice", code=service.code("alice", -1)) == "MfaCodeWrong"  # of before
    service.clock.advance(30)
    service.sign_in("alice", code=service.code("alice"))


@pytest.mark.parametrize(("step", "answer"), [(-2, "MfaCodeWrong"), (-1, ""), (1, ""), (2, "MfaCodeWrong")])
def test_a_phone_may_be_off_by_half_a_minute(step: int, answer: str) -> None:
    service = People()
    service.person("alice")
    service.phone("alice")
    service.clock.advance(300)
    assert service.try_to_sign_in("alice", code=service.code("alice", step)) == answer


def test_policies_see_whether_a_code_was_given() -> None:
    statement = {
        "Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*", "Condition": {"Bool": {"acs:MFAPresent": "true"}},
    }  # fmt: skip
    service = People()
    service.person("alice", {"Version": "1", "Statement": [statement]})
    token = service.sign_in("alice")
    assert service.console("ListKeys", token, KMS)[0] == 403
    service.phone("alice")
    assert service.console("ListKeys", token, KMS)[0] == 403  # that one signed in without
    assert service.console("ListKeys", service.sign_in("alice", code=service.code("alice")), KMS)[0] == 200


def test_policies_see_from_where_a_person_calls() -> None:
    statement = {
        "Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*",
        "Condition": {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}},
    }  # fmt: skip
    service = People()
    service.person("alice", {"Version": "1", "Statement": [statement]})
    token = service.sign_in("alice")
    assert service.console("ListKeys", token, KMS)[0] == 200
    assert service.console("ListKeys", token, KMS, source="198.51.100.1")[0] == 403


# --- attempts


def guess(service: People, times: int, source: str, name: str = "alice") -> str:
    """The code of the last of so many wrong guesses."""
    return [service.try_to_sign_in(name, "wrong", source=source) for _ in range(times)][-1]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost nothing, where it is only counted."""
    monkeypatch.setattr(passwords, "make", lambda entropy, password: f"hash of {password}")
    monkeypatch.setattr(passwords, "matches", lambda encoded, password: encoded == f"hash of {password}")


@pytest.mark.usefixtures("quick")
def test_guessing_is_slowed_down_and_nobody_is_locked_out_of_where_they_were() -> None:
    service = People()
    service.person("alice")
    service.sign_in("alice", source="192.0.2.1")
    assert guess(service, attempts.OF_USER, "198.51.100.1") == "SignInRefused"
    for source in ("198.51.100.1", "203.0.113.9"):  # whoever it is, and wherever
        status, members = service.console("CreateSession", source=source, UserName="alice", Password=PASSWORD)
        assert (status, members["Code"]) == (429, "TooManyAttempts")
        assert members["Message"].endswith("Try again at 2026-01-02T03:19:05Z, in 900 seconds.")
    service.sign_in("alice", source="192.0.2.1")
    # From there it is slowed down as well, by itself.
    assert guess(service, attempts.OF_USER, "192.0.2.1") == "SignInRefused"
    assert guess(service, 1, "192.0.2.1") == "TooManyAttempts"
    assert service.records[-1].code == "TooManyAttempts"
    service.clock.advance(attempts.OF_USER_SECONDS - 1)
    assert service.try_to_sign_in("alice", source="203.0.113.9") == "TooManyAttempts"
    service.clock.advance(1)
    service.sign_in("alice", source="203.0.113.9")


@pytest.mark.usefixtures("quick")
def test_nobody_is_counted_as_somebody_is() -> None:
    service = People()
    service.person("alice")
    answers = [
        [
            service.try_to_sign_in(name, "wrong", source=f"198.51.100.{place}")
            for _ in range(attempts.OF_USER + 1)
        ]
        for place, name in enumerate(("alice", "nobody"))
    ]
    assert answers[0] == answers[1]
    assert answers[0][-2:] == ["SignInRefused", "TooManyAttempts"]


@pytest.mark.usefixtures("quick")
def test_an_address_may_try_so_often_in_all_and_the_owner_is_never_locked_out() -> None:
    service = People()
    service.person("alice")
    codes = Counter(
        service.try_to_sign_in(f"u{number}", "wrong") for number in range(attempts.OF_ADDRESS + 3)
    )
    assert codes == {"SignInRefused": attempts.OF_ADDRESS, "TooManyAttempts": 3}
    assert service.try_to_sign_in("alice") == "TooManyAttempts"
    assert service.owner()
    service.sign_in("alice", source="198.51.100.1")
    service.clock.advance(attempts.OF_ADDRESS_SECONDS)
    service.sign_in("alice")


@pytest.mark.usefixtures("quick")
def test_the_right_one_counts_anew_and_so_does_another_password() -> None:
    service = People()
    service.person("alice")
    for _ in range(3):
        assert guess(service, attempts.OF_USER - 1, "192.0.2.1") == "SignInRefused"
        service.sign_in("alice")
        service.clock.advance(attempts.OF_ADDRESS_SECONDS)
    assert guess(service, attempts.OF_USER + 1, "192.0.2.1") == "TooManyAttempts"
    service.root.ok("UpdateLoginProfile", UserName="alice", Password=OTHER)
    service.sign_in("alice", OTHER)


@pytest.mark.usefixtures("quick")
def test_the_accounts_policy_says_how_many() -> None:
    service = People()
    service.person("alice")
    service.root.ok("SetPasswordPolicy", MaxLoginAttemps="2")
    assert guess(service, 2, "192.0.2.1") == "SignInRefused"
    assert service.try_to_sign_in("alice") == "TooManyAttempts"
    service.clock.advance(3599)
    assert service.try_to_sign_in("alice") == "TooManyAttempts"
    service.clock.advance(1)
    service.sign_in("alice")


def test_wrong_codes_are_counted_as_wrong_passwords_are() -> None:
    service = People()
    service.person("alice")
    service.phone("alice")
    service.root.ok("SetPasswordPolicy", MaxLoginAttemps="2")
    for _ in range(2):
        assert service.try_to_sign_in("alice", code="000000") == "MfaCodeWrong"
    assert service.try_to_sign_in("alice", code=service.code("alice")) == "TooManyAttempts"


def test_attempts_that_were_under_way_together_count_before_their_outcome_is_told() -> None:
    service = People()
    service.person("alice")
    service.root.ok("SetPasswordPolicy", MaxLoginAttemps="2")
    calls = [service.received("CreateSession", UserName="alice", Password="wrong") for _ in range(4)]
    calls.append(service.received("CreateSession", UserName="alice", Password=PASSWORD))
    under_way = []
    for received in calls:
        attempt, prepared = Attempt(), service.pipeline.prepare(received)
        service.store.begin()
        with pytest.raises(Slow) as raised:
            service.pipeline.answer(service.pipeline.open_batch(), prepared, attempt)
        service.store.rollback()
        attempt.remember(raised.value, raised.value.run())
        under_way.append((prepared, attempt))
    codes = []
    for prepared, attempt in under_way:
        service.store.begin()
        codes.append(service.pipeline.answer(service.pipeline.open_batch(), prepared, attempt).code)
        service.store.commit()
    assert codes == ["SignInRefused"] * 2 + ["TooManyAttempts"] * 3


@pytest.mark.usefixtures("quick")
def test_of_the_addresses_of_a_user_the_latest_are_known() -> None:
    service = People()
    service.person("alice")
    for number in range(22):
        service.sign_in("alice", source=f"192.0.2.{number}")
        service.clock.advance(1)
    service.clock.advance(86_400)
    service.sign_in("alice", source="192.0.2.21")
    known = {one.address: one.seen for one in service.store.identities.all(KnownAddress, service.account)}
    assert set(known) == {f"192.0.2.{number}" for number in range(2, 22)}
    assert known["192.0.2.21"] == int(service.clock.now())
    assert known["192.0.2.20"] < int(service.clock.now()) - 86_400


# --- the end of a session


@pytest.mark.parametrize("ended", [False, True])
def test_a_session_ends_when_it_is_not_used_for_half_an_hour(ended: bool) -> None:
    service = People()
    token = service.owner()
    service.clock.advance(1800 - (not ended))
    assert service.over(token) is ended


def test_a_session_that_is_used_ends_after_twelve_hours() -> None:
    service = People()
    token = service.owner()
    for _ in range(12 * 60 // 20 - 1):
        service.clock.advance(20 * 60)
        assert service.console("ListKeys", token, KMS)[0] == 200
    service.clock.advance(20 * 60 - 1)
    assert not service.over(token)
    service.clock.advance(1)
    assert service.over(token)


def test_looking_at_the_session_is_no_use_of_it() -> None:
    service = People()
    token = service.owner()
    service.clock.advance(1799)
    assert not service.over(token)
    service.clock.advance(1)
    assert service.over(token)


def test_its_use_is_noted_to_a_minute() -> None:
    service = People()
    token = service.owner()

    def used() -> int:
        session = service.store.sessions.get(hashed(token))
        assert session is not None
        return session.used

    began = used()
    service.clock.advance(59)
    service.console("ListKeys", token, KMS)
    assert used() == began
    service.clock.advance(1)
    service.console("ListKeys", token, KMS)
    assert used() == began + 60


def test_a_link_begins_a_session_of_the_owner() -> None:
    service = People()
    token = service.operate("CreateSignInLink")[1]["Token"]
    status, members = service.console("RedeemSignInLink", Token=token)
    assert (status, members["ExpireDate"]) == (200, "2026-01-02T15:04:05Z")
    record = service.records[-1]
    assert (record.kind, record.caller_type, record.access_key_id) == (
        Kind.CONSOLE_OPERATION,
        "root-account",
        members["SessionId"],
    )
    assert not service.over(members["SessionToken"])


def test_signing_out_ends_that_session_alone() -> None:
    service = People()
    token, other = service.owner(), service.owner()
    assert service.console("DeleteSession", token)[0] == 200
    assert service.over(token)
    assert not service.over(other)


def test_what_a_session_depends_on_ends_it() -> None:
    service = People()
    service.person("alice")
    service.person("bob")
    alice, bob = service.sign_in("alice"), service.sign_in("bob")
    service.root.ok("DeleteLoginProfile", UserName="alice")
    assert service.over(alice)
    service.root.ok("CreateLoginProfile", UserName="alice", Password=PASSWORD)
    assert service.over(alice)
    alice = service.sign_in("alice")
    service.root.ok("UpdateLoginProfile", UserName="alice", Password=OTHER)
    assert service.over(alice)
    assert not service.over(bob)


def test_a_session_without_its_user_or_login_profile_is_none() -> None:
    # Both take their sessions along; this is a row that stayed behind.
    service = People()
    service.root.user("machine")
    user_id = service.root.ok("GetUser", UserName="machine")["User"]["UserId"]
    for token, of in (("a", user_id), ("b", "200000000000000000")):
        made = Session(
            digest=hashed(token), session_id=f"console-{token}", account=service.account, user_id=of,
            created=int(service.clock.now()), used=int(service.clock.now()), confirmed=0, how=How.PASSWORD, source="",
        )  # fmt: skip
        with service.batch() as store:
            store.sessions.add(made)
        assert service.over(token)


@pytest.mark.parametrize("token", ["", "x", "A" * 43])
@pytest.mark.parametrize("action", ["ListKeys", "Nonsense", "GetSession"])
def test_a_call_without_a_good_session_is_nobodys(token: str, action: str) -> None:
    service = People()
    before = len(service.records)
    product = CONSOLE if action == "GetSession" else KMS
    status, members = service.console(action, token, product)
    assert (status, members["Code"]) == (401, "SessionExpired")
    assert len(service.records) == before


def test_ended_sessions_and_tickets_are_forgotten() -> None:
    service = People()
    token = service.owner()
    link = hashed(service.operate("CreateSignInLink")[1]["Token"])
    assert service.store.sessions.ticket(link) is not None
    service.clock.advance(1800)
    kept = service.owner()
    service.store.begin()
    assert purge_sessions(service.pipeline, service.pipeline.open_batch()) is False
    service.store.commit()
    assert service.store.sessions.get(hashed(token)) is None
    assert service.store.sessions.get(hashed(kept)) is not None
    assert service.store.sessions.ticket(link) is None


# --- confirming

CONFIRMED = {
    (KMS, "ScheduleKeyDeletion"), (KMS, "DeleteKeyMaterial"), (KMS, "SetKeyPolicy"),
    *((RAM, f"{verb}AccessKey") for verb in ("Create", "Update", "Delete")),
    *((RAM, f"{verb}PolicyTo{what}") for verb in ("Attach",) for what in ("User", "Group")),
    *((RAM, f"{verb}PolicyFrom{what}") for verb in ("Detach",) for what in ("User", "Group")),
    *((RAM, action) for action in ("AddUserToGroup", "RemoveUserFromGroup", "UpdateGroup", "DeleteGroup")),
    *((RAM, action) for action in ("UpdateUser", "DeleteUser", "DeletePolicy", "CreatePolicyVersion")),
    *((RAM, action) for action in ("DeletePolicyVersion", "SetDefaultPolicyVersion", "SetPasswordPolicy")),
    *((RAM, f"{verb}LoginProfile") for verb in ("Create", "Update", "Delete")),
    *((RAM, f"{verb}MFADevice") for verb in ("Bind", "Unbind")),
}  # fmt: skip
# These change something of Ram that gives nobody a right, nor takes one.
HARMLESS = {
    "CreateUser", "CreateGroup", "CreatePolicy", "UpdatePolicyDescription", "CreateVirtualMFADevice",
    "DeleteVirtualMFADevice", "ChangePassword",
}  # fmt: skip


def test_what_deletes_keys_or_changes_rights_needs_a_proof_of_late() -> None:
    assert {(one.product, one.action) for one in CATALOGUE if one.confirmed} == CONFIRMED
    changing = {one.action for one in CATALOGUE.of(RAM) if one.changes and not one.confirmed}
    assert changing == HARMLESS


def test_a_proof_is_good_for_five_minutes() -> None:
    service = People()
    key_id = service.key()
    token = service.owner()
    asked = {"KeyId": key_id, "PendingWindowInDays": "7"}
    service.clock.advance(299)
    assert service.console("ScheduleKeyDeletion", token, KMS, **asked)[0] == 200
    service.console("CancelKeyDeletion", token, KMS, KeyId=key_id)
    service.clock.advance(1)
    status, members = service.console("ScheduleKeyDeletion", token, KMS, **asked)
    assert (status, members["Code"]) == (403, "ConfirmationRequired")
    assert service.records[-1].code == "ConfirmationRequired"
    assert json.loads(service.records[-1].resources)[0].endswith(key_id)
    code = service.operate("CreateConfirmationCode")[1]["Code"]
    status, confirmed = service.console("ConfirmSession", token, Code=code)
    assert (status, confirmed["ConfirmedUntil"]) == (200, "2026-01-02T03:14:05Z")
    assert service.console("ScheduleKeyDeletion", token, KMS, **asked)[0] == 200
    service.clock.advance(300)
    assert service.console("ConfirmSession", token, Code=code)[1]["Code"] == "ConfirmationRefused"  # used


def test_signed_calls_need_no_proof() -> None:
    service = People()
    service.clock.advance(3600)
    service.ok("ScheduleKeyDeletion", KeyId=service.key(), PendingWindowInDays="7")


def test_who_may_not_is_told_that_first() -> None:
    service = People()
    service.person("alice")
    token = service.sign_in("alice")
    service.clock.advance(300)
    asked = {"KeyId": service.key(), "PendingWindowInDays": "7"}
    assert service.console("ScheduleKeyDeletion", token, KMS, **asked)[1]["Code"] == "Forbidden.NoPermission"


def test_a_user_confirms_by_password_or_code() -> None:
    service = People()
    service.person("alice", allow("ram:*"))
    token = service.sign_in("alice")
    service.clock.advance(300)
    assert service.ram_by(token, "DeleteUser", UserName="nobody") == "ConfirmationRequired"
    assert service.console("ConfirmSession", token)[1]["Code"] == "MissingParameter"
    assert service.console("ConfirmSession", token, Password="wrong")[1]["Code"] == "ConfirmationRefused"
    assert service.console("ConfirmSession", token, Code="123456")[1]["Code"] == "ConfirmationRefused"
    assert service.console("ConfirmSession", token, Password=PASSWORD)[0] == 200
    assert service.ram_by(token, "DeleteUser", UserName="nobody") == "EntityNotExist.User"
    service.phone("alice")
    service.clock.advance(300)
    code = service.code("alice")
    assert service.console("ConfirmSession", token, Code=code)[0] == 200
    assert service.console("ConfirmSession", token, Code=code)[1]["Code"] == "ConfirmationRefused"
    assert service.console("ConfirmSession", token, Password=PASSWORD)[0] == 200


def test_confirming_is_tried_so_often_and_the_owner_signs_in_anew() -> None:
    service = People()
    token = service.owner()
    assert service.console("ConfirmSession", token)[1]["Message"].startswith('The parameter "Code"')
    for _ in range(attempts.OF_USER):
        assert service.console("ConfirmSession", token, Code="x")[1]["Code"] == "ConfirmationRefused"
    code = service.operate("CreateConfirmationCode")[1]["Code"]
    assert service.console("ConfirmSession", token, Code=code)[1]["Code"] == "TooManyAttempts"
    assert service.console("ConfirmSession", service.owner(), Code=code)[0] == 200


def test_a_code_is_good_for_its_account_and_a_minute() -> None:
    service = People()
    account = service.operate("CreateAccount")[1]["Account"]["AccountId"]
    code = service.operate("CreateConfirmationCode", AccountId=account)[1]["Code"]
    token = service.owner()
    assert service.console("ConfirmSession", token, Code=code)[1]["Code"] == "ConfirmationRefused"
    code = service.operate("CreateConfirmationCode")[1]["Code"]
    service.clock.advance(60)
    assert service.console("ConfirmSession", token, Code=code)[1]["Code"] == "ConfirmationRefused"


# --- what has to be done first


def test_who_has_to_change_the_password_can_do_nothing_else() -> None:
    service = People()
    service.person("alice", allow("*"), PasswordResetRequired="true")
    token = service.sign_in("alice")
    assert service.shown(token)["Pending"] == ["PasswordResetRequired"]
    status, members = service.console("ListKeys", token, KMS)
    assert (status, members["Code"]) == (403, "PasswordResetRequired")
    assert service.records[-1].code == "PasswordResetRequired"
    assert service.ram_by(token, "UpdateLoginProfile", UserName="alice", PasswordResetRequired="false") == (
        "PasswordResetRequired"
    )
    assert service.ram_by(token, "ChangePassword", OldPassword=PASSWORD, NewPassword=OTHER) == ""
    assert service.shown(token)["Pending"] == []
    assert service.console("ListKeys", token, KMS)[0] == 200


def test_who_has_to_bind_a_device_can_do_nothing_else_and_needs_no_policy_for_it() -> None:
    service = People()
    service.person("alice", allow("kms:*"), MFABindRequired="true")
    service.root.user("bob")
    token = service.sign_in("alice")
    assert service.shown(token)["Pending"] == ["MFABindRequired"]
    assert service.console("ListKeys", token, KMS)[1]["Code"] == "MFABindRequired"
    assert service.ram_by(token, "CreateVirtualMFADevice", VirtualMFADeviceName="bob") == "NoPermission"
    status, made = service.console("CreateVirtualMFADevice", token, RAM, VirtualMFADeviceName="alice")
    assert status == 200
    serial = {"SerialNumber": made["VirtualMFADevice"]["SerialNumber"]}
    codes = two_codes(made, service.clock.now())
    assert service.ram_by(token, "BindMFADevice", UserName="bob", **serial, **codes) == "NoPermission"
    assert service.ram_by(token, "BindMFADevice", UserName="alice", **serial, **codes) == ""
    assert service.shown(token)["Pending"] == []
    assert service.shown(token)["MfaBound"] is True
    assert service.console("ListKeys", token, KMS)[0] == 200
    assert service.ram_by(token, "UnbindMFADevice", UserName="alice") == "NoPermission"


def test_a_policy_may_deny_even_that() -> None:
    service = People()
    statement = {"Effect": "Deny", "Action": "ram:ChangePassword", "Resource": "*"}
    service.person("alice", {"Version": "1", "Statement": [statement]})
    token = service.sign_in("alice")
    assert service.ram_by(token, "ChangePassword", OldPassword=PASSWORD, NewPassword=OTHER) == "NoPermission"


def test_an_expired_password_must_be_changed_or_lets_nobody_in() -> None:
    service = People()
    service.person("alice")
    service.root.ok("SetPasswordPolicy", MaxPasswordAge="1")
    token = service.sign_in("alice")
    service.clock.advance(86_399)
    assert service.shown(service.sign_in("alice"))["Pending"] == []
    service.clock.advance(1)
    assert service.over(token)
    token = service.sign_in("alice")
    assert service.shown(token)["Pending"] == ["PasswordResetRequired"]
    service.root.ok("SetPasswordPolicy", MaxPasswordAge="1", HardExpiry="true")
    assert service.try_to_sign_in("alice", "wrong") == "SignInRefused"
    assert service.try_to_sign_in("alice") == "PasswordExpired"
    assert service.records[-1].code == "PasswordExpired"
    service.root.ok("UpdateLoginProfile", UserName="alice", Password=OTHER)
    assert service.try_to_sign_in("alice", OTHER) == ""


# --- the way in


def test_the_network_does_not_reach_the_console_s_operations() -> None:
    service = People()
    service.person("alice")
    others = {
        "Need.1.Action": "kms:ListKeys",
        "Need.1.Resource": f"acs:kms:r:{service.account}:key",
        "KeyId": service.key(),
        "Chain": "c",
        "Sequence": "1",
    }
    for operation in CATALOGUE.of(CONSOLE):
        parameters = {
            "UserName": "alice",
            "Password": PASSWORD,
            "Token": "x",
            "Version": CONSOLE.version,
            **others,
        }
        assert service.refused(operation.action, **parameters) == "Forbidden.NoPermission"
        assert service.records[-1].product == "Console"


def test_the_operators_operations_are_not_for_a_session() -> None:
    service = Service()
    token = service.owner()
    for operation in filter(lambda one: one.for_operator_only, CATALOGUE.of(KEYSTEAD)):
        parameters = {
            "AccessKeyId": "LTAI000000000000",
            "UserName": "a",
            "AccountId": service.account,
            "Provider": "file",
            "Fingerprint": "0" * 16,
            "Needed": "2",
            "Shares": "3",
            "NodeId": "00000000-0000-4000-8000-000000000000",
        }
        if operation.action == "UpdateAccessKey":
            parameters["Status"] = "Inactive"
        status, members = service.console(operation.action, token, KEYSTEAD, **parameters)
        assert (status, members["Code"]) == (403, "Forbidden.NoPermission"), operation.action


def test_a_request_that_could_not_be_read_is_refused() -> None:
    service = Service()
    received = msgspec.structs.replace(service.received("GetSession"), refusal=BadRequest(reason="no"))
    answer = service.take(received)
    assert (answer.code, answer.recorded) == ("ParseRequestParameterException", False)


def test_sign_in_with_a_parameter_missing_says_which() -> None:
    service = Service()
    status, members = service.console("CreateSession", UserName="alice")
    assert (status, members["Code"]) == (400, "MissingParameter")
    assert "Password" in members["Message"]


def test_a_damaged_hash_is_our_fault_and_lets_nobody_in() -> None:
    service = People()
    service.person("alice")
    (profile,) = service.store.identities.all(LoginProfile, service.account)
    weak = profile.password.replace("m=65536", "m=1024")
    with service.batch() as store:
        store.identities.put(msgspec.structs.replace(profile, password=weak))
    answer = service.take(service.received("CreateSession", UserName="alice", Password=PASSWORD))
    assert (answer.code, answer.recorded) == ("InternalFailure", False)
    assert isinstance(answer.fault, OperatorError)
