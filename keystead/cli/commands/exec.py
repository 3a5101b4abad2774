"""`keystead exec`: decrypt into memory, run a command, and leave nothing behind."""

import argparse
import asyncio
import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from keystead.cli import child_process, output, target
from keystead.cli.commands.file.reading import add_options, context_of, format_of, opened
from keystead.cli.memory_files import in_memory, where_else
from keystead.clock import SystemClock
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError, Unreachable

if TYPE_CHECKING:
    from keystead.client.kms import Kms

_VARIABLE_BYTES = 128 << 10  # Linux takes no longer string (execve(2))
_Result = TypeVar("_Result")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "exec",
        help="decrypt into memory and run a command with it",
        description="Decrypt files into memory or variables, run a command, and remove the files when it ends. The exit "
        f"status is the command's; {output.NOT_STARTED} if it was not started, 126 or 127 if it could not be.",
        usage="keystead exec [--file PATH=CIPHER …] [--env NAME=CIPHER …]\n                     [options] -- CMD …",
        examples=(
            "keystead exec --file /dev/shm/key.pem=key.pem.cipher -- nginx",
            "keystead exec --env DB_PASSWORD=password.cipher -- ./app",
            "keystead exec --env-file .env.cipher --wait 60 -- ./app --port 80",
        ),
    )
    parser.add_argument(
        "--file",
        metavar="PATH=CIPHER",
        action="append",
        default=[],
        help="decrypt the file CIPHER to PATH, which must be on tmpfs or ramfs; replaces nothing but what an earlier exec "
        "left that was killed",
    )
    parser.add_argument(
        "--env",
        metavar="NAME=CIPHER",
        action="append",
        default=[],
        help="decrypt the file CIPHER into the variable NAME, without the line breaks at its end",
    )
    parser.add_argument(
        "--env-file",
        metavar="CIPHER",
        action="append",
        default=[],
        help="decrypt an .env file into variables",
    )
    parser.add_argument(
        "--interpolate",
        action="store_true",
        help="in the values of --env-file that are in the clear, put variables in for ${NAME}, ${NAME:-default} and $NAME",
    )
    parser.add_argument("--owner", metavar="USER[:GROUP]", help="who owns the files (default: who runs this)")
    parser.add_argument(
        "--mode", metavar="MODE", default="0400", type=_mode, help="of the files (default: 0400)"
    )
    parser.add_argument("--on-disk", action="store_true", help="allow a PATH that is on a disk")
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="how long to try again while the server gives no answer (default: 30)",
    )
    add_options(parser)
    target.add_options(parser)
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- CMD …", help="the command and its own words"
    )
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the command; its exit status is ours."""
    try:
        plan = _plan(args)
        with child_process.signals_raise(), ExitStack() as files:
            environment = _decrypt(args, plan, files)
            return asyncio.run(_run(plan.command, environment, files))
    except output.WrongCommandLine:
        raise
    except OperatorError as problem:
        output.trouble(problem)
        return output.NOT_STARTED


async def _run(command: list[str], environment: dict[str, str], files: ExitStack) -> int:
    # They are removed while signals are still caught: the loop's end gives these back their old meaning.
    with files.pop_all():
        return await child_process.run(command, environment)


class _Plan(NamedTuple):
    """The command line, understood. `owner` is a user id and a group id, -1 where it stays."""

    files: list[tuple[Path, str]]
    variables: list[tuple[str, str]]
    owner: tuple[int, int]
    command: list[str]


def _plan(args: argparse.Namespace) -> _Plan:
    from keystead.files.atomic_file import descriptor

    command: list[str] = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise output.WrongCommandLine(
            "there is no command to run", hint="keystead exec --file PATH=CIPHER -- COMMAND"
        )
    files = [(Path(path).absolute(), cipher) for path, cipher in _pairs("--file", args.file)]
    variables = _pairs("--env", args.env)
    if args.interpolate and not args.env_file:
        raise output.WrongCommandLine("--interpolate belongs to --env-file", hint="give both, or neither")
    if not (files or variables or args.env_file):
        raise output.WrongCommandLine("there is nothing to decrypt", hint="give --file, --env or --env-file")
    ciphers = [cipher for _, cipher in files + variables] + args.env_file
    for number, (path, _) in enumerate(files):
        if path in [one for one, _ in files[:number]]:
            raise output.WrongCommandLine(f"--file {path} is given twice", hint="give each path once")
        if any(_same(path, one) for one in ciphers):
            raise output.WrongCommandLine(
                f"--file {path} would replace an encrypted file by its plaintext", hint="name another PATH"
            )
        special = os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))
        if special or descriptor(str(path)) is not None:  # it would be written to, and taken away in the end
            raise OperatorError(f"{path} is a device or a pipe", hint="name another PATH")
        if not os.path.isdir(path.parent):
            raise OperatorError(f"the directory {path.parent} does not exist", hint="make it, with mode 0700")
        if not args.on_disk and not in_memory(path.parent):
            raise OperatorError(
                f"{path.parent} is not in memory: the plaintext would be on a disk", hint=where_else()
            )
    return _Plan(files=files, variables=variables, owner=_owner(args.owner), command=command)


def _same(path: Path, other: str) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False  # one of them is not there


def _pairs(option: str, words: list[str]) -> list[tuple[str, str]]:
    found = []
    for word in words:
        name, equals, cipher = word.partition("=")
        if not name or not equals or not cipher:
            raise output.WrongCommandLine(
                f"{option} {word} is not {'PATH' if option == '--file' else 'NAME'}=CIPHER",
                hint="CIPHER is the path of an encrypted file",
            )
        found.append((name, cipher))
    return found


def _owner(words: str | None) -> tuple[int, int]:
    if words is None:
        return -1, -1
    user, _, group = words.partition(":")
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        if not group:
            return entry.pw_uid, entry.pw_gid
        found = grp.getgrgid(int(group)) if group.isdigit() else grp.getgrnam(group)
    except KeyError:
        raise output.WrongCommandLine(
            f"there is no such user or group: {words}", hint="write --owner USER or USER:GROUP"
        ) from None
    return entry.pw_uid, found.gr_gid


def _decrypt(args: argparse.Namespace, plan: _Plan, files: ExitStack) -> dict[str, str]:
    """Write the files, removed by `files`, and give the command's environment."""
    context = context_of(args.context)
    whole = list(dict.fromkeys(cipher for _, cipher in plan.files + plan.variables))

    def work(kms: "Kms") -> tuple[dict[str, bytes], list[_EnvFile]]:
        plaintexts = {cipher: _plaintext(args, kms, cipher, context) for cipher in whole}
        return plaintexts, [_env_file(args, kms, cipher, context) for cipher in args.env_file]

    plaintexts, env_files = _patiently(args, work)
    for path, cipher in plan.files:
        _write(path, plaintexts[cipher], args.mode, plan.owner, files)
    variables = {name: _value(name, plaintexts[cipher].rstrip(b"\r\n")) for name, cipher in plan.variables}
    environment = dict(os.environ)
    for one in env_files:
        environment |= _variables(one, args.interpolate, variables, environment)
    return environment | variables


