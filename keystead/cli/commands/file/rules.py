"""`.keystead.toml`: the default key, and rules for the files below it.

It is looked for from a file's directory upwards, as far as the root of the git repository or the file system. As with
git's own files of patterns the nearest rule that matches counts, so none further down switches off those above. One that
another user owns, or that everybody may write, could choose a key that is not yours: it is passed by with a warning. It
never says which server is meant; that would send signed requests to where a stranger wants.
"""

import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from keystead.cli import output
from keystead.cli.commands.file.reading import SUFFIX
from keystead.errors import OperatorError

NAME = ".keystead.toml"
_BYTES = 1 << 20
_OF_SERVERS = {"endpoint", "server", "ca", "data", "region", "access-key", "access_key"}


class Rule(NamedTuple):
    """What is done with the files that `path` matches; they are not to be in the clear.

    `key` empty: the default one. `values`: value by value, all or those whose path matches one of `only`.
    """

    path: str
    key: str = ""
    values: bool = False
    only: tuple[str, ...] = ()

    def is_wanted(self, path: str) -> bool:
        """Whether the value at a JSON pointer is to be encrypted."""
        return matches(path, self.only)


class Rules(NamedTuple):
    """The whole file. Of several rules that match a file, the first counts."""

    key: str = ""
    rules: tuple[Rule, ...] = ()


class Found(NamedTuple):
    """What a file is under. `rule` is None where none matches.

    `source` is the file of the rule, else that of the key, else the nearest; None where there is none.
    `key_source` is that of the key.
    """

    source: Path | None = None
    key: str = ""
    key_source: Path | None = None
    rule: Rule | None = None

    def __str__(self) -> str:
        rule = f', rule "{self.rule.path}"' if self.rule else ""
        key = f", its key by {self.key_source}" if self.key_source not in (None, self.source) else ""
        return f"{self.source}{rule}{key}"


def matches(path: str, only: "tuple[str, ...] | list[str]") -> bool:
    """Whether a pattern of `only` matches the path of a value; without patterns every path is meant.

    One for a list, or for a key that stands more than once, is for each of its values: their paths end with a number.
    """
    if any(fnmatchcase(path, pattern) for pattern in only):
        return True
    whole, _, last = path.rpartition("/")
    return not only or (last.isdecimal() and any(fnmatchcase(whole, pattern) for pattern in only))


