"""`keystead run`: run a command in an environment where official clients reach a Keystead server, unmodified."""

import argparse
import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from keystead import variables
from keystead.cli import child_process, output, target
from keystead.clock import SystemClock
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.forms import REGION, listed

if TYPE_CHECKING:
    from keystead.proxy.upstream import Upstream


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "run",
        help="run a command against a server, with official clients unmodified",
        description="Run a command in an environment in which every official client reaches a Keystead server. "
        "Without --data and --endpoint the server is a private one, in memory, for the time of the command, whatever "
        "KEYSTEAD_DATA and KEYSTEAD_ENDPOINT name.",
        usage="keystead run [--data DIR | --endpoint URL… --ca FILE]\n"
        "                    [--seed FILE] [--as USER] [--region R] [--log FILE]\n"
        "                    -- CMD …",
        examples=(
            "keystead run --seed tests/seed.toml -- pytest",
            "keystead run --log - -- ./app",
            "keystead run --data ./kms --as deploy -- aliyun kms ListKeys",
            "keystead run --endpoint https://kms.example.com --ca ca.pem -- ./app",
        ),
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data", metavar="DIR", help="the server that runs on this data directory")
    where.add_argument(
        "--endpoint",
        metavar="URL",
        action=target.Several,
        help="a server elsewhere; AccessKey from the environment. Several: the first that answers, else the next",
    )
    parser.add_argument("--ca", metavar="FILE", help="the CA certificate of the server at --endpoint")
    parser.add_argument("--seed", metavar="FILE", help="a TOML file of fixed keys for the private server")
    parser.add_argument("--as", dest="user", metavar="USER", help=target.AS)
    parser.add_argument("--region", help="the region that clients are told (default: the server's)")
    parser.add_argument("--log", metavar="FILE", help="add a line a call to this file; - is standard error")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- CMD …", help="the command and its own words"
    )
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the command; its exit status is ours."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise output.WrongCommandLine(
            "there is no command to run", hint="keystead run -- python your_program.py"
        )
    if args.ca and not args.endpoint:
        raise output.WrongCommandLine("--ca belongs to --endpoint", hint="give both, or neither")
    if args.seed and (args.endpoint or args.data is not None):
        raise output.WrongCommandLine(
            "--seed is for a private server",
            hint="leave --data and --endpoint out, or seed with keystead serve",
        )
    if args.user is not None and args.endpoint:
        raise output.WrongCommandLine(
            "--as is for a server of this machine",
            hint="put an AccessKey of the user into ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET",
        )
    if args.region is not None and not REGION.fits(args.region):
        raise output.WrongCommandLine("--region is not a region", hint=f"a region is {REGION.words}")
    try:
        return asyncio.run(_run(args, command))
    except OperatorError as problem:
        output.trouble(problem)
        return output.NOT_STARTED
    except OSError as problem:
        output.error(f"cannot run it: {problem.strerror or problem}", hint="check the free space, and TMPDIR")
        return output.NOT_STARTED


def _tell_of_unused() -> None:
    """Say that the server is a private one, where the user's environment names another."""
    if os.environ.get(variables.RUN_PROXY):  # the variables are those of an enclosing `run` or `env`
        return
    options = {variables.ENDPOINT: "--endpoint URL", variables.DATA: "--data DIR"}
    named = [name for name in options if os.environ.get(name)]
    if named:
        verb = "is" if len(named) == 1 else "are"
        output.note(
            f"a private server for the time of the command: {' and '.join(named)} {verb} not used; "
            f"{listed([options[name] for name in named])} names another"
        )


