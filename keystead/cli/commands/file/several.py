"""The same work for several files: one that fails does not stop the others."""

from collections.abc import Callable

from keystead.cli import output
from keystead.errors import OperatorError, Unreachable


def each(plans: list[tuple[str, str | None]], work: Callable[[str, str | None], None]) -> int:
    """Do the work for each file; the status is that of the first that failed. Without a server, none is tried further."""
    first = output.DONE
    for name, out in plans:
        try:
            work(name, out)
        except (Unreachable, output.WrongCommandLine):
            raise
        except OperatorError as problem:
            problem.message = f"{'standard input' if name == '-' else name}: {problem.message}"
            first = first or output.trouble(problem)
    return first
