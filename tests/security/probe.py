"""What a container sees of itself, asked by one script in ours and in Docker's, and made comparable.

The answers of a real dockerd lie in ``tests/golden/probe``, one file a case. They are recorded anew with

    PYTHONPATH=.:src python -m tests.security.probe unix:///path/of/dockerd.sock [CASE...]

which imports a small image of the distribution's busybox there and removes it again.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden" / "probe"
SCRIPT = (Path(__file__).parent / "probe.sh").read_text()
_HOST = "for s in cgroup ipc pid time user uts; do echo $s $(readlink /proc/self/ns/$s); done; echo name $(hostname)"

#: runs a command line of docker and returns its output
Docker = Callable[..., str]
#: kind of namespace → the host's; and the host's name
Host = dict[str, str]

#: case → options of ``docker run``
RUNS: dict[str, list[str]] = {
    "default": [],
    "privileged": ["--privileged"],
    "user": ["--user", "1000:1000"],
    "user-name": ["--user", "nobody"],
    "group-add": ["--user", "1000", "--group-add", "staff", "--group-add", "77"],
    "cap-drop-all": ["--cap-drop", "ALL"],
    "cap-drop-all-user": ["--cap-drop", "ALL", "--user", "1000"],
    "cap-add": ["--cap-add", "SYS_ADMIN", "--cap-add", "net_admin", "--cap-drop", "MKNOD"],
    "cap-add-all": ["--cap-add", "ALL"],
    "no-new-privileges": ["--security-opt", "no-new-privileges"],
    "no-new-privileges-user": ["--security-opt", "no-new-privileges", "--user", "1000"],
    "seccomp-unconfined": ["--security-opt", "seccomp=unconfined"],
    "systempaths-unconfined": ["--security-opt", "systempaths=unconfined"],
    "privileged-user": ["--privileged", "--user", "1000"],
    "read-only": ["--read-only", "--tmpfs", "/tmp"],
    "mounts": [
        "--tmpfs", "/t:rw,size=1m,mode=700", "-v", "/usr/share:/v:ro", "--mount", "type=tmpfs,dst=/u,tmpfs-mode=750",
    ],
    "limits": ["--memory", "64m", "--pids-limit", "77", "--cpu-shares", "512", "--cpus", "0.5", "--shm-size", "1m"],
    "processes": ["--ulimit", "nofile=512:1024", "--ulimit", "core=0", "--oom-score-adj", "500", "--init"],
    "names": ["--hostname", "ship", "--domainname", "example.org", "-e", "A=b c", "-e", "HOME=", "-w", "/new/place"],
    "device": ["--device", "/dev/zero:/dev/deep/nought:r", "--device-cgroup-rule", "c 7:* rm"],
    "sysctl": ["--sysctl", "net.ipv4.ip_unprivileged_port_start=99", "--sysctl", "kernel.msgmax=4096"],
    "host-ipc": ["--ipc", "host"],
    "private-ipc": ["--ipc", "private"],
    "host-pid": ["--pid", "host"],
    "host-uts": ["--uts", "host"],
    "host-cgroup": ["--cgroupns", "host"],
    "private-cgroup": ["--cgroupns", "private"],
    "no-network": ["--network", "none"],
    "host-network": ["--network", "host"],
    "stdin": ["-i"],
    "terminal": ["-t"],
}  # fmt: skip
#: case → options of the container, options of ``docker exec``
EXECS: dict[str, tuple[list[str], list[str]]] = {
    "exec": ([], []),
    "exec-terminal": ([], ["-t"]),
    "exec-user": ([], ["--user", "1000:50"]),
    "exec-privileged": ([], ["--privileged"]),
    "exec-privileged-into-dropped": (["--cap-drop", "ALL", "--security-opt", "no-new-privileges"], ["--privileged"]),
    "exec-into-user": (["--user", "nobody"], []),
    "exec-into-privileged": (["--privileged"], ["-w", "/tmp", "-e", "B=c"]),
    "exec-into-dropped": (["--cap-drop", "ALL", "--security-opt", "no-new-privileges"], []),
    "exec-into-limits": (["--ulimit", "nofile=512:1024", "--oom-score-adj", "500"], []),
}


CASES = [*RUNS, *EXECS]


def container_options(case: str) -> list[str]:
    """Those of the container, also where it is a further process that is asked."""
    return RUNS[case] if case in RUNS else EXECS[case][0]


def ask(docker: Docker, case: str, image: str, host: Host) -> list[str]:
    """The probe's lines in one case, made comparable."""
    if case in RUNS:
        options = RUNS[case]
        text = docker("run", "--rm", *options, image, "sh", "-c", SCRIPT)
    else:
        options, of_exec = EXECS[case]
        name = docker("run", "-d", *options, image, "sleep", "1000").strip()
        try:
            text = docker("exec", *of_exec, name, "sh", "-c", SCRIPT)
        finally:
            docker("rm", "-f", name)
    return comparable(text, host, options)


