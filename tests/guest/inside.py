"""What runs in the guest: makes the machine usual, runs one command, and sends what came of it to the host.

It is the guest's process 1: it collects orphans, and ends the machine. The job is a JSON file of the host's:
``command`` (words), ``folder`` (where to run it), ``environment``, ``path`` (folders to look for programs in first),
``modules`` (the kernel's), ``policy`` (of SELinux, to be enforced; or nothing). The command finds an empty folder in
$GUEST_RESULTS; what it leaves there is the answer.
Only the standard library is used.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

#: every file of the tests and the engine goes to the disk: the root's upper layer is memory, and an overlay
DISK = "/dev/vda"
STORE = "/var/tmp"
PORT = "/dev/vport{}p1"
RESULTS = f"{STORE}/guest-results"
PROJECT = "/run/project"
#: the labels of selinux.conf
CONTEXTS = """process = "system_u:system_r:container_t:s0"
file = "system_u:object_r:container_file_t:s0"
ro_file = "system_u:object_r:layer_t:s0"
"""


def main() -> None:
    """Process 1: whatever becomes of the work, the machine ends; without an answer the host takes it for crashed."""
    worker = os.fork()
    if worker == 0:
        _work()
        sys.exit()
    while os.wait()[0] != worker:
        pass
    os.sync()
    Path("/proc/sysrq-trigger").write_text("o")  # off, with nothing of the host's files asked for
    signal.pause()


def _work() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    os.mkdir(PROJECT)
    _run("mount", "--bind", job["folder"], PROJECT)
    if job.get("policy"):
        _enforce(job["policy"])
    _settle(job)
    if not os.path.isdir(job["folder"]):  # what was mounted for temporary files hides a project that lies there
        os.makedirs(job["folder"])
        _run("mount", "--bind", PROJECT, job["folder"])
    os.mkdir(RESULTS)
    environment = {"HOME": "/root", "TERM": "dumb", "TMPDIR": STORE, "GUEST_RESULTS": RESULTS, **job["environment"]}
    environment["PATH"] = ":".join([*job.get("path", ()), os.environ["PATH"]])
    done = subprocess.run(job["command"], cwd=job["folder"], env=environment, check=False)
    Path(RESULTS, "status").write_text(str(done.returncode))
    _send()


def _settle(job: dict[str, Any]) -> None:
    """As systemd leaves a machine: modules loadable, file systems mounted, we in a cgroup below the top."""
    modules = Path("/lib/modules", Path(job["modules"]).name)
    modules.mkdir(parents=True)
    _run("mount", "--bind", job["modules"], str(modules))
    _make_static_nodes(Path(job["modules"], "modules.devname"))
    for word in ("virtio_blk", "virtio_console", "virtio_rng"):
        _run("modprobe", "-q", word, check=False)
    _run("mount", "-t", "ext4", DISK, STORE)
    for folder, kind in (("/dev/pts", "devpts"), ("/dev/shm", "tmpfs"), ("/dev/mqueue", "mqueue")):
        os.makedirs(folder, exist_ok=True)
        _run("mount", "-t", kind, kind, folder)
    _run("mount", "-t", "securityfs", "securityfs", "/sys/kernel/security", check=False)
    _run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf", check=False)
    _run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp")
    _run("hostname", "guest")
    _run("ip", "link", "set", "lo", "up")
    own = Path("/sys/fs/cgroup/init.scope")
    own.mkdir()
    (own / "cgroup.procs").write_text(str(os.getpid()))


def _enforce(policy: str) -> None:
    """Load an SELinux policy, and leave the files by which engines find out what it has for containers."""
    root = Path("/sys/fs/selinux")
    _run("mount", "-t", "selinuxfs", "selinuxfs", str(root))
    for name, content in (("load", Path(policy).read_bytes()), ("enforce", b"1")):
        with open(root / name, "wb", buffering=0) as file:
            file.write(content)
    contexts = Path("/etc/selinux/tests/contexts")
    contexts.mkdir(parents=True)
    (contexts / "lxc_contexts").write_text(CONTEXTS)
    Path("/etc/selinux/config").write_text("SELINUX=enforcing\nSELINUXTYPE=tests\n")


def _make_static_nodes(listing: Path) -> None:
    """Devices whose opening loads their driver, such as /dev/loop-control: lines ``loop loop-control c10:237``."""
    for line in listing.read_text().splitlines():
        if not line.startswith("#"):
            _, name, numbers = line.split()
            path = Path("/dev", name)
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                kind = stat.S_IFBLK if numbers[0] == "b" else stat.S_IFCHR
                os.mknod(path, 0o600 | kind, os.makedev(*map(int, numbers[1:].split(":"))))


def _run(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check)


def _send() -> None:
    port = next(path for path in (PORT.format(number) for number in range(8)) if os.path.exists(path))
    with open(port, "wb", buffering=0) as file, tarfile.open(fileobj=file, mode="w|") as archive:
        archive.add(RESULTS, ".", filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.name = member.name.removeprefix("./")
    return member


if __name__ == "__main__":
    main()
