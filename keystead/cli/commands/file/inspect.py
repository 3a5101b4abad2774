"""`keystead file inspect`: what encrypted files are, told without any key."""

import argparse
from contextlib import nullcontext
from typing import Any

from keystead.cli import output, target
from keystead.cli.commands.file.reading import context_of, format_of, opened
from keystead.cli.commands.file.several import each


def inspect(args: argparse.Namespace) -> int:
    """Print what each file is."""
    from keystead.files import inspection

    context = context_of(args.context)
    with target.kms(args) if args.check else nullcontext() as kms:

        def work(name: str, _: str | None) -> None:
            with opened(name) as source:
                found = inspection.inspect(source, format_of(args, name))
            shown: dict[str, Any] = {"File": name, "Format": found.format, "KeyVersionIds": found.version_ids}
            if found.size is not None:
                shown["PlaintextBytes"] = found.size
            if found.context_names is not None:
                shown["ContextNames"] = found.context_names
            if "" not in found.sealed:
                shown["Values"] = list(found.sealed)
            problem = None
            if kms is not None:
                keys, problem = inspection.check(kms, context, found)
                shown["Keys"] = [{"KeyId": key["KeyId"], "KeyState": key["KeyState"]} for key in keys]
                shown["Opens"] = problem is None
            output.answer(shown)
            if problem is not None:
                raise problem

        return each([(name, None) for name in args.files], work)
