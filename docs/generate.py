"""Generates the reference pages from the code when the site is built, so that they cannot say anything else."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import cli, settings
from keystead.api.http.encode import JSON_TYPE, XML_TYPE
from keystead.api.operation import CATALOGUE, Operation
from keystead.cli import output
from keystead.cli.commands import kms
from keystead.domain.keys.lifecycle import GATES, TRANSITIONS, Gate, KeyState
from keystead.domain.products import KMS
from keystead.errors import CODES
from keystead.server.service.metrics import Metrics


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for name, content in pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def pages() -> dict[str, str]:
    """All generated pages, by name."""
    return {
        "operations": operations(),
        "errors": errors(),
        "settings": settings_page(),
        "metrics": metrics_page(),
        "lifecycle": lifecycle(),
        "commands": commands(),
    }


def operations() -> str:
    """Every operation that clients can call."""
    parts = [
        "# Operations",
        f"Parameters come in the query or in a form body. Answers are `{JSON_TYPE}`, or `{XML_TYPE}` with `Format=XML`.",
        "Parameters that an operation does not know are ignored, as the vendor's service does.",
    ]
    for one in CATALOGUE:
        if one.product.for_operator_only:
            continue
        if f"## {one.product.name}" not in parts:
            parts += [f"## {one.product.name}", f"Version `{one.product.version}`."]
        parts += [f"### {one.action}", one.summary]
        if one.fields:
            parts.append(_table(("Parameter", "Type", "Required", "Values"), _fields(one)))
        members = [field.encode_name for field in _members(one)] + ["RequestId"]
        parts.append("Answers with " + ", ".join(f"`{name}`" for name in members) + ".")
        if one.errors:
            codes = sorted({f"`{kind.code}`" for kind in one.errors})
            parts.append("Adds to the errors that every operation may give: " + ", ".join(codes) + ".")
    return "\n\n".join(parts) + "\n"


def _fields(operation: Operation) -> list[tuple[str, ...]]:
    return [
        (f"`{field.name}`", field.param.kind, "yes" if field.required else "no", _cell(field.param.limits))
        for field in operation.fields
    ]


def _members(operation: Operation) -> Any:
    import msgspec

    return msgspec.structs.fields(operation.reply)


def errors() -> str:
    """Every code on the wire."""
    rows = [
        (f"`{kind.code}`", str(kind.status), _cell(kind.message))
        for kinds in CODES.values()
        for kind in kinds
        if kind.__module__ in ("keystead.errors", "keystead.proxy.server")
    ]
    head = "A refusal has `Code`, `Message`, `RequestId`, `HostId`, `Recommend` and `HttpStatus`."
    return f"# Errors\n\n{head}\n\n" + _table(("Code", "Status", "Message"), sorted(rows)) + "\n"


def settings_page() -> str:
    """Every setting of the server."""
    rows = [
        (
            f"`{one.name}`",
            _cell(one.description),
            f"`{one.shown_default}`" if one.shown_default else "",
            "yes" if one.reloaded else "",
        )
        for one in settings.SETTINGS
    ]
    head = (
        "Each is a flag of `keystead serve` (`--listen`) and a name in the TOML file of `--config` (`listen = …`). "
        "A flag wins over the file. `keystead config check --config FILE` shows what a file makes.\n\n"
        "On SIGHUP a running server reads the file again, and takes the settings that say so under Reload "
        "([more](../how-to/certificates.md#reload)); limits of connections hold for new ones."
    )
    return f"# Settings\n\n{head}\n\n" + _table(("Setting", "Meaning", "Default", "Reload"), rows) + "\n"


def metrics_page() -> str:
    """Every metric of the ops listener."""
    metrics = Metrics()
    metrics.watch_certificate(lambda: 0)
    metrics.watch_database(Path("keystead.db"))
    suffix = {"counter": "_total", "info": "_info"}
    rows = [
        (f"`{one.name}{suffix.get(one.type, '')}`", one.type, _cell(one.documentation.rstrip(".")))
        for one in metrics.registry.collect()
    ]
    head = (
        "`/metrics` of the ops listener gives these in the Prometheus text format; `ops_url` in `server.json` says where. "
        "A scrape costs no look into the database. `keystead_front_process_…` are the same as `process_…`, of the front "
        "process, where the server may see it (not with systemd's `ProtectProc=invisible`)."
    )
    return f"# Metrics\n\n{head}\n\n" + _table(("Metric", "Type", "Meaning"), rows) + "\n"


def lifecycle() -> str:
    """The two tables of a key's life, and their diagram."""
    gates = [
        (gate.name, *(refusal.code if refusal else "admitted" for refusal in GATES[gate])) for gate in Gate
    ]
    users: dict[Gate, list[str]] = {}
    for one in CATALOGUE.of(KMS):
        if one.gate is not None:
            users.setdefault(one.gate, []).append(one.action)
    used = [(gate.name, ", ".join(users.get(gate, []))) for gate in Gate]
    moves = [
        f"    {state.value} --> {after.value}: {event.value}"
        for state, events in TRANSITIONS.items()
        for event, after in events.items()
        if after is not state
    ]
    return "\n\n".join(
        [
            "# The life of a key",
            "Which operation is admitted in which state:",
            _table(("Gate", *(state.value for state in KeyState)), gates),
            _table(("Gate", "Operations"), used),
            "Where events lead:",
            "\n".join(["```text", *moves, "    PendingDeletion --> deleted: the waiting period is over", "```"]),
        ]
    ) + "\n"  # fmt: skip


_SHELLS = """\
## Completions, man pages, colours

`keystead completion SHELL` prints what lets bash, zsh or fish complete commands, options, operations and their parameters:

```sh
eval "$(keystead completion bash)"    # in ~/.bashrc
eval "$(keystead completion zsh)"     # in ~/.zshrc, after compinit
keystead completion fish > ~/.config/fish/completions/keystead.fish
```

An installation for all users, as by `pip install --prefix /usr/local`, puts these where the shells find them by
themselves, and man pages beside them: `man keystead`, `man keystead-kms`, `man keystead-file`. Those of a virtual
environment are read with `man -M VENV/share/man keystead-kms`.

At a terminal the labels `error:`, `warning:` and `hint:` and a few states have colours. `NO_COLOR=1` switches them off,
`FORCE_COLOR=1` switches them on in a pipe; `CLICOLOR`, `CLICOLOR_FORCE` and `TERM=dumb` count too. JSON never has any."""


def commands() -> str:
    """The help of every command."""
    parts = ["# Commands"]
    for name, parser in _parsers(cli.parser()):
        product = parser.get_default("product")
        text = kms.overview(CATALOGUE, product, parser.examples) if product else parser.format_help()
        parts.append(f"## {name}\n\n```text\n{text.strip()}\n```")
    return "\n\n".join([*parts, _SHELLS]) + "\n"


def _parsers(parser: output.Parser) -> list[tuple[str, output.Parser]]:
    found = [(parser.prog, parser)]
    for command in output.subcommands(parser).values():
        found += _parsers(command)
    return found


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
