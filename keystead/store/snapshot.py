"""A database as readers use it: all that is committed, as of one moment."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from keystead.errors import OperatorError
from keystead.store.database import Database
from keystead.store.failures import StoreFailure

HashedRow = tuple[bytes, int, bytes, bytes]


class Unreadable(OperatorError, StoreFailure):
    """What is stored can't be read. A failure of the store to what reads as a server does, and else told as it is."""


class Snapshot(Database):
    """A connection that only reads. The moment is that of its first statement, and of the first one after `renew`.

    `place` is which database it is, for people. What fails is Unreadable.
    """

    place: str

    @abstractmethod
    def hashed(self, where: str, values: Sequence[Any]) -> list[HashedRow]:
        """Records in the order of the log, as they are verified: of each its chain, its sequence, what is hashed of it, and
        its hash. Whatever somebody put into a column, it is in what is hashed."""

    @abstractmethod
    def tables(self) -> set[str]:
        """The names of all tables."""

    @abstractmethod
    def damage(self) -> str:
        """What the database itself finds wrong with what it keeps, as far as it looks; "" for nothing."""

    @abstractmethod
    def renew(self) -> None:
        """Let go of this moment."""

    @abstractmethod
    def close(self) -> None: ...
