"""`keystead sts`: call an operation of the vendor's Sts, as `keystead kms` does one of Kms."""

import argparse

from keystead.cli.commands import kms
from keystead.domain.products import STS

_EXAMPLES = ("keystead sts GetCallerIdentity", "keystead sts GetCallerIdentity -q Arn")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    kms.add_product(subparsers, STS, "ask who is calling, as with the vendor's CLI", _EXAMPLES)
