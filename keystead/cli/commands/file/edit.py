"""`keystead file edit`: the plaintext is in memory for as long as the editor runs, and never on a disk."""

import argparse
import io
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from keystead.cli import child_process, output, target
from keystead.cli.commands.file.reading import SUFFIX, context_of, format_of, opened
from keystead.cli.commands.file.rules import Finder
from keystead.cli.commands.file.writing import write_back
from keystead.cli.memory_files import in_memory, private_directory
from keystead.errors import OperatorError
from keystead.files.temporary_folder import names

if TYPE_CHECKING:
    from keystead.client.kms import Kms
    from keystead.files.config_values import Value
    from keystead.files.formats.spans import Format, Leaf

_RECOVERY_S = 1
_BYTES = 16 << 20  # what anybody edits by hand


class _Content(NamedTuple):
    """The file in the clear, and under which keys it was. `form` is None unless its values are encrypted."""

    plaintext: bytes
    key_ids: set[str]
    form: "Format | None"
    values: "dict[str, Value]"


class _GivenUp(Exception):
    """The person gave up what was typed."""


def edit(args: argparse.Namespace) -> int:
    """Decrypt, edit, encrypt. A file that was not changed is not written, and what was typed in vain is kept in memory."""
    context = context_of(args.context)
    path = Path(args.file)
    if args.file == "-":
        raise output.WrongCommandLine("standard input cannot be edited", hint="name a file")
    editor = _editor()
    copy: Path | None = None
    before, settled = b"", False

    def kept(place: Path) -> bool:
        """Whether something may have been typed in vain: in the copy, or in a file that the editor made beside it."""
        if settled or copy is None:
            return False
        try:
            return bool(names(place) - {copy.name}) or (copy.exists() and copy.read_bytes() != before)
        except OSError:
            return True

    with (
        opened(args.file) as source,
        child_process.signals_raise(),
        target.kms(args) as kms,
        private_directory(args.on_disk, kept, _tell) as place,
    ):
        content = _content(path, source)
        found = _open(kms, context, content, format_of(args, args.file))
        key = args.key or _key(args.file, found)
        before = found.plaintext
        made = place.path / (path.name.removesuffix(SUFFIX) or "file")
        made.touch(mode=0o600)
        made.write_bytes(before)
        copy = made

        def save(changed: bytes) -> None:
            nonlocal settled
            with opened(args.file) as now:
                if now.read(_BYTES + 1) != content:
                    raise OperatorError(f"{path} was changed meanwhile", hint="leave this, and edit it again")
            write_back(iter([_seal(kms, key, context, changed, found)]), args.file, source)
            settled = True

        try:
            _edit_until_saved(editor, copy, place.lock, before, save)
        except _GivenUp:
            settled = True
            raise KeyboardInterrupt from None
        settled = True
        return output.DONE


def _tell(place: Path) -> None:
    """Of a directory that stays."""
    where = "in memory until you log out or the machine restarts" if in_memory(place) else "on a disk"
    with suppress(OSError):  # the terminal may be gone
        shown = ", ".join(str(place / name) for name in sorted(names(place)))
        output.warning(
            f"what was typed is not saved; it is in the clear in {shown}, {where}: use it, and remove {place}"
        )


def _edit_until_saved(
    editor: list[str], copy: Path, lock: int, before: bytes, save: Callable[[bytes], None]
) -> None:
    while True:
        _edit(editor, copy, lock)
        changed = copy.read_bytes()
        if changed == before:
            output.note("nothing was changed")
            return
        try:
            save(changed)
        except OperatorError as problem:
            if not sys.stdin.isatty():
                raise
            try:
                output.trouble(problem)
                output.note("press Enter to edit it again, or Ctrl-C to drop what was changed")
                sys.stdin.readline()
            except child_process.Ended:
                raise
            except OSError:  # the terminal is gone
                raise problem from None
            except KeyboardInterrupt:
                raise _GivenUp from None
        else:
            return


def _content(path: Path, source: BinaryIO) -> bytes:
    if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        raise OperatorError(f"{path} is a device or a pipe", hint="name a file")
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
    if form is not None and decryption.holds_nothing(content, form):
        return _Content(plaintext=content, key_ids=set(), form=form, values={})
    head = encrypted_file.read(io.BytesIO(content))
    plaintext = b"".join(encrypted_file.decrypt(kms, context, io.BytesIO(content)))
    key_id = kms.decrypt(head.blob, context).key_id
    return _Content(plaintext=plaintext, key_ids={key_id}, form=None, values={})


def _seal(kms: "Kms", key: str, context: Mapping[str, str], changed: bytes, found: _Content) -> bytes:
    from keystead.files import config_values, encrypted_file
    from keystead.files.formats.spans import pointer

    if found.form is None:
        if not changed and found.plaintext:
            raise OperatorError("nothing is left in it", hint="remove the file if that is what you want")
        return b"".join(encrypted_file.encrypt(kms, key, context, io.BytesIO(changed)))
    text = config_values.text_of(changed, found.form)
    if found.values and not config_values.values(text, found.form):
        raise OperatorError("there is no value left in it", hint="remove the file if that is what you want")
    before = config_values.text_of(found.plaintext, found.form)
    left = {
        leaf.path: (before[leaf.start : leaf.end], leaf.pointers)
        for leaf in config_values.values(before, found.form)
        if pointer(leaf.path) not in found.values
    }

    def is_new(leaf: "Leaf") -> bool:
        """A value that stood there in the clear stays so, unless it was changed and has a name that it had not."""
        spelling, pointers = left.get(leaf.path, ("", []))
        return text[leaf.start : leaf.end] != spelling and not set(leaf.pointers) <= set(pointers)

    sealed, _ = config_values.encrypt(kms, key, context, text, found.form, is_new, found.values)
    return config_values.bytes_of(sealed)


def _key(name: str, found: _Content) -> str:
    if not found.key_ids:
        if key := Finder().of(name).key:
            return key
        raise OperatorError("no value in it is encrypted yet", hint="name the key of what is new with --key")
    if len(found.key_ids) > 1:
        raise OperatorError(
            "its values are under several keys", hint=f"name one for what is new: --key {min(found.key_ids)}"
        )
    return next(iter(found.key_ids))


def _editor() -> list[str]:
    named = os.environ.get("VISUAL", "").strip() or os.environ.get("EDITOR", "").strip() or "vi"
    try:
        return shlex.split(named)
    except ValueError:
        raise OperatorError(
            "VISUAL or EDITOR opens quotes and does not close them", hint="correct the variable"
        ) from None


def _edit(editor: list[str], copy: Path, lock: int) -> None:
    try:
        # Ctrl-C and Ctrl-\ are the editor's meanwhile: it gets them from the terminal too.
        with child_process.handled((signal.SIGINT, signal.SIGQUIT), lambda *_: None):
            # With the lock: should we be killed, the copy stays for as long as somebody looks at it.
            with subprocess.Popen([*editor, str(copy)], pass_fds=[lock]) as process:
                try:
                    status = process.wait()
                except child_process.Ended as ended:
                    # It may keep what was typed and not saved in a file for its recovery.
                    child_process.pass_on(ended.number, process)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_RECOVERY_S)
                    process.kill()
                    raise
    except OSError as error:
        raise OperatorError(
            f"the editor {editor[0]!r} cannot be started: {error.strerror}", hint="set VISUAL or EDITOR"
        ) from None
    if status:
        raise OperatorError(f"the editor ended with status {status}", hint="the file is as it was")
    if not copy.is_file():
        raise OperatorError("the editor left no file", hint="the file is as it was")
