"""The console's calls against a service: of the account itself, or of a user whose AccessKey is given."""

import json
from typing import Any

from keystead.domain.products import CONSOLE
from tests.harness import Members, Service


class Console:
    """The calls of somebody who has signed in."""

    def __init__(self, service: Service, access_key: tuple[str, str] | None = None) -> None:
        self.service = service
        self.access_key = access_key

    def call(self, action: str, **parameters: str) -> tuple[int, Members]:
        """Status and members of the answer."""
        asked = {"Version": CONSOLE.version, **parameters}
        response = self.service.send(self.service.request(action, asked, access_key=self.access_key))
        return response.status, json.loads(response.body)

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
