"""The forms of an answer: JSON for programs, text for shells, a table for people."""

import argparse
import sys
from typing import Any

from keystead.cli import output

FORMS = ("json", "text", "table")
DESCRIPTION = (
    "json, text (a single value as it is, so that $(…) takes it; members and rows parted by tabs) or table; "
    "default: json, with --query text for single values"
)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add --output to a command that shows a table unless another form is asked for."""
    parser.add_argument(
        "--output", choices=FORMS, default="table", help="json, text or table (default: table)"
    )


def show(content: Any, form: str = "") -> None:
    """Print an answer, or a part of one, in one of FORMS; "": text for a single value or a list of them, else JSON."""
    if not form:
        form = "text" if _is_plain(content) else "json"
    if form == "json":
        output.answer(content)
    elif form == "text":
        _text(content)
    else:
        _table(content)


def _is_plain(content: Any) -> bool:
    return not isinstance(content, dict | list) or (
        isinstance(content, list) and all(not isinstance(one, dict | list) for one in content)
    )


def _scalar(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, bool):
        return "true" if content else "false"
    return str(content)


def _text(content: Any) -> None:
    if not isinstance(content, dict | list):
        _value(_scalar(content))
    elif isinstance(content, dict):
        for name, value in _flat(content):
            for one in value if isinstance(value, list) else [value]:
                output.row([name, *_cells(one)])
    else:
        for one in content:
            output.row(_cells(one))


def _value(content: str) -> None:
    """One value as it is: a PEM keeps its lines. A terminal gets nothing that it would obey."""
    if sys.stdout.isatty():
        content = "\n".join(output.plain(line) for line in content.split("\n"))
    ending = "" if content.endswith("\n") else "\n"
    output.raw((content + ending).encode("utf-8", "surrogatepass"))


def _cells(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [cell for _, value in _flat(content) for cell in _cells(value)]
    if isinstance(content, list):
        return [cell for one in content for cell in _cells(one)]
    return [_scalar(content)]


def _flat(content: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Members of objects within objects by their paths; lists stay."""
    found: list[tuple[str, Any]] = []
    for name, value in content.items():
        path = f"{before}{name}"
        found += _flat(value, f"{path}.") if isinstance(value, dict) else [(path, value)]
    return found


def _table(content: Any) -> None:
    if not isinstance(content, dict | list):
        output.line(_scalar(content))
    elif isinstance(content, list):
        _rows(content)
    else:
        members = _flat(content)
        lists = [(name, value) for name, value in members if isinstance(value, list)]
        single = [[name, _scalar(value)] for name, value in members if not isinstance(value, list)]
        for name, value in lists:
            if len(lists) > 1 or single:
                output.line(f"{name}:" if value else f"{name}: none")
            _rows(value)
            if single:
                output.line("")
        if single:
            output.table(single, first=2)


def _rows(content: list[Any]) -> None:
    """A row for each element; objects name the columns."""
    if not any(isinstance(one, dict) for one in content):
        for one in content:
            output.line("  ".join(_cells(one)))
        return
    rows = [dict(_flat(one)) if isinstance(one, dict) else {"": one} for one in content]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    output.table(
        [columns, *([" ".join(_cells(row.get(name))) for name in columns] for row in rows)],
        first=max(1, len(columns) // 2),
    )