def ask_host(docker: Docker, image: str) -> Host:
    """What a container that shares the host's namespaces calls them."""
    options = ("--pid", "host", "--uts", "host", "--ipc", "host", "--cgroupns", "host")
    lines = docker("run", "--rm", *options, image, "sh", "-c", _HOST).splitlines()
    return {kind: found for kind, _, found in (line.partition(" ") for line in lines)}


def comparable(text: str, host: Host, options: list[str]) -> list[str]:
    """The probe's output without what differs from container to container, and from machine to machine."""
    lines = set()
    for line in text.splitlines():
        section, _, fact = line.partition(": ")
        if section in _sections_left_out(options):
            continue
        if section == "namespace":
            kind, _, found = fact.partition(" ")
            fact = f"{kind} {'the host' if host.get(kind) == found else 'its own'}"
        if section in ("environment", "host name"):
            fact = re.sub(rf"\b{re.escape(host['name'])}\b", "HOST", fact)
        change = _CHANGES.get(section)
        changed = change(fact) if change else _without_identity(fact)
        if changed is not None:
            lines.add(f"{section}: {changed}".rstrip())
    return sorted(lines)


def _sections_left_out(options: list[str]) -> list[str]:
    """What comes from the machine or the daemon's own start rather than from the case."""
    left_out = [] if "--ulimit" in options else ["limits"]
    if options == ["--pid", "host"]:
        left_out.append("comm")
    return [*left_out, "sysctl", "link"] if options == ["--network", "host"] else left_out


def _without_identity(fact: str) -> str:
    fact = re.sub(r"\b[0-9a-f]{64}\b", "ID", fact)
    return re.sub(r"\b[0-9a-f]{12}\b", "ID", fact)


def _descriptor(fact: str) -> str | None:
    number, _, target = fact.partition(" ")
    if int(number) > 2:  # the shell's own
        return None
    return f"{number} " + re.sub(r":\[[0-9]+\]", "", target)


def _mountinfo(fact: str) -> str | None:
    fields = _without_identity(fact).split()
    at = fields.index("-")
    root, point, options = fields[3:6]
    if re.search("/sys/devices/system/cpu/cpu[1-9]", point):
        return None
    kind, source, more = fields[at + 1 : at + 4]
    if kind in ("overlay", "devtmpfs"):
        source = more = ""
    if kind in ("ext4", "xfs", "btrfs"):
        root, source, more = root.rpartition("/")[2], "", ""
    if kind == "cgroup":
        root, source = re.sub("^/[^/]+/ID", "/PARENT/ID", root), ""
    if point == "/dev/shm":
        more = re.sub(r"\bsize=[0-9]{7,}k", "size=HOST", more)  # the machine's memory
    tags = " ".join(fields[6:at])
    return " ".join(f"{point} {kind} {root} {options} {tags} {source} {more}".split())


def _device(fact: str) -> str | None:
    """A privileged container has all that the host has; here only what every container has."""
    return fact if re.match(rf"/dev(/(deep.*|{_DEVICES}))? ", fact) else None


_DEVICES = "|".join("console core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split())


def _cgroup(fact: str) -> str:
    number, controllers, path = _without_identity(fact).split(":", 2)
    return f"{controllers} {re.sub('^/[^/]+/ID', '/PARENT/ID', path)}" if number else fact


def _limits(fact: str) -> str | None:
    return " ".join(fact.split()) if fact.startswith(("Max core file", "Max open files")) else None


_CHANGES: dict[str, Callable[[str], str | None]] = {
    "descriptor": _descriptor,
    "mountinfo": _mountinfo,
    "cgroup": _cgroup,
    "limits": _limits,
    "device": _device,
}


def record(address: str, cases: Iterable[str]) -> None:
    """Ask the daemon at ``address`` and write what it says."""
    from tests.cli.busybox import root_file_system

    image = "carrack-probe:latest"

    def docker(*words: str, data: bytes | None = None) -> str:
        done = subprocess.run(["docker", "-H", address, *words], input=data, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"docker {' '.join(words[:8])}: {done.stderr.decode()}")
        return done.stdout.decode()

    docker("import", "-c", 'CMD ["sh"]', "-", image, data=root_file_system())
    try:
        host = ask_host(docker, image)
        for case in cases:
            (GOLDEN / f"{case}.txt").write_text("\n".join(ask(docker, case, image, host)) + "\n")
    finally:
        docker("rmi", image)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    record(sys.argv[1], sys.argv[2:] or CASES)
