"""Which program this is: the whole of it, or the client file that `make client` builds for hosts that only call a server."""

from importlib.util import find_spec

from keystead.cli.output import WrongCommandLine

CLIENT_COMMANDS = ("kms", "ram", "sts", "file", "exec")
WHOLE = find_spec("keystead.server") is not None


def needs_whole(what: str, hint: str = "") -> None:
    """WrongCommandLine if this is the client file."""
    if not WHOLE:
        raise WrongCommandLine(
            f"{what} is not in this file, which holds the client alone",
            hint=hint or "the package keystead has the rest; its page on installing says how to get it",
        )
