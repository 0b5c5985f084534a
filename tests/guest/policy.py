"""The SELinux policy of the guest: compiled on the host, loaded in the guest, with the files that name its labels."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.guest.kernels import Lacking

TEXT = Path(__file__).with_name("selinux.conf")
CATEGORIES = 1024
VERSION = 31
#: as the kernel numbers them (security/selinux/include/initial_sid_to_string.h), from 1
SIDS = """kernel security unlabeled fs file file_labels init any_socket port netif netmsg node igmp_packet icmp_socket
tcp_socket sysctl_modprobe sysctl sysctl_fs sysctl_kernel sysctl_net sysctl_net_unix sysctl_vm sysctl_dev kmod policy
scmp_packet devnull""".split()
_FIRST = {"kernel": "system_r:host_t", "security": "object_r:pseudo_t", "devnull": "object_r:null_t"}


def source() -> str:
    """The whole text."""
    contexts = [f"sid {name} system_u:{_FIRST.get(name, 'object_r:unlabeled_t')}:s0" for name in SIDS]
    filled = {
        "SIDS": [f"sid {name}" for name in SIDS],
        "CATEGORIES": [f"category c{number};" for number in range(CATEGORIES)],
        "SID CONTEXTS": contexts,
    }
    return "".join("\n".join(filled.get(line, [line])) + "\n" for line in TEXT.read_text().splitlines())


def build(work: Path) -> Path:
    """Compile it. Lacking where there is no compiler."""
    program = shutil.which("checkpolicy") or shutil.which("checkpolicy", path="/usr/bin:/usr/sbin")
    if program is None:
        raise Lacking("checkpolicy is not installed: scripts/setup --dev installs it on Debian")
    text, binary = work / "policy.conf", work / "policy"
    text.write_text(source())
    done = subprocess.run(
        [program, "-M", "-U", "allow", "-c", str(VERSION), "-o", str(binary), str(text)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return binary
