"""``carrack stats``: what containers use, once or as a screen that renews itself."""

import _thread
import sys
import time

from carrack.cli.command import Command, write
from carrack.cli.render.fields import FORMAT, size, wanted_form
from carrack.cli.render.table import layout, print_rows
from carrack.client import containers
from carrack.client.transport import Daemon, Refused
from carrack.errors import CarrackError
from carrack.model.units import binary_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
_USUAL = "ID Name CPUPerc MemUsage MemPerc NetIO BlockIO PIDs"
_KIND = "*container.statsContext"
_INTERVAL = 0.5
#: connections that are open side by side
_AT_A_TIME = 250


def _stats(session: "Session", parsed: "Parsed") -> int:
    daemon, full = session.daemon, parsed.flag("no-trunc")
    form = wanted_form(parsed, session.settings.text("statsFormat"))
    daemon.agree()
    if parsed.flag("no-stream"):
        names = _names(daemon, parsed)
        found = _once(daemon, names, must=bool(parsed.arguments))
        print_rows([row(found[name], name, full) for name in names], HEADINGS, _USUAL, form, _KIND)
        return 0
    for name in parsed.arguments:
        containers.inspect(daemon, name)
    return _follow(daemon, parsed, form, full)


def _once(daemon: Daemon, names: list[str], *, must: bool) -> "dict[str, Document | None]":
    """The figures of all, asked for side by side. With ``must`` the first that there are none of is an error."""
    found: dict[str, Document | None] = {}
    for start in range(0, len(names), _AT_A_TIME):
        asked = [(name, containers.ask_stats(daemon, name)) for name in names[start : start + _AT_A_TIME]]
        for name, answer in asked:
            try:
                found[name] = answer()
            except (CarrackError, OSError):
                if must:
                    raise
                found[name] = None
    return found


def _follow(daemon: Daemon, parsed: "Parsed", form: str, full: bool) -> int:
    watchers: dict[str, _Watcher] = {}
    renewed = 0.0
    while True:
        if time.monotonic() - renewed > 2 and not (parsed.arguments and watchers):
            renewed = time.monotonic()
            for name in _names(daemon, parsed):
                watchers.setdefault(name, _Watcher(daemon, name))
        watchers = {name: watcher for name, watcher in watchers.items() if parsed.arguments or not watcher.gone}
        rows = [row(watcher.latest, name, full) for name, watcher in watchers.items()]
        if form in ("", "table"):
            titles = [HEADINGS[name] for name in _USUAL.split()]
            lines = layout([titles, *([str(each[name]) for name in _USUAL.split()] for each in rows)])
            write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J", end="")
        else:
            print_rows(rows, HEADINGS, _USUAL, form, _KIND)
        sys.stdout.flush()
        time.sleep(_INTERVAL)


class _Watcher:
    """One container's newest figures, read in a thread over a connection of its own."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        self.latest: Document | None = None
        self.gone = False
        self._daemon = Daemon(daemon.host, daemon.version, daemon.headers)
        self._name = name
        _thread.start_new_thread(self._watch, ())

    def _watch(self) -> None:
        try:
            for document in containers.stats(self._daemon, self._name):
                self.latest = document
        except (CarrackError, OSError):
            pass
        self.gone = True


def _names(daemon: Daemon, parsed: "Parsed") -> list[str]:
    if parsed.arguments:
        return parsed.arguments
    try:
        return [item["Id"] for item in containers.listing(daemon, everything=parsed.flag("all"))]
    except Refused:
        return []


def row(stats: "Document | None", name: str, full: bool) -> "dict[str, Any]":
    """Cells of one container; dashes while nothing is known."""
    if not stats or not stats.get("name"):
        shown = name if full else name[:12]
        usage = {"MemUsage": "-- / --", "NetIO": "-- / --", "BlockIO": "-- / --"}
        return {"Container": name, "ID": shown, "Name": "--", "CPUPerc": "--", "MemPerc": "--", "PIDs": "--", **usage}
    memory = stats.get("memory_stats") or {}
    used, limit = _memory(memory), memory.get("limit") or 0
    interfaces = (stats.get("networks") or {}).values()
    received, sent = (sum(each[key] for each in interfaces) for key in ("rx_bytes", "tx_bytes"))
    read, written = _blocks(stats.get("blkio_stats") or {})
    return {
        "Container": name,
        "ID": stats["id"] if full else stats["id"][:12],
        "Name": stats["name"].removeprefix("/"),
        "CPUPerc": f"{cpu_percent(stats):.2f}%",
        "MemUsage": f"{binary_size(used)} / {binary_size(limit)}",
        "MemPerc": f"{100 * used / limit if limit else 0:.2f}%",
        "NetIO": f"{size(received)} / {size(sent)}",
        "BlockIO": f"{size(read)} / {size(written)}",
        "PIDs": str((stats.get("pids_stats") or {}).get("current") or 0),
    }


def cpu_percent(stats: "Document") -> float:
    """Processor time between the two samples of an answer, 100 being one whole processor."""
    now, before = stats["cpu_stats"], stats["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = (now.get("system_cpu_usage") or 0) - (before.get("system_cpu_usage") or 0)
    processors = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or [0])
    return 100.0 * used / passed * processors if used > 0 and passed > 0 else 0.0


def _memory(memory: "Document") -> int:
    """Usage without the page cache that could be dropped (cgroup v1 and v2 name it differently)."""
    usage: int = memory.get("usage") or 0
    details = memory.get("stats") or {}
    for key in ("total_inactive_file", "inactive_file"):
        if key in details:
            return usage - details[key] if details[key] < usage else usage
    return usage


def _blocks(blocks: "Document") -> tuple[int, int]:
    entries = blocks.get("io_service_bytes_recursive") or []
    read, written = (sum(each["value"] for each in entries if each["op"].lower() == op) for op in ("read", "write"))
    return read, written


STATS = Command(
    "[OPTIONS] [CONTAINER...]",
    "Display a live stream of container(s) resource usage statistics",
    _stats,
    (
        ("all", "a", "bool", "Show all containers (default shows just running)"),
        *FORMAT,
        ("no-stream", "", "bool", "Disable streaming stats and only pull the first result"),
        ("no-trunc", "", "bool", "Do not truncate output"),
    ),
    most=None,
    example="carrack stats --no-stream",
)
