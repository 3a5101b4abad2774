"""`keystead file reencrypt`: find files under old key versions, and bring them to the primary ones."""

import argparse

from keystead.cli import output, target
from keystead.cli.commands.file.reading import context_of, format_of, opened, walked
from keystead.cli.commands.file.writing import write_back
from keystead.errors import DoesNotOpen, OperatorError, Unreachable


def reencrypt(args: argparse.Namespace) -> int:
    """Tell which files are under old versions; with --apply, re-encrypt them. Other files are passed by."""
    from keystead.files import reencryption
    from keystead.files.inspection import inspect

    context = context_of(args.context)
    first = output.DONE
    old = seen = 0
    with target.kms(args) as kms:
        keys = reencryption.Keys(kms)
        for path in walked(args.places):
            form = format_of(args, path)
            try:
                with opened(path) as source:
                    try:
                        inspect(source, form)
                    except DoesNotOpen as problem:
                        # In a directory others are too; `inspect` would say more of one that is damaged.
                        if path in args.places:
                            output.warning(f"{path}: {problem.message}; {problem.hint}")
                        continue
                    seen += 1
                    source.seek(0)
                    found = reencryption.old_versions(keys, source, form)
                    if not found:
                        continue
                    if args.apply:
                        source.seek(0)
                        content = reencryption.re_encrypted(kms, keys, context, source, form)
                        write_back(content, path, source)
                old += 1
                for one in found:
                    output.line(f"{path}  key {one.key_id}  {one.version_id} -> {one.primary}")
            except Unreachable:
                raise
            except OperatorError as problem:
                problem.message = f"{path}: {problem.message}"
                status = output.trouble(problem)
                first = first or status
    done = "re-encrypted" if args.apply else "to re-encrypt; --apply does it" if old else "to re-encrypt"
    output.note(f"{seen} encrypted files, {old} {done}")
    return first