def _patiently(args: argparse.Namespace, work: "Callable[[Kms], _Result]") -> _Result:
    """What the work gives. While the server gives no answer it is asked again, up to --wait seconds."""
    clock = SystemClock()
    until = clock.monotonic() + args.wait
    pause = _FIRST_PAUSE
    told = False
    while True:
        try:
            with target.kms(args) as kms:
                return work(kms)
        except Unreachable as problem:
            left = until - clock.monotonic()
            if left <= 0:
                raise
            if not told:
                output.note(f"waiting up to {args.wait:g} s: {problem.message}")
                told = True
            clock.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)


def _plaintext(args: argparse.Namespace, kms: "Kms", cipher: str, context: dict[str, str]) -> bytes:
    from keystead.files import decryption

    with _named(cipher), opened(cipher) as source:
        return b"".join(decryption.plaintext(kms, context, source, format_of(args, cipher)))


class _EnvFile(NamedTuple):
    """A .env file in the clear. `sealed` has the names of the variables that were encrypted, None if the whole file was."""

    cipher: str
    text: str
    sealed: frozenset[str] | None


def _env_file(args: argparse.Namespace, kms: "Kms", cipher: str, context: dict[str, str]) -> _EnvFile:
    from keystead.files import decryption
    from keystead.files.formats.known import FORMATS

    with _named(cipher), opened(cipher) as source:
        text, sealed = decryption.text_and_sealed(kms, context, source, FORMATS["env"])
        names = None if sealed is None else frozenset(path.removeprefix("/") for path in sealed)
        return _EnvFile(cipher=cipher, text=text, sealed=names)


