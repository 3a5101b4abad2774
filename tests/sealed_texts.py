"""Configuration files with every value encrypted, without a server: for tests of the formats."""

from collections.abc import Callable

from hypothesis import strategies as st

from keystead.files.formats.spans import Leaf, pointer

# What a value becomes: all letters that base64 has, and its padding.
SEALED = "kms:MDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAwAQ+/Zg=="


def values_in(text: str, leaves: Callable[[str], list[Leaf]]) -> list[tuple[str, str]]:
    """The path of each value, and the value as it stands there."""
    return [(pointer(leaf.path), text[leaf.start : leaf.end]) for leaf in leaves(text)]


def sealed(text: str, leaves: Callable[[str], list[Leaf]]) -> str:
    """The text with every value that is not empty encrypted."""
    pieces, at = [], 0
    for leaf in leaves(text):
        if leaf.end > leaf.start:
            pieces += [text[at : leaf.start], SEALED]
            at = leaf.end
    return "".join([*pieces, text[at:]])


def stays_sealed(text: str, leaves: Callable[[str], list[Leaf]]) -> None:
    """Assert that the encrypted text has the same paths, and is the text again when the values are put back."""
    before = leaves(text)
    changed = sealed(text, leaves)
    after = leaves(changed)
    assert [leaf.path for leaf in after] == [leaf.path for leaf in before]
    assert {changed[leaf.start : leaf.end] for leaf in after} <= {SEALED, ""}
    pieces, at = [], 0
    for new, old in zip(after, before, strict=True):
        pieces += [changed[at : new.start], text[old.start : old.end]]
        at = new.end
    assert "".join([*pieces, changed[at:]]) == text


PROPERTIES_TEXTS = st.lists(
    st.sampled_from(["a", "B", ".", "é", " ", " ", "\t", "\f", "=", "=", ":", "#", "!", "\\", "\\\n", "\\\r\n ", "\\u00e9", "\\n", "\n", "\n", "\r\n", "\r"]),
    max_size=30,
).map("".join)  # fmt: skip
