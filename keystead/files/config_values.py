"""Configuration files whose keys stay readable and whose values are ciphertext, each bound to its path in the file.

An encrypted value is `kms:` and its CiphertextBlob. Sealed is the value's spelling, quotes included, so that it comes back
as it was written; its encryption context is the caller's and, under `keystead:path`, the JSON pointer to the value.
`kms-latin1:` stands before a value whose bytes were not UTF-8: they are sealed as characters of ISO-8859-1.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from keystead.client.kms import Kms
from keystead.errors import DoesNotOpen, OperatorError
from keystead.files.encrypted_file import PLAINTEXT_BYTES, as_blob
from keystead.files.formats.spans import Format, Leaf, pointer, unkept

PATH = "keystead:path"

_MARK = re.compile(r"\A([\"']?)(kms|kms-latin1):([A-Za-z0-9+/]+={0,2})\1\Z")
_BYTES = re.compile("[\udc80-\udcff]")  # as text_of reads what is not UTF-8


class Value(NamedTuple):
    """One opened value: its spelling in the clear, what sealed it, and under which key. It has no repr."""

    spelling: str
    blob: str
    key_id: str

    def __repr__(self) -> str:
        return f"<Value of {self.key_id}>"


def text_of(content: bytes, form: Format) -> str:
    """A configuration file's text, line ends and all; OperatorError if it is not UTF-8 and its format needs that.

    In other formats a byte that is not UTF-8 is a lone surrogate, as in `os.fsdecode`; `bytes_of` gives it back.
    """
    try:
        return content.decode(errors="surrogateescape" if form.bytewise else "strict")
    except UnicodeDecodeError as error:
        raise OperatorError(
            f"it is not UTF-8 text (byte {error.start})",
            hint="encrypt the file as a whole: leave --values out",
        ) from None


def bytes_of(text: str) -> bytes:
    """What `text_of` made a text of."""
    return text.encode(errors="surrogateescape")


class Sealed(NamedTuple):
    """One encrypted value: where it stands, its blob, and whether its bytes are no UTF-8."""

    leaf: Leaf
    blob: str
    is_latin1: bool

    @property
    def path(self) -> str:
        """The JSON pointer to it."""
        return pointer(self.leaf.path)


def sealed_values(text: str, form: Format) -> dict[str, str]:
    """The CiphertextBlob of every encrypted value, by its path."""
    return {one.path: one.blob for one in _all_sealed(text, form)}


def all_paths(text: str, form: Format) -> list[str]:
    """The paths of all values, empty ones left out, in their order; of a file without content, none."""
    if not text.strip("\ufeff \t\r\n"):
        return []
    return [pointer(leaf.path) for leaf in form.leaves(text) if leaf.end > leaf.start]


def clear_values(text: str, form: Format) -> list[str]:
    """Those of them that are not encrypted."""
    sealed = sealed_values(text, form) if "kms" in text else {}
    return [path for path in all_paths(text, form) if path not in sealed]


def _all_sealed(text: str, form: Format) -> Iterator[Sealed]:
    for leaf in form.leaves(text):
        if (one := _sealed(text, leaf)) is not None:
            yield one


def _sealed(text: str, leaf: Leaf) -> Sealed | None:
    found = _MARK.match(text[leaf.start : leaf.end])
    blob = as_blob(found[3].encode()) if found else None
    return Sealed(leaf, blob, found[2] != "kms") if found and blob else None


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
    check_context(context)
    leaves = form.leaves(text)
    paths = [pointer(leaf.path) for leaf in leaves]
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise OperatorError(f"the value {path} is there twice", hint="remove one of them")
    key_id = kms.key(key)["KeyId"] if before else ""
    changes = []
    for leaf, path in zip(leaves, paths, strict=True):
        spelling = text[leaf.start : leaf.end]
        if not spelling or not wanted(path) or _sealed(text, leaf) is not None:
            continue
        is_latin1 = _BYTES.search(spelling) is not None
        plaintext = bytes_of(spelling).decode("latin-1") if is_latin1 else spelling
        if len(plaintext.encode()) > PLAINTEXT_BYTES:
            raise OperatorError(
                f"the value {path} is longer than {PLAINTEXT_BYTES} bytes",
                hint="encrypt the file as a whole: leave --values out",
            )
        old = before.get(path)
        if old is not None and (old.spelling, old.key_id) == (spelling, key_id):
            blob = old.blob
        else:
            blob = kms.encrypt(key, plaintext, {**context, PATH: path})
        mark = "kms-latin1" if is_latin1 else "kms"
        changes.append((leaf, f"{form.quote}{mark}:{blob}{form.quote}"))
    changed = _replaced(text, changes)
    # Whatever else a parser may see in this text: it must be the same values at the same places.
    if [leaf.path for leaf in form.leaves(changed)] != [leaf.path for leaf in leaves]:
        raise unkept()
    return changed


def replaced(text: str, form: Format, new: Callable[[str, str], str]) -> str:
    """The text with another CiphertextBlob for each value: `new(path, blob)`."""
    changes = []
    for one in _all_sealed(text, form):
        spelling = text[one.leaf.start : one.leaf.end]
        changes.append((one.leaf, spelling.replace(one.blob, new(one.path, one.blob))))
    return _replaced(text, changes)


def decrypt(kms: Kms, context: Mapping[str, str], text: str, form: Format) -> tuple[str, dict[str, Value]]:
    """The text with every value as it was written, and the values by their paths."""
    check_context(context)
    changes, values = [], {}
    for one in _all_sealed(text, form):
        try:
            opened = kms.decrypt(one.blob, {**context, PATH: one.path})
            spelling = _of_latin1(opened.text) if one.is_latin1 else opened.text
        except DoesNotOpen as problem:
            raise DoesNotOpen(
                f"the value {one.path} does not open",
                hint=f"it was moved, or {problem.hint.removeprefix('it is ')}",
            ) from None
        changes.append((one.leaf, spelling))
        values[one.path] = Value(spelling=spelling, blob=one.blob, key_id=opened.key_id)
    return _replaced(text, changes), values


def _replaced(text: str, changes: list[tuple[Leaf, str]]) -> str:
    pieces, at = [], 0
    for leaf, spelling in changes:
        pieces += [text[at : leaf.start], spelling]
        at = leaf.end
    return "".join([*pieces, text[at:]])


def _of_latin1(plaintext: str) -> str:
    try:
        return plaintext.encode("latin-1").decode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise DoesNotOpen("it is no text of ISO-8859-1", hint="its mark was changed") from None


def check_context(context: Mapping[str, str]) -> None:
    """OperatorError if the caller's context has the name under which a value's path is bound."""
    if PATH in context:
        raise OperatorError(f"--context {PATH} is set by this program", hint="leave it out")
