"""The same work for several files: one that fails does not stop the others, and it is said how many were done."""

import os
from collections.abc import Callable
from pathlib import Path

from keystead.cli import output
from keystead.cli.commands.file.reading import is_nameless
from keystead.errors import OperatorError, Unreachable

Plan = tuple[str, str | None]  # a file, and where it goes to; None leaves that to the command


def called(name: str) -> str:
    """A file as it is spoken of."""
    return "standard input" if name == "-" else name


def each(plans: list[Plan], work: Callable[[str, str | None], None]) -> int:
    """Do the work for each file; the status is that of the first that failed. Without a server, none is tried further."""
    first = output.DONE
    done = 0
    for name, out in plans:
        try:
            work(name, out)
            done += 1
        except output.WrongCommandLine:
            raise
        except Unreachable:
            if done:
                output.note(f"{done} of {len(plans)} files were done, the last before {called(name)}")
            raise
        except OperatorError as problem:
            problem.message = f"{called(name)}: {problem.message}"
            status = output.trouble(problem)
            first = first or status
    if first and len(plans) > 1:
        output.note(f"{done} of {len(plans)} files were done; those named above were not")
    return first


def plans(
    names: list[str], out: str | None, named: Callable[[str], str], alone: Callable[[str], str | None]
) -> list[Plan]:
    """Each file with where it goes to: `named` gives its name in a directory, `alone` its place without --out."""
    if names.count("-") > 1:
        raise output.WrongCommandLine("standard input can be read once only", hint="give one - only")
    if "" in names or out == "":
        raise output.WrongCommandLine(
            "the name of a file is empty", hint="is a variable of the shell not set?"
        )
    if len(names) > 1 and any(map(is_nameless, names)):
        raise output.WrongCommandLine("a pipe has no name among others", hint="give it alone")
    found: list[Plan]
    if out is None:
        found = [(name, alone(name)) for name in names]
    elif os.path.isdir(out):
        if "-" in names:
            raise output.WrongCommandLine(
                "standard input has no name in a directory", hint="name a file with -o"
            )
        found = [(name, str(Path(out) / named(Path(name).name))) for name in names]
    elif len(names) > 1:
        raise output.WrongCommandLine(
            f"{out} is no directory, and there are several files", hint="name a directory with -o"
        )
    elif out.endswith("/"):
        raise output.WrongCommandLine(f"there is no directory {out}", hint=f"make it: mkdir {out}")
    else:
        found = [(names[0], out)]
    taken: set[str] = set()
    for name, place in found:
        if place is None or place == "-":
            continue
        # Links of directories are followed, that of the file itself is replaced.
        real = os.path.join(os.path.realpath(os.path.dirname(place)), os.path.basename(place))
        if real in taken:
            what = f"{name} is named twice" if names.count(name) > 1 else f"two files would become {place}"
            raise output.WrongCommandLine(
                what, hint="give each file once, those of equal names one at a time"
            )
        taken.add(real)
    return found
