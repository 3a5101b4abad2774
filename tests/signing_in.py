"""A service whose users sign in to the console."""

from typing import Any

from keystead.domain.products import RAM
from tests.harness import Members, Service
from tests.ram import Ram, codes_of, two_codes

PASSWORD = "Correct-horse-1"
OTHER = "Battery-staple-2"


class People(Service):
    """A service in memory with users who have passwords."""

    def __init__(self, *, now: float = 1_767_323_045.0) -> None:
        super().__init__(now=now)
        self.root = Ram(self)
        self.devices: dict[str, Members] = {}

    def person(self, name: str, *policies: Any, **profile: str) -> None:
        """A new user with a password, and with what its login profile says beside."""
        self.root.user(name, *policies)
        self.root.ok("CreateLoginProfile", UserName=name, Password=PASSWORD, **profile)

    def phone(self, name: str) -> None:
        """Bind a new device to a user."""
        made = self.devices[name] = self.root.ok("CreateVirtualMFADevice", VirtualMFADeviceName=name)
        serial = made["VirtualMFADevice"]["SerialNumber"]
        codes = two_codes(made, self.clock.now())
        self.root.ok("BindMFADevice", UserName=name, SerialNumber=serial, **codes)
        self.clock.advance(30)

    def code(self, name: str, step: int = 0) -> str:
        """What the phone of a user shows."""
        return codes_of(self.devices[name], self.clock.now(), step)[0]

    def try_to_sign_in(
        self, name: str, password: str = PASSWORD, code: str = "", source: str = "192.0.2.1"
    ) -> str:
        """The code of the answer, "" if somebody has signed in."""
        _, members = self.console("CreateSession", source=source, UserName=name, Password=password, Code=code)
        return str(members.get("Code", ""))

    def sign_in(self, name: str, password: str = PASSWORD, code: str = "", source: str = "192.0.2.1") -> str:
        """The token of a new session."""
        more = {"Code": code} if code else {}
        status, members = self.console(
            "CreateSession", source=source, UserName=name, Password=password, **more
        )
        assert status == 200, members
        return str(members["SessionToken"])

    def ram_by(self, session: str, action: str, **parameters: str) -> str:
        """Call Ram by a session; the code of a refusal, or ""."""
        return str(self.console(action, session, RAM, **parameters)[1].get("Code", ""))

    def shown(self, session: str) -> Members:
        """What GetSession shows."""
        status, members = self.console("GetSession", session)
        assert status == 200, members
        return members

    def over(self, session: str) -> bool:
        """Whether a session has ended."""
        status, members = self.console("GetSession", session)
        assert status == 200 or (status, members["Code"]) == (401, "SessionExpired")
        return status != 200
