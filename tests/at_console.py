"""The console's calls against a service: of the account's owner, or of whoever has an AccessKey."""

from typing import Any

from keystead.domain.identities import User
from keystead.domain.products import CONSOLE, RAM
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
    """The calls of somebody who has signed in."""

    def __init__(self, service: Service, access_key: tuple[str, str] | None = None) -> None:
        """Who has this AccessKey signs in; without one the account's owner."""
        self.service = service
        found = service.store.accounts.access_key((access_key or service.access_key)[0])
        assert found is not None
        if found.user_id:
            users = service.store.identities.all(User, found.account)
            self.session = user_session(
                service, next(one.name for one in users if one.user_id == found.user_id)
            )
        else:
            self.session = owner_session(service, found.account)

    def call(self, action: str, /, **parameters: str) -> tuple[int, Members]:
        """Status and members of the answer."""
        return self.service.console(action, self.session, CONSOLE, **parameters)

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
