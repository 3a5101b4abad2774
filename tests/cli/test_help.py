"""The help of every command, verb and operation: in 80 columns, with examples at its end that are right ones."""

import argparse
import base64
import contextlib
import io
import json
import re
import shlex
from collections.abc import Iterator

import pytest

from keystead import cli, operations  # noqa: F401 - fills the catalogue
from keystead.api.bind import bind
from keystead.api.operation import CATALOGUE
from keystead.cli import output
from keystead.cli.commands import kms
from keystead.domain.products import KMS, RAM, STS
from keystead.errors import KmsError
from share.command_tree import whole

PRODUCTS = {"kms": KMS, "ram": RAM, "sts": STS}
COLUMNS = 72  # of an example: what a man page shows of it in 80
POLICY = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"RAM": ["acs:ram::1234567890123456:*"]},
                "Action": ["kms:*"],
                "Resource": ["*"],
            }
        ],
    }
)
DOCUMENT = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}]}'
FILES = {"file:secret.txt": "secret", "file:policy.json": POLICY, "file:encrypt-only.json": DOCUMENT}


def parsers(parser: argparse.ArgumentParser) -> Iterator[output.Parser]:
    assert isinstance(parser, output.Parser)
    yield parser
    for command in output.subcommands(parser).values():
        yield from parsers(command)


def the_commands(example: str) -> list[str]:
    """The keystead commands in a line, or in several that a backslash joins."""
    joined = re.sub(r'^eval "\$\((.*)\)"$', r"\1", example.replace("\\\n", " "))
    parts = (re.match(r"(?:[A-Z]+=\S+ )?keystead (.*)$", one) for one in re.split(r" (?:\||>|&&) ", joined))
    return [found[1] for found in parts if found]


def check(words: list[str]) -> None:
    """Raise or exit unless the words after `keystead` are a right command."""
    if words[:1] == ["help"]:
        cli.parser().parse_args(words[1:])
    elif words[0] not in PRODUCTS:
        cli.parser().parse_args(words)
    else:
        said = kms.parse(words[1:])
        operation = CATALOGUE.find(PRODUCTS[words[0]].version, said.action)
        assert operation is not None
        kms._check_names(operation, said.parameters)
        bind(
            operation,
            {
                name: FILES.get(value, base64.b64encode(bytes(32)).decode())
                if value.startswith("file:")
                else value
                for name, value in said.parameters.items()
            },
        )


@pytest.mark.parametrize("parser", list(parsers(whole())), ids=lambda parser: parser.prog)
def test_examples_are_right(parser: output.Parser) -> None:
    assert 1 <= len(parser.examples) <= 4
    found = []
    for example in parser.examples:
        assert 1 <= len(example.split("\n")) <= 4
        assert " VALUE" not in example, "a parameter has no sample in call_examples"
        assert max(map(len, example.split("\n"))) <= COLUMNS
        for command in the_commands(example):
            found.append(command)
            words = shlex.split(command)
            if words[:1] != ["help"]:
                assert f"keystead {command}".startswith(parser.prog), "it is of another command"
                with contextlib.redirect_stderr(io.StringIO()) as told:
                    try:
                        check(words)
                    except SystemExit:
                        pytest.fail(f"{example}: {told.getvalue()}")
    assert found


@pytest.mark.parametrize(
    "planted",
    [
        "kms Encrypt --KeyId alias/demo",
        "kms Encrypt --KeyId alias/demo --Plaintex file:secret.txt",
        "kms EnableKey --KeyId alias/demo",
        "kms Encryp",
        "file encrypt --kye alias/demo key.pem",
        "audit list --since yesterday",
        "serv",
    ],
)
def test_a_wrong_example_is_found(planted: str) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        with pytest.raises((SystemExit, KmsError, output.WrongCommandLine, AssertionError)):
            check(shlex.split(planted))


def test_commands_are_found_in_what_surrounds_them() -> None:
    assert the_commands('eval "$(keystead env --unset)"') == ["env --unset"]
    assert the_commands("pg_dump app | keystead file encrypt - > x") == ["file encrypt -"]
    assert the_commands("EDITOR=nano keystead file edit x") == ["file edit x"]
    assert the_commands("openssl rand 32") == []
    assert the_commands('keystead kms TagResource --Tags \'[{"TagKey": "a"}]\' \\\n    --KeyId x') == [
        'kms TagResource --Tags \'[{"TagKey": "a"}]\'      --KeyId x'
    ]


@pytest.mark.parametrize("parser", list(parsers(cli.parser())), ids=lambda parser: parser.prog)
def test_a_help_fits_80_columns_and_ends_with_examples(
    parser: output.Parser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with contextlib.suppress(SystemExit):
        cli.main([*parser.prog.split()[1:], "--help"])
    shown = capsys.readouterr().out
    assert shown.startswith("usage: ")
    assert max(map(len, shown.splitlines())) < 80
    assert shown.endswith(output.shown_examples(parser.examples))
    assert shown.count("\nexamples:\n") == 1


def test_operations_are_shown_by_family() -> None:
    for product in PRODUCTS.values():
        families = CATALOGUE.families(product)
        assert sorted(one.action for family in families.values() for one in family) == [
            one.action for one in CATALOGUE.of(product)
        ]
        shown = kms.overview(CATALOGUE, product, ())
        heads = [line[:-1] for line in shown.splitlines() if re.fullmatch(r"[A-Z].*:", line)]
        assert heads == list(families) == sorted(families)
        for family, members in families.items():
            assert re.fullmatch(r"[A-Z][A-Za-z ]{1,38}", family)
            section = shown.split(f"\n{family}:\n")[1].split("\n\n")[0]
            assert re.findall(r"^  ([A-Z]\w+)", section, re.MULTILINE) == [one.action for one in members]
            assert len({one.function.__module__ for one in members}) == 1
    assert CATALOGUE.families(KMS)["Data keys"][0].action == "ExportDataKey"


def test_the_whole_command_line_has_what_the_commands_take() -> None:
    tree = whole()
    for command, product in PRODUCTS.items():
        found = output.subcommands(output.subcommands(tree)[command])
        assert list(found) == [one.action for one in CATALOGUE.of(product)]
        for one in CATALOGUE.of(product):
            options = {option for action in found[one.action]._actions for option in action.option_strings}
            assert {f"--{field.name}" for field in one.fields} | {
                "--DryRun",
                "--endpoint",
                "--query",
            } <= options
            taken = [one for one in options if one not in ("-h", "--help", "--force", "--literal")]
            words = [word for option in taken if option != "-q" for word in (option, "x")]
            said = kms.parse([one.action, *words, "--force", "--literal"])
            kms._check_names(one, said.parameters)
            assert (said.force, said.literal) == (True, True)
