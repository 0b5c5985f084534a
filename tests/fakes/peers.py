"""Foreign programs that speak to registries, in namespaces of their own, and our registry in their network.

The root file system that has them (skopeo, podman, buildah, dockerd, nginx) is that of tests/fakes/podman.py. What they
write ends with the namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.podman import ENTER, root_of_others

import carrack

ADDRESS = "10.199.77.1"
"""Where the registry is in there. Of no loopback, where clients would take TLS for optional."""

_PROGRAM = "from carrack.registry_server.main import main; raise SystemExit(main())"
_PATIENCE = 30.0


def root_with(*programs: str) -> str:
    """The root file system that has these; skips the test by their names when there is none."""
    root = root_of_others()
    path = os.pathsep.join(f"{root}/{folder}" for folder in ("usr/bin", "usr/sbin", "usr/local/bin"))
    missing = [program for program in programs if not shutil.which(program, path=path)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (CARRACK_TEST_PODMAN_ROOT can name a root that has them)")
    return root


class Peers:
    """A root file system, a network with `ADDRESS`, and what runs there. Call `close`."""

    def __init__(self, directory: Path, root: str) -> None:
        place = directory / "root"
        place.mkdir()
        self._started: list[subprocess.Popen[bytes]] = []
        flags = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        self._holder = subprocess.Popen(
            ["unshare", *flags, "sh", "-c", ENTER, "sh", root, str(place)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert self._holder.stdout is not None
            assert self._holder.stdout.readline() == "ready\n", "the namespaces could not be made"
            children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text()
            self._target = children.split()[0]
            self._enter("--net", "ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
        except BaseException:
            self.close()
            raise

    def run(self, *command: str, code: int | None = 0, input: str = "") -> str:
        """A command in there, which must end with that code (None: any); what it printed, errors last."""
        result = subprocess.run(
            [*self._inside, *command],
            input=input.encode(), capture_output=True, check=False, timeout=60, env=self._environment,
        )  # fmt: skip
        output = result.stdout.decode() + result.stderr.decode()
        assert code is None or result.returncode == code, (command, output)
        return output

    def start(self, *command: str, ready: Callable[[], bool], more: dict[str, str] | None = None) -> None:
        """Start a program in there, which lives until `close`, and wait until it is ready."""
        self._wait_for(
            subprocess.Popen(
                [*self._inside, *command], env={**self._environment, **(more or {})},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            ),
            ready,
        )  # fmt: skip

    def serve(self, port: int, *flags: str) -> None:
        """Our registry on `ADDRESS` and that port, of this source tree, with the files of this machine."""
        source = os.path.dirname(os.path.dirname(os.path.abspath(carrack.__file__)))
        words = [sys.executable, "-c", _PROGRAM, "serve", "--listen", f"{ADDRESS}:{port}", *flags]
        command = ["nsenter", "--target", self._target, "--net", *words]
        child = subprocess.Popen(
            command, env={"PYTHONPATH": source}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )  # fmt: skip
        self._wait_for(child, lambda: self.listening(port))

    def listening(self, port: int) -> bool:
        """Whether something listens on that port in there."""
        return any(f":{port:04X} 00000000:0000 0A" in line for line in self._sockets())

    def close(self) -> None:
        """End all of it."""
        for child in reversed(self._started):
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()

    @property
    def _inside(self) -> list[str]:
        return ["nsenter", "--target", self._target, "--mount", "--net", "--pid", "--root", "--wd"]

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/tmp",
            "DOCKER_HOST": "unix:///tmp/docker.sock",
            "STORAGE_DRIVER": "vfs",
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        }

    def _enter(self, *words: str) -> None:
        subprocess.run(["nsenter", "--target", self._target, *words], check=True)

    def _sockets(self) -> list[str]:
        found = subprocess.run(
            ["nsenter", "--target", self._target, "--net", "cat", "/proc/self/net/tcp"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return found.stdout.splitlines()

    def _wait_for(self, child: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        self._started.append(child)
        end = time.monotonic() + _PATIENCE
        while not ready():
            if child.poll() is not None or time.monotonic() > end:
                child.kill()
                assert child.stdout is not None
                pytest.fail(f"{child.args!r} did not come up: {child.stdout.read().decode()[-2000:]}")
            time.sleep(0.05)
