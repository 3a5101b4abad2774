"""What is asked of the kernel, and what the filter decides; that a real kernel then refuses is seen in tests/security."""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest

from keystead.server.network import confinement
from keystead.server.network.confinement import confine, hide, missing, program, without_io_uring

ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
X86_64, AARCH64 = 0xC000003E, 0xC00000B7


def decision(filter_: bytes, architecture: int, number: int) -> int:
    """What a filter of this kind of instructions returns: the kernel's machine, as far as it is used."""
    instructions = list(struct.iter_unpack("=HBBI", filter_))
    data = {0: number, 4: architecture}
    place, held = 0, 0
    while True:
        code, then, otherwise, value = instructions[place]
        place += 1
        if code == 0x20:
            held = data[value]
        elif code == 0x15:
            place += then if held == value else otherwise
        elif code == 0x35:
            place += then if held >= value else otherwise
        else:
            assert code == 0x06
            return int(value)


@pytest.mark.parametrize(("name", "architecture"), [("x86_64", X86_64), ("aarch64", AARCH64)])
def test_the_filter_decides_by_number_and_architecture(name: str, architecture: int) -> None:
    found = program(name, deadly=[101, 7], refused=[41, 42])
    for number, expected in ((101, KILL), (7, KILL), (41, REFUSE), (42, REFUSE), (0, ALLOW), (43, ALLOW)):
        assert decision(found, architecture, number) == expected
    other = AARCH64 if architecture == X86_64 else X86_64
    assert decision(found, other, 0) == KILL
    assert decision(found, 0x40000003, 0) == KILL  # i386
    # The same processor's other numbers.
    assert decision(found, architecture, 0x40000000) == (KILL if name == "x86_64" else ALLOW)
    assert decision(found, architecture, 0x3FFFFFFF) == ALLOW


@pytest.mark.parametrize("name", ["x86_64", "aarch64"])
def test_no_call_is_in_both_lists_or_twice(name: str) -> None:
    deadly = confinement._numbers(confinement._DEADLY, name)
    refused = confinement._numbers(confinement._REFUSED + confinement._IO_URING, name)
    assert len({*deadly, *refused}) == len(deadly) + len(refused)
    assert len(deadly) + len(refused) > 100
    filter_ = program(name, deadly=deadly, refused=refused)  # a jump goes no further than 255
    architecture = {"x86_64": X86_64, "aarch64": AARCH64}[name]
    assert {decision(filter_, architecture, number) for number in deadly} == {KILL}
    assert {decision(filter_, architecture, number) for number in refused} == {REFUSE}


class Kernel:
    """Notes what it is asked; has Landlock of a version, or fails."""

    def __init__(self, version: int = 7, fails: Callable[[str, int], int] = lambda name, number: 0) -> None:
        self.version = version
        self.fails = fails
        self.asked: list[tuple[Any, ...]] = []
        self.attributes = b""

    def prctl(self, option: int, *values: Any) -> int:
        self.asked.append(("prctl", option))
        self._maybe("prctl", option)
        return 0

    def syscall(self, number: int, *values: Any) -> int:
        self._maybe("syscall", number)
        if number == 444 and values[0] is None:
            return self.version
        self.asked.append(("syscall", number))
        if number == 444:
            self.attributes = values[0]
            return os.open(os.devnull, os.O_RDONLY)
        return 0

    def _maybe(self, name: str, number: int) -> None:
        if code := self.fails(name, number):
            raise OSError(code, os.strerror(code))


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> Callable[[Kernel], Kernel]:
    def install(kernel: Kernel) -> Kernel:
        monkeypatch.setattr(confinement, "_kernel", lambda: kernel)
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        return kernel

    return install


