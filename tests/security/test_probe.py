"""What a container sees of its privileges and surroundings is what it sees under Docker 28, option by option.

The probe (``probe.sh``) runs in a container of ours; the golden files are a real dockerd's answers to the same
(``probe.py`` records them, on cgroup v1). Where ours differ deliberately the table says why; everything else must be
equal: capability sets, ids, filters, signals, limits, mounts with their flags, masked paths, devices, namespaces.
"""

from __future__ import annotations

import os
import re
import shutil

import pytest
from tests.cli.running import CommandLine, DaemonProcess
from tests.security import probe

from carrack.runtime.cgroups.hierarchy import detect

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(detect().version != 1, reason="the golden answers are of a machine with cgroup v1"),
]

#: Docker's line → ours, the reason, and an option of the container that makes them the same
DIFFERENCES = [
    (
        r"(mountinfo: /(?:proc|sys)/\S+) tmpfs /null rw,nosuid tmpfs rw,size=65536k,mode=755",
        r"\1 devtmpfs /null ro,nosuid,noexec,relatime",
        "masked files are the host's checked null device, read-only, never a file of the image's (CVE-2025-31133)",
        "",
    ),
    (
        r"descriptor: ([012]) /dev/null",
        r"descriptor: \1 /null",
        "a stream that leads nowhere is a null device of the container's own that nobody can replace or find by path",
        "",
    ),
    (
        r"(mountinfo: /sys/fs/cgroup tmpfs /) rw(,nosuid,nodev,noexec,relatime tmpfs rw,mode=755)",
        r"\1 ro\2",
        "the option ro of a cgroup mount holds for the directory of its hierarchies, too",
        "--privileged",
    ),
    (
        r"(link: eth0: .* qdisc noqueue)",
        r"\1 qlen 1000",
        "the length of a queue that is not used (noqueue) is the kernel's default",
        "",
    ),
]


@pytest.fixture(scope="module")
def docker_command(daemon: DaemonProcess, image: str) -> probe.Docker:
    command = CommandLine("docker" if shutil.which("docker") else "carrack", daemon)
    return lambda *words: command(*words).stdout


@pytest.fixture(scope="module")
def host(docker_command: probe.Docker, image: str) -> probe.Host:
    told = probe.ask_host(docker_command, image)
    for kind in ("cgroup", "ipc", "pid", "user", "uts"):
        assert told[kind] == os.readlink(f"/proc/self/ns/{kind}")
    return told


@pytest.mark.parametrize("case", probe.CASES)
def test_a_container_sees_what_it_sees_under_docker(
    docker_command: probe.Docker, image: str, host: probe.Host, case: str
) -> None:
    ours = probe.ask(docker_command, case, image, host)
    assert [line for line in ours if on_this_machine(line)] == expected(case)


def expected(case: str) -> list[str]:
    lines = (probe.GOLDEN / f"{case}.txt").read_text().splitlines()
    known = [different for different in DIFFERENCES if different[3] not in probe.container_options(case)]
    result = []
    for line in filter(on_this_machine, lines):
        for theirs, ours, _, _ in known:
            line = re.sub(f"^{theirs}$", ours, line)
        result.append(line)
    return sorted(result)


def on_this_machine(line: str) -> bool:
    """The golden answers are of one kernel's files: what this machine does not have is not judged."""
    section, _, fact = line.partition(": ")
    path = fact.split(" ", 1)[0]
    return section not in ("path", "mountinfo") or not path.startswith(("/proc/", "/sys/")) or os.path.exists(path)


def test_no_difference_is_stale() -> None:
    recorded = "".join(file.read_text() for file in probe.GOLDEN.iterdir())
    for theirs, _, reason, _ in DIFFERENCES:
        assert re.search(f"^{theirs}$", recorded, re.MULTILINE), reason
    assert {file.stem for file in probe.GOLDEN.iterdir()} == set(probe.CASES)


def test_the_golden_answers_are_what_docker_is_known_for() -> None:
    """Of the files themselves: a wrong recording would make a weak container right."""
    default = (probe.GOLDEN / "default.txt").read_text().splitlines()
    wanted = {
        "status: CapInh:\t0000000000000000", "status: CapPrm:\t00000000a80425fb", "status: CapEff:\t00000000a80425fb",
        "status: CapBnd:\t00000000a80425fb", "status: CapAmb:\t0000000000000000", "status: Seccomp:\t2",
        "status: NoNewPrivs:\t0", "try: chroot yes", "try: mknod yes", "try: ping yes",
    }  # fmt: skip
    assert wanted <= set(default)
    assert [line for line in default if line.startswith("try")] == sorted(w for w in wanted if w.startswith("try"))
    privileged = (probe.GOLDEN / "privileged.txt").read_text()
    assert "Seccomp:\t0" in privileged
    assert "/proc/interrupts" in privileged
