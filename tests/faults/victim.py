"""A container whose shim is killed while nobody else touches it: it must be ended, recorded and cleaned."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from tests.faults.api import Api
from tests.faults.load import IMAGE, Findings
from tests.faults.strikes import Striker, kill

_NUMBERS = itertools.count()
_PATIENCE = 20.0


def sacrifice(api: Api, striker: Striker, findings: Findings, cgroup: str) -> None:
    """Run a container, kill its shim, and look. Called when the daemon runs; it may be killed meanwhile."""
    name = f"victim-{next(_NUMBERS)}"
    body = {"Image": IMAGE, "Cmd": ["sh", "-c", "sleep 1000 & exec sleep 1000"]}
    made = api("POST", f"/containers/create?name={name}", body)
    if made.status != 201 or api("POST", f"/containers/{name}/start").status != 204:
        return
    identity = made.json()["Id"]
    since = int(time.time()) - 1
    striker.spared.add(identity)
    pid = api("GET", f"/containers/{identity}/json").json()["State"]["Pid"]
    shim = striker.shim_of(identity)
    generation = striker.generation
    kill(shim)
    end = time.monotonic() + _PATIENCE
    while (state := api("GET", f"/containers/{identity}/json").json()["State"])["Running"]:
        if time.monotonic() > end:
            findings.add(f"{name}: its shim {shim} was killed, and {_PATIENCE:.0f} s later it is {state}")
            return
        time.sleep(0.02)
    if state["ExitCode"] != 137 or not state["Error"]:
        findings.add(f"{name}: its shim was killed, it is recorded as {state}")
    findings.done["victim"] += 1
    if striker.generation == generation:
        told = api("GET", f"/events?since={since}&until={int(time.time()) + 1}&filters=" + _filter(identity))
        if b'"die"' not in told.data:
            findings.add(f"{name}: no die event: {told.data[-300:]!r}")
    _is_clean(name, identity, pid, findings, cgroup, end)
    again = api("POST", f"/containers/{identity}/start")
    if again.status not in (0, 204):
        findings.add(f"{name}: it does not start again: {again.status} {again.message}")
    gone = api("DELETE", f"/containers/{identity}?force=1")
    if gone.status not in (0, 204):
        findings.add(f"{name}: it cannot be removed: {gone.status} {gone.message}")


def _is_clean(name: str, identity: str, pid: int, findings: Findings, cgroup: str, end: float) -> None:
    while Path(f"/proc/{pid}").exists() or any(Path("/sys/fs/cgroup").glob(f"*{cgroup}/{identity}")):
        if time.monotonic() > end:
            findings.add(f"{name}: its shim was killed, its process {pid} or its cgroup is still there")
            return
        time.sleep(0.02)


def _filter(identity: str) -> str:
    return '{"container":["' + identity + '"]}'
