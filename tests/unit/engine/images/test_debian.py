"""Debian base images: what differs from run to run is taken out."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from carrack.engine.images import debian


def tree(top: Path, day: int) -> Path:
    """A bootstrapped root in small; everything but the packaged file is of `day`."""
    files = {
        "etc/shadow": f"root:*:{day}:0:99999:7:::\n_apt:!:{day}:::\n",
        "etc/hostname": f"host-{day}",
        "etc/resolv.conf": f"nameserver 10.0.0.{day % 250}",
        "etc/passwd-": str(day),
        "etc/apt/sources.list": f"deb http://mirror-{day}/debian bookworm main",
        "usr/bin/tool": "packaged",
        "var/lib/dpkg/info/tool.md5sums": "d41d8cd98f00b204e9800998ecf8427e  usr/bin/tool\n0  usr/bin/gone\n",
        "var/lib/dpkg/status": "Package: tool\n",
        "var/lib/dpkg/status-old": str(day),
        "var/lib/apt/lists/x": str(day),
        "var/log/dpkg.log": str(day),
        "var/cache/ldconfig/aux-cache": str(day),
        "tmp/left": "x",
        "usr/lib/m.pyc": str(day),
    }
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (day * 86400, day * 86400))
    os.utime(top / "usr/bin/tool", (1_600_000_000, 1_600_000_000))
    return top


def packed(top: Path) -> bytes:
    out = io.BytesIO()
    assert debian.write(out.write, top, "bookworm") == 1_600_000_000
    return out.getvalue()


def test_two_days_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = packed(tree(tmp_path / "a", 19_000)), packed(tree(tmp_path / "b", 20_111))
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        names = tar.getnames()
        shadow, sources = tar.extractfile("etc/shadow"), tar.extractfile("etc/apt/sources.list")
        assert shadow is not None
        assert shadow.read() == b"root:*:18518:0:99999:7:::\n_apt:!:18518:::\n"
        assert sources is not None
        assert b"mirror" not in sources.read()
        assert max(member.mtime for member in tar) == 1_600_000_000
    for gone in ("etc/hostname", "etc/resolv.conf", "etc/passwd-", "var/log/dpkg.log", "tmp/left", "usr/lib/m.pyc"):
        assert gone not in names
    for kept in ("tmp", "var/log", "var/lib/apt/lists", "var/lib/dpkg/status", "usr/bin/tool"):
        assert kept in names


def test_a_tree_without_packages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no packages"):
        debian.settle(tmp_path, "bookworm")


def test_commands_run_apart() -> None:
    for tool in ("/usr/bin/mmdebstrap", "/usr/sbin/debootstrap"):
        command = debian.command(tool, "bookworm", "/target")
        assert command.index("unshare") < command.index(tool)
        assert {"bookworm", "/target", "--mount", "--kill-child"} <= set(command)