@contextmanager
def _named(cipher: str) -> Iterator[None]:
    """Within it, an error says which file it is about."""
    try:
        yield
    except Unreachable:
        raise
    except OperatorError as problem:
        problem.message = f"{cipher}: {problem.message}"
        raise


def _write(path: Path, plaintext: bytes, mode: int, owner: tuple[int, int], files: ExitStack) -> None:
    from keystead.files.atomic_file import Whole

    if not _replaceable(path, plaintext, mode, owner[0]):
        raise OperatorError(
            f"{path} exists already: it would be replaced, and removed in the end",
            hint="name another PATH, or remove the file",
        )
    with Whole(path, mode, SystemEntropy(), replace=True, durable=False) as file:
        file.write(plaintext)
        made = file.status()

        def remove() -> None:
            # Not what somebody else put there since.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.lstat(path), made):
                    path.unlink()

        files.callback(remove)
        file.finish(owner)


def _replaceable(path: Path, plaintext: bytes, mode: int, owner: int) -> bool:
    """Whether nothing of anybody's is there: no file, or one that an `exec` can have left that was killed.

    A file that its owner may write to is like any other, so such a one must have the same content.
    """
    try:
        found = os.lstat(path)
        if stat.S_ISDIR(found.st_mode):
            return True  # which is told when it is written
        if not stat.S_ISREG(found.st_mode) or found.st_uid != (os.geteuid() if owner == -1 else owner):
            return False
        if stat.S_IMODE(found.st_mode) != mode:
            return False
        if not mode & stat.S_IWUSR:
            return True
        with path.open("rb") as file:
            return file.read(len(plaintext) + 1) == plaintext
    except FileNotFoundError:
        return True
    except OSError as problem:
        return problem.errno == errno.ENAMETOOLONG  # which is told as well


def _variables(
    file: _EnvFile, interpolate: bool, above: dict[str, str], before: dict[str, str]
) -> dict[str, str]:
    from keystead.files.formats import dotenv

    with _named(file.cipher):
        if not interpolate:
            found = dotenv.environment(file.text)
            _warn_of_references(file)
        elif file.sealed is None:
            raise OperatorError(
                "it is encrypted as a whole, and what was encrypted is not interpolated",
                hint="encrypt its secrets with --values --only, and leave what refers to them in the clear",
            )
        else:
            found = dotenv.interpolated(file.text, file.sealed, above, before)
            references = list(dotenv.references(file.text))
            if file.sealed.issuperset(references):  # then the option did nothing
                for name in references:
                    output.warning(f"{file.cipher}: {name} was encrypted, so the ${{…}} in it stays as it is")
    return {name: _value(name, value.encode()) for name, value in found.items()}


def _warn_of_references(file: _EnvFile) -> None:
    """What was encrypted may hold a dollar sign like any other character; what was not probably means something by it."""
    from keystead.files.formats import dotenv

    if file.sealed is None:
        return
    for name in dotenv.references(file.text):
        if name not in file.sealed:
            output.warning(f"{file.cipher}: the ${{…}} in {name} stays as it is without --interpolate")


def _value(name: str, value: bytes) -> str:
    if b"\0" in value:
        raise OperatorError(
            f"the variable {name} would hold a NUL byte", hint="use --file for binary content"
        )
    if len(name.encode()) + len(value) + 2 > _VARIABLE_BYTES:
        raise OperatorError(
            f"the variable {name} would be longer than {_VARIABLE_BYTES >> 10} KiB", hint="use --file for it"
        )
    return os.fsdecode(value)


def _mode(text: str) -> int:
    with suppress(ValueError):
        if 0 < (mode := int(text, 8)) <= 0o777:
            return mode
    raise argparse.ArgumentTypeError("a mode is 0400 or so")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (seconds := float(text)) <= 86_400:
            return seconds
    raise argparse.ArgumentTypeError("seconds are a number, 0 to 86400")