async def _reach(servers: "list[Upstream]") -> None:
    """OperatorError if one is not to be believed; one that is not there may come while the command runs."""
    from keystead.proxy.upstream import Gone, Untrusted

    gone: list[str] = []
    for one in servers:
        try:
            _, writer = await one.connect()
        except Untrusted as problem:
            raise OperatorError(str(problem), hint=problem.hint) from None
        except Gone as problem:
            gone.append(str(problem))
        else:
            writer.close()
    if len(gone) == len(servers):
        output.warning(
            f"{'; '.join(gone)}; until {'it' if len(gone) == 1 else 'one'} answers, calls get status 503"
        )
    elif gone:
        output.warning(f"{'; '.join(gone)}; others answer")


async def _run(args: argparse.Namespace, command: list[str]) -> int:
    from keystead.cli.call_log import CallLog
    from keystead.client.access_key import environment_access_key
    from keystead.client.transport import Address, urls_of
    from keystead.files.temporary_folder import TemporaryFolder
    from keystead.proxy.environment import change
    from keystead.proxy.failover import Failover
    from keystead.proxy.server import ProxyServer
    from keystead.proxy.tunnel import Tunnel
    from keystead.proxy.upstream import Upstream
    from keystead.server.data.discovery import running_server

    clock, entropy = SystemClock(), SystemEntropy()
    async with AsyncExitStack() as stack:
        log: CallLog | None = None
        if args.log is not None:
            log = CallLog(args.log, clock)
            stack.callback(log.close)
        region = args.region
        ca_file: str | None = None
        data = ""
        if args.endpoint:
            urls = urls_of(args.endpoint)
            url, ca_file = ",".join(urls), target.certificate_of(args.endpoint, args.ca)
            servers = [Upstream(url=one, ca_file=ca_file) for one in urls]
            upstream = servers[0] if len(servers) == 1 else Failover(servers)
            access_key = environment_access_key(os.environ)
            if access_key is None:
                raise OperatorError(
                    "there is no AccessKey for the server at --endpoint",
                    hint="set KEYSTEAD_ACCESS_KEY_FILE, or ALIBABA_CLOUD_ACCESS_KEY_ID and "
                    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
                )
            for one in urls:
                target.warn_of_plain_http(Address.of(one))
            await _reach(servers)
        elif args.data is not None:
            found = running_server(args.data)
            url, ca_file, region = found.url, found.ca_file, region or found.region
            data = str(found.directory.path)
            if args.user is not None:
                from keystead.cli.borrowed import borrowed

                lent = borrowed(args.data, args.user, args.command_name)
                access_key = await stack.enter_async_context(lent)
            else:
                access_key, _ = found.access_key(environment_access_key(os.environ))
            upstream = Upstream(description=found.directory.description)
        else:
            from keystead.server.data import seed_file as seeds
            from keystead.server.ephemeral import ephemeral_server

            _tell_of_unused()
            seed = seeds.read(args.seed) if args.seed else None
            region = region or (seed.region if seed else None)
            server = ephemeral_server(region or "cn-hangzhou", clock, entropy, seed, args.user)
            private = await stack.enter_async_context(server)
            url, access_key = private.url, private.access_key
            upstream = Upstream(url=url)
        tunnel = Tunnel(os.environ)
        if tunnel.warning:
            output.warning(tunnel.warning)
        proxy = ProxyServer(upstream, tunnel, clock, entropy, watch=None if log is None else log.watch)
        await proxy.start()
        stack.push_async_callback(proxy.stop)
        if log is not None:
            log.known = access_key[0]
            url, ca_file = proxy.direct_url, None  # so that calls which need no proxy pass by the log as well
        # A program may go on as another user; nothing in it is secret.
        folder = stack.enter_context(TemporaryFolder("keystead-run-", mode=0o755))
        made = change(
            os.environ,
            access_key=access_key,
            region=region or "cn-hangzhou",
            proxy_url=proxy.url,
            ca_pem=proxy.certificate_pem,
            folder=folder,
            endpoint=url,
            data=data,
            endpoint_ca=ca_file and str(Path(ca_file).absolute()),
        )
        for warning in made.warnings:
            output.warning(warning)
        environment = made.apply(os.environ)
        return await child_process.run(command, environment)
