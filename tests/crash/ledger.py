"""What servers acknowledged: all of it has to be there afterwards, whatever was killed meanwhile."""

import threading
from collections.abc import Callable
from typing import Any

Ask = Callable[..., dict[str, Any]]
"""The members of an answer to an action with its parameters; an error if there was none, or a refusal."""


class Ledger:
    """`told` is what a thread of it does, until an answer does not come; all of its answers are kept."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.blobs: list[tuple[str, str]] = []
        self.requests: set[str] = set()
        self.lock = threading.Lock()

    def told(self, ask: Ask, name: str, disable: bool) -> None:
        """Create a key and an alias of this name, encrypt, and disable it if that is said."""
        key_id = str(self._note(ask("CreateKey"))["KeyMetadata"]["KeyId"])
        with self.lock:
            self.keys[key_id] = "Enabled"
        self._note(ask("CreateAlias", KeyId=key_id, AliasName=name))
        with self.lock:
            self.aliases[name] = key_id
        for text in ("a", "b", "c"):
            blob = self._note(ask("Encrypt", KeyId=name, Plaintext=f"{key_id} {text}"))["CiphertextBlob"]
            with self.lock:
                self.blobs.append((blob, f"{key_id} {text}"))
        if disable:
            # From here on either state may be found, until the answer says which.
            with self.lock:
                self.keys[key_id] = "?"
            self._note(ask("DisableKey", KeyId=key_id))
            with self.lock:
                self.keys[key_id] = "Disabled"

    def _note(self, members: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.requests.add(str(members["RequestId"]))
        return members

    def lost(self, call: Callable[..., tuple[int, dict[str, Any]]]) -> list[str]:
        """Everything that was acknowledged and is not there; what was disabled is enabled for it."""
        lost = []
        for key_id, state in self.keys.items():
            status, members = call("DescribeKey", KeyId=key_id)
            if status != 200 or state not in ("?", members["KeyMetadata"]["KeyState"]):
                lost.append(f"key {key_id} {state}: {members}")
            elif state != "Enabled":
                status, members = call("EnableKey", KeyId=key_id)
                assert status == 200, members
        for name, key_id in self.aliases.items():
            status, members = call("DescribeKey", KeyId=name)
            if status != 200 or members["KeyMetadata"]["KeyId"] != key_id:
                lost.append(f"alias {name}")
        for blob, plaintext in self.blobs:
            status, members = call("Decrypt", CiphertextBlob=blob)
            if status != 200 or members["Plaintext"] != plaintext:
                lost.append(f"ciphertext of {plaintext}: {members}")
        return lost
