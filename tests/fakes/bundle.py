"""A real bundle for carrack-runtime: a root file system of busybox's applets, and the command that obeys it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carrack.runtime.commands.documents import template

DEFAULT_CAPABILITIES = [
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
        "KILL AUDIT_WRITE"
    ).split()
]
APPLETS = (
    "sh cat id ls mount umount stat sleep true false pwd hostname ps kill env grep sed echo tty stty touch mkdir rm ln "
    "readlink dd test wc head trap ifconfig mknod chmod od seq sort tr cut nice yes find cp uname date unshare"
).split()
PASSWD = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000:Bob:/home/bob:/bin/sh\n"
GROUP = "root:x:0:\nwheel:x:10:root,bob\nbob:x:1000:\nextra:x:77:\n"
_numbers = itertools.count(1)


class Bundle:
    """One bundle and its state root, both below a temporary directory."""

    def __init__(self, directory: Path) -> None:
        busybox = shutil.which("busybox")
        if busybox is None:
            pytest.skip("needs the package busybox-static")
        self.directory = directory
        self.rootfs = directory / "rootfs"
        self.state_root = directory / "state"
        for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root", "home/bob"):
            (self.rootfs / name).mkdir(parents=True)
        (self.rootfs / "tmp").chmod(0o1777)
        shutil.copy(busybox, self.rootfs / "bin/busybox")
        for applet in APPLETS:
            (self.rootfs / "bin" / applet).symlink_to("busybox")
        (self.rootfs / "etc/passwd").write_text(PASSWD)
        (self.rootfs / "etc/group").write_text(GROUP)
        self.spec: dict[str, Any] = template()
        self.process: dict[str, Any] = self.spec["process"]
        self.linux: dict[str, Any] = self.spec["linux"]
        self.process.update(terminal=False, env=["PATH=/usr/bin:/bin"], noNewPrivileges=False)
        del self.process["rlimits"]
        self.process["capabilities"] = {
            kind: list(DEFAULT_CAPABILITIES) for kind in ("bounding", "effective", "permitted")
        }
        self.spec["root"]["readonly"] = False
        self.id = self.new_id()

    @staticmethod
    def new_id() -> str:
        """A container id that no other test run has."""
        return f"crk-test-{os.getpid()}-{next(_numbers)}"

    def write(self) -> None:
        """Put the spec on disk."""
        (self.directory / "config.json").write_text(json.dumps(self.spec))

    def command(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """carrack-runtime with these arguments; never more than 30 s."""
        line = [sys.executable, "-m", "carrack.runtime.main", "--root", str(self.state_root), *arguments]
        options = {"capture_output": True, "text": True, "timeout": 30, "check": False, **options}
        options.setdefault("stdin", subprocess.DEVNULL)
        if "input" in options:
            del options["stdin"]
        result: subprocess.CompletedProcess[str] = subprocess.run(line, **options)
        return result

    def run(self, *program: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program to its end in a new container."""
        self.process["args"] = list(program)
        self.write()
        return self.command("run", "-b", str(self.directory), self.new_id(), **options)

    def shell(self, script: str, **options: Any) -> str:
        """The output of a script that must succeed."""
        result = self.run("sh", "-ec", script, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def detached(self, *program: str) -> str:
        """Start a program in the background; the id."""
        self.process["args"] = list(program)
        self.write()
        log = self.directory / "output"
        with log.open("wb") as output:
            done = self.command(
                "run", "-d", "-b", str(self.directory), self.id,
                capture_output=False, stdout=output, stderr=output,
            )  # fmt: skip
        assert done.returncode == 0, log.read_text()
        return self.id

    def clean(self) -> None:
        """Whatever a test left."""
        if self.state_root.is_dir():
            for left in os.listdir(self.state_root):
                self.command("delete", "--force", left)
