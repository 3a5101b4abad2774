"""Shares of a root key on paper: of n shares, any m make the key, and fewer say nothing of it (Shamir's secret sharing).

They are the words of SLIP-0039, so other programs that know it can put them together as well. Each share has a checksum, and
the key one that shows shares of different keys.
"""

import re
from collections.abc import Sequence

from keystead.crypto.root_key import SoftwareRootKey
from keystead.entropy import Entropy
from keystead.errors import OperatorError

LEAST, MOST = 2, 16  # SLIP-0039 has 4 bits for each number; a single share of one would be the key itself
WORDS = 33  # of a share of 32 bytes, and of no other length


class Share:
    """One share, read and found whole. It shows nothing of its words."""

    def __init__(self, words: str, name: str) -> None:
        """OperatorError if these are not the words of a share; `name` tells which one is meant."""
        check_library()
        from shamir_mnemonic.share import Share as Read
        from shamir_mnemonic.utils import MnemonicError
        from shamir_mnemonic.wordlist import WORDLIST

        # Four letters tell each word from all others, says the list's rule.
        spelled = {short: word for word in WORDLIST for short in (word, word[:4])}
        typed = re.findall(r"[^\W\d_]+", words.lower())
        found = [spelled.get(word, "") for word in typed]
        if "" in found:
            raise OperatorError(
                f"{name}: word {found.index('') + 1} is none of the list",
                hint="compare it with the paper, letter for letter",
            )
        if len(found) != WORDS:
            raise OperatorError(
                f"{name} has {len(found)} words, and a share has {WORDS}",
                hint="look for what is cut off, or twice",
            )
        try:
            self._read = Read.from_mnemonic(" ".join(found))
        except MnemonicError:
            raise OperatorError(
                f"{name} is not as it was written: its checksum does not fit",
                hint="compare its words with the paper, and their order",
            ) from None
        self.name = name
        self.number: int = self._read.index + 1
        self.needed: int = self._read.member_threshold

    def fits(self, other: "Share") -> bool:
        """Whether both are of one export."""
        return bool(self._read.group_parameters() == other._read.group_parameters())

    @property
    def words(self) -> str:
        """The words, for `combine`."""
        return str(self._read.mnemonic())


def split(root: SoftwareRootKey, needed: int, of: int) -> list[str]:
    """The words of `of` shares, any `needed` of which make the key. 2 ≤ needed ≤ of ≤ 16."""
    check_library()
    from shamir_mnemonic import generate_mnemonics

    (group,) = generate_mnemonics(1, [(needed, of)], root.reveal())
    return list(group)


def combine(shares: Sequence[Share], entropy: Entropy) -> SoftwareRootKey:
    """The root key. OperatorError for shares that are too few, twice the same, or of different exports."""
    check_library()
    from shamir_mnemonic import combine_mnemonics
    from shamir_mnemonic.utils import MnemonicError

    by_number: dict[int, Share] = {}
    for share in shares:
        if not share.fits(shares[0]):
            raise OperatorError(
                f"{share.name} and {shares[0].name} are of different exports",
                hint="take shares whose papers have the same date and fingerprint",
            )
        if (twin := by_number.setdefault(share.number, share)) is not share:
            raise OperatorError(
                f"{share.name} and {twin.name} are the same share, number {share.number}",
                hint="each share counts once",
            )
    needed = shares[0].needed if shares else LEAST
    if len(shares) < needed:
        raise OperatorError(
            f"{len(shares)} of the {needed} shares that are needed are here",
            hint="fewer say nothing of the key",
        )
    try:
        key = combine_mnemonics(share.words for share in shares[:needed])
    except MnemonicError:
        raise OperatorError(
            "these shares make no key: one of them is of another export, or was altered",
            hint="take shares whose papers have the same date and fingerprint",
        ) from None
    return SoftwareRootKey(key, entropy)


def check_library() -> None:
    """OperatorError if this machine can make no shares, and read none."""
    try:
        import shamir_mnemonic  # noqa: F401 - whether it is there
    except ImportError:
        raise OperatorError(
            "shares of a root key need the package shamir-mnemonic, which is not installed",
            hint='pip install "keystead[shares]", into the environment of keystead',
        ) from None
