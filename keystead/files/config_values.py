"""Configuration files whose keys stay readable and whose values are ciphertext, each bound to its path in the file.

An encrypted value is `kms:` and its CiphertextBlob. Sealed is the value's spelling, quotes included, so that it comes back
as it was written; its encryption context is the caller's and, under `keystead:path`, the JSON pointer to the value.
"""

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from keystead.client.kms import Kms
from keystead.errors import DoesNotOpen, OperatorError
from keystead.files.config_formats import Format, Leaf, pointer
from keystead.files.encrypted_file import PLAINTEXT_BYTES, as_blob

PATH = "keystead:path"

_MARK = re.compile(r"\A([\"']?)kms:([A-Za-z0-9+/]+={0,2})\1\Z")


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One opened value: its spelling in the clear, what sealed it, and under which key. It has no repr."""

    spelling: str
    blob: str
    key_id: str

    def __repr__(self) -> str:
        return f"<Value of {self.key_id}>"


def text_of(content: bytes) -> str:
    """A configuration file's text, line ends and all; OperatorError if it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise OperatorError(
            f"it is not UTF-8 text (byte {error.start})",
            hint="encrypt the file as a whole: leave --values out",
        ) from None


def sealed_values(text: str, form: Format) -> dict[str, str]:
    """The CiphertextBlob of every encrypted value, by its path."""
    return {pointer(leaf.path): blob for leaf, blob in _marked(text, form)}


def _marked(text: str, form: Format) -> Iterator[tuple[Leaf, str]]:
    for leaf in form.leaves(text):
        if (blob := _blob(text[leaf.start : leaf.end])) is not None:
            yield leaf, blob


def _blob(spelling: str) -> str | None:
    found = _MARK.match(spelling)
    return as_blob(found[2].encode()) if found else None


def encrypt(
    kms: Kms,
    key: str,
    context: Mapping[str, str],
    text: str,
    form: Format,
    wanted: Callable[[str], bool],
    before: Mapping[str, Value],
) -> str:
    """The text with every wanted value encrypted; what is encrypted already stays.

    A value that is in `before` with the same path, spelling and key keeps its ciphertext, so that a difference between two
    encrypted files is one between their values.
    """
    _check_context(context)
    leaves = form.leaves(text)
    paths = [pointer(leaf.path) for leaf in leaves]
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise OperatorError(f"the value {path} is there twice", hint="remove one of them")
    key_id = kms.key(key)["KeyId"] if before else ""
    changes = []
    for leaf, path in zip(leaves, paths, strict=True):
        spelling = text[leaf.start : leaf.end]
        if not spelling or not wanted(path) or _blob(spelling) is not None:
            continue
        if len(spelling.encode()) > PLAINTEXT_BYTES:
            raise OperatorError(
                f"the value {path} is longer than {PLAINTEXT_BYTES} bytes",
                hint="encrypt the file as a whole: leave --values out",
            )
        old = before.get(path)
        if old is not None and (old.spelling, old.key_id) == (spelling, key_id):
            blob = old.blob
        else:
            blob = kms.encrypt(key, spelling, {**context, PATH: path})
        changes.append((leaf, f"{form.quote}kms:{blob}{form.quote}"))
    changed = _replaced(text, changes)
    # Whatever else a parser may see in this text: it must be the same values at the same places.
    if [leaf.path for leaf in form.leaves(changed)] != [leaf.path for leaf in leaves]:
        raise OperatorError(
            "its layout cannot be kept", hint="encrypt the file as a whole: leave --values out"
        )
    return changed


def replaced(text: str, form: Format, new: Callable[[str, str], str]) -> str:
    """The text with another CiphertextBlob for each value: `new(path, blob)`."""
    changes = []
    for leaf, blob in _marked(text, form):
        spelling = text[leaf.start : leaf.end]
        changes.append((leaf, spelling.replace(blob, new(pointer(leaf.path), blob))))
    return _replaced(text, changes)


def decrypt(kms: Kms, context: Mapping[str, str], text: str, form: Format) -> tuple[str, dict[str, Value]]:
    """The text with every value as it was written, and the values by their paths."""
    _check_context(context)
    changes, values = [], {}
    for leaf, blob in _marked(text, form):
        path = pointer(leaf.path)
        try:
            opened = kms.decrypt(blob, {**context, PATH: path})
        except DoesNotOpen as problem:
            raise DoesNotOpen(
                f"the value {path} does not open",
                hint=f"it was moved, or {problem.hint.removeprefix('it is ')}",
            ) from None
        changes.append((leaf, opened.text))
        values[path] = Value(spelling=opened.text, blob=blob, key_id=opened.key_id)
    return _replaced(text, changes), values


def _replaced(text: str, changes: list[tuple[Leaf, str]]) -> str:
    pieces, at = [], 0
    for leaf, spelling in changes:
        pieces += [text[at : leaf.start], spelling]
        at = leaf.end
    return "".join([*pieces, text[at:]])


def _check_context(context: Mapping[str, str]) -> None:
    if PATH in context:
        raise OperatorError(f"--context {PATH} is set by this program", hint="leave it out")
