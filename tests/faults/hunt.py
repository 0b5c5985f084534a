"""The crash hunt: random work by several clients while daemon, zygote, shims and workers are killed, then an audit.

    python -m tests.faults.hunt --seconds 120 [--seed N] [--keep]

Ends with status 1 and a list when anything is wrong. Run as root. The program makes itself a subreaper and works in a
child, so that every process the daemon might lose is found below it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from urllib.parse import quote

from tests.cli.running import CommandLine, DaemonProcess
from tests.faults.api import Api
from tests.faults.audit import Auditor, remains
from tests.faults.load import Findings, Worker
from tests.faults.loader import Loader
from tests.faults.networker import Networker
from tests.faults.strikes import Striker, children, kill
from tests.faults.victim import sacrifice
from tests.faults.witness import Witness

from carrack.linux.syscalls import LINUX

PR_SET_CHILD_SUBREAPER = 36
WORKERS = 4
_REST = 30.0


class Hunt:
    """One hunt with one seed, on a daemon of its own below ``root``."""

    def __init__(self, root: Path, seed: int) -> None:
        self._chance = random.Random(seed)
        self._seed = seed
        self.findings = Findings()
        self.daemon = DaemonProcess(root)
        self.api = Api(self.daemon.socket)
        self.striker = Striker(
            self.daemon, self._chance, lambda text: print(time.strftime("%H:%M:%S"), text, flush=True)
        )
        self.auditor = Auditor(self.daemon, os.getppid())

    def run(self, seconds: float) -> list[str]:
        """All of it; what is wrong."""
        self.daemon.start()
        try:
            CommandLine("carrack", self.daemon)("image", "bootstrap", "busybox")
            self._work(seconds)
        finally:
            self._clear()
            self.daemon.stop()
        self.findings.wrong += remains(self.daemon, os.getppid())
        return self.findings.wrong

    def _work(self, seconds: float) -> None:
        witness = Witness(self.api)
        self.striker.spared |= witness.ids
        self.striker.after = lambda kind: self._ask(witness, kind)
        workers = [self._worker(number) for number in range(WORKERS)]
        loader = Loader(self.api, self.striker, random.Random(self._seed), self.findings)
        networker = Networker(self.api, self.striker, random.Random(self._seed + 7), self.findings)
        over = threading.Event()
        works = [*(worker.run for worker in workers), loader.run, networker.run]
        threads = [threading.Thread(target=work, args=(over,)) for work in works]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                time.sleep(self._chance.uniform(0.3, 2.0))
                if self._chance.random() < 0.15:
                    self._sacrifice()
                else:
                    self.striker.strike()
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self._audit(workers, witness)
        networker.verify()
        loader.finish()
        self.daemon.crash()
        self.daemon.start()
        self._audit(workers, witness)
        networker.verify()

    def _worker(self, number: int) -> Worker:
        return Worker(number, self.api, self.striker, random.Random(self._seed * 100 + number), self.findings)

    def _sacrifice(self) -> None:
        try:
            sacrifice(self.api, self.striker, self.findings, self.daemon.cgroup)
        except AssertionError as error:
            self.findings.add(f"victim: {error}")

    def _ask(self, witness: Witness, kind: str) -> None:
        if kind != "worker" and (wrong := witness.serves()):
            self.findings.add(f"after the death of {kind}: {wrong}")

    def _audit(self, workers: list[Worker], witness: Witness) -> None:
        for row in self.api.listed("/containers/json?all=1"):
            # One that ends and is started again for ever never agrees with what was seen a moment ago.
            self.api("POST", f"/containers/{row['Id']}/update", {"RestartPolicy": {"Name": "no"}})
            if row["State"] == "restarting":
                self.api("POST", f"/containers/{row['Id']}/stop?t=0")
        self.findings.wrong += self._at_rest()
        for worker in workers:
            worker.verify()
        self.findings.wrong += witness.differences()

    def _at_rest(self) -> list[str]:
        """Differences that do not go away by themselves."""
        end = time.monotonic() + _REST
        while (found := self.auditor.differences()) and time.monotonic() < end:
            time.sleep(0.5)
        return found

    def _clear(self) -> None:
        """Remove everything, and compare the daemon's descriptors with those of a fresh one."""
        try:
            for row in self.api.listed("/containers/json?all=1"):
                gone = self.api("DELETE", f"/containers/{row['Id']}?force=1&v=1")
                if gone.status not in (204, 404):
                    self.findings.add(f"rm of {row['Names']}: {gone.status} {gone.message}")
            for row in self.api.listed("/networks?filters=" + quote('{"type":["custom"]}')):
                gone = self.api("DELETE", f"/networks/{row['Id']}")
                if gone.status != 204:
                    self.findings.add(f"rm of network {row['Name']}: {gone.status} {gone.message}")
            self.findings.wrong += self._at_rest()
            time.sleep(1)  # slots are parked again
            worn = self.auditor.descriptors()
            self.daemon.end()
            self.daemon.start()
            time.sleep(1.5)
            fresh = self.auditor.descriptors()
            if more := {kind: n - fresh[kind] for kind, n in worn.items() if n > fresh[kind] + 1}:
                self.findings.add(f"descriptors of the daemon: more than a fresh one by {more}")
        except Exception:
            self.findings.add(f"while clearing: {traceback.format_exc()}")


def hunt(seconds: float, seed: int, keep: bool) -> int:
    """One hunt, told on standard output; the exit status."""
    # Layers are files that the kernel mounts, and it mounts none from a tmpfs, which /tmp may be.
    root = Path(tempfile.mkdtemp(prefix="crk-hunt-", dir="/var/tmp"))
    made = Hunt(root, seed)
    print(f"seed {seed}, {seconds:.0f} s, in {root}", flush=True)
    wrong = made.run(seconds)
    done = made.findings
    print("strikes:", dict(made.striker.count))
    print("operations:", dict(done.done))
    print("slowest:", {name: round(took, 1) for name, took in done.slowest.items() if took > 2})
    for text, count in done.refusals.most_common(25):
        print(f"refused {count} times: {text}")
    text = made.daemon.log.read_text()
    if "Traceback" in text:
        made.findings.add("the daemon's log has a traceback: " + text[max(0, text.index("Traceback") - 400) :][:4000])
    for text in wrong:
        print("WRONG", text)
    print(f"seed {seed}: {len(wrong)} findings", flush=True)
    if not (keep and wrong):
        shutil.rmtree(root, ignore_errors=True)
    return 1 if wrong else 0


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="crash-hunt", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--keep", action="store_true", help="keep the directory of a hunt that found something")
    options = parser.parse_args()
    LINUX.prctl(PR_SET_CHILD_SUBREAPER, 1)
    worker = os.fork()
    if worker == 0:
        code = 2
        try:
            code = hunt(options.seconds, options.seed, options.keep)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    signal.signal(signal.SIGINT, lambda *_: os.kill(worker, signal.SIGINT))
    while True:
        pid, status = os.wait()
        if pid == worker:
            break
    for pid in children(os.getpid()):
        kill(pid)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
