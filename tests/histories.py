"""What clients of a key service saw, object by object, and what could be seen if all calls came one after the other."""

import http.client
import math
import threading
import time
from collections.abc import Mapping

from tests.linearizability import Model, Operation, linearizable
from tests.live import Client

GONE = (OSError, http.client.HTTPException, ValueError)  # what a call raises whose answer does not come
_USES = ("Encrypt", "Decrypt")

_KEY = {
    ("Enabled", "Encrypt"): ("ok", "Enabled"),
    ("Enabled", "DisableKey"): ("ok", "Disabled"),
    ("Enabled", "EnableKey"): ("ok", "Enabled"),
    ("Enabled", "ScheduleKeyDeletion"): ("ok", "PendingDeletion"),
    ("Disabled", "Encrypt"): ("Rejected.Disabled", "Disabled"),
    ("Disabled", "DisableKey"): ("ok", "Disabled"),
    ("Disabled", "EnableKey"): ("ok", "Enabled"),
    ("Disabled", "ScheduleKeyDeletion"): ("ok", "PendingDeletion"),
    ("PendingDeletion", "Encrypt"): ("Rejected.PendingDeletion", "PendingDeletion"),
    ("PendingDeletion", "CancelKeyDeletion"): ("ok", "Enabled"),
}
_USER = {
    ("may", "Encrypt"): ("ok", "may"),
    ("may", "DetachPolicyFromUser"): ("ok", "may not"),
    ("may not", "Encrypt"): ("Forbidden.NoPermission", "may not"),
    ("may not", "AttachPolicyToUser"): ("ok", "may"),
}
_ACCESS_KEY = {
    ("Active", "Encrypt"): ("ok", "Active"),
    ("Inactive", "Encrypt"): ("Forbidden.AccessKey", "Inactive"),
}


def key_step(state: str, asked: str) -> tuple[str, str]:
    return _KEY.get((state, "Encrypt" if asked in _USES else asked), ("refused", state))


def alias_step(state: str, asked: str) -> tuple[str, str]:
    """The state is the key that the alias names, "" for none."""
    action, _, key = asked.partition(" ")
    if action == "CreateAlias":
        return ("refused", state) if state else ("ok", key)
    if not state:
        return "refused", state
    if action == "UpdateAlias":
        return "ok", key
    return ("ok", "") if action == "DeleteAlias" else (f"is {state}", state)


def user_step(state: str, asked: str) -> tuple[str, str]:
    return _USER.get((state, asked), ("refused", state))


def access_key_step(state: str, asked: str) -> tuple[str, str]:
    action, _, status = asked.partition(" ")
    return _ACCESS_KEY[state, action] if action == "Encrypt" else ("ok", status)


def request_step(state: str, asked: str) -> tuple[str, str]:
    """One signed request, sent often: the first time that it comes it is accepted."""
    return ("SignatureNonceUsed", state) if state else ("ok", "accepted")


KEYS = Model("Enabled", key_step)
MODELS: Mapping[str, Model[str]] = {
    "key": KEYS,
    "alias": Model("", alias_step),
    "user": Model("may", user_step),
    "access key": Model("Active", access_key_step),
    "request": Model("", request_step),
}
"""By the first word, or words, of what a history is about: the rest is its name."""


class Recorder:
    """Histories by object, written by many threads."""

    def __init__(self) -> None:
        self.histories: dict[str, list[Operation]] = {}
        self.requests: set[str] = set()
        """The ids of all that was answered, but for those that say that nothing is known."""
        self._lock = threading.Lock()

    @property
    def operations(self) -> int:
        with self._lock:
            return sum(map(len, self.histories.values()))

    def call(self, client: Client, about: str, asked: str, action: str, **parameters: str) -> bool:
        """Whether it was answered for sure; one of GONE if there was no answer."""
        target = client.sign(action, **parameters)
        began = time.monotonic()
        try:
            client.post(target)
        except ConnectionRefusedError:
            raise  # it was sent to nobody
        except BaseException:
            self.lost(about, asked, began)
            raise
        return self.receive(client, about, asked, began)

    def receive(self, client: Client, about: str, asked: str, began: float) -> bool:
        """The answer to what was sent; as `call`."""
        ended, answered = math.inf, ""
        try:
            status, members = client.receive()
            # Who is told to try again later is not told whether it happened.
            if status != 503:
                ended, answered = time.monotonic(), answer(asked, status, members)
                with self._lock:
                    self.requests.add(str(members["RequestId"]))
        finally:
            self._note(about, Operation(began, ended, asked, answered))
        return bool(answered)

    def lost(self, about: str, asked: str, began: float) -> None:
        """It may have been sent, and there is no answer."""
        self._note(about, Operation(began, math.inf, asked, ""))

    def _note(self, about: str, operation: Operation) -> None:
        with self._lock:
            self.histories.setdefault(about, []).append(operation)

    def wrong(self) -> list[str]:
        """The objects whose histories no order explains."""
        return [about for about, one in self.histories.items() if not linearizable(one, _model(about))]


def answer(asked: str, status: int, members: dict[str, object]) -> str:
    """In the words of the models."""
    if status >= 400:
        return str(members["Code"]) if asked in (*_USES, "send") else "refused"
    metadata = members.get("KeyMetadata")
    return f"is {metadata['KeyId']}" if asked == "DescribeKey" and isinstance(metadata, dict) else "ok"


def _model(about: str) -> Model[str]:
    return next(model for kind, model in MODELS.items() if about.startswith(f"{kind} "))
