"""The servers that share a database, as the database knows them."""

from enum import StrEnum

import msgspec


class MemberState(StrEnum):
    """`LOST`: it did not say that it stops, and has no connection to the database."""

    RUNNING = "running"
    STOPPED = "stopped"
    LOST = "lost"
    RETIRED = "retired"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A server. `server` is a UUID, `name` that of its host, `epoch` how often it has started; times in seconds since 1970:
    of its last start, and when it was last there."""

    server: str
    name: str
    epoch: int
    started: int
    seen: int
    state: MemberState

    @property
    def chain(self) -> str:
        """The audit chain of its last run."""
        return chain_of(self.server, self.epoch)


def chain_of(server: str, epoch: int) -> str:
    """The audit chain of one run of a server that shares its database."""
    return f"{server}.{epoch}"


def is_shared(chain: str) -> bool:
    """Whether a chain is of such a server: one that has its database for itself has a single one."""
    return "." in chain
