"""`keystead audit report`: one page on one key, for an auditor."""

import argparse
import csv
import html
import io
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

from keystead.cli import moments, output, target
from keystead.cli.commands.audit import proof, words
from keystead.clock import SystemClock, iso8601
from keystead.domain.audit import REVEALING, Record

_WIDTH = 100
_PLACES = 50  # addresses that are remembered of one caller
_SHOWN = 5  # of them on the page
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for one
_COLUMNS = (
    "account", "caller_type", "principal", "name", "access_key_id", "operation", "calls", "refused", "first", "last", "from",
    "refusals",
)  # fmt: skip


class _Caller(NamedTuple):
    account: str
    caller_type: str
    principal: str
    name: str
    access_key_id: str

    @property
    def title(self) -> str:
        name = self.name or ("root" if self.caller_type == "root-account" else self.principal)
        key = f", {self.access_key_id}" if self.access_key_id else ""
        return f"{name}, {self.caller_type} of account {self.account}{key}"


class _Done:
    """What one caller did by one operation."""

    def __init__(self) -> None:
        self.calls = self.refused = self.last = 0
        self.first = 2**63
        self.places: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()

    def count(self, record: Record) -> None:
        self.calls += 1
        self.first, self.last = min(self.first, record.time), max(self.last, record.time)
        if record.source in self.places or len(self.places) < _PLACES:
            self.places[record.source or "the server itself"] += 1
        if record.code:
            self.refused += 1
            self.codes[record.code] += 1

    @property
    def where(self) -> str:
        """The addresses, the most frequent first."""
        shown = [place for place, _ in self.places.most_common(_SHOWN)]
        left = len(self.places) - len(shown)
        least = "at least " if len(self.places) == _PLACES else ""
        return ", ".join(shown) + (f" and {least}{left} more" if left else "")

    @property
    def why(self) -> str:
        """The codes of refusals, the most frequent first."""
        return ", ".join(f"{code} {amount}" for code, amount in self.codes.most_common())


