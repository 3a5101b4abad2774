"""Both ends of a transfer: the database that a store is in, and the one that it is carried to."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import msgspec

from keystead.domain.audit import Head
from keystead.errors import OperatorError
from keystead.store.database import Database
from keystead.store.holds import Hold
from keystead.store.sealed import Row
from keystead.store.transfer.order import Carried


class End(ABC):
    """A database that nobody else uses meanwhile. What fails in it is a StoreFailure, or an OperatorError of this end."""

    shown: str  # for people

    @property
    @abstractmethod
    def database(self) -> Database:
        """The database, as repositories use it."""

    @abstractmethod
    def tables(self) -> frozenset[str]:
        """The names of all tables."""

    @abstractmethod
    def columns(self, table: str) -> tuple[str, ...]:
        """All columns of a table."""

    @abstractmethod
    def latest_position(self, table: str) -> int:
        """The largest position that was ever given to a row of it; 0 for none."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """All within is of one moment, or happens at once; of the source it is only read."""

    @abstractmethod
    def close(self) -> None:
        """Let others use it again."""

    def has(self, table: Carried) -> bool:
        """Whether there is such a table."""
        return table.name in self.tables()

    def count(self, table: Carried) -> int:
        """How many rows it has."""
        ((found,),) = self.database.rows(f"SELECT count(*) FROM {table.source}")  # noqa: S608 - our own names
        return int(found)

    def rows(self, table: Carried, columns: Sequence[str], after: Row | None, limit: int) -> list[Row]:
        """The next rows behind the one of this key, in the order of their keys."""
        key = ", ".join(table.key)
        where = "" if after is None else f" WHERE ({key}) > ({', '.join('?' * len(after))})"
        return self.database.rows(
            f"SELECT {', '.join(columns)} FROM {table.source}{where} ORDER BY {key} LIMIT ?",  # noqa: S608 - our own names
            (*(after or ()), limit),
        )

    def ends(self) -> dict[str, Head]:
        """Every chain of records there is, and its last one."""
        rows = self.database.rows(
            "SELECT chain, sequence, hash FROM audit JOIN "
            "(SELECT chain AS name, max(sequence) AS last FROM audit GROUP BY chain) AS ends "
            "ON chain = name AND sequence = last ORDER BY chain"
        )
        return {str(chain): Head(sequence, bytes(link)) for chain, sequence, link in rows}


class Occupied(OperatorError):
    """There is a store in a place that was to be empty."""


class Source(End):
    """Where a store is. `moved` says where it was moved to, if it was."""

    moved: Hold | None

    @abstractmethod
    def latest_revision(self) -> int:
        """The latest that is known beside the sealed record; 0 for none."""

    @abstractmethod
    def hold(self, moved: Hold) -> None:
        """Keep everybody from using it, from here on for ever."""


class Target(End):
    """Where a store is carried to. `begun` is how far an earlier try came."""

    begun: Hold | None
    emptied: str  # how it is made empty again

    @abstractmethod
    def begin(self, hold: Hold, now: int) -> None:
        """Begin a copy here. OperatorError if there is anything here."""

    @abstractmethod
    def put(self, table: Carried, columns: Sequence[str], rows: Sequence[Row], hold: Hold) -> None:
        """Write rows, and how far it has come, at once."""

    @abstractmethod
    def filled(self, table: Carried) -> None:
        """All rows of a table are there."""

    @abstractmethod
    def keep(self, hold: Hold) -> None:
        """In a transaction: note how far it has come."""

    @abstractmethod
    def go_on_from(self, positions: Mapping[str, int]) -> None:
        """In a transaction: the next row of each table gets a larger position than this."""

    @abstractmethod
    def chain_of(self, server: str) -> str:
        """What the first chain of this server is called here."""

    @abstractmethod
    def begin_chain(self, server: str, now: int, ends: Mapping[str, Head]) -> None:
        """In a transaction: have a server that there never was before, beside the chains that end so."""

    @abstractmethod
    def at_revision(self, revision: int) -> None:
        """In a transaction: note that the sealed record is at this one."""

    @abstractmethod
    def finish(self) -> None:
        """Let it be used from here on, and close it."""


def packed(key: Row) -> bytes:
    """The key of a row, to be kept."""
    return msgspec.msgpack.encode(key)


def unpacked(key: bytes) -> Row | None:
    """What was packed; None for nothing."""
    return tuple(msgspec.msgpack.decode(key)) if key else None
