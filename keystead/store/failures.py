"""How a store fails."""


class StoreFailure(Exception):
    """The store could not do its work now (disk full, I/O error, its files gone); the batch must be rolled back.

    The message is for the operator's log: what happened and to which file.
    """


class Superseded(StoreFailure):
    """Another server has changed what this batch believed, or accepted one of its requests first: it must be rolled back,
    and may be run anew. Nothing of it has left yet."""
