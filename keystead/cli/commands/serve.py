"""`keystead serve`: run a server in the foreground."""

import argparse
import asyncio
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from keystead import given_settings, settings

if TYPE_CHECKING:
    from keystead.server.app import Server


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run a server in the foreground",
        description="Run a server in the foreground until Ctrl-C or SIGTERM; on SIGHUP it reads --config again. "
        "The first start makes the data directory with everything in it. Each setting has a variable, too, "
        "KEYSTEAD_OPS_LISTEN for --ops-listen. A flag wins over the variable, the variable over the file.",
        examples=(
            "keystead serve",
            "keystead serve --data ./kms --listen localhost:9443",
            "keystead serve --listen 0.0.0.0:8443 --name kms.example.com",
            "keystead serve --config /etc/keystead/keystead.toml",
        ),
    )
    add_settings(parser)
    parser.add_argument(
        "--accept-older-copy",
        action="store_true",
        help="start on a database that is older than its anchor, after a restore; it is recorded, and all sessions end",
    )
    parser.set_defaults(func=main)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting, from its declaration, and one for the file of settings."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="a TOML file with these settings (default: that of KEYSTEAD_CONFIG, else none)",
    )
    for setting in settings.SETTINGS:
        flag = f"--{setting.name}"
        default = f" (default: {setting.shown_default})" if setting.shown_default else ""
        text = f"{setting.description}{default}".replace("%", "%%")
        metavar = "N" if setting.kind is int else setting.attribute.upper()
        if setting.kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            action = "append" if setting.kind is tuple else "store"
            parser.add_argument(flag, action=action, metavar=metavar, help=text)


def flags(args: argparse.Namespace) -> dict[str, Any]:
    """What the flags of settings were given, by the settings' names."""
    return {one.name: getattr(args, one.attribute) for one in settings.SETTINGS}


def main(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    load = partial(given_settings.gather, args.config, flags(args), os.environ)
    given_settings.settle(load())  # what is wrong in them is said at once
    # Late: these take most of the start-up time, and other commands do without them.
    import uvloop

    from keystead.server import foreground

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(foreground.serve(load, announce, args.accept_older_copy))
    return 0


def announce(server: "Server") -> None:
    """Tell the person at the terminal what runs where, and what to do next."""
    running = server.running
    assert running is not None
    directory = server.directory
    lines = [
        f"keystead {running.version} serves {running.url}",
        f"  data directory  {directory.path}",
        f"  account         {running.account}, region {running.region}",
        f"  health, metrics {running.ops_url}",
    ]
    if running.ca_file:
        lines.append(f"  CA certificate  {running.ca_file}")
    lines.append(f"  checkpoints     {running.checkpoint_key}")
    if server.first_start:
        lines.append(f"  root AccessKey  {directory.root_access_key} (readable by you alone)")
        root_key = server.settings.root_key
        if root_key.partition(":")[0] in ("", "file"):
            root_key = root_key.partition(":")[2] or str(directory.root_key)
        lines.append(f"  root key        {root_key}: keep a copy elsewhere, nothing opens without it")
    option = "" if str(directory.path) == settings.default_data() else f" --data {directory.path}"
    lines += [
        "next, in another terminal:",
        f"  keystead kms CreateKey{option}",
        f"  keystead run --data {directory.path} -- python your_program.py",
    ]
    if server.settings.console == "yes":
        lines.append(f"or in a browser, at {running.url}/console/ with the link of:")
        lines.append(f"  keystead console login{option}")
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
