"""CVE-2022-24769: a container's processes had inheritable capabilities, which files with inheritable capabilities of
their own turn into permitted ones, also for a user who should have none.

The attack: an ordinary user executes a program with the file capability ``cap_net_raw+ei``. Given an inheritable set
by the spec, as the broken engines gave it, the capability is gained (the first test, which goes red when the file's
capabilities do not work here at all); from our defaults it is not, in any of the ways to start a process.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.fakes.bundle import Bundle
from tests.security import evil

pytestmark = pytest.mark.root

NET_RAW = 13
#: struct vfs_cap_data, <linux/capability.h>: revision 2, effective; low words of permitted and inheritable, high words
INHERITABLE = struct.pack("<5I", 0x02000001, 0, 1 << NET_RAW, 0, 0)


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    made = Bundle(tmp_path)
    lure = made.rootfs / "lure/grep"
    lure.parent.mkdir()
    lure.write_bytes((made.rootfs / "bin/busybox").read_bytes())
    lure.chmod(0o755)
    os.setxattr(lure, "security.capability", INHERITABLE)
    made.process["user"] = {"uid": 1000, "gid": 1000}
    yield made
    made.clean()


def gained(status: str) -> int:
    return int(dict(line.split(":") for line in status.split("\n") if line)["CapPrm"].strip(), 16)


def lure(bundle: Bundle) -> int:
    done = bundle.run("/lure/grep", "Cap", "/proc/self/status")
    assert done.returncode == 0, done.stderr
    return gained(done.stdout)


def test_the_attack_works_with_an_inheritable_set(bundle: Bundle) -> None:
    bundle.process["capabilities"]["inheritable"] = ["CAP_NET_RAW"]
    assert lure(bundle) == 1 << NET_RAW


def test_and_not_from_the_default_ones(bundle: Bundle) -> None:
    assert lure(bundle) == 0
    container = bundle.detached("sleep", "60")
    for words in ([], ["--cap", "CAP_NET_RAW"], ["--cap", "CAP_SYS_ADMIN"]):
        done = bundle.command("exec", *words, container, "/lure/grep", "-E", "CapInh|CapAmb", "/proc/self/status")
        assert done.stdout.split() == ["CapInh:", "0" * 16, "CapAmb:", "0" * 16]


def test_the_daemon_gives_none(docker: Cli, image: str) -> None:
    busybox = Path("/usr/bin/busybox") if Path("/usr/bin/busybox").exists() else Path("/bin/busybox")
    headers = {"SCHILY__xattr__security__capability": INHERITABLE.decode("latin-1")}
    member = evil.file("lure/grep", busybox.read_bytes(), 0o755, **headers)
    with evil.image(docker, "evil-caps", member) as made:
        ask = ["/lure/grep", "Cap", "/proc/self/status"]
        assert gained(docker("run", "--rm", "--user", "1000", made, *ask).stdout) == 0
        name = docker("run", "-d", "--user", "1000", "--privileged", made, "sleep", "1000").stdout.strip()
        try:
            for options in ([], ["--privileged"], ["--user", "0"], ["--user", "0", "--privileged"]):
                said = dict(line.split() for line in docker("exec", *options, name, *ask).stdout.splitlines())
                assert said["CapInh:"] == said["CapAmb:"] == "0" * 16
        finally:
            docker("rm", "-f", name)
