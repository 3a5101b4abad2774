"""Where a database is that servers share. Nothing here needs the library that speaks with PostgreSQL."""

from importlib import util
from typing import NamedTuple

from keystead.errors import OperatorError


class Place(NamedTuple):
    """Where the database is: a connection string of libpq, and its words for people, without what is secret."""

    conninfo: str
    shown: str

    def __repr__(self) -> str:
        return f"Place({self.shown!r})"


def check_library() -> None:
    """OperatorError if the library is not installed."""
    if util.find_spec("psycopg") is None:
        raise OperatorError(
            "a store on PostgreSQL needs the package psycopg, which is not installed",
            hint='pip install "keystead[postgresql]", into the environment of keystead',
        )
