"""`keystead kms`: call any operation, as with the vendor's CLI."""

import argparse
import difflib
import os
import sys
from pathlib import Path

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE, KMS, KMS_VERSION, Operation
from keystead.cli import output
from keystead.client.transport import Endpoint, send
from keystead.clock import SystemClock
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.settings import default_data

_OWN = ("--endpoint", "--ca", "--data", "--region")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command. What follows it is parsed here, since parameters are named as on the wire."""
    parser = subparsers.add_parser("kms", help="call an operation, as with the vendor's CLI", add_help=False)
    parser.add_argument("words", nargs=argparse.REMAINDER)
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Call one operation and print its answer."""
    words: list[str] = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words or words[0] in ("--help", "-h", "help"):
        sys.stdout.write(overview())
        return 0
    action, rest = words[0], words[1:]
    operation = CATALOGUE.find(KMS_VERSION, action)
    force = "--force" in rest
    rest = [word for word in rest if word != "--force"]
    if operation is None and not force:
        near = difflib.get_close_matches(action, [one.action for one in CATALOGUE.of(KMS)], 1, 0.5)
        hint = (
            f"did you mean {near[0]}?" if near else "keystead kms --help lists all; --force sends it anyway"
        )
        raise OperatorError(f"there is no operation {action!r}", hint=hint)
    if operation is not None and ("--help" in rest or "-h" in rest):
        sys.stdout.write(describe(operation))
        return 0
    options, parameters = _parse(rest)
    if operation is not None and not force:
        _check_names(operation, parameters)
    if options.get("--region"):
        parameters.setdefault("RegionId", options["--region"])
    answer = send(_endpoint(options), action, KMS_VERSION, parameters, SystemClock(), SystemEntropy())
    if 200 <= answer.status < 300:
        output.answer(answer.members)
        return 0
    message = f"{answer.members.get('Code', answer.status)}: {answer.members.get('Message', '')}"
    return output.error(message, hint=f"request id {answer.members.get('RequestId', '')}")


def overview() -> str:
    """What `keystead kms --help` prints."""
    lines = [
        "usage: keystead kms ACTION [--Parameter VALUE …] [options]",
        "",
        "A value file:PATH is read from a file, - from standard input; both as they are.",
        "",
        "operations:",
    ]
    lines += [f"  {one.action:<32} {one.summary}" for one in CATALOGUE.of(KMS)]
    lines += [
        "",
        "options:",
        "  --endpoint URL   a server elsewhere, the vendor's included; else `keystead run` names it, else --data",
        "  --ca FILE        the CA certificate of that server (default: the system's CAs)",
        "  --data DIR       the server that runs on this data directory (default: the usual one)",
        "  --region REGION  the region, where the endpoint's name does not say it",
        "  --force          send an operation or parameter that this program does not know",
        "",
        "keystead kms ACTION --help shows the parameters of one operation.",
    ]
    return "\n".join(lines) + "\n"


def describe(operation: Operation) -> str:
    """What `keystead kms ACTION --help` prints."""
    lines = [f"usage: keystead kms {operation.action} [--Parameter VALUE …]", "", operation.summary]
    if operation.fields:
        lines += ["", "parameters:"]
    for field in operation.fields:
        need = ", required" if field.required else ""
        lines.append(f"  --{field.name:<24} {field.param.kind}{need}")
        lines.append(f"    {'':<24} {field.param.limits}")
    return "\n".join(lines) + "\n"


def _parse(words: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    options: dict[str, str] = {}
    parameters: dict[str, str] = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--") or len(word) < 3:
            raise OperatorError(f"{word!r} is not a parameter", hint="write parameters as --Name value")
        name, equals, value = word.partition("=")
        if not equals:
            if not waiting:
                raise OperatorError(f"{name} has no value", hint=f"write it as {name} VALUE")
            value = waiting.pop(0)
        target, key = (options, name) if name in _OWN else (parameters, name[2:])
        if key in target:
            raise OperatorError(f"{name} is given twice", hint="give it once")
        target[key] = value if name in _OWN else _value(name, value)
    return options, parameters


def _value(name: str, text: str) -> str:
    if text != "-" and not text.startswith("file:"):
        return text
    try:
        raw = sys.stdin.buffer.read() if text == "-" else Path(text[5:]).read_bytes()
        return raw.decode()
    except OSError as error:
        raise OperatorError(f"cannot read {text[5:]}: {error.strerror}", hint=f"check {name}") from None
    except UnicodeDecodeError:
        raise OperatorError(f"the value of {name} is not UTF-8 text", hint="encode it as base64") from None


def _check_names(operation: Operation, parameters: dict[str, str]) -> None:
    known = [field.name for field in operation.fields] + ["RegionId"]
    for name in parameters:
        if name not in known and not any(name.startswith(f"{one}.") for one in known):
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = (
                f"did you mean --{near[0]}?" if near else f"keystead kms {operation.action} --help lists all"
            )
            raise OperatorError(f"{operation.action} has no parameter {name!r}", hint=hint)


def _endpoint(options: dict[str, str]) -> Endpoint:
    """By --endpoint, --data, the environment of `run`, or the default data directory, in this order."""
    from keystead.server.reach import environment_access_key, running_server

    access_key = environment_access_key(os.environ)
    token = os.environ.get("ALIBABA_CLOUD_SECURITY_TOKEN", "") if access_key else ""
    url, ca_file = options.get("--endpoint", ""), options.get("--ca")
    if not url and "--data" not in options and os.environ.get("KEYSTEAD_ENDPOINT"):
        url, ca_file = os.environ["KEYSTEAD_ENDPOINT"], os.environ.get("KEYSTEAD_CA_FILE") or None
    if url:
        if access_key is None:
            raise OperatorError(
                f"there is no AccessKey for {url}",
                hint="set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
            )
        if ca_file is not None and not os.access(ca_file, os.R_OK):
            raise OperatorError(f"cannot read the CA certificate {ca_file}", hint="check --ca")
        return Endpoint(url=url, ca_file=ca_file, access_key=access_key, security_token=token)
    found = running_server(options.get("--data", default_data()))
    return Endpoint(
        url=found.url,
        ca_file=found.ca_file,
        access_key=access_key or found.access_key(),
        security_token=token,
    )
