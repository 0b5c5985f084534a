"""Builds broken off at random moments by each client: nothing goes on, nothing is left, and the cache is whole.

    python -m tests.faults.interrupts --seconds 120 [--seed N]

Each round changes something, begins a build, lets it go on for a while and breaks it off: mostly by what Ctrl-C sends,
now and then by a client that is killed. Then the steps must be gone; now and then the same build is let through, and
has to make what it should. Ends with status 1 and a list when anything is wrong. Run as root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.cli.running import CommandLine, DaemonProcess, api
from tests.clients import packages
from tests.faults.audit import Auditor
from tests.faults.leftovers import of_steps

SECONDS = f"8{os.getpid()}"  # by which a program of its steps is told from others
_REST = 15.0
_FILES = 150
TEXT = f"""FROM busybox AS one
COPY files /one
RUN sleep 0.$(cat /one/pace) && cat /one/* | sha256sum > /sum
FROM busybox AS two
RUN --mount=type=cache,target=/c,sharing=locked --mount=source=files,target=/f \\
    echo x >> /c/rounds && cp -r /f /two && sleep 0.$(cat /f/pace)
RUN [ -e /never ] || for i in 1 2 3; do echo $i >> /two/more; (sleep {SECONDS} &) ; sleep 0.05; done
FROM busybox
COPY --from=one /sum /sum
COPY --from=two --chown=7:8 /two /two
RUN (cat /two/* | wc -c; stat -c %u:%g /two/more; ls /two | wc -l) > /told
CMD ["cat", "/sum", "/told"]
"""
COMPOSE = """services:
  made:
    build: .
    image: made
"""


class Hunt:
    """One hunt with one seed, on a daemon of its own below ``root``."""

    def __init__(self, root: Path, seed: int) -> None:
        self._chance = random.Random(seed)
        self._context = root / "context"
        self._round = 0
        self.daemon = DaemonProcess(root)
        self.ours = CommandLine("carrack", self.daemon)
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self, seconds: float) -> list[str]:
        """All of it; what is wrong."""
        self.daemon.start()
        try:
            self.ours("image", "bootstrap", "busybox")
            clients = self._clients()
            self._write()
            end = time.monotonic() + seconds
            while time.monotonic() < end and not self.wrong:
                self._one(self._chance.choice(list(clients.values())))
            self._finish()
        finally:
            self.daemon.stop()
        if "Traceback" in (text := self.daemon.log.read_text()):
            self.wrong.append("the daemon's log has a traceback: " + text[text.index("Traceback") :][-3000:])
        return self.wrong

    def _clients(self) -> dict[str, list[str]]:
        """The commands that build; those that are not installed are left out."""
        found = {"carrack": [*self.ours.program, "build", "-t", "made", "."]}
        if not shutil.which("docker"):
            return found
        found["docker"] = ["docker", "build", "-t", "made", "."]
        plugins = self.daemon.root / "client" / "cli-plugins"
        plugins.mkdir(parents=True)
        for name, plugin, words in (
            ("buildx", packages.buildx, ["buildx", "build", "-t", "made", "."]),
            ("compose", packages.compose, ["compose", "build"]),
        ):
            with contextlib.suppress(packages.NotToBeHad):
                (plugins / f"docker-{name}").symlink_to(plugin())
                found[name] = ["docker", *words]
        return found

    def _write(self) -> None:
        files = self._context / "files"
        if not files.exists():
            files.mkdir(parents=True)
            (self._context / "Dockerfile").write_text(TEXT)
            (self._context / "compose.yaml").write_text(COMPOSE)
            for number in range(_FILES):
                (files / str(number)).write_bytes(self._chance.randbytes(self._chance.randrange(20_000)))
        (files / "pace").write_text(str(self._chance.randrange(3)))
        (files / str(self._chance.randrange(_FILES))).write_bytes(self._chance.randbytes(1000))

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {**self.daemon.environment, "COMPOSE_BAKE": "false"}
        if command[:2] == ["docker", "build"]:
            environment["DOCKER_BUILDKIT"] = "0"
        return subprocess.Popen(
            command, cwd=self._context, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def _one(self, command: list[str]) -> None:
        self._round += 1
        name = " ".join(command[-4:-2] if command[0] != "docker" else command[:2])
        if self._chance.random() < 0.7:
            self._write()
        client = self._start(command)
        time.sleep(self._chance.choice([0.1, 0.4, 0.9]) * self._chance.random())
        by = signal.SIGKILL if self._chance.random() < 0.2 else signal.SIGINT
        # a terminal sends it to all processes of the command; a plugin is one of them
        with contextlib.suppress(ProcessLookupError):
            os.killpg(client.pid, by)
        try:
            client.communicate(timeout=_REST)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"round {self._round}: {name} does not end after {by.name}")
            os.killpg(client.pid, signal.SIGKILL)
            client.communicate()
        self.done[f"{name}: {'through' if client.returncode == 0 else by.name}"] += 1
        if left := self._left():
            self.wrong.append(f"round {self._round}: after {name} and {by.name} there is left: {left}")
        elif self._chance.random() < 0.3:
            self._through(command, name)

    def _left(self) -> list[str]:
        end = time.monotonic() + _REST
        while (found := of_steps(self.daemon, ["sleep", SECONDS])) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def _through(self, command: list[str], name: str) -> None:
        """The same build, to its end: it makes what the files say."""
        client = self._start(command)
        said, _ = client.communicate(timeout=120)
        self.done[f"{name}: whole"] += 1
        if client.returncode:
            self.wrong.append(f"round {self._round}: {name} fails: {said.decode('utf-8', 'replace')[-2000:]}")
            return
        shown = self.ours("run", "--rm", "made", check=False)
        if shown.stdout != (right := self._expected()):
            self.wrong.append(f"round {self._round}: {name} made {shown.stdout!r} {shown.stderr!r}, not {right!r}")

    def _expected(self) -> str:
        command = "cat files/* | sha256sum; expr $(cat files/* | wc -c) + 6; echo 7:8; expr $(ls files | wc -l) + 1"
        done = subprocess.run(["sh", "-c", command], cwd=self._context, capture_output=True, text=True, check=True)
        return done.stdout

    def _finish(self) -> None:
        """Without images and cache there is nothing but the base."""
        self.ours("rmi", "-f", "made", check=False)
        for identity in self.ours("images", "-q", "-f", "dangling=true").stdout.split():
            self.ours("rmi", "-f", identity, check=False)
        api(self.daemon, "POST", "/build/prune?all=1")
        end = time.monotonic() + _REST
        while (found := Auditor(self.daemon).differences()) and time.monotonic() < end:
            time.sleep(0.2)
        self.wrong += found


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="interrupts", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    given = parser.parse_args()
    # Layers are files that the kernel mounts, and it mounts none from a tmpfs, which /tmp may be.
    root = Path(tempfile.mkdtemp(prefix="crk-int-", dir="/var/tmp"))
    hunt = Hunt(root, given.seed)
    print(f"seed {given.seed}, {given.seconds:.0f} s, in {root}", flush=True)
    try:
        wrong = hunt.run(given.seconds)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print("rounds:", dict(sorted(hunt.done.items())))
    for text in wrong:
        print("WRONG", text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
