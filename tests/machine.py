"""A machine of its own for tests: a real systemd as its first process, in namespaces, on a copy-on-write view of this one's
files. Nothing that is done there touches this machine."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SYSTEMD = Path("/lib/systemd/systemd")
# What is started there by itself: nothing but the journal. A target that units name has to exist.
_TARGETS = (
    "sysinit",
    "basic",
    "multi-user",
    "timers",
    "sockets",
    "network",
    "network-online",
    "shutdown",
    "umount",
)
_JOURNAL = ("systemd-journald.service", "systemd-journald.socket")
_UNITS = "/opt/units"
# Of this Python: a service that must not see home directories needs it elsewhere.
_PYTHON, _PACKAGES, _SOURCE = "/opt/python", "/opt/packages", "/opt/source"

_BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$MACHINE"
cd "$MACHINE"
mkdir cgroup upper work root
mount -t cgroup2 cgroup2 cgroup
mkdir "cgroup/$CGROUP"
echo $$ > "cgroup/$CGROUP/cgroup.procs"
umount cgroup
exec unshare -C sh "$FOLDER/start"
"""
_START = r"""
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$MACHINE/upper,workdir=$MACHINE/work" "$MACHINE/root"
cd "$MACHINE/root"
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    set -- $device
    mknod -m 666 "dev/$1" c "$2" "$3"
done
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for place in run tmp var/tmp var/log opt; do mount -t tmpfs -o mode=1777 tmpfs "$place"; done
chmod 755 run var/log opt
mkdir -p run/systemd/system opt/units opt/python opt/packages opt/source
cp "$FOLDER"/units/* opt/units/
mount --bind "$PYTHON_BASE" opt/python
mount --bind "$PACKAGES_BASE" opt/packages
# The source is built in: what that writes is for this machine alone.
mkdir "$MACHINE/upper2" "$MACHINE/work2"
mount -t overlay overlay -o "lowerdir=$SOURCE_BASE,upperdir=$MACHINE/upper2,workdir=$MACHINE/work2" opt/source
mount --rbind "$FOLDER/shared" mnt
hostname "$NAME"
echo "$NAME" > etc/hostname
echo /opt/python/lib > etc/ld.so.conf.d/python.conf
ldconfig -r .
mkdir old
pivot_root . old
umount -l old
rmdir old
# Where it is no container, systemd does this by itself: credentials come to services by it.
mount --make-rshared /
exec env -i container=tests SYSTEMD_UNIT_PATH=/etc/systemd/system:/opt/units PATH="$PATH" \
    "$SYSTEMD" --system --unit=multi-user.target --log-target=console --show-status=no </dev/null
"""
_CLEAN = r"""
mount -t cgroup2 cgroup2 "$MACHINE"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    find "$MACHINE/$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null && break
    test -d "$MACHINE/$CGROUP" || break
    sleep 0.2
done
umount "$MACHINE"
"""
# As on machines with sudo, which the tests do without.
_SUDO = r"""#!/bin/sh
test "$1" = -u || exec "$@"
user=$2
shift 2
exec setpriv --reuid="$user" --regid="$user" --init-groups "$@"
"""


class Machine:
    """One that runs. Its /mnt is the folder `shared`, which other machines may share."""

    def __init__(self, folder: Path, name: str, pid: int) -> None:
        self.folder = folder
        self.name = name
        self._pid = pid

    def run(self, script: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a shell script there, as root in the source's directory."""
        ended = subprocess.run(
            [
                "nsenter",
                "-t",
                str(self._pid),
                "-m",
                "-p",
                "-u",
                "-C",
                "-i",
                "-n",
                "sh",
                "-ec",
                f"cd {_SOURCE}\n{script}",
            ],
            env={
                "PATH": f"{_PYTHON}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/tmp",
                "LANG": "C.UTF-8",
                "PIP_NO_INDEX": "1",  # the packages are here already
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_ROOT_USER_ACTION": "ignore",
                "SYSTEMD_PAGER": "",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if check:
            assert ended.returncode == 0, (script, ended.stdout, ended.stderr, self.log())
        return ended

    def tell(self, script: str) -> str:
        """What a script prints."""
        return self.run(script).stdout.strip()

    def until(self, script: str, seconds: float = 60.0) -> str:
        """Run a script again and again until it succeeds."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.run(script, check=False)
            if ended.returncode == 0:
                return ended.stdout.strip()
            assert time.monotonic() < deadline, (script, ended.stdout, ended.stderr, self.log())
            time.sleep(0.2)

    def log(self) -> str:
        """The last of what its systemd and its services said."""
        journal = self.run("journalctl --no-pager -n 60 2>&1", check=False).stdout
        return (self.folder / "manager.log").read_text(errors="replace")[-4000:] + journal


@contextmanager
def machine(folder: Path, name: str, network: list[str], shared: Path) -> Iterator[Machine]:
    """One with this host name, on the network that the words lead to; ended at the end, with all that runs there."""
    if not SYSTEMD.exists() or os.geteuid() != 0 or shutil.which("nsenter") is None:
        pytest.skip("needs root, systemd and util-linux")
    units = folder / "units"
    units.mkdir(parents=True)
    (folder / "shared").symlink_to(shared)
    for target in _TARGETS:
        (units / f"{target}.target").write_text(f"[Unit]\nDescription={target}\nDefaultDependencies=no\n")
    for unit in _JOURNAL:
        shutil.copy(SYSTEMD.parent / "system" / unit, units)
    (units / "multi-user.target").write_text(
        "[Unit]\nDescription=all\nRequires=basic.target timers.target systemd-journald.service\nAllowIsolate=yes\n"
    )
    (folder / "boot").write_text(_BOOT)
    (folder / "start").write_text(_START)
    base = tempfile.mkdtemp(prefix="machine-", dir=folder)
    environment = {
        "PATH": os.environ["PATH"],
        "MACHINE": base,
        "FOLDER": str(folder),
        "NAME": name,
        "CGROUP": Path(base).name,
        "SYSTEMD": str(SYSTEMD),
        "PYTHON_BASE": sys.base_prefix,
        "PACKAGES_BASE": str(Path(pytest.__file__).parents[1]),
        "SOURCE_BASE": str(ROOT),
    }
    with (folder / "manager.log").open("wb") as log:
        boot = [*network, "unshare", "-m", "-p", "-f", "-u", "-i", "--kill-child", "sh", str(folder / "boot")]
        process = subprocess.Popen(boot, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        found = Machine(folder, name, _first_child(process))
        found.until("systemctl is-active multi-user.target")
        found.run(f"cat > /usr/local/bin/sudo <<'EOF'\n{_SUDO}EOF\nchmod 755 /usr/local/bin/sudo\n")
        yield found
    finally:
        process.kill()  # of unshare, with which its child, the first process, ends
        process.wait()
        subprocess.run(["unshare", "-m", "sh", "-ec", _CLEAN], env=environment, check=True)


def _first_child(process: "subprocess.Popen[bytes]") -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is None and (found := children.read_text().split()):
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("the machine did not start")