class Finder:
    """Finds the rules of files; each `.keystead.toml` is read once, and what is passed by is said once."""

    def __init__(self, *, needed: bool = True, staged: Mapping[Path, bytes] | None = None) -> None:
        """`needed`: whether a folder that may not be looked into is an error, since it could have rules.

        `staged`: the content of each `.keystead.toml` that git would commit; it counts instead of the work tree's.
        """
        self._needed = needed
        self._staged = staged or {}
        self._read: dict[Path, Rules | None] = {}
        self.passed_by: list[Path] = []

    def of(self, name: str) -> Found:
        """The rules of a file, `-` being one without a name in the current directory.

        No rule is for a file of rules itself: it has to be read before anything is decrypted.
        """
        place = Path(name)
        folder = Path(os.path.realpath("." if name == "-" else place.parent))
        nearest: Path | None = None
        found = Found()
        for directory in _upwards(folder):
            source = directory / NAME
            rules = self._rules(source)
            if rules is None:
                continue
            nearest = nearest or source
            key = rules.key
            if found.rule is None and name != "-" and place.name != NAME:
                inner = (folder / place.name.removesuffix(SUFFIX)).relative_to(directory).as_posix()
                rule = next((one for one in rules.rules if glob(one.path).match(inner)), None)
                if rule is not None:
                    found = found._replace(source=source, rule=rule)
                    key = rule.key or key
            if key and not found.key:
                found = found._replace(key=key, key_source=source)
            if found.rule and found.key:
                break
        return found._replace(source=found.source or found.key_source or nearest)

    def _rules(self, source: Path) -> Rules | None:
        if source not in self._read:
            self._read[source] = self._load(source)
        return self._read[source]

    def _load(self, source: Path) -> Rules | None:
        if source in self._staged:
            return read(self._staged[source], source)
        try:
            if _is_ours(source.lstat()):
                # A pipe of this name must not hold us up.
                with open(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                    if _is_ours(os.fstat(file.fileno())):
                        return read(file.read(_BYTES + 1) or b"", source)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if isinstance(error, PermissionError) and not self._needed:
                return None
            raise OperatorError(
                f"cannot read {source}: {error.strerror}",
                hint="check its permissions; it has the rules for files",
            ) from None
        output.warning(
            f"{source} is passed by: another user owns it, or everybody may write it; it would choose keys"
        )
        self.passed_by.append(source)
        return None


def read(content: bytes, source: Path) -> Rules:
    """The rules of a file's content; OperatorError names the file and what is wrong in it."""
    if len(content) > _BYTES:
        raise OperatorError(f"{source} is larger than 1 MiB", hint="it holds a key and a few rules")
    try:
        found = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperatorError(f"{source} is not valid TOML: {error}", hint="see https://toml.io") from None
    _check_members(found, _OF_FILE, f"{source}")
    tables: list[dict[str, Any]] = found.get("rules", [])
    for number, table in enumerate(tables, 1):
        _check_members(table, _OF_RULE, f"rule {number} of {source}")
        if "path" not in table:
            raise OperatorError(f"rule {number} of {source} has no path", hint="say which files it is for")
    rules = Rules(
        key=found.get("key", ""),
        rules=tuple(
            Rule(
                path=table["path"],
                key=table.get("key", ""),
                values=table.get("values", False),
                only=tuple(table.get("only", ())),
            )
            for table in tables
        ),
    )
    for rule in rules.rules:
        glob(rule.path)
    for number, rule in enumerate(rules.rules, 1):
        if rule.only and not rule.values:
            raise OperatorError(
                f"rule {number} of {source} has only without values", hint="add values = true"
            )
    return rules


class _Kind(NamedTuple):
    """What a member of the file may be."""

    words: str
    fits: Callable[[Any], bool]


_TEXT = _Kind("a text in quotes", lambda value: isinstance(value, str))
_TEXTS = _Kind("a list of texts", lambda value: isinstance(value, list) and all(map(_TEXT.fits, value)))
_SWITCH = _Kind("true or false", lambda value: isinstance(value, bool))
_TABLES = _Kind(
    "tables that begin with [[rules]]",
    lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
)
_OF_FILE = {"key": _TEXT, "rules": _TABLES}
_OF_RULE = {"path": _TEXT, "key": _TEXT, "values": _SWITCH, "only": _TEXTS}


def _check_members(table: dict[str, Any], known: dict[str, _Kind], where: str) -> None:
    for name, value in table.items():
        if name not in known:
            if name in _OF_SERVERS:
                hint = "a file of rules does not choose the server: use --endpoint, --data or the environment"
            elif near := output.nearest(name, list(known)):
                hint = f"did you mean {near}?"
            else:
                hint = f"there are {', '.join(known)}"
            raise OperatorError(f"{where} has an unknown member {name}", hint=hint)
        if not known[name].fits(value):
            raise OperatorError(f"{where} is not valid: {name}", hint=f"write {name} as {known[name].words}")


def glob(pattern: str) -> "re.Pattern[str]":
    """What a path below the directory of the rules is matched with: `*` and `?` within a name, `**` across directories.

    A pattern without a `/` matches in every directory; one that matches a directory is for all that is below.
    """
    if not pattern.strip("/") or set(pattern) & set("[]{}!\\"):
        raise OperatorError(
            f"the path {pattern!r} of a rule cannot be matched", hint="only *, ** and ? have a meaning in it"
        )
    parts = pattern.strip("/").split("/")
    if pattern != pattern.strip() or "//" in pattern or {".", ".."} & set(parts) or pattern.endswith(SUFFIX):
        raise OperatorError(
            f"the path {pattern!r} of a rule cannot be matched",
            hint=f"write it from the directory of {NAME}, without ., .., blanks at its ends and {SUFFIX}",
        )
    below = pattern + "**" if pattern.endswith("/") else pattern
    anchored = below.lstrip("/") if "/" in pattern.rstrip("/") else f"**/{below}"
    words = re.split(r"(\*\*/|\*\*|\*|\?)", anchored)
    meant = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    found = "".join(meant.get(word) or re.escape(word) for word in words)
    return re.compile(rf"{found}(?:/.*)?\Z", re.DOTALL)


def _upwards(folder: Path) -> Iterator[Path]:
    device: int | None = None
    for directory in (folder, *folder.parents):
        try:
            found = directory.stat().st_dev
        except (FileNotFoundError, NotADirectoryError):  # of a staged file; rules may be staged beside it
            yield directory
            continue
        except OSError:
            continue
        if device not in (None, found):
            return
        device = found
        yield directory
        if os.path.exists(directory / ".git"):  # in a folder that may not be looked into there is none
            return


def _is_ours(status: os.stat_result) -> bool:
    # As git's safe.directory: under sudo the files of who called it are meant too.
    ours = {0, os.geteuid()}
    if os.geteuid() == 0 and (caller := os.environ.get("SUDO_UID", "")).isdigit():
        ours.add(int(caller))
    return status.st_uid in ours and not (stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH)
