import json

from keystead.domain.sessions import hashed, short_code
from tests.harness import Service


def test_a_link_signs_the_owner_in_once_within_a_minute() -> None:
    service = Service()
    status, made = service.operate("CreateSignInLink")
    assert (status, made["ShortCode"]) == (200, short_code(made["Token"]))
    assert made["ExpireDate"] == "2026-01-02T03:05:05Z"
    service.clock.advance(59)
    status, session = service.console("RedeemSignInLink", Token=made["Token"])
    assert status == 200
    status, members = service.console("GetSession", session["SessionToken"])
    assert (members["Root"], members["AccountId"], members["How"]) == (True, service.account, "link")
    assert service.console("RedeemSignInLink", Token=made["Token"])[1]["Code"] == "SignInLinkInvalid"


def test_a_link_is_over_after_a_minute_and_a_wrong_one_signs_nobody_in() -> None:
    service = Service()
    token = service.operate("CreateSignInLink")[1]["Token"]
    service.clock.advance(60)
    before = len(service.records)
    for wrong in (token, "x", token[:-1] + "!"):
        status, members = service.console("RedeemSignInLink", Token=wrong)
        assert (status, members["Code"]) == (403, "SignInLinkInvalid")
    assert len(service.records) == before  # nobody is known to have tried
    assert service.owner()


def test_to_try_whether_a_link_would_do_does_not_use_it_up() -> None:
    service = Service()
    token = service.operate("CreateSignInLink")[1]["Token"]
    for _ in range(2):
        tried = service.console("RedeemSignInLink", Token=token, DryRun="true")
        assert tried[1]["Code"] == "DryRunOperationError"
    assert service.store.sessions.of(service.account) == ()
    assert service.console("RedeemSignInLink", Token=token)[0] == 200
    assert service.console("RedeemSignInLink", Token=token)[1]["Code"] == "SignInLinkInvalid"


def test_links_and_codes_are_kept_as_hashes_and_recorded_without_them() -> None:
    service = Service()
    token = service.operate("CreateSignInLink")[1]["Token"]
    code = service.operate("CreateConfirmationCode")[1]["Code"]
    session = service.owner()
    told = "\n".join(str(record) for record in service.records)
    sessions = service.store.sessions
    tickets = [sessions.ticket(hashed(*words)) for words in ((token,), (service.account, code))]
    assert None not in tickets
    kept = str(tickets) + str(sessions.of(service.account))
    for secret in (token, code, session):
        assert secret not in told
        assert secret not in kept


def test_of_another_account_and_of_none_that_is_disabled_or_not_there() -> None:
    service = Service()
    account = service.operate("CreateAccount", AccountName="b")[1]["Account"]["AccountId"]
    made = service.operate("CreateSignInLink", AccountId=account)[1]
    assert json.loads(service.records[-1].resources) == [f"acs:ram::{account}:root"]
    service.operate("UpdateAccount", AccountId=account, Status="Disabled")
    assert service.console("RedeemSignInLink", Token=made["Token"])[1]["Code"] == "SignInLinkInvalid"
    for action in ("CreateSignInLink", "CreateConfirmationCode"):
        assert service.operate(action, AccountId=account)[1]["Code"] == "InvalidParameter"
        assert service.operate(action, AccountId="9" * 16)[1]["Code"] == "EntityNotExist.Account"
    service.operate("UpdateAccount", AccountId=account, Status="Active")
    token = service.operate("CreateSignInLink", AccountId=account)[1]["Token"]
    session = service.console("RedeemSignInLink", Token=token)[1]["SessionToken"]
    assert service.console("GetSession", session)[1]["AccountId"] == account
    service.operate("UpdateAccount", AccountId=account, Status="Disabled")
    service.operate("UpdateAccount", AccountId=account, Status="Active")
    assert service.console("GetSession", session)[1]["Code"] == "SessionExpired"


def test_a_code_is_no_link_and_a_link_no_code() -> None:
    service = Service()
    session = service.owner()
    code = service.operate("CreateConfirmationCode")[1]["Code"]
    token = service.operate("CreateSignInLink")[1]["Token"]
    assert service.console("RedeemSignInLink", Token=code)[1]["Code"] == "SignInLinkInvalid"
    assert service.console("ConfirmSession", session, Code=token[:16])[1]["Code"] == "ConfirmationRefused"
    assert service.console("ConfirmSession", session, Code=code.lower().replace("-", " "))[0] == 200
