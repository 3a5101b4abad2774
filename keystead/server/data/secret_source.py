"""Where a start takes a secret from that it needs: a terminal, a descriptor, a credential of systemd, a file."""

import getpass
import os
import signal
import stat
from collections.abc import Mapping
from pathlib import Path

from keystead import owners
from keystead.errors import OperatorError, WrongSetting

MOST = 4096  # bytes that are read
_CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd.exec(5)


class Source:
    """A place of a secret: "" (ask for it), `fd:N`, `credential:NAME` or `file:PATH`. WrongSetting for anything else."""

    def __init__(self, text: str) -> None:
        self.kind, _, self.place = text.partition(":")
        if (
            (self.kind == "fd" and self.place.isascii() and self.place.isdigit() and len(self.place) < 6)
            or (self.kind == "credential" and is_credential(self.place))
            or (self.kind == "file" and self.place)
            or not text
        ):
            return
        # The text is not shown: it may be the secret itself.
        raise WrongSetting(
            "a secret is read from fd:N, credential:NAME or file:PATH, and never stands in a setting itself",
            hint="without any of them it is asked for on the terminal",
        )

    @property
    def text(self) -> str:
        """The source as a setting has it; the path of a file whole."""
        if not self.kind:
            return ""
        place = os.path.abspath(os.path.expanduser(self.place)) if self.kind == "file" else self.place
        return f"{self.kind}:{place}"

    @property
    def missing(self) -> str:
        """Why it can't be read by this process without a person, or ""."""
        if not self.kind:
            return "it is asked for on a terminal"
        if self.kind == "fd":
            return "it is read from a descriptor, once"
        if self.kind == "credential" and not os.environ.get(_CREDENTIALS):
            return "systemd gives it to the service alone"
        return ""

    def read(self, what: str, *, twice: bool = False) -> str:
        """The secret, a text in UTF-8 without the line break behind it; `what` names it. OperatorError if there is none."""
        if not self.kind:
            return _ask(what, twice)
        if self.kind == "fd":
            content = _read_descriptor(int(self.place), what)
        elif self.kind == "credential":
            content = read_credential(self.place, what)
        else:
            content = _read_file(Path(self.text.partition(":")[2]), what)
        try:
            text = content.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise OperatorError(f"{what} is no text in UTF-8", hint=f"look at {self.text}") from None
        if not text or "\n" in text or "\0" in text or len(content) > MOST:
            why = "empty" if not text else "not one line"
            raise OperatorError(f"{what} is {why}", hint=f"look at {self.text}")
        return text


def is_credential(name: str) -> bool:
    """Whether a credential may have this name: that of a file, and no path."""
    return 0 < len(name) <= 255 and "/" not in name and "\0" not in name and name not in (".", "..")


def read_credential(name: str, what: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """The content of a credential that systemd gave this process. Who may read it, systemd has seen to."""
    folder = environment.get(_CREDENTIALS, "")
    if not folder:
        raise OperatorError(
            f"{what} is the credential {name}, and this process was given none",
            hint="systemd gives credentials to a service: LoadCredential= in its unit; for a command, "
            f"systemd-run --pty -p LoadCredential={name}:PATH keystead …",
        )
    try:
        with open(Path(folder) / name, "rb") as file:
            return file.read(MOST + 1)
    except OSError as error:
        raise OperatorError(
            f"cannot read the credential {name}, which {what} is: {error.strerror}",
            hint=f"check LoadCredential={name}:… in the unit; systemd-creds list shows what a service has",
        ) from None


def _read_descriptor(number: int, what: str) -> bytes:
    try:
        with open(number, "rb") as file:  # and it is closed: no child has it
            return file.read(MOST + 1)
    except OSError as error:
        raise OperatorError(
            f"cannot read {what} from descriptor {number}: {error.strerror}",
            hint=f"let what starts keystead open it: keystead … {number}< FILE",
        ) from None


def _read_file(path: Path, what: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise OperatorError(
            f"cannot read {path}, which has {what}: {error.strerror}", hint=owners.hint(path)
        ) from None
    status, why, hint = os.fstat(descriptor), "", "name the file itself"
    if not stat.S_ISREG(status.st_mode):
        why = "is not a plain file"
    elif status.st_mode & 0o077:
        why = f"is open to other users (mode {stat.S_IMODE(status.st_mode):04o})"
        hint = f"chmod 600 {path}"
    if why:
        os.close(descriptor)
        raise OperatorError(f"{path}, which has {what}, {why}", hint=hint)
    with open(descriptor, "rb") as file:
        return file.read(MOST + 1)


def _ask(what: str, twice: bool) -> str:
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise OperatorError(
            f"{what} is asked for on a terminal, and there is none",
            hint="name where it is: fd:N, credential:NAME or file:PATH",
        ) from None
    os.close(terminal)
    # A server that starts has a handler that waits for its event loop, which waits for this.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        text = getpass.getpass(f"{what}: ")
        if twice and getpass.getpass(f"{what}, again: ") != text:
            raise OperatorError("the two are not the same", hint="nothing was changed; try again")
    except EOFError:
        text = ""
    finally:
        signal.signal(signal.SIGINT, before)
    if not text:
        raise OperatorError(f"{what} is empty", hint="nothing was changed; try again")
    return text
