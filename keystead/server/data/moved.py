"""What a data directory without its database tells: that a copy into it was cut off, or where its store is now."""

from keystead.errors import OperatorError
from keystead.server.data import node
from keystead.server.data.directory import DataDirectory
from keystead.store.transfer.sqlite_ends import Files, moved_to


def files_of(directory: DataDirectory) -> Files:
    """Where its databases are."""
    return Files(directory.database, directory.copying, directory.moved, directory.moved_to)


def refuse_moved(directory: DataDirectory) -> None:
    """OperatorError if its store is elsewhere, or is not whole yet; not of a server that has joined others since."""
    if directory.database.exists() or node.joined(directory) is not None:
        return
    if directory.copying.exists():
        raise OperatorError(
            f"a copy of a store into {directory.path} did not come to its end",
            hint="run the same keystead store copy again: it goes on from there",
        )
    if directory.moved.exists():
        hold = moved_to(files_of(directory))
        if hold is not None:
            raise hold.refusal(f"in {directory.path}")
        raise OperatorError(
            f"the store in {directory.path} was moved away, and {directory.moved_to} does not say where to",
            hint=f"look for it; {directory.moved} is what it was then",
        )
