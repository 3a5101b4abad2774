"""Takes from the front process what it does not need, by what the Linux kernel has for that: Landlock and seccomp.

Landlock   no file is opened, made, removed or run any more, no TCP port connected or bound, no process outside signalled
           (Linux 5.13, 6.7, 6.12)
seccomp    no program is started, no process or thread made, no socket made or connected; what only an intruder asks for ends
           the process. On x86_64 and aarch64
prctl      no privilege by starting a program; no look into the memory from outside, and no core dump

What is open already stays usable: listening sockets, the link, the log. A file in memory can still be made and read, for a
certificate that is renewed. None of it can be taken back. It must be called while the process has one thread.
"""

import contextlib
import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

# include/uapi/linux/prctl.h, seccomp.h, filter.h, audit.h, landlock.h
_SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 4, 22, 38
_FILTER = 2
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050001, 0x7FFF0000  # the process; EPERM
_LOAD, _EQUAL, _NOT_LESS, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # where struct seccomp_data has them
_X32 = 0x40000000  # numbers from here on are another way into the same kernel
_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same for every architecture
_ASK_VERSION = 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # how many there are, from this version on
_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals outside
_TCP_SINCE, _SCOPES_SINCE = 4, 6

# Numbers of calls, x86_64 / aarch64; - where there is no such call. Source: asm/unistd_64.h and asm-generic/unistd.h.
# Who asks for one of these is not this program.
_DEADLY = """
ptrace 101/117 process_vm_readv 310/270 process_vm_writev 311/271 pidfd_getfd 438/438 kcmp 312/272 process_madvise 440/440
kexec_load 246/104 kexec_file_load 320/294 init_module 175/105 finit_module 313/273 delete_module 176/106 bpf 321/280
perf_event_open 298/241 userfaultfd 323/282 add_key 248/217 request_key 249/218 keyctl 250/219 mount 165/40 umount2 166/39
move_mount 429/429 fsopen 430/430 fsconfig 431/431 fsmount 432/432 fspick 433/433 open_tree 428/428 mount_setattr 442/442
pivot_root 155/41 chroot 161/51 setns 308/268 unshare 272/97 open_by_handle_at 304/265 name_to_handle_at 303/264
fanotify_init 300/262 fanotify_mark 301/263 quotactl 179/60 acct 163/89 swapon 167/224 swapoff 168/225 reboot 169/142
syslog 103/116 iopl 172/- ioperm 173/- modify_ldt 154/- lookup_dcookie 212/18 settimeofday 164/170 clock_settime 227/112
adjtimex 159/171 clock_adjtime 305/266 sethostname 170/161 setdomainname 171/162 vhangup 153/58
"""
_REFUSED = """
execve 59/221 execveat 322/281 fork 57/- vfork 58/- clone 56/220 clone3 435/435 socket 41/198 connect 42/203 bind 49/200
listen 50/201 kill 62/129 tkill 200/130 tgkill 234/131 rt_sigqueueinfo 129/138 rt_tgsigqueueinfo 297/240
pidfd_open 434/434 pidfd_send_signal 424/424 io_uring_enter 426/426 io_uring_register 427/427 io_setup 206/0 io_submit 209/2
setuid 105/146 setgid 106/144 setreuid 113/145 setregid 114/143 setresuid 117/147 setresgid 119/149 setfsuid 122/151
setfsgid 123/152 setgroups 116/159 capset 126/91 setsid 112/157 setpgid 109/154 personality 135/92
prlimit64 302/261 setrlimit 160/164 setpriority 141/140 sched_setaffinity 203/122 sched_setattr 314/274
sched_setparam 142/118 sched_setscheduler 144/119 ioprio_set 251/30 migrate_pages 256/238 move_pages 279/239
shmget 29/194 shmat 30/196 shmctl 31/195 msgget 68/186 msgctl 71/187 msgsnd 69/189 msgrcv 70/188 semget 64/190
semctl 66/191 semop 65/193 semtimedop 220/192 mq_open 240/180 mq_unlink 241/181
chmod 90/- fchmod 91/52 fchmodat 268/53 fchmodat2 452/452 chown 92/- fchown 93/55 lchown 94/- fchownat 260/54
setxattr 188/5 lsetxattr 189/6 fsetxattr 190/7 removexattr 197/14 lremovexattr 198/15 fremovexattr 199/16
utime 132/- utimes 235/- futimesat 261/- utimensat 280/88 chdir 80/49 fchdir 81/50 mknod 133/- mknodat 259/33
inotify_init 253/- inotify_init1 294/26
"""
_IO_URING = "io_uring_setup 425/425"
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

Syscall = Callable[..., int]
Instruction = tuple[int, int, int, int]


