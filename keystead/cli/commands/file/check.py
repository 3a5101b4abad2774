"""`keystead file check`: whether files that rules protect are in the clear, in the work tree or in what git has staged."""

import argparse
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from keystead.cli import output
from keystead.cli.commands.file.reading import format_of, opened, walked
from keystead.cli.commands.file.rules import NAME, Finder, Rule
from keystead.errors import OperatorError

_READ_BYTES = (16 << 20) + 1  # what is larger holds no encrypted values
_REGULAR = ("100644", "100755")  # git's modes; links and submodules have no content of their own
# What no setting of the user's changes: names as they are, from the top.
_STAGED = (
    *("--literal-pathspecs", "diff", "--cached", "--diff-filter=ACMT", "--raw", "-z"),
    *("--no-abbrev", "--no-renames", "--no-relative", "--no-ext-diff", "--"),
)
_SHOWN_PATHS = 5


def check(args: argparse.Namespace) -> int:
    """Name each protected file that is in the clear; the status is 1 if there is one."""
    if not args.staged and not args.places:
        raise output.WrongCommandLine(
            "there is nothing to check", hint="name files or directories, or --staged"
        )
    for place in args.places:
        if place != "-" and not os.path.lexists(place):  # else a wrong name would pass for ever
            raise OperatorError(f"{place}: there is no such file or directory", hint="check the path")
    finder = Finder(staged=_staged_rules() if args.staged else None)
    failed = seen = ruled = protected = clear = 0
    for shown, path, content in _staged(args.places) if args.staged else _in_work_tree(args.places):
        found = finder.of(path)
        seen += 1
        ruled += found.source is not None
        if found.rule is None:
            continue
        protected += 1
        by = f" (by {found})" if args.verbose else ""
        try:
            problem = _problem(args, path, found.rule, content())
        except OperatorError as error:
            error.message = f"{shown}: {error.message}"
            status = output.trouble(error)
            failed = failed or status
            continue
        if problem:
            clear += 1
            output.line(f"{shown}: {problem}{by}")
        elif args.verbose:
            output.line(f"{shown}: not in the clear{by}")
    if finder.passed_by:
        raise OperatorError(
            f"not all was checked: {finder.passed_by[0]} is not trusted",
            hint="make it yours: chown, chmod o-w",
        )
    if seen and not ruled:
        raise OperatorError(
            f"there is no {NAME} above these files", hint="write one; its rules name what to protect"
        )
    if clear:
        files = "1 protected file is" if clear == 1 else f"{clear} protected files are"
        raise OperatorError(
            f"{files} in the clear", hint="encrypt what is named above: keystead file encrypt"
        )
    if failed or (args.staged and not args.verbose):  # a hook that finds nothing is silent
        return failed
    if protected or not seen:
        output.note(f"{protected} of {seen} files are under a rule, none in the clear")
    else:
        output.warning(
            f"nothing is protected: no rule of {NAME} matches any of the {seen} files that were looked at"
        )
    return output.DONE


def _problem(args: argparse.Namespace, path: str, rule: Rule, content: bytes) -> str:
    from keystead.files.inspection import clear_parts

    form = format_of(args, path)
    clear = clear_parts(content, form, rule.is_wanted if rule.values else None)
    if clear is None:
        untold = rule.values and form is None
        return "its name does not tell its format: give --format" if untold else "it is not encrypted"
    more = f" and {len(clear) - _SHOWN_PATHS} more" if len(clear) > _SHOWN_PATHS else ""
    return f"in the clear: {', '.join(clear[:_SHOWN_PATHS])}{more}" if clear else ""


class _Content:
    """Reads the content when it is needed: most files are under no rule."""

    def __init__(self, path: str, blob: str = "") -> None:
        self._path = path
        self._blob = blob

    def __call__(self) -> bytes:
        if self._blob:
            return _git("cat-file", "blob", self._blob)
        with opened(self._path) as source:
            try:
                return source.read(_READ_BYTES)
            except OSError as error:
                raise OperatorError(f"cannot read it: {error.strerror}", hint="check the disk") from None


def _in_work_tree(places: list[str]) -> Iterator[tuple[str, str, _Content]]:
    for path in walked(places):
        yield path, path, _Content(path)


def _top() -> Path:
    return Path(os.fsdecode(_git("rev-parse", "--show-toplevel").removesuffix(b"\n")))


def _staged_rules() -> dict[Path, bytes]:
    """The rules as they would be committed with the files, whatever the work tree has in the meantime."""
    top = _top()
    found = {}
    for entry in os.fsdecode(_git("ls-files", "--stage", "-z", folder=top)).split("\0"):
        words, _, path = entry.partition("\t")
        if path.rpartition("/")[2] == NAME and words.split(" ")[0] in _REGULAR:
            found[top / path] = _git("cat-file", "blob", words.split(" ")[1])
    return found


def _staged(places: list[str]) -> Iterator[tuple[str, str, _Content]]:
    top = _top()
    listed = _git(*_STAGED, *places)
    words = listed.decode(errors="surrogateescape").split("\0")
    for entry, path in zip(words[::2], words[1::2], strict=False):
        _, mode, _, blob, _ = entry.split(" ")
        if mode in _REGULAR:
            yield path, str(top / path), _Content(path, blob)


def _git(*words: str, folder: Path | None = None) -> bytes:
    try:
        ended = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    except OSError as error:
        raise OperatorError(f"git cannot be started: {error.strerror}", hint="--staged needs git") from None
    if ended.returncode:
        told = ended.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise OperatorError(
            f"git {' '.join(words[:2])} failed: {told}", hint="--staged is for a git repository"
        )
    return ended.stdout
