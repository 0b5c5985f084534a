"""Many containers made, started, awaited and removed one after another: does anything stay?

    python -m bench.cycles --ours unix:///run/carrack.sock --cycles 10000

Before, at every tenth of the way and after, once the daemon is idle, it counts what could leak: the daemon's memory
(PSS of all its processes), descriptors and threads; processes, mounts, network interfaces and nftables rules where it
is; network namespaces in use, cgroups, inotify instances and kernel keys of the host. The exit code is 1 when something
grew that did not shrink again. Keep the machine otherwise idle. About 30 ms a cycle and client: 10,000 cycles take some
four minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from bench.counters import daemon_pid, engine_pids, pss
from bench.target import IMAGE, Target

IDLE = 5.0
SPARE_KIB = 8 * 1024
"""By how much the engine's memory may differ after the second tenth: arenas and caches come to rest there."""


def counted(target: Target) -> dict[str, int]:
    """Everything that could leak, by name."""
    daemon = daemon_pid(target.host)
    with target.connect() as api:
        running = api.request("GET", "/containers/json")
        pids = [api.request("GET", f"/containers/{c['Id']}/json")["State"]["Pid"] for c in running]
    return {
        "KiB": pss(engine_pids(target.host, pids)),
        "processes": len(engine_pids(target.host, pids)),
        "descriptors": len(os.listdir(f"/proc/{daemon}/fd")),
        "threads": len(os.listdir(f"/proc/{daemon}/task")),
        "mounts": Path(f"/proc/{daemon}/mountinfo").read_text(encoding="utf-8", errors="replace").count("\n"),
        "interfaces": Path(f"/proc/{daemon}/net/dev").read_text(encoding="ascii").count(":"),
        "namespaces": len(_namespaces()),
        "cgroups": sum("cgroup.procs" in files for _, _, files in os.walk("/sys/fs/cgroup")),
        "rules": _output("nsenter", f"--net=/proc/{daemon}/ns/net", "nft", "list", "ruleset").count("\n"),
        "inotify": _inotify(daemon),
        "keys": _keys(),
    }


def cycles(target: Target, count: int, clients: int) -> None:
    """That many containers that end at once, by some clients side by side. Raises Failed."""
    failures: list[BaseException] = []

    def work(share: int) -> None:
        try:
            with target.connect() as api:
                for _ in range(share):
                    identity = api.request("POST", "/containers/create", {"Image": IMAGE, "Cmd": ["true"]})["Id"]
                    api.request("POST", f"/containers/{identity}/start")
                    api.request("POST", f"/containers/{identity}/wait")
                    api.request("DELETE", f"/containers/{identity}")
        except BaseException as failure:
            failures.append(failure)

    shares = [count // clients + (number < count % clients) for number in range(clients)]
    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def leaks(first: dict[str, int], last: dict[str, int]) -> list[str]:
    """What grew between two counts taken after some warming up."""
    room = {"KiB": SPARE_KIB, "processes": 2, "descriptors": 8, "threads": 2, "inotify": 1}
    # A parked slot or two more or less have their own of each of these.
    slot = {"mounts": 8, "interfaces": 4, "namespaces": 4, "cgroups": 48, "rules": 4, "keys": 4}
    return [
        f"{name}: {first[name]} -> {last[name]}" for name in last if last[name] - first[name] > {**room, **slot}[name]
    ]


def main() -> None:
    """Run and print a table in Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cycles", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ours", default="unix:///run/carrack.sock", help="the daemon's socket")
    parser.add_argument("--cycles", type=int, default=10_000, help="containers in all (10000)")
    parser.add_argument("--clients", type=int, default=2, help="how many at a time (2)")
    options = parser.parse_args()
    target = Target("docker", "carrackd", "docker", options.ours)
    table: list[dict[str, int]] = []
    began = time.monotonic()
    for step in range(11):
        if step:
            cycles(target, options.cycles // 10, options.clients)
        time.sleep(IDLE)
        table.append(counted(target))
        if not step:
            print(f"| cycles | {' | '.join(table[0])} |\n|---|{'--:|' * len(table[0])}")
        print(f"| {step * options.cycles // 10} | {' | '.join(map(str, table[-1].values()))} |", flush=True)
    print(f"\n{options.cycles} cycles in {time.monotonic() - began:.0f} s", flush=True)
    if left := leaks(table[2], table[-1]):
        sys.exit("leaks: " + "; ".join(left))


def _namespaces() -> set[str]:
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found.add(os.readlink(f"/proc/{entry}/ns/net"))
            except OSError:
                continue
    return found


def _inotify(pid: int) -> int:
    found = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found += "inotify" in os.readlink(entry.path)
        except OSError:
            continue
    return found


def _keys() -> int:
    """Of root, who has them all here (proc_keys(5))."""
    try:
        rows = [line.split() for line in Path("/proc/key-users").read_text(encoding="ascii").splitlines()]
    except OSError:
        return 0
    return next((int(row[2].partition("/")[0]) for row in rows if row[0] == "0:"), 0)


def _output(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


if __name__ == "__main__":
    main()
