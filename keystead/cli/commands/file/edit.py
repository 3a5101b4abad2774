"""`keystead file edit`: the plaintext is in memory for as long as the editor runs, and never on a disk."""

import argparse
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from keystead.cli import child_process, output, target
from keystead.cli.commands.file.reading import SUFFIX, context_of, format_of, opened
from keystead.cli.commands.file.writing import write_back
from keystead.cli.memory_files import private_directory
from keystead.errors import OperatorError

if TYPE_CHECKING:
    from keystead.client.kms import Kms
    from keystead.files.config_values import Value
    from keystead.files.formats.spans import Format

_BYTES = 16 << 20  # what anybody edits by hand


class _Content(NamedTuple):
    """The file in the clear, and under which keys it was. `form` is None unless its values are encrypted."""

    plaintext: bytes
    key_ids: set[str]
    form: "Format | None"
    values: "dict[str, Value]"


def edit(args: argparse.Namespace) -> int:
    """Decrypt, edit, encrypt. A file that was not changed is not written."""

    context = context_of(args.context)
    path = Path(args.file)
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    if args.file == "-":
        raise output.WrongCommandLine("standard input cannot be edited", hint="name a file")
    with (
        opened(args.file) as source,
        child_process.signals_raise(),
        target.kms(args) as kms,
        private_directory(args.on_disk) as place,
    ):
        content = _content(path, source)
        found = _open(kms, context, content, format_of(args, args.file))
        key = _key(args.key, found)
        copy = place / (path.name.removesuffix(SUFFIX) or "file")
        copy.touch(mode=0o600)
        copy.write_bytes(found.plaintext)
        while True:
            _edit(editor, copy)
            changed = copy.read_bytes()
            if changed == found.plaintext:
                output.note("nothing was changed")
                return output.DONE
            try:
                with opened(args.file) as now:
                    if now.read(_BYTES + 1) != content:
                        raise OperatorError(
                            f"{path} was changed meanwhile", hint="leave this, and edit it again"
                        )
                write_back(iter([_seal(kms, key, context, changed, found)]), args.file, source)
            except OperatorError as problem:
                if not sys.stdin.isatty():
                    raise
                output.trouble(problem)
                output.note("press Enter to edit it again, or Ctrl-C to drop what was changed")
                sys.stdin.readline()
            else:
                return output.DONE


def _content(path: Path, source: BinaryIO) -> bytes:
    content = source.read(_BYTES + 1)
    if len(content) > _BYTES:
        raise OperatorError(f"{path} is too large to edit", hint="use keystead file decrypt and encrypt")
    # Before the editor runs: what was written in it would be lost.
    if not os.access(path.resolve().parent, os.W_OK):
        raise OperatorError(
            f"{path} cannot be written: its directory is not writable",
            hint="check the directory's permissions",
        )
    return content


def _open(kms: "Kms", context: Mapping[str, str], content: bytes, form: "Format | None") -> _Content:
    from keystead.files import config_values, decryption, encrypted_file

    if form is not None and decryption.holds_values(content, form):
        text, found = config_values.decrypt(kms, context, config_values.text_of(content, form), form)
        key_ids = {value.key_id for value in found.values()}
        return _Content(plaintext=config_values.bytes_of(text), key_ids=key_ids, form=form, values=found)
    head = encrypted_file.read(io.BytesIO(content))
    plaintext = b"".join(encrypted_file.decrypt(kms, context, io.BytesIO(content)))
    key_id = kms.decrypt(head.blob, context).key_id
    return _Content(plaintext=plaintext, key_ids={key_id}, form=None, values={})


def _seal(kms: "Kms", key: str, context: Mapping[str, str], changed: bytes, found: _Content) -> bytes:
    from keystead.files import config_values, encrypted_file

    if found.form is None:
        if not changed and found.plaintext:
            raise OperatorError("nothing is left in it", hint="remove the file if that is what you want")
        return b"".join(encrypted_file.encrypt(kms, key, context, io.BytesIO(changed)))
    text = config_values.text_of(changed, found.form)
    if found.values and not config_values.all_paths(text, found.form):
        raise OperatorError("there is no value left in it", hint="remove the file if that is what you want")
    # A value that stood there in the clear stays so; a new one is encrypted.
    left = {path for path in _paths(found) if path not in found.values}
    sealed = config_values.encrypt(
        kms, key, context, text, found.form, lambda path: path not in left, found.values
    )
    return config_values.bytes_of(sealed)


def _paths(found: _Content) -> list[str]:
    from keystead.files.config_values import all_paths, text_of

    assert found.form is not None
    return all_paths(text_of(found.plaintext, found.form), found.form)


def _key(named: str | None, found: _Content) -> str:
    if named:
        return named
    if len(found.key_ids) > 1:
        raise OperatorError(
            "its values are under several keys", hint=f"name one for what is new: --key {min(found.key_ids)}"
        )
    return next(iter(found.key_ids))


def _edit(editor: list[str], copy: Path) -> None:
    try:
        status = subprocess.run([*editor, str(copy)], check=False).returncode
    except OSError as error:
        raise OperatorError(
            f"the editor {editor[0]!r} cannot be started: {error.strerror}", hint="set VISUAL or EDITOR"
        ) from None
    if status:
        raise OperatorError(f"the editor ended with status {status}", hint="the file is as it was")
