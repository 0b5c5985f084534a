"""What the steps of builds may leave behind: rooms, mounts, cgroups, processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.cli.running import DaemonProcess
from tests.faults.audit import CGROUPS


def of_steps(daemon: DaemonProcess, program: Sequence[str] = ()) -> list[str]:
    """All that could still be there of a RUN, or of a context, while no build goes on; ``program``: words by which
    its processes are known."""
    run, data = daemon.root / "run", daemon.root / "data"
    places = [run / "build", run / "containers", data / "containers", data / "ingest", data / "build" / "git"]
    places += [*data.glob("layers/*/containers"), *data.glob("layers/*/ingest")]
    found = [str(path) for place in places if place.is_dir() for path in place.iterdir()]
    found += [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{daemon.root}/run/build" in line
    ]
    found += [str(path) for path in CGROUPS.glob(f"*{daemon.cgroup}/*/") if not path.name.startswith("slot-")]
    wanted = [word.encode() for word in program]
    for path in Path("/proc").glob("[0-9]*/cmdline") if program else ():
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        found += [str(path)] if words[: len(wanted)] == wanted else []
    return found
