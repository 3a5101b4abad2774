"""The root key of one process used by another, over a link between both: it wraps and unwraps, and stays where it is.

Each message is one line of JSON. The process that makes backups asks, the server answers.
"""

import base64
import json
import socket
from typing import Any

from keystead.crypto.root_key import RootKey
from keystead.crypto.sealing import Unopenable


class Link:
    """One end of a link, for messages one after the other."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._lines = link.makefile("rb")

    def send(self, message: dict[str, Any]) -> None:
        """Send one message. OSError if nobody is there."""
        self._link.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any] | None:
        """The next message; None at the end."""
        line = self._lines.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def close(self) -> None:
        """End it."""
        self._lines.close()
        self._link.close()


class LinkedRootKey:
    """See keystead.crypto.root_key.RootKey: the one at the other end."""

    def __init__(self, link: Link, fingerprint: str) -> None:
        self._link = link
        self.fingerprint = fingerprint

    def wrap(self, associated: bytes, plaintext: bytes) -> bytes:
        return self._ask("wrap", associated, plaintext)

    def unwrap(self, associated: bytes, wrapped: bytes) -> bytes:
        return self._ask("unwrap", associated, wrapped)

    def _ask(self, what: str, associated: bytes, value: bytes) -> bytes:
        self._link.send({"ask": what, "associated": _text(associated), "value": _text(value)})
        answer = self._link.receive()
        if answer is None:
            raise OSError("the server is gone")
        if answer["value"] is None:
            raise Unopenable
        return base64.b64decode(answer["value"])


def serve(link: Link, root: RootKey) -> dict[str, Any] | None:
    """Answer what is asked until something else comes, and give that; None if the other process ended before."""
    while (message := link.receive()) is not None and "ask" in message:
        associated, value = base64.b64decode(message["associated"]), base64.b64decode(message["value"])
        try:
            made = (root.wrap if message["ask"] == "wrap" else root.unwrap)(associated, value)
        except Unopenable:
            link.send({"value": None})
        else:
            link.send({"value": _text(made)})
    return message


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