class Report(NamedTuple):
    """All that is on the page."""

    key: str
    facts: tuple[tuple[str, str], ...]
    problem: str  # of the log; empty: it is right
    callers: tuple[tuple[_Caller, tuple[tuple[str, _Done], ...]], ...]  # and operations; the latest first


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "report",
        help="show on one page who did what with a key",
        description="Show on one page who used or changed a key: when first and last, how often, from where, and what was "
        "refused. The whole log is verified first; the exit status is 1 if it is not right. " + moments.FORMS,
        examples=(
            "keystead audit report alias/demo --since 30d",
            "keystead audit report alias/demo --since 30d --format html > report.html",
        ),
    )
    parser.add_argument("key", metavar="KEY", help="the key: an id, an alias or an ARN")
    parser.add_argument("--since", metavar="T", type=moments.moment, help="from this time on")
    parser.add_argument("--until", metavar="T", type=moments.moment, help="before this time")
    parser.add_argument(
        "--format", choices=("text", "csv", "html"), default="text", help="text (default), csv or html"
    )
    proof.add_checkpoint(parser)
    parser.add_argument("--data", metavar="DIR", help=target.DATA)
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print the report."""
    from keystead.server.operator import Wanted, open_audit

    if args.since is not None and args.until is not None and args.since >= args.until:
        raise output.WrongCommandLine("--since is not before --until", hint="exchange them")
    if not args.key:
        raise output.WrongCommandLine("KEY is empty", hint="name a key by its id, an alias or an ARN")
    now = SystemClock().now()
    if args.since is not None and args.since > now * 1000:
        raise output.WrongCommandLine("--since is in the future", hint=f"it is {iso8601(now)} now")
    checkpoint = proof.checkpoint_of(args)
    with closing(open_audit(target.directory(args.data))) as reader:
        resource = words.resource(reader, args.key)
        verdicts = reader.verify(checkpoint.head if checkpoint else None)
        done = _done(reader.each(Wanted(since=args.since, until=args.until, resource=resource)))
    problem, hint, proved = proof.judged(checkpoint, verdicts)
    amounts = [one for of in done.values() for one in of.values()]
    calls, refused = sum(one.calls for one in amounts), sum(one.refused for one in amounts)
    revealing = sum(
        one.calls - one.refused for of in done.values() for name, one in of.items() if name in REVEALING
    )
    since = iso8601(args.since // 1000) if args.since is not None else "the first record"
    until = iso8601(args.until // 1000) if args.until is not None else iso8601(now)
    report = Report(
        key=resource,
        facts=(
            ("Key", resource),
            ("Period", f"{since} to {until}"),
            ("Records", f"{calls:,} about the key, of {sum(one.head.count for one in verdicts):,} verified"),
            ("Refused", f"{refused:,}"),
            ("Gave out", f"{revealing:,} times a plaintext or key material"),
            *(("Chain", f"{one.chain} {one.head}") for one in verdicts),
            ("Proof", problem or proved or "the chain of hashes; no signed checkpoint was given"),
            ("Made", f"{iso8601(now)} by keystead audit report"),
        ),
        problem=problem,
        callers=_sorted(done),
    )
    {"text": _text, "csv": _csv, "html": _html}[args.format](report)
    output.flush()
    return output.error(problem, hint) if problem else output.DONE


def _done(records: Iterable[Record]) -> dict[_Caller, dict[str, _Done]]:
    found: dict[_Caller, dict[str, _Done]] = {}
    for record in records:
        # A session of the console is no AccessKey; there is a new one for each sign-in.
        access_key_id = "" if record.kind == "ConsoleOperation" else record.access_key_id
        caller = _Caller(record.account, record.caller_type, record.principal, record.session, access_key_id)
        found.setdefault(caller, {}).setdefault(record.action or "?", _Done()).count(record)
    return found


def _sorted(
    done: dict[_Caller, dict[str, _Done]],
) -> tuple[tuple[_Caller, tuple[tuple[str, _Done], ...]], ...]:
    rows = [
        (caller, tuple(sorted(of.items(), key=lambda one: (-one[1].last, one[0]))))
        for caller, of in done.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row[1][0][1].last, row[0])))


def _moment(milliseconds: int) -> str:
    return iso8601(milliseconds // 1000)[:16].replace("T", " ")


# --- the page


def _text(report: Report) -> None:
    for line in _lines(report):
        output.line(line.rstrip())


def _lines(report: Report) -> Iterator[str]:
    for name, content in report.facts:
        yield from _hanging(f"{name:<10}", content)
    if not report.callers:
        yield ""
        yield "Nobody did anything with it in this period."
    for caller, operations in report.callers:
        yield ""
        yield from _hanging("", caller.title)
        yield f"  {'OPERATION':<30}  {'CALLS':>10}  {'REFUSED':>10}  {'FIRST (UTC)':<16}  {'LAST (UTC)':<16}"
        for name, one in operations:
            dates = f"{_moment(one.first)}  {_moment(one.last)}"
            yield f"  {output.plain(name)[:30]:<30}  {one.calls:>10,}  {one.refused:>10,}  {dates}"
            yield from _hanging("    ", f"from {one.where}" + (f"; refused: {one.why}" if one.why else ""))


def _hanging(head: str, content: str) -> Iterator[str]:
    wrapped = textwrap.wrap(output.plain(content), _WIDTH - len(head)) or [""]
    for number, part in enumerate(wrapped):
        yield (" " * len(head) if number else head) + part


def _csv(report: Report) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for caller, operations in report.callers:
        for name, one in operations:
            dates = (iso8601(one.first // 1000), iso8601(one.last // 1000))
            row = (*caller, name, one.calls, one.refused, *dates, one.where, one.why)
            writer.writerow(map(_cell, row))
    output.raw(text.getvalue().encode())
    for name, content in report.facts:
        output.note(f"{name}: {content}")


def _cell(content: object) -> str:
    """No cell is a formula: what begins like one gets an apostrophe in front."""
    shown = output.plain(str(content))
    return f"'{shown}" if str(content).startswith(_FORMULA) else shown


_STYLE = """
body { font: 11pt/1.4 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 0; }
small { color: #444; }
section { break-inside: avoid; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top; border-bottom: 1px solid #ccc; }
td { overflow-wrap: anywhere; }
.n { text-align: right; }
.bad { border: 2px solid #b00; padding: .5rem 1rem; }
"""
_HEAD = "".join(
    f"<th{numbers}>{name}</th>"
    for name, numbers in (
        ("Operation", ""),
        ("Calls", ' class="n"'),
        ("Refused", ' class="n"'),
        ("First (UTC)", ""),
        ("Last (UTC)", ""),
    )
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # it needs nothing from anywhere


def _html(report: Report) -> None:
    def shown(content: object) -> str:
        return html.escape(output.plain(str(content)))

    facts = "".join(f"<tr><th>{shown(name)}</th><td>{shown(text)}</td></tr>\n" for name, text in report.facts)
    parts = []
    for caller, operations in report.callers:
        rows = "".join(
            f"<tr><td>{shown(name)}<br><small>from {shown(one.where)}"
            + (f"; refused: {shown(one.why)}" if one.why else "")
            + f'</small></td><td class="n">{one.calls:,}</td><td class="n">{one.refused:,}</td>'
            f"<td>{_moment(one.first)}</td><td>{_moment(one.last)}</td></tr>\n"
            for name, one in operations
        )
        parts.append(
            f"<section><h2>{shown(caller.title)}</h2>\n<table><thead><tr>{_HEAD}</tr></thead>\n"
            f"<tbody>{rows}</tbody></table></section>\n"
        )
    problem = f'<p class="bad"><strong>The log is not right:</strong> {shown(report.problem)}</p>\n'
    title = f"Audit report: {shown(report.key)}"
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>{_STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n{problem if report.problem else ''}<table><tbody>{facts}</tbody></table>\n"
        f"{''.join(parts) or '<p>Nobody did anything with it in this period.</p>'}</body></html>\n"
    )
    output.raw(page.encode())
