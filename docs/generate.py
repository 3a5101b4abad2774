"""Generates pages when the site is built: the reference from the code, so that it cannot say anything else, the home pages
from the READMEs."""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from prometheus_client.core import Metric

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead import cli, settings, variables
from keystead.api.http.encode import JSON_TYPE, XML_TYPE
from keystead.api.operation import CATALOGUE, Operation
from keystead.api.parameters import Role
from keystead.cli import output, target
from keystead.cli.commands import kms
from keystead.clock import SystemClock
from keystead.domain.keys.lifecycle import GATES, TRANSITIONS, Gate, KeyState
from keystead.domain.products import KMS
from keystead.errors import CODES
from keystead.server.service.checkpoints import Checkpoints
from keystead.server.service.metrics import Metrics

ROOT = Path(__file__).parents[1]
# The files of the repository's root that are pages too, by their places in the site.
ROOT_PAGES = {
    "README.md": "index.md",
    "README.zh-TW.md": "zh-TW/index.md",
    "README.zh-CN.md": "zh-CN/index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
}
COLUMNS = "78"  # of the help of commands: what a page shows without scrolling


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for name, content in pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    for name, place in ROOT_PAGES.items():
        files.append(File.generated(config, place, content=root_page(name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Have a search find what helps to do something before the records of why it is so."""
    if page.file.src_uri.startswith("adr/"):
        page.meta["search"] = {"boost": 0.3}
    return markdown


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Say which language a page is in: the same characters look different in Traditional and Simplified Chinese."""
    language = page.url.split("/")[0]
    return (
        output.replace('<html lang="en"', f'<html lang="{language}"', 1)
        if language.startswith("zh-")
        else output
    )


def root_page(name: str) -> str:
    """A file of the root as a page of the site, its links made those of its place there."""
    place = ROOT_PAGES[name]

    def link(found: re.Match[str]) -> str:
        target, mark, anchor = found[1].partition("#")
        target = ROOT_PAGES.get(target, target.removeprefix("docs/"))
        return f"]({posixpath.relpath(target, posixpath.dirname(place) or '.')}{mark}{anchor})"

    return re.sub(r"\]\(([\w./-][^):]*)\)", link, (ROOT / name).read_text(encoding="utf-8"))


def pages() -> dict[str, str]:
    """All generated pages, by name."""
    return {
        "operations": operations(),
        "permissions": permissions(),
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
        if not for_clients(one):
            continue
        if f"## {one.product.name}" not in parts:
            parts += [f"## {one.product.name}", f"Version `{one.product.version}`."]
        parts += [f"### {one.action}", one.summary]
        if one.fields:
            parts.append(_table(("Parameter", "Type", "Values"), _fields(one)))
        members = [field.encode_name for field in _members(one)] + ["RequestId"]
        parts.append("Answers with " + ", ".join(f"`{name}`" for name in members) + ".")
        if one.errors:
            codes = sorted({f"`{kind.code}`" for kind in one.errors})
            parts.append("Adds to the errors that every operation may give: " + ", ".join(codes) + ".")
    return "\n\n".join(parts) + "\n"


def for_clients(operation: Operation) -> bool:
    """Whether it can be called over the network with an AccessKey."""
    return not (operation.for_operator_only or operation.product.for_console_only)


def _fields(operation: Operation) -> list[tuple[str, ...]]:
    return [
        (
            f"`{field.name}`",
            f"{field.param.kind}, **required**" if field.required else field.param.kind,
            _cell(field.param.limits),
        )
        for field in operation.fields
    ]


def _members(operation: Operation) -> Any:
    import msgspec

    return msgspec.structs.fields(operation.reply)


# What a field of a role names, as a resource; other roles need no permission of their own.
_RESOURCES = {
    Role.KEY: "key/ID", Role.KEYS: "key/ID", Role.BLOB: "key/ID", Role.SOURCE: "key/ID",
    Role.ALIAS: "alias/NAME", Role.NEW_ALIAS: "alias/NAME",
    Role.USER: "user/NAME", Role.GROUP: "group/NAME", Role.POLICY: "policy/NAME", Role.MFA: "mfa/NAME",
}  # fmt: skip


def needs(operation: Operation) -> list[tuple[str, str]]:
    """The actions that an operation needs, and the kinds of resources that it needs them on: all of them."""
    product = operation.product
    place = f"acs:{product.name.lower()}:{'REGION' if product.regional else ''}:ACCOUNT:"
    roles = [field.param.role for field in operation.roles if field.param.role in _RESOURCES]
    found = [(operation.action_on(role), _RESOURCES[role]) for role in roles]
    if Role.ALIAS in roles and Role.KEY not in roles:
        # The key that the alias goes from.
        found.append((operation.action_on(Role.ALIAS), _RESOURCES[Role.KEY]))
    if operation.container or not (found or operation.free):
        found.append((operation.action_on(), operation.container.replace("{caller}", "NAME") or "*"))
    return [(action, place + resource) for action, resource in dict.fromkeys(found)]


def permissions() -> str:
    """What a user must be allowed to call each operation."""
    parts = [
        "# What each operation needs",
        (
            "A call needs all the actions of its row, each on the resource beside it, from the "
            "[policies](policies.md) of the user and of the key. `ID` is that of the key, however the call names it: by id, "
            "alias, ARN, or with a ciphertext. What an optional parameter names is needed only of a call that names it; "
            "without a `UserName`, Ram takes that of the caller. A refusal names the action and the "
            "resource that were missing. A dash: whoever has an AccessKey may."
        ),
        (
            "*Uses a key*: the operation has the condition keys `kms:tag/…`, and users of other accounts may call it if "
            "the key's policy lets them. *Context*: it has `kms:EncryptionContext/…`, if the call has one."
        ),
    ]
    head = ("Operation", "Action", "On", "Uses a key", "Context")
    for product in CATALOGUE.products.values():
        if rows := [_permission(one) for one in CATALOGUE.of(product) if for_clients(one)]:
            parts += [f"## {product.name}", _table(head, rows)]
    return "\n\n".join(parts) + "\n"


def _permission(operation: Operation) -> tuple[str, ...]:
    found = needs(operation)
    shown = [[f"`{word}`" for word in pair] for pair in found]
    action, resource = ["<br>".join(words) for words in zip(*shown, strict=True)] or ["–", "–"]
    context = any(field.attribute.endswith("encryption_context") for field in operation.fields)
    return operation.action, action, resource, *("yes" if one else "" for one in (operation.uses, context))


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
            f"`{one.name}`<br>`{one.variable}`",
            # What a word may be, the description says with its meaning.
            _cell(f"{one.description}; {one.rule}" if one.form or one.kind is int else one.description),
            f"`{one.shown_default}`" if one.shown_default else "",
            "yes" if one.reloaded else "",
        )
        for one in settings.SETTINGS
    ]
    head = (
        "Each setting is a flag of `keystead serve` (`--listen`), a variable (`KEYSTEAD_LISTEN`), and a name in the "
        "TOML file of `--config` or `KEYSTEAD_CONFIG` (`listen = …`). **A flag wins over the variable, the variable "
        "over the file, the file over the default.** `keystead config check`, with the same options and variables, "
        "shows the result and where each value comes from. It refuses what a start would refuse, and starts nothing.\n\n"
        "An empty variable counts as not set. Switches are `true`, `yes`, `on`, `1`, or `false`, `no`, `off`, `0`. "
        "Names are separated by commas or spaces. `serve` and `config check` refuse a variable that looks like a "
        "misspelling of one of these; other commands warn of it. Other names that begin with `KEYSTEAD_` mean "
        "nothing, such as those that Kubernetes sets for a service called keystead. `sudo` drops variables, and a "
        "systemd unit has only its own: `Environment=` or `EnvironmentFile=`. No setting is a secret; some are paths "
        "to secrets.\n\n"
        "With broken settings `serve` ends with status 2, and systemd does not start it again. If another try may "
        "help, for example when a file does not exist yet or a port is taken, it ends with 1.\n\n"
        "On SIGHUP a running server reads the file again, and applies the settings that have a `yes` under Reload "
        "([more](../how-to/certificates.md#reload)). Limits of connections apply to new connections."
    )
    return (
        f"# Settings\n\n{head}\n\n"
        + _table(("Setting, variable", "Meaning", "Default", "Reload"), rows)
        + f"\n\n{_clients()}\n"
    )


def _clients() -> str:
    """The variables of the commands that call a server."""
    meaning = {name: text for name, _, text in target.OPTIONS}
    options = ("--endpoint", "--ca", "--access-key", "--data", "--region")
    rows = [
        (f"`{variable}`", f"`{option}`", _cell(meaning[option]))
        for variable, option in zip(variables.OF_CLIENTS, options, strict=True)
    ]
    return "\n\n".join(
        [
            "## Variables of commands",
            (
                "These are for the commands that call a server. An option wins over its variable, and a server that "
                "an option names wins over one that a variable names. `keystead run` and `keystead env` set all of "
                "them for their programs. `KEYSTEAD_DATA` and `KEYSTEAD_REGION` are also settings of a server."
            ),
            _table(("Variable", "Option", "Meaning"), rows),
            (
                "`KEYSTEAD_ENDPOINT` may name [several addresses of one service]"
                "(../how-to/load-balancing.md#commands-with-several-addresses), with commas. "
                "`KEYSTEAD_CA_FILE` belongs to the servers at `KEYSTEAD_ENDPOINT`; to those at `--endpoint` only where "
                "they are among these, or `KEYSTEAD_ENDPOINT` is not set. "
                "`KEYSTEAD_ACCESS_KEY_FILE` wins over `ALIBABA_CLOUD_ACCESS_KEY_ID` and `…_SECRET`. For a server on a data "
                "directory, each counts only if it is one of that server's."
            ),
            "What `run` and `env` keep for themselves: "
            + ", ".join(f"`{name}`" for name in variables.OF_RUN)
            + ".",
        ]
    )


def all_metrics() -> list[Metric]:
    """Every metric of a server, but those of its front process."""
    metrics = Metrics()
    metrics.watch_certificate(lambda: 0)
    metrics.watch_database(dict)
    metrics.watch_shared(lambda: 0, lambda: True, list, list)
    metrics.watch_backups(lambda: 0, dict)
    Checkpoints((), 0, SystemClock(), metrics.registry)
    return list(metrics.registry.collect())


def metrics_page() -> str:
    """Every metric of the ops listener."""
    suffix = {"counter": "_total", "info": "_info"}
    rows = [
        (f"`{one.name}{suffix.get(one.type, '')}`", one.type, _cell(one.documentation.rstrip(".")))
        for one in all_metrics()
    ]
    head = (
        "`/metrics` of the ops listener has these in the Prometheus text format; `ops_url` in `server.json` is its address. "
        "A scrape does not read the database. `keystead_front_process_…` are the same as `process_…`, of the front "
        "process, where the server may see it (not with systemd's `ProtectProc=invisible`)."
    )
    return f"# Metrics\n\n{head}\n\n" + _table(("Metric", "Type", "Meaning"), rows) + "\n"


def lifecycle() -> str:
    """The two tables of a key's life, and their diagram."""
    gates = [
        (gate.name, *(_breakable(refusal.code) if refusal else "admitted" for refusal in GATES[gate]))
        for gate in Gate
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
            "Each operation goes through a gate. Which gate is open in which state of the key:",
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
    os.environ["COLUMNS"] = COLUMNS
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


def _breakable(code: str) -> str:
    """A code that may go over to the next line after its dot."""
    return code.replace(".", ".<wbr>")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