@pytest.mark.parametrize(
    ("version", "rights", "more"),
    [(1, 13, []), (2, 14, []), (3, 15, []), (4, 15, [3]), (5, 16, [3]), (6, 16, [3, 3]), (9, 16, [3, 3])],
)
def test_of_landlock_all_is_given_up_that_this_version_knows(
    version: int, rights: int, more: list[int], linux: Callable[[Kernel], Kernel]
) -> None:
    kernel = linux(Kernel(version))
    assert confine() == ()
    given = [number for (number,) in struct.iter_unpack("=Q", kernel.attributes)]
    assert given == [2**rights - 1, *more]
    no_new_privileges, dumpable, seccomp = ("prctl", 38), ("prctl", 4), ("prctl", 22)
    assert kernel.asked == [
        ("syscall", 444), no_new_privileges, ("syscall", 446), dumpable, no_new_privileges, seccomp,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "number", "told"),
    [
        ("syscall", 444, ("Landlock: Function not implemented",)),
        ("syscall", 446, ("Landlock: Function not implemented",)),
        ("prctl", 22, ("seccomp: Function not implemented",)),
    ],
)
def test_what_the_kernel_does_not_have_is_told_and_the_rest_is_done(
    name: str, number: int, told: tuple[str, ...], linux: Callable[[Kernel], Kernel]
) -> None:
    kernel = linux(Kernel(fails=lambda *asked: errno.ENOSYS if asked == (name, number) else 0))
    assert confine() == told
    assert ("prctl", 22) in kernel.asked


def test_without_seccomp_rings_stay_and_nothing_fails(linux: Callable[[Kernel], Kernel]) -> None:
    kernel = linux(Kernel(fails=lambda *asked: errno.EINVAL if asked == ("prctl", 22) else 0))
    without_io_uring()
    assert kernel.asked == [("prctl", 38), ("prctl", 22)]


def test_a_program_of_32_bits_on_a_kernel_of_64_is_not_filtered(
    linux: Callable[[Kernel], Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = linux(Kernel())
    calcsize = struct.calcsize
    monkeypatch.setattr(struct, "calcsize", lambda form: 4 if form == "P" else calcsize(form))
    without_io_uring()
    assert confine() == ("seccomp: its calls on 32 bits of x86_64 are not known here",)
    assert ("prctl", 22) not in kernel.asked


def test_on_another_processor_there_is_landlock_alone(
    linux: Callable[[Kernel], Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = linux(Kernel())
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    without_io_uring()
    assert confine() == ("seccomp: its calls on riscv64 are not known here",)
    assert ("syscall", 446) in kernel.asked
    assert ("prctl", 22) not in kernel.asked


def test_on_another_system_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    without_io_uring()
    hide()
    assert confine() == ("darwin has neither Landlock nor seccomp",)


def test_rings_are_given_up_and_memory_is_hidden(linux: Callable[[Kernel], Kernel]) -> None:
    kernel = linux(Kernel())
    without_io_uring()
    assert kernel.asked == [("prctl", 38), ("prctl", 22)]
    hide()
    assert kernel.asked[2:] == [("prctl", 4)]


@pytest.mark.skipif(sys.platform != "linux", reason="asks a Linux kernel")
def test_the_kernel_s_refusal_is_an_error() -> None:
    kernel = confinement.Kernel()
    assert kernel.prctl(3) in (0, 1)  # PR_GET_DUMPABLE
    with pytest.raises(OSError, match="Invalid argument"):
        kernel.prctl(-1)
    with pytest.raises(OSError, match="not implemented"):
        kernel.syscall(100_000, ctypes.c_int(0))


def test_what_would_be_missing_is_known_without_giving_up_anything(
    linux: Callable[[Kernel], Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(seccomp: int, landlock: int = 0) -> Kernel:
        codes = {("prctl", 22): seccomp, ("syscall", 444): landlock}
        return linux(Kernel(fails=lambda *asked: codes.get(asked, 0)))

    # A filter that is at address 0: seccomp itself says so; where there is none, the option is not known.
    kernel = fails(errno.EFAULT)
    assert missing() == ()
    assert kernel.asked == [("prctl", 22)]
    fails(errno.EINVAL, errno.EOPNOTSUPP)
    assert missing() == (
        f"Landlock: {os.strerror(errno.EOPNOTSUPP)}", f"seccomp: {os.strerror(errno.EINVAL)}",
    )  # fmt: skip
    fails(errno.EFAULT)
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert missing() == ("seccomp: its calls on riscv64 are not known here",)
    monkeypatch.setattr(confinement, "_kernel", lambda: None)
    assert missing() == (f"{sys.platform} has neither Landlock nor seccomp",)


def test_asking_a_real_kernel_changes_nothing_here() -> None:
    missing()
    with open(os.devnull, "rb") as file:  # opening a file is what Landlock would forbid
        assert file.read() == b""
