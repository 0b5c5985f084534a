"""In the guest: ours and a real dockerd beside each other, measured by scripts/bench. Ratios count, not figures.

    CARRACK_PEERS=FOLDER CARRACK_BUSYBOX=docker-archive \\
        python -m tests.guest --seconds 1200 --command python -m tests.guest.peers [bench arguments]

FOLDER is the root of a system that has dockerd, containerd and runc. It gets mount and network namespaces of its own,
so that neither's bridge and rules meet the other's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cli.running import CommandLine, DaemonProcess

_PLACE = Path("/var/tmp/peers")
_ENTER = """
set -e
mount --make-rprivate /
mount --rbind "$1" "$1"
mount -t proc proc "$1/proc"; mount -t sysfs sysfs "$1/sys"; mount --rbind /sys/fs/cgroup "$1/sys/fs/cgroup"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"; mount -t tmpfs tmpfs "$1/tmp"
mkdir -p "$1/peers" "$1/.old"; mount --bind "$2" "$1/peers"
cd "$1"; pivot_root . .old; cd /; umount -l /.old
ip link set lo up
# dockerd waits for a containerd of its own for 15 s only, which is not long where the processor is emulated
containerd --root /peers/containerd --state /run/containerd &
for second in $(seq 150); do [ -S /run/containerd/containerd.sock ] && break; sleep 1; done
set -- --containerd /run/containerd/containerd.sock --data-root /peers/data --exec-root /run/docker
exec dockerd -H unix:///peers/docker.sock --cgroup-parent /peers "$@"
"""


def main() -> int:
    """Start both, load the image into both, and hand over to the benchmark."""
    root, archive = os.environ["CARRACK_PEERS"], os.environ["CARRACK_BUSYBOX"]
    with ExitStack() as stack:
        peer = stack.enter_context(_dockerd(root))
        ours = DaemonProcess(_folder("ours"))
        stack.callback(ours.stop)
        ours.start()
        docker = CommandLine("docker", ours)
        docker("load", "-i", archive, timeout=300)
        subprocess.run(["docker", "-H", peer, "load", "-i", archive], check=True)
        command = [sys.executable, "-m", "bench", "--ours", f"unix://{ours.socket}", "--peer", peer, *sys.argv[1:]]
        return subprocess.run(command, check=False).returncode


@contextmanager
def _dockerd(root: str) -> Iterator[str]:
    """A dockerd in namespaces of its own; its address."""
    address = f"unix://{_folder('peers')}/docker.sock"
    with (_PLACE / "log").open("wb") as log:
        words = ["unshare", "-m", "-n", "bash", "-c", _ENTER, "peers", root, str(_PLACE)]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _until(lambda: subprocess.run(["docker", "-H", address, "version"], capture_output=True).returncode == 0)
        yield address
    except TimeoutError:
        print((_PLACE / "log").read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait()


def _folder(name: str) -> Path:
    path = Path("/var/tmp", name)
    path.mkdir(exist_ok=True)
    return path


def _until(check: Callable[[], bool], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise TimeoutError("the peer does not answer")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
