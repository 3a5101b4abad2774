"""What `keystead kms` sends for the value of a parameter: the word itself, or the content of the file that it names."""

import re
import shlex
import sys
from pathlib import Path

from keystead.cli import output, streams
from keystead.errors import OperatorError

_ENCRYPTED = "Plaintext"
_BINARY = "fileb://"  # of the vendor's CLI and AWS's: nothing else begins so
_LIKE_A_FILE = re.compile(rf"{_BINARY}|@|<|(?:file|fileb)[:=](?://)?", re.IGNORECASE)
_FILE_BYTES = 1 << 20  # far more than any parameter may have


def _check_literal(name: str, text: str) -> None:
    """WrongCommandLine for how other programs are told to read a file: it would be sent as it stands there."""
    if name == _ENCRYPTED and _is_file(text):
        # A secret may well be a word that is a file's name, too.
        output.warning(
            f"the name of a file is encrypted, not what is in it: write --{name} {shlex.quote(f'file:{text}')} to read "
            "the file; --literal says that the name is meant"
        )
        return
    found = _LIKE_A_FILE.match(text)
    if found is None:
        return
    path = text[found.end() :]
    if not _is_file(path) and text.startswith("@"):
        # A password may well begin so.
        output.warning(
            f"the value of --{name} begins with @, and there is no such file: it is sent as it is; "
            "--literal says that this is meant"
        )
        return
    if not _is_file(path) and not text.startswith(_BINARY):
        return
    # Nothing of the value is shown that is not the name of a file: it may be a secret.
    shown = shlex.quote(f"file:{path}") if _is_file(path) else "file:PATH"
    raise output.WrongCommandLine(
        f"the value of --{name} names a file, and would be sent instead of what is in it",
        hint=f"to read the file write --{name} {shown}; --literal sends the value as it is",
    )


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False  # too long for a name, or with a character that none has


def value(name: str, text: str, literal: bool = False, binary: bool = False) -> str:
    """What is sent for a value of the command line: as it is, or what is in the file or on standard input that it names."""
    if literal or (text != "-" and not text.startswith("file:")):
        if not literal:
            _check_literal(name, text)
        if not output.is_text(text):
            # The value itself is not shown: it may be a secret.
            raise output.WrongCommandLine(
                f"the value of --{name} is not UTF-8 text", hint="encode it as base64"
            )
        return text
    where = "standard input" if text == "-" else text[5:]
    if where.startswith("//") and not _is_file(where) and _is_file(where[2:]):
        where = where[2:]  # file://PATH, as others write it
    try:
        if text == "-":
            streams.check_input()
            raw = sys.stdin.buffer.read(_FILE_BYTES + 1)
        else:
            with Path(where).open("rb") as file:
                raw = file.read(_FILE_BYTES + 1)
        if len(raw) > _FILE_BYTES:
            raise OperatorError(f"{where} is larger than any parameter may be", hint=f"check --{name}")
        decoded = raw.decode()
        # What wrote the file ended it with a line break; no base64 has any meaning there.
        return decoded.strip() if binary else decoded
    except OSError as error:
        raise OperatorError(f"cannot read {where}: {error.strerror}", hint=f"check --{name}") from None
    except UnicodeDecodeError:
        remedy = "encode it as base64" if binary or name == _ENCRYPTED else "save it as UTF-8"
        raise OperatorError(f"{where} is not UTF-8 text", hint=remedy) from None
