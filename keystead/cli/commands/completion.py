"""`keystead completion`: print the completions of a shell, which were made when this program was built."""

import argparse
import os
from pathlib import PurePath
from typing import TYPE_CHECKING

from keystead.cli import output
from keystead.errors import OperatorError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SHELLS = ("bash", "zsh", "fish")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "completion",
        help="print completions for bash, zsh or fish",
        description="Print what lets a shell complete commands, options, operations and their parameters. The first two "
        "examples belong in ~/.bashrc and, after compinit, in ~/.zshrc.",
        examples=(
            'eval "$(keystead completion bash)"',
            'eval "$(keystead completion zsh)"',
            "keystead completion fish > ~/.config/fish/completions/keystead.fish",
        ),
    )
    parser.add_argument("shell", metavar="SHELL", nargs="?", default="", help=", ".join(SHELLS))
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print them."""
    shell = PurePath(args.shell).name  # $SHELL is a path
    if shell not in SHELLS:
        used = PurePath(os.environ.get("SHELL", "")).name
        if meant := output.nearest(shell, SHELLS):
            hint = f"did you mean {meant}?"
        elif not shell and used in SHELLS:
            hint = f"write keystead completion {used}"
        else:
            hint = f"write one of keystead completion {', '.join(SHELLS)}"
        raise output.WrongCommandLine(
            f"there are no completions for {shell!r}" if shell else "no shell is named", hint=hint
        )
    try:
        script = folder().joinpath(f"keystead.{shell}").read_text("utf-8")
    except OSError:
        raise OperatorError(
            "this copy of keystead was not built, so it has no completions",
            hint="run make completions in its source tree, or install the wheel",
        ) from None
    output.text(script)
    return output.DONE


def folder() -> "Traversable":
    """Where the build has put them: in the package, which may be within an archive."""
    from importlib.resources import files

    return files("keystead.cli").joinpath("completions")
