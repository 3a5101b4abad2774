"""What the service asks of a store that several servers share; see `ports`, which has it, too."""

from typing import Protocol

from keystead.domain.audit import Head
from keystead.domain.members import Member


class Shared(Protocol):
    """What a store in a database that several servers share says of that database."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of its settings does not keep what is promised."""
        ...

    @property
    def skew(self) -> float:
        """Seconds by which the clock here is ahead of the database's, when they were last compared."""
        ...

    @property
    def connected(self) -> bool:
        """Whether there is a connection to it, as far as is known."""
        ...

    def problems(self) -> list[str]:
        """What keeps calls from being answered; nothing is []."""
        ...

    @property
    def size(self) -> int:
        """Bytes that it takes, when that was last asked for; 0: never yet."""
        ...

    def tend(self) -> None:
        """In a batch, now and then: compare the clocks, and find out whether this server may go on, else StoreFailure; once
        a minute look how it grows and how it is set, and keep that this server was there."""
        ...

    def members(self) -> tuple[Member, ...]:
        """All servers that ever joined, by their names."""
        ...

    def end(self, chain: str, after: int) -> tuple[Head, bool]:
        """The end of a chain, and whether a record of it behind this one does more than to note heads. Costs no scan."""
        ...

    def retire(self, server: str) -> None:
        """Let a server commit nothing from here on, and never start again; within a batch that changes something."""
        ...