class Kernel:
    """The calls of the C library that are used here. Each gives what it gives; OSError where that is -1."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._prctl, self._syscall = library.prctl, library.syscall
        self._syscall.restype = ctypes.c_long

    def prctl(self, *values: Any) -> int:
        whole = (*values, *(ctypes.c_ulong(0),) * (5 - len(values)))
        return _checked(self._prctl(*whole))

    def syscall(self, number: int, *values: Any) -> int:
        return _checked(self._syscall(ctypes.c_long(number), *values))


def without_io_uring() -> None:
    """No ring of requests to the kernel can be made from now on: seccomp does not see what goes through one. An event loop
    that begins after this does without."""
    kernel, architecture = _kernel(), _architecture()
    if kernel is not None and architecture in _ARCHITECTURES:
        with contextlib.suppress(OSError):  # where there is no seccomp, `confine` says so
            _filter(kernel, program(architecture, refused=_numbers(_IO_URING, architecture)))


def confine() -> tuple[str, ...]:
    """Give up what the kernel lets one give up; says what it does not, and why. Nothing: all was given up."""
    return _refused(_no_files, _no_calls)


def missing() -> tuple[str, ...]:
    """What `confine` would say, without giving up anything."""
    return _refused(_landlock, _seccomp)


def hide() -> None:
    """Nobody but root looks into this process' memory from now on, and no core dump shows it."""
    kernel = _kernel()
    if kernel is not None:
        kernel.prctl(_SET_DUMPABLE, ctypes.c_ulong(0))


def program(architecture: str, *, deadly: Sequence[int] = (), refused: Sequence[int] = ()) -> bytes:
    """The filter: some calls end the process, as does any by another architecture's numbers; some are refused with EPERM."""
    calls = [(number, "kill") for number in deadly] + [(number, "refuse") for number in refused]
    checks: list[tuple[int, int, str]] = [(_NOT_LESS, _X32, "kill")] if architecture == "x86_64" else []
    checks += [(_EQUAL, number, end) for number, end in calls]
    ends = {"allow": _ALLOW, "refuse": _REFUSE, "kill": _KILL}
    to = {end: len(checks) + place for place, end in enumerate(ends)}
    instructions: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[architecture]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        # A jump counts from the instruction after it.
        *((kind, to[end] - place - 1, 0, value) for place, (kind, value, end) in enumerate(checks)),
        *((_RETURN, 0, 0, value) for value in ends.values()),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


# --- inside


def _refused(landlock: Callable[[Kernel], object], seccomp: Callable[[Kernel], object]) -> tuple[str, ...]:
    """What the kernel refuses of these two, and why."""
    kernel = _kernel()
    if kernel is None:
        return (f"{sys.platform} has neither Landlock nor seccomp",)
    found = []
    for name, action in (("Landlock", landlock), ("seccomp", seccomp)):
        try:
            action(kernel)
        except OSError as error:
            found.append(f"{name}: {error.strerror}")
    return tuple(found)


def _kernel() -> Kernel | None:
    return Kernel() if sys.platform == "linux" else None


def _architecture() -> str:
    """By whose numbers this process makes its calls: a program of 32 bits has its own on the same kernel."""
    bits = 8 * struct.calcsize("P")
    return (
        platform.machine()
        if (bits, sys.byteorder) == (64, "little")
        else f"{bits} bits of {platform.machine()}"
    )


def _landlock(kernel: Kernel) -> int:
    """Its version; OSError if there is none."""
    return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_ASK_VERSION))


def _seccomp(kernel: Kernel) -> None:
    """OSError if there is none that could be used here."""
    _known_architecture()
    try:
        kernel.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), None)  # no filter: refused anyway
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def _known_architecture() -> str:
    architecture = _architecture()
    if architecture not in _ARCHITECTURES:
        raise OSError(0, f"its calls on {architecture} are not known here")
    return architecture


def _no_files(kernel: Kernel) -> None:
    """Landlock, with no exception: this process has opened what it needs."""
    version = _landlock(kernel)
    rights = max(count for since, count in _FILE_RIGHTS.items() if since <= version)
    handled = [(1 << rights) - 1]
    if version >= _TCP_SINCE:
        handled.append(_TCP)
    if version >= _SCOPES_SINCE:
        handled.append(_SCOPES)
    attributes = struct.pack(f"={len(handled)}Q", *handled)
    ruleset = kernel.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    try:
        kernel.prctl(_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))
        kernel.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _no_calls(kernel: Kernel) -> None:
    """seccomp, and memory that is not shown. This comes last: it forbids some of what the rest needs."""
    kernel.prctl(_SET_DUMPABLE, ctypes.c_ulong(0))
    architecture = _known_architecture()
    deadly, refused = (_numbers(table, architecture) for table in (_DEADLY, _REFUSED + _IO_URING))
    _filter(kernel, program(architecture, deadly=deadly, refused=refused))


def _filter(kernel: Kernel, instructions: bytes) -> None:
    kernel.prctl(_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    # struct sock_fprog: how many instructions, and where.
    whole = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(buffer))
    kernel.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), whole)


def _numbers(table: str, architecture: str) -> list[int]:
    """The numbers of a table's calls on this architecture."""
    words = table.split()
    column = list(_ARCHITECTURES).index(architecture)
    found = (numbers.split("/")[column] for numbers in words[1::2])
    return [int(number) for number in found if number != "-"]


def _checked(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
