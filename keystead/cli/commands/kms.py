"""`keystead kms`, `keystead ram` and `keystead sts`: call any operation of a product, as with the vendor's CLI.

Parameters are named and sent as on the wire; only their names are checked here, their values by the server.
"""

import argparse
import shutil
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from keystead.cli import COMMANDS, answers, edition, key_uses, output, parameter_values, target
from keystead.errors import OperatorError

if TYPE_CHECKING:
    from keystead.api.catalogue import Catalogue, Field, Operation
    from keystead.cli.query import Query
    from keystead.client.transport import Session
    from keystead.domain.products import Product

# Name, metavar ("" for a flag), help: beside those of `target`.
OWN_OPTIONS = (
    ("--query", "EXPR", "print this part of the answer only (JMESPath), as -q EXPR does"),
    ("--output", "FORM", answers.DESCRIPTION),
    ("--force", "", "send an operation or a parameter that this program does not know"),
    ("--literal", "", "send values that look like the name of a file as they are"),
)
_OPTIONS = tuple(name for name, metavar, _ in (*target.OPTIONS, *OWN_OPTIONS) if metavar)
_WOULD_SUCCEED = "DryRunOperationError"
INTRODUCTION = """\
Parameters are named as on the wire. A VALUE file:PATH is read from that file and - from standard input, exactly and as
UTF-8 text: that keeps secrets out of the command line, which other users of the machine can see. Every operation takes
--DryRun true: the answer says whether the call would have succeeded, and nothing is changed."""
_COLUMN = 22  # where the text of an option begins
_SHOWN = "\n".join(
    f"  {f'{name} {metavar}':<{_COLUMN - 2}}{text}" for name, metavar, text in (*target.OPTIONS, *OWN_OPTIONS)
)
_FOOT = f"""\
options:
{_SHOWN}

{target.FOUND}

keystead {{command}} ACTION --help shows the parameters of one operation."""
_EXAMPLES = (
    "keystead kms CreateKey -q KeyMetadata.KeyId",
    "keystead kms Encrypt --KeyId alias/demo --Plaintext file:secret.txt",
    "keystead kms Decrypt --CiphertextBlob file:ciphertext.b64 -q Plaintext",
    "keystead kms ListKeys --output table",
)


class Words(NamedTuple):
    """The words of the command line, sorted. `problem` is what is wrong with them if the operation has all parameters."""

    action: str = ""
    parameters: dict[str, str] = {}
    options: dict[str, str] = {}
    help: bool = False
    force: bool = False
    literal: bool = False
    problem: output.WrongCommandLine | None = None


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    from keystead.domain.products import KMS

    add_product(subparsers, KMS, "call an operation, as with the vendor's CLI", _EXAMPLES)


