"""The log of `run`: a line a call, for people and for grep.

    TIME ACTION RESOURCE STATUS CODE DURATION ACCESS-KEY-ID REQUEST-ID
    2026-01-02T03:04:05Z Encrypt alias/work 200 - 1.8ms LTAI… 3f0c…

Always eight words: `-` for what there is not, `?` for what is not shown since it can't be what it should. A resource is what
an audit record would name. Nothing else of a request is shown, least of all its URL, which may have a plaintext in it.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress

import msgspec

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.bind import recordable, recordable_action
from keystead.api.catalogue import CATALOGUE
from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.api.http.parse import parse
from keystead.api.http.signature import action_and_version, claimed_id
from keystead.cli import output
from keystead.clock import Clock, iso8601
from keystead.domain import accounts
from keystead.errors import KmsError, OperatorError
from keystead.proxy.tap import Answered

_STDERR = 2
_WORD = re.compile(r"\A[A-Za-z0-9_/:.,@-]{1,512}\Z")


class CallLog:
    """A file that lines are added to, or standard error for `-`: standard output is the command's alone."""

    def __init__(self, file: str, clock: Clock) -> None:
        """OperatorError if the file can't be opened."""
        self.known = ""
        """The AccessKey id of the command itself, which a seed may have given any shape."""
        self._clock = clock
        self._file = file
        self._missing = 0
        self._reason = ""
        self._torn = False
        if file == "-":
            self._descriptor = _STDERR
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK  # a pipe that nobody reads is an error
        try:
            self._descriptor = os.open(file, flags, 0o600)
        except OSError as problem:
            raise OperatorError(
                f"cannot write the log {file}: {problem.strerror}",
                hint="--log takes a file that lines are added to, or - for standard error",
            ) from None

    def watch(self, request: HttpRequest) -> Answered:
        """A call began."""
        began = self._clock.monotonic()

        def answered(response: HttpResponse | None) -> None:
            seconds = self._clock.monotonic() - began
            self._add(line(self._clock.now(), request, response, seconds, self.known))

        return answered

    def close(self) -> None:
        """Say how many lines could not be written, if any."""
        if self._descriptor != _STDERR:
            os.close(self._descriptor)
            if self._missing:
                said = (
                    f"the log {self._file} is not complete: {self._reason} (missing lines: {self._missing})"
                )
                with suppress(
                    OSError
                ):  # where there is no room for this either, the command's status still counts
                    output.warning(said)

    def _add(self, text: str) -> None:
        """Whatever is wrong with the file is no reason that a call should fail."""
        data = (b"\n" if self._torn else b"") + f"{text}\n".encode()
        try:
            written = os.write(self._descriptor, data)
        except OSError as problem:
            self._missing += 1
            self._reason = problem.strerror or "it was not written"
            return
        self._torn = written < len(data)
        if self._torn:
            self._missing += 1
            self._reason = "there was room for a part only"


class _Metadata(msgspec.Struct, frozen=True, rename="pascal"):
    key_id: str = ""


class _Answer(msgspec.Struct, rename="pascal"):
    """What is read of an answer."""

    code: str = ""
    request_id: str = ""
    key_id: str = ""
    key_metadata: _Metadata = _Metadata()


def line(
    now: float, request: HttpRequest, response: HttpResponse | None, seconds: float, known: str = ""
) -> str:
    """The line of a call that was answered now, or has no answer (None), so long after it came. `known` is an AccessKey id
    that may be shown; others are if they can't be anything else."""
    try:
        parameters: Mapping[str, str] = parse(request).merged
    except KmsError:
        parameters = {}
    action, version = action_and_version(parameters, request.headers)
    answer = _Answer() if response is None else _read(response)
    caller = claimed_id(parameters, request.headers)
    words = (
        recordable_action(action),
        _resource(action, version, parameters) or answer.key_id or answer.key_metadata.key_id,
        "" if response is None else str(response.status),
        answer.code if response is not None and response.status >= 400 else "",
        f"{seconds * 1000:.1f}ms",
        caller if caller in ("", known) else accounts.claimed_id(caller),
        answer.request_id,
    )
    return " ".join([iso8601(now), *map(_shown, words)])


def _resource(action: str, version: str, parameters: Mapping[str, str]) -> str:
    operation = CATALOGUE.find(version, action)
    if operation is None:
        return ""
    found = recordable(operation, parameters)
    return ",".join(found[field.name] for field in operation.roles if field.name in found)


def _read(response: HttpResponse) -> _Answer:
    """What an answer says of itself, in JSON or XML; nothing if that can't be read."""
    try:
        found = msgspec.json.decode(response.body, type=_Answer)
    except msgspec.MsgspecError:
        text = response.body.decode("utf-8", "replace")
        found = _Answer(code=_element("Code", text), key_id=_element("KeyId", text))
    found.request_id = dict(response.headers).get("x-acs-request-id", "") or found.request_id
    return found


def _element(name: str, text: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


def _shown(word: str) -> str:
    if not word:
        return "-"
    return word if _WORD.match(word) else "?"
