"""Tests of programs that use KMS: a server within the test process, whose clock the test moves and whose faults it plans.

pytest finds the fixtures by itself (keystead.testing.plugin); `LocalKms` is the same for any other framework.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keystead.testing.local_kms import LocalKms

__all__ = ["LocalKms"]


def __getattr__(name: str) -> object:
    # pytest loads this package in every project that has it installed: what a server needs waits until one is wanted.
    if name != "LocalKms":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keystead.testing.local_kms import LocalKms

    return LocalKms
