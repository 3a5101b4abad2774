"""Which server a data directory is of, among those that share a database: an id that it keeps, and where the database is."""

import msgspec

from keystead import owners
from keystead.entropy import Entropy, uuid4
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """`server` is a UUID, `store` the setting as it was last used, `epoch` how often the server has started; 0: never."""

    server: str
    store: str
    epoch: int = 0


def read(directory: DataDirectory) -> Node | None:
    """The server of a directory; None if it is of none that shares a database. OperatorError if that can't be read."""
    try:
        return msgspec.json.decode(directory.node.read_bytes(), type=Node)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OperatorError(
            f"cannot read {directory.node}: {error.strerror}", hint=owners.hint(directory.node)
        ) from None
    except msgspec.MsgspecError:
        raise OperatorError(
            f"{directory.node} is damaged: it says which server this directory is of",
            hint="put it back from a copy; or give the server a new data directory, with the same root key, and retire the "
            "one that this was: keystead node list",
        ) from None


def make(directory: DataDirectory, store: str, entropy: Entropy) -> Node:
    """The server of a directory, new if there was none."""
    found = read(directory) or Node(server=uuid4(entropy), store=store)
    return keep(directory, msgspec.structs.replace(found, store=store))


def keep(directory: DataDirectory, node: Node) -> Node:
    """Keep this from here on; gives it."""
    directory.write(directory.node, msgspec.to_builtins(node))
    return node


def joined(directory: DataDirectory) -> Node | None:
    """The server of a directory, if it ever was one of a database that is shared."""
    found = read(directory)
    return found if found is not None and found.epoch else None
