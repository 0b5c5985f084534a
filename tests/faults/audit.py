"""Whether the API, the records, the disk and the kernel tell the same of one daemon, and whether all that is there is
accounted for."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from tests.cli.running import DaemonProcess
from tests.faults.api import Api
from tests.faults.networker import differences as inside
from tests.faults.strikes import RESOLVER, WORKER, children, command, parent

CGROUPS = Path("/sys/fs/cgroup")
_SLOT = "slot-"
_NAME = "com.docker.network.bridge.name"


class Auditor:
    """Looks at one daemon. Every method returns what is wrong, in words.

    ``reaper``: the process that gets what loses its parent, if the caller has one of its own.
    """

    def __init__(self, daemon: DaemonProcess, reaper: int = 0) -> None:
        self._reaper = reaper
        self._daemon = daemon
        self._api = Api(daemon.socket)
        self._root = daemon.root

    def pid(self) -> int:
        return int((self._root / "pid").read_text())

    def differences(self) -> list[str]:
        """All of it, on a daemon that has come to rest."""
        containers = [self._document(row["Id"]) for row in self._api.listed("/containers/json?all=1")]
        busy = [c["Name"] for c in containers if c["State"]["Status"] in ("restarting", "removing")]
        if busy:
            return [f"not at rest: {busy}"]
        running = {c["Id"]: c for c in containers if c["State"]["Running"]}
        found = self._lists(containers) + self._places({c["Id"] for c in containers}, set(running))
        for c in running.values():
            found += [f"{c['Name']}: {text}" for text in self._process(c)]
        for c in containers:
            if c["Id"] not in running and c["State"]["Pid"]:
                found.append(f"{c['Name']} does not run and has pid {c['State']['Pid']}")
        return (
            found
            + self._processes(running)
            + self._ports(running)
            + self._links(running)
            + self._images()
            + self._mounts(running)
        )

    def _document(self, identity: str) -> Any:
        answer = self._api("GET", f"/containers/{identity}/json")
        return answer.json() if answer.status == 200 else {"Id": identity, "Name": "?", "State": {
            "Status": "removing", "Running": False, "Pid": 0}}  # fmt: skip

    def _lists(self, containers: list[Any]) -> list[str]:
        """The listing, the inspection and the records."""
        found = []
        listed = {row["Id"]: row["State"] for row in self._api.listed("/containers/json?all=1")}
        shown = {c["Id"]: c["State"]["Status"] for c in containers}
        if listed != shown:
            found.append(f"ps and inspect differ: {set(listed.items()) ^ set(shown.items())}")
        with sqlite3.connect(f"file:{self._root}/data/meta.db?mode=ro", uri=True) as records:
            rows = {row[0]: json.loads(row[1]) for row in records.execute("SELECT id, document FROM container")}
        records.close()
        if set(rows) != set(shown):
            found.append(f"records and inspect differ: {set(rows) ^ set(shown)}")
        for identity in set(rows) & set(shown):
            recorded = rows[identity]["state"]["status"]
            if recorded != shown[identity] and not (shown[identity] == "running" and recorded == "paused"):
                found.append(f"{identity[:12]} is recorded as {recorded} and shown as {shown[identity]}")
        return found

    def _places(self, known: set[str], running: set[str]) -> list[str]:
        """Directories and cgroups."""
        data, run = self._root / "data", self._root / "run"
        places = {
            "cgroups": ({path.name for path in self._groups()} - self._slots(), running),
            "run directories": (_names(run / "containers"), running),
            "data directories": (_names(data / "containers"), known),
            "volumes": (_names(data / "volumes"), {v["Name"] for v in self._api.listed("/volumes")["Volumes"] or ()}),
            "spools": (_names(data / "ingest"), set()),
        }
        for driver in (data / "layers").iterdir():
            places[f"snapshots of {driver.name}"] = (_names(driver / "containers"), known)
            places[f"half layers of {driver.name}"] = (_names(driver / "ingest"), set())
        return [
            f"{what}: too many {sorted(there - right)}, missing {sorted(right - there)}"
            for what, (there, right) in places.items()
            if there != right
        ]

    def _mounts(self, running: dict[str, Any]) -> list[str]:
        """Volumes with options are mounted as long as somebody who runs has them, and once."""
        optional = {v["Name"] for v in self._api.listed("/volumes")["Volumes"] or () if v["Options"]}
        wanted = sorted(optional & {point.get("Name") for c in running.values() for point in c["Mounts"]})
        root = f"{os.path.realpath(self._root)}/data/volumes/"
        places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        there = sorted(place.removeprefix(root).split("/")[0] for place in places if place.startswith(root))
        return [f"volumes: mounted are {there}, wanted {wanted}"] if there != wanted else []

    def _groups(self) -> list[Path]:
        return [path for path in CGROUPS.glob(f"*{self._daemon.cgroup}/*") if path.is_dir()]

    def _slots(self) -> set[str]:
        return {path.name for path in self._groups() if path.name.startswith(_SLOT)}

    def _process(self, c: Any) -> list[str]:
        """A running container's first process: its cgroup, its namespaces, its shim, its cable."""
        pid, found = c["State"]["Pid"], []
        try:
            groups = {line.split(":")[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()}
            numbers = re.search(r"^NSpid:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)
            network = os.readlink(f"/proc/{pid}/ns/net")
        except OSError as error:
            return [f"it runs, they say, as pid {pid}: {error}"]
        if not any(group.endswith("/" + c["Id"]) for group in groups):
            found.append(f"pid {pid} is in the cgroups {groups}")
        if numbers is None or numbers[1].split()[-1] != "1":
            found.append(f"pid {pid} is not the first of its namespace: {numbers and numbers[1]}")
        host = os.readlink("/proc/self/ns/net")
        if (network == host) != (c["HostConfig"]["NetworkMode"] == "host"):
            found.append(f"its network namespace is {network}, the host's is {host}")
        states = [_text(path / "freezer.state").strip() for path in self._groups() if path.name == c["Id"]]
        frozen = any(state not in ("", "THAWED") for state in states)
        if frozen != c["State"]["Paused"]:
            found.append(f"Paused is {c['State']['Paused']}, its cgroup is {'frozen' if frozen else 'thawed'}")
        if c["HostConfig"]["NetworkMode"] != "host" and (wrong := inside(pid, c["NetworkSettings"]["Networks"])):
            found.append(wrong)
        return found

    def _processes(self, running: dict[str, Any]) -> list[str]:
        """Every process that descends from us: daemon, one zygote, one resolver, shims of containers and slots; and one
        layer worker, which is kept for the next layer."""
        found = []
        expected = {c["State"]["Pid"] for c in running.values()}
        inside: set[int] = set()
        for path in self._groups():
            inside |= {int(word) for word in _text(path / "cgroup.procs").split()}
        strays = {pid for pid in inside if not self._belongs(pid, expected)} - self._stubs()
        found += [f"a stray process: {pid} {command(pid)[:80]!r}" for pid in strays if parent(pid)]
        own = children(self.pid())
        others = [[pid for pid in own if kind in command(pid)] for kind in (RESOLVER, WORKER)]
        zygotes = [pid for pid in own if not any(pid in pids for pids in others)]
        if any(len(pids) > 1 for pids in (zygotes, *others)):
            found.append(f"the daemon has the children {[(pid, command(pid)[:80]) for pid in own]}")
        shims = {parent(pid) for pid in expected}
        slots = {parent(pid) for pid in self._stubs()}
        below = {pid for zygote in zygotes for pid in children(zygote)}
        idle = {pid for pid in below | set(orphans(self._reaper)) if pid not in shims | slots and _alive(pid)}
        found += [f"an idle shim: {pid} (parent {parent(pid)}) {command(pid)[:60]!r}" for pid in idle]
        return found

    def _stubs(self) -> set[int]:
        """First processes of parked slots."""
        found: set[int] = set()
        for path in self._groups():
            if path.name.startswith(_SLOT):
                found |= {int(word) for word in _text(path / "cgroup.procs").split()}
        return found

    def _belongs(self, pid: int, first: set[int]) -> bool:
        """In the pid namespace of one of the first processes."""
        try:
            own = os.readlink(f"/proc/{pid}/ns/pid")
        except OSError:
            return True  # ended meanwhile
        return any(own == _link(f"/proc/{other}/ns/pid") for other in first)

    def _ports(self, running: dict[str, Any]) -> list[str]:
        """Elements of the firewall's maps, and the ports that inspect shows."""
        done = subprocess.run(
            ["nft", "-j", "list", "table", "ip", self._daemon.table], capture_output=True, check=False
        )
        if done.returncode:
            return [f"no table {self._daemon.table}: {done.stderr.decode()}"]
        there = set()
        for item in json.loads(done.stdout)["nftables"]:
            for key, value in item.get("map", {}).get("elem", ()):
                there.add((key["concat"][-1], value["concat"][0] if isinstance(value, dict) else value))
        right = {
            (int(place["HostPort"]), c["Id"])
            for c in running.values()
            for places in c["NetworkSettings"]["Ports"].values()
            for place in places or ()
        }
        owners = {e["IPAddress"]: c["Id"] for c in running.values() for e in c["NetworkSettings"]["Networks"].values()}
        led = {(port, owners.get(address, address)) for port, address in there}
        return [f"published ports: the kernel has {there}, inspect shows {right}"] if led != right else []

    def _links(self, running: dict[str, Any]) -> list[str]:
        """The bridges of networks, and the cables on them."""
        found, bridges = [], {}
        for row in self._api.listed("/networks"):
            if row["Driver"] == "bridge":
                bridges[row["Options"].get(_NAME, "br-" + row["Id"][:12])] = row["Name"]
        for bridge, name in bridges.items():
            folder = Path(f"/sys/class/net/{bridge}/brif")
            there = len(_names(folder)) if folder.is_dir() else -1
            endpoints = [c["NetworkSettings"]["Networks"].get(name, {}) for c in running.values()]
            right = sum(bool(e.get("IPAddress") or e.get("GlobalIPv6Address")) for e in endpoints)
            if there != right:
                found.append(f"{there} cables on the bridge {bridge} of {right} containers")
        marked = f"carrack {self._daemon.table} "
        for path in Path("/sys/class/net").glob("*/ifalias"):
            if path.parent.name not in bridges and _text(path).startswith(marked):
                found.append(f"interface {path.parent.name} is of no network")
        return found

    def _images(self) -> list[str]:
        """Layers on disk that no image and no container needs."""
        wanted: set[str] = set()
        for row in self._api.listed("/images/json?all=1"):
            shown = self._api("GET", f"/images/{row['Id']}/json")
            if shown.status == 200:
                wanted |= {digest.partition(":")[2] for digest in shown.json()["RootFS"]["Layers"]}
        there = {path.name for path in (self._root / "data/layers").glob("*/layers/*")}
        return [f"layers: too many {there - wanted}, missing {wanted - there}"] if there != wanted else []

    def descriptors(self) -> Counter[str]:
        """The daemon's open descriptors by kind."""
        count: Counter[str] = Counter()
        for path in Path(f"/proc/{self.pid()}/fd").iterdir():
            word = _link(str(path))
            if "meta.db" not in word and word:
                count[re.sub(r"[\d]+", "", word)] += 1
        return count


def remains(daemon: DaemonProcess, reaper: int) -> list[str]:
    """What is on the machine of a daemon that was stopped after all its containers were removed."""
    found = [
        f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(daemon.root) in line
    ]
    found += [f"cgroup {path}" for path in CGROUPS.glob(f"*{daemon.cgroup}")]
    if Path(f"/sys/class/net/{daemon.bridge}").exists():
        found.append(f"bridge {daemon.bridge}")
    marked = f"carrack {daemon.table} "
    aliases = [path for path in Path("/sys/class/net").glob("*/ifalias") if _text(path).startswith(marked)]
    found += [f"interface {path.parent.name}" for path in aliases]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout
    if daemon.table in tables.split():
        found.append(f"table {daemon.table}")
    found += [f"{path}" for name in ("containers", "layers") for path in (daemon.root / "run" / name).glob("*")]
    found += [f"process {pid} {command(pid)[:80]!r}" for pid in orphans(reaper)]
    return found


def orphans(reaper: int) -> list[int]:
    """Living processes that were left to our subreaper (see :mod:`tests.faults.hunt`)."""
    return [pid for pid in children(reaper) if pid != os.getpid() and _alive(pid)] if reaper else []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _names(path: Path) -> set[str]:
    try:
        return set(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _text(path: Path) -> str:
    """Of a file of the kernel; "" where it has just gone, with its cgroup or interface."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
