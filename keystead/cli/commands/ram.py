"""`keystead ram`: call an operation of the vendor's Ram, as `keystead kms` does one of Kms."""

import argparse

from keystead.cli.commands import kms
from keystead.domain.products import RAM

_EXAMPLES = (
    "keystead ram CreateUser --UserName deploy",
    "keystead ram CreatePolicy --PolicyName encrypt-only \\\n    --PolicyDocument file:encrypt-only.json",
    "keystead ram AttachPolicyToUser --PolicyType Custom \\\n    --PolicyName encrypt-only --UserName deploy",
    "keystead ram CreateAccessKey --UserName deploy",
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    kms.add_product(subparsers, RAM, "manage users, groups and policies, as with the vendor's CLI", _EXAMPLES)
