"""The console's calls against a service: of the account's owner, or of a user, who has signed in."""

from typing import Any

from keystead.domain import sessions
from keystead.domain.identities import User
from keystead.domain.products import CONSOLE, RAM
from keystead.domain.sessions import How, Session
from keystead.domain.sign_in import LoginProfile
from tests.harness import Members, Service

PASSWORD = "correct-Horse7-battery"


def owner_session(service: Service, account: str = "") -> str:
    """The token of a session of an account's owner, who signed in by the operator's link."""
    status, made = service.operate("CreateSignInLink", AccountId=account or service.account)
    assert status == 200, made
    return _token(service.console("RedeemSignInLink", Token=made["Token"]))


def user_session(service: Service, user: str) -> str:
    """The token of a session of a RAM user of the account, who is given a password if there is none."""
    asked = {"Version": RAM.version, "UserName": user, "Password": PASSWORD}
    assert service.send(service.request("CreateLoginProfile", asked)).status in (200, 409)
    return _token(service.console("CreateSession", UserName=user, Password=PASSWORD))


def _token(answer: tuple[int, Members]) -> str:
    status, members = answer
    assert status == 200, members
    return str(members["SessionToken"])


class Console:
    """The calls of somebody who has signed in: of a user by name, or else of the owner."""

    def __init__(self, service: Service, user: str = "", account: str = "", *, mfa: bool = False) -> None:
        self.service = service
        self.token = f"token-of-{user or account}"
        account = account or service.account
        now, store = int(service.clock.now()), service.store
        store.begin()
        user_id = ""
        if user:
            (user_id,) = (one.user_id for one in store.identities.all(User, account) if one.name == user)
            if not any(one.user_id == user_id for one in store.identities.all(LoginProfile, account)):
                profile = LoginProfile(
                    account=account, user_id=user_id, password="", created=now, changed=now
                )
                store.identities.add(profile)
        session = Session(
            digest=sessions.hashed(self.token),
            session_id=f"console-{user or account}",
            account=account,
            user_id=user_id,
            created=now,
            used=now,
            confirmed=now,
            how=How.PASSWORD if user else How.LINK,
            source="192.0.2.1",
            mfa=mfa,
        )
        store.sessions.remove(session)
        store.sessions.add(session)
        store.commit()

    def call(self, action: str, **parameters: str) -> tuple[int, Members]:
        """Status and members of the answer."""
        return self.service.console(action, self.token, CONSOLE, "192.0.2.1", **parameters)

    def ok(self, action: str, **parameters: str) -> Members:
        """The members of an answer that must be a success, without its RequestId."""
        status, members = self.call(action, **parameters)
        assert status == 200, members
        del members["RequestId"]
        return members

    def refused(self, action: str, **parameters: str) -> str:
        """The code of an answer that must be a refusal."""
        status, members = self.call(action, **parameters)
        assert status == members["HttpStatus"] >= 400
        return str(members["Code"])

    def may(self, *needs: tuple[str, str]) -> list[bool]:
        """What CheckAccess says of these actions on these resources."""
        asked: dict[str, Any] = {}
        for number, (action, resource) in enumerate(needs, 1):
            asked |= {f"Need.{number}.Action": action, f"Need.{number}.Resource": resource}
        return list(self.ok("CheckAccess", **asked)["Allowed"]["Allowed"])
