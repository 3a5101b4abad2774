"""The places that a store can be copied between: data directories, and databases that servers share."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from keystead.clock import Clock
from keystead.errors import OperatorError, WrongSetting
from keystead.server.data import node
from keystead.server.data.directory import DataDirectory
from keystead.server.data.moved import files_of
from keystead.server.data.store_choice import SCHEMES
from keystead.server.data.store_place import SharedPlace, place_of
from keystead.store.transfer.ends import Source, Target
from keystead.store.transfer.sqlite_ends import SqliteSource, SqliteTarget

Place = DataDirectory | SharedPlace
_MISTYPED = tuple(one.removesuffix("//") for one in SCHEMES)


def places(source: str, target: str, password_file: str) -> tuple[Place, Place]:
    """What both texts mean. WrongSetting if they mean nothing, or a store can't be copied from one to the other."""
    found = _place(source, password_file), _place(target, password_file)
    if all(isinstance(one, DataDirectory) for one in found):
        raise WrongSetting(
            "both places are data directories",
            hint="keystead backup and keystead restore make another directory; to move one, stop its server and mv it",
        )
    if isinstance(found[0], SharedPlace) and found[0] == found[1]:
        raise WrongSetting("both places are the same", hint="name another database with --to")
    return found


def named(place: Place) -> str:
    """As a setting names it; nothing of it is secret."""
    return str(place.path) if isinstance(place, DataDirectory) else place.choice.text


@contextmanager
def open_source(place: Place) -> Iterator[Source]:
    """The store there, which nobody else uses meanwhile. OperatorError if it can't be had."""
    if isinstance(place, DataDirectory):
        place.check_access()
        if not (place.database.exists() or place.moved.exists()):
            raise OperatorError(f"there is no data in {place.path}", hint="name a data directory with --from")
        with _locked(place), closing(SqliteSource(files_of(place), str(place.path))) as source:
            yield source
        return
    # Late: it needs a library that a data directory does without.
    from keystead.store.transfer.postgresql_ends import PostgresSource

    with closing(PostgresSource(place.place)) as source:
        yield source


@contextmanager
def open_target(place: Place, clock: Clock, *, trial: bool) -> Iterator[Target]:
    """The empty place there, or the copy that was begun; nobody else uses it meanwhile. OperatorError if it is neither."""
    if isinstance(place, DataDirectory):
        place.prepare()
        if place.restoring.exists():
            raise OperatorError(
                f"a restore into {place.path} did not come to its end",
                hint="name another directory with --to",
            )
        if trial and node.joined(place) is not None:
            raise OperatorError(
                f"{place.path} is of a server that shares a database, and would be so no longer",
                hint="name a new directory with --to",
            )
        with _locked(place), closing(SqliteTarget(files_of(place), str(place.path))) as target:
            yield target
        return
    from keystead.store.transfer.postgresql_ends import PostgresTarget

    with closing(PostgresTarget(place.place, int(clock.now()))) as target:
        yield target


def _place(text: str, password_file: str) -> Place:
    if text.startswith(SCHEMES):
        shared = place_of(text, password_file)
        assert shared is not None
        return shared
    if not text or "://" in text or text.startswith(_MISTYPED):
        raise WrongSetting(
            "a place is a data directory, or a database, which begins with postgresql://",
            hint="for example postgresql://keystead@db.example.com/keystead",
        )
    return DataDirectory(text)


@contextmanager
def _locked(directory: DataDirectory) -> Iterator[None]:
    directory.lock()
    try:
        yield
    finally:
        directory.unlock()