def add_product(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    product: "Product",
    summary: str,
    examples: tuple[str, ...],
) -> None:
    """Add the command of one product. What follows it is parsed here, since parameters are named as on the wire."""
    name = product.name.lower()
    parser = subparsers.add_parser(
        name,
        help=summary,
        usage=f"keystead {name} ACTION [--Parameter VALUE …] [options]",
        description=f"Call an operation. keystead {name} --help lists all, keystead {name} ACTION --help shows one.",
        add_help=False,
        examples=examples,
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(func=main, product=product, examples=examples)


def main(args: argparse.Namespace) -> int:
    """Call one operation and print its answer."""
    import keystead.operations  # noqa: F401 - fills the catalogue
    from keystead.api.catalogue import CATALOGUE

    product: Product = args.product
    raw: list[str] = args.words[1:] if args.words[:1] == ["--"] else args.words
    words = parse(raw)
    if words.problem is not None and not words.action:
        raise words.problem
    if not words.action or words.action == "help":
        output.text(overview(CATALOGUE, product, args.examples))
        return output.DONE
    operation = CATALOGUE.find(product.version, words.action)
    if operation is None and (not words.force or not (words.action.isascii() and words.action.isalnum())):
        raise _unknown(words.action, CATALOGUE, product)
    if operation is not None:
        if words.help:
            output.text(describe(operation))
            return output.DONE
        if not words.force:
            _check_names(operation, words.parameters)
    if words.problem is not None:
        raise words.problem
    form = words.options.get("--output", "")
    if form and form not in answers.FORMS:
        raise output.WrongCommandLine(
            f"--output {form!r} is unknown",
            hint=f"write {', '.join(answers.FORMS[:-1])} or {answers.FORMS[-1]}",
        )
    query = None
    if "--query" in words.options:
        from keystead.cli.query import Query

        query = Query(words.options["--query"])
        # --force is for what this program does not know.
        if operation is not None and not words.force:
            query.check(operation.reply.shape())
    return _call(words, product, query, form)


def parse(raw: list[str]) -> Words:
    """Sort the words. WrongCommandLine for what no operation can be given."""
    problem: output.WrongCommandLine | None = None
    action = ""
    parameters: dict[str, str] = {}
    options: dict[str, str] = {}
    flags: set[str] = set()
    waiting = iter(raw)
    for word in waiting:
        if not output.is_text(word):
            # It is not shown: it may hold a secret.
            raise output.WrongCommandLine(
                "a word of the command line is not UTF-8 text", hint="encode its value as base64"
            )
        if word in ("--help", "-h"):
            flags.add("--help")
        elif word in ("--force", "--literal"):
            flags.add(word)
        elif word == "-q" or (word.startswith("--") and len(word) > 2):
            name, equals, rest = ("--query" if word == "-q" else word).partition("=")
            # A value may begin with dashes, as PEM does.
            value = rest if equals else next(waiting, None)
            if value is None:
                problem = problem or output.WrongCommandLine(
                    f"{name} has no value", hint=f"write it as {name} VALUE"
                )
                value = ""
            given = options if name in _OPTIONS else parameters
            key = name if name in _OPTIONS else name[2:]
            if key == target.ENDPOINT and key in given:
                value = f"{given[key]},{value}"
            elif key in given:
                raise output.WrongCommandLine(f"{name} is given twice", hint="give it once")
            given[key] = value
        elif output.is_option(word) and word != "--":
            near = output.nearest(word, _OPTIONS)
            hint = f"did you mean {near}?" if near else "write parameters as --Name VALUE"
            raise output.WrongCommandLine(f"there is no option {word}", hint=hint)
        elif action and "help" in (action, word):
            # As others have it: `kms help ACTION`, `kms ACTION help`.
            action = word if action == "help" else action
            flags.add("--help")
        elif action:
            problem = problem or output.WrongCommandLine(
                f"{word!r} is not a parameter", hint="write parameters as --Name VALUE"
            )
        else:
            action = word
    return Words(
        action, parameters, options, "--help" in flags, "--force" in flags, "--literal" in flags, problem
    )


def _unknown(action: str, catalogue: "Catalogue", product: "Product") -> output.WrongCommandLine:
    command = product.name.lower()
    elsewhere = [
        one.product.name.lower() for one in catalogue if one.action == action and not one.product.ours
    ]
    if named := [name for name in elsewhere if name in COMMANDS]:
        hint = f"write keystead {named[0]} {action}"
    elif near := output.nearest(action, [one.action for one in catalogue.of(product)]):
        hint = f"did you mean {near}?"
    else:
        hint = f"keystead {command} --help lists all; --force sends it anyway"
    return output.WrongCommandLine(f"there is no operation {action!r}", hint=hint)


def _check_names(operation: "Operation", parameters: dict[str, str]) -> None:
    known = operation.parameters
    options = [option[2:] for option in _OPTIONS]
    for name, value in parameters.items():
        if not operation.takes(name):
            near = output.nearest(name, known + options)
            every = f"keystead {operation.product.name.lower()} {operation.action} --help lists all"
            hint = output.did_you_mean(f"--{name}", f"--{near}") if near else every
            raise output.WrongCommandLine(f"{operation.action} has no parameter {name!r}", hint=hint)
        if value[:2] == "--" and value[2:] in known:
            raise output.WrongCommandLine(f"--{name} has no value", hint=f"write it as --{name} VALUE")


# --- the call


def _call(words: Words, product: "Product", query: "Query | None", form: str) -> int:
    from keystead.api.catalogue import CATALOGUE
    from keystead.cli import remedies
    from keystead.client.transport import Session
    from keystead.clock import SystemClock
    from keystead.entropy import SystemEntropy

    options = words.options
    endpoint = target.endpoint(
        options.get("--endpoint"), options.get("--ca"), options.get("--data"), options.get("--access-key")
    )
    if list(words.parameters.values()).count("-") > 1:
        raise output.WrongCommandLine("standard input can be read once only", hint="give one value as -")
    binary = _binary(words.action, product)
    parameters = {
        name: parameter_values.value(name, value, words.literal, name in binary)
        for name, value in words.parameters.items()
    }
    if region := target.region(options.get("--region")):
        parameters.setdefault("RegionId", region)
    # With --force the action may be any word.
    noun = product.name.lower()
    command = f"{noun} {words.action}" if CATALOGUE.find(product.version, words.action) else noun
    with Session(endpoint, SystemClock(), SystemEntropy(), command) as session:
        if words.action in key_uses.ENDS_USE:
            key_uses.warn(session, parameters)
        answer = session.call(words.action, product.version, parameters)
        if 200 <= answer.status < 300:
            if edition.WHOLE:
                from keystead.cli import policy_words

                policy_words.warn_of_sent(parameters)
            _show(
                answer.members if query is None else query.of(answer.members),
                form or ("" if query else "json"),
            )
            return output.DONE
        request_id = answer.members.get("RequestId", "")
        if answer.members["Code"] == _WOULD_SUCCEED:
            output.note("the call would have succeeded; nothing was changed")
            return output.DONE
        where = {name: parameters[name] for name in ("RegionId",) if name in parameters}
        hints = [
            remedies.remedy(
                answer.members,
                parameters,
                CATALOGUE.find(product.version, words.action),
                lambda action, asked: _members(session, action, asked | where),
                session.url,
            ),
            f"request id {request_id}" if request_id else "",
        ]
    return output.refusal(answer.members, hint="; ".join(filter(None, hints)))


def _show(content: object, form: str) -> None:
    """Print an answer; an error says that the call itself is done."""
    try:
        answers.show(content, form)
        output.flush()
    except OperatorError as problem:
        problem.hint += "; the call is done, and need not be repeated for what it changed"
        raise


def _members(session: "Session", action: str, parameters: dict[str, str]) -> dict[str, Any] | None:
    """The members of an answer that is only wanted for a hint."""
    from keystead.domain.products import KMS

    with suppress(OperatorError):
        answer = session.call(action, KMS.version, parameters)
        if 200 <= answer.status < 300:
            return answer.members
    return None


def _binary(action: str, product: "Product") -> set[str]:
    """The parameters of an operation that are base64, and nothing else."""
    from keystead.api.catalogue import CATALOGUE

    operation = CATALOGUE.find(product.version, action)
    return set() if operation is None else {one.name for one in operation.fields if one.param.binary}


# --- help


def overview(catalogue: "Catalogue", product: "Product", examples: tuple[str, ...]) -> str:
    """What `keystead PRODUCT --help` prints."""
    command = product.name.lower()
    lines = [f"usage: keystead {command} ACTION [--Parameter VALUE …] [options]", "", *_fold(INTRODUCTION)]
    for family, operations in catalogue.families(product).items():
        lines += ["", f"{family}:"]
        for one in operations:
            lines += _beside(f"  {one.action:<32} ", one.summary)
    lines += ["", *_fold(_FOOT.format(command=command))]
    return "\n".join(lines) + "\n" + output.shown_examples(examples)


def describe(operation: "Operation") -> str:
    """What `keystead PRODUCT ACTION --help` prints."""
    from keystead.cli.call_examples import example

    command = operation.product.name.lower()
    required = [f" --{field.name}\u00a0VALUE" for field in operation.fields if field.required]
    optional = " [--Parameter\u00a0…]" if len(required) < len(operation.fields) else ""
    usage = _beside("usage: ", f"keystead {command} {operation.action}{''.join(required)}{optional}")
    lines = [line.replace("\u00a0", " ") for line in usage]  # a parameter and its value stand together
    lines += ["", *_fold(operation.summary)]
    if operation.fields:
        lines += ["", "parameters:"]
    width = max((len(field.name) for field in operation.fields), default=0)
    for field in operation.fields:
        need = ", required" if field.required else ""
        if field.default:
            need = f", default {field.default}"
        lines.append(f"  --{field.name:<{width}}  {field.param.kind}{need}")
        for text in about(field):
            lines += _beside(" " * (width + 6), text)
    lines += ["", f"keystead {command} --help shows the options."]
    return "\n".join(lines) + "\n" + output.shown_examples([example(operation)])


def about(field: "Field") -> list[str]:
    """What there is to say of a parameter."""
    seen = "better as file:PATH or -, since a command line can be seen"
    return [
        text
        for text in (field.doc, field.param.limits, seen if field.param.sensitive and field.required else "")
        if text
    ]


def _width() -> int:
    return max(60, min(100, shutil.get_terminal_size().columns))


def _beside(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _width() - 1,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _fold(text: str) -> list[str]:
    """Wrap paragraphs; indented lines keep their second column."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        if "\n  " in paragraph:
            for row in paragraph.split("\n"):
                lines += _beside(row[:_COLUMN], row[_COLUMN:]) if row.startswith("  ") else [row]
        else:
            lines += _beside("", paragraph.replace("\n", " "))
        lines.append("")
    return lines[:-1]
