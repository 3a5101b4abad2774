"""Which texts are good, with the rule in words, so that no message shows a regular expression; and which word was meant."""

import difflib
import re
from collections.abc import Callable, Sequence

from keystead.networks import network


class Form:
    """A regular expression, or a test, and what it admits, in words: `an account is WORDS`."""

    __slots__ = ("_test", "words")

    def __init__(self, rule: str | Callable[[str], bool], words: str) -> None:
        self._test: Callable[[str], object] = re.compile(rule).fullmatch if isinstance(rule, str) else rule
        self.words = words

    def fits(self, text: str) -> bool:
        """Whether a text as a whole is of this form."""
        return bool(self._test(text))


# Words of other programs, and of people, with what they stand for here, the likelier first; () where the words that look
# alike are far from what was meant. `nearest` takes the first that is known where it is asked.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    # operations
    "deletekey": ("ScheduleKeyDeletion",), "rotatekey": ("CreateKeyVersion",), "getkey": ("DescribeKey",),
    "createdatakey": ("GenerateDataKey",), "generatekey": ("CreateKey",),
    # commands
    "start": ("serve",), "server": ("serve", "ENDPOINT"), "ls": ("ListKeys", "list"), "list": ("ListKeys",),
    # options
    "--port": ("--listen",), "--url": ("--endpoint",), "--host": ("--endpoint", "--listen"), "--cacert": ("--ca",),
    "--watch": (), "--json": ("--output",), "json": ("output",), "-o": ("--output",), "-v": ("--version",),
    # variables
    "url": ("ENDPOINT",), "addr": ("ENDPOINT",), "address": ("ENDPOINT",), "host": ("ENDPOINT",),
    "ca": ("CA_FILE",), "cacert": ("CA_FILE",), "ca_cert": ("CA_FILE",), "port": ("LISTEN",), "profile": (),
}  # fmt: skip


def nearest(word: str, known: Sequence[str], alike: float = 0.6) -> str:
    """The known word that was probably meant, in whatever case it was written; "" for none.

    `alike` is how much they must have in common, 0 to 1, where it is no word that other programs have for it.
    """
    if (synonyms := _SYNONYMS.get(word.lower())) is not None:
        if found := next((one for one in synonyms if one in known), ""):
            return found
        if not synonyms:
            return ""
    by_lower = {one.lower(): one for one in reversed(known)}
    near = difflib.get_close_matches(word.lower(), list(by_lower), 1, alike)
    return by_lower[near[0]] if near else ""


def listed(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


ACCOUNT = Form(r"[0-9]{16}", "16 digits")
REGION = Form(
    r"(?=.{1,32}\Z)[a-z0-9]+(-[a-z0-9]+)*",
    "lower-case letters and digits, in words joined by hyphens, as cn-hangzhou; at most 32 characters",
)


def _some_addresses(text: str) -> bool:
    try:
        return network(text, strict=True).prefixlen > 0
    except ValueError:
        return False


NETWORK = Form(
    _some_addresses,
    "addresses, as 192.0.2.1, or networks from their first address on, as 192.0.2.0/24 or 2001:db8::/32; not all addresses",
)
