"""A container whose file systems were made ahead is the same as one whose were not, and as safe."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.root.shim_harness import MOUNTS, Harness, cgroups_of, play

from carrack.linux.mount import AT_FDCWD, OPEN_TREE_CLONE
from carrack.linux.syscalls import LINUX
from carrack.runtime.cgroups.hierarchy import detect
from carrack.shim.client import StartFailed

pytestmark = pytest.mark.root

NAMESPACES = ("pid", "network", "ipc", "mount", "uts")
LINUX_PART: dict[str, Any] = {
    "maskedPaths": ["/proc/keys", "/proc/acpi", "/sys/firmware", "/proc/no-such-file"],
    "readonlyPaths": ["/proc/sys", "/proc/bus"],
    "rootfsPropagation": "rprivate",
}
CGROUP = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}
FIRST_VERSION = detect().version == 1
# On version 2 the cgroup is made at the start, and cannot be mounted before.
TEMPLATE: dict[str, Any] = {"mounts": [*MOUNTS, CGROUP] if FIRST_VERSION else MOUNTS, "linux": LINUX_PART}
LOOK = (
    "cat /proc/self/mountinfo; ls -ln /dev /dev/pts; ls /; cat /proc/keys; ls /proc/acpi; "
    "echo 1 > /proc/sys/kernel/panic || echo denied; cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max"
)


async def look(harness: Harness, staged: bool, command: str = LOOK, **linux: Any) -> str:
    """What a container with the template's mounts shows."""
    plan = {"stage": TEMPLATE} if staged else {}
    slot = await harness.slot(namespaces=NAMESPACES, **plan)
    request = harness.request(
        "/bin/sh", "-c", command, name=f"look{staged}", namespaces=NAMESPACES, resources={"pids": {"limit": 77}}
    )
    request["plan"]["spec"]["mounts"] = [*MOUNTS, CGROUP]
    request["plan"]["spec"]["linux"].update({**LINUX_PART, **linux})
    shim = await harness.start(request, slot=slot)
    await shim.exited
    await shim.released
    return harness.log(request)


def settled(text: str) -> list[str]:
    """Without what differs between any two containers: mount and device numbers, names, dates."""
    lines = []
    for line in text.replace("lookTrue", "look").replace("lookFalse", "look").splitlines():
        words = line.split()
        if " - " in line:
            lines.append(" ".join(words[3:]))
        elif len(words) > 8:
            lines.append(" ".join((*words[:6], *words[-3:])) if words[0][0] == "l" else " ".join((words[0], words[-1])))
        else:
            lines.append(line if not line.startswith("total") else "")
    return sorted(lines)


def test_the_container_is_the_same(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        plain, staged = await look(harness, False), await look(harness, True)
        assert settled(staged) == settled(plain)
        assert "77" in staged.splitlines()
        assert "denied" in staged

    play(tmp_path, scene)


def test_nothing_of_the_host_is_mounted(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        mounts = [line.split() for line in (await look(harness, True, "cat /proc/self/mountinfo")).splitlines()]
        places = [words[4] for words in mounts]
        assert len(places) == len(set(places)), "two mounts on one place: something is stacked on the root"
        assert all(place.split("/")[1] in ("", "proc", "dev", "sys") for place in places)
        assert places.count("/") == 1

    play(tmp_path, scene)


def test_an_exec_enters_the_containers_root(tmp_path: Path) -> None:
    """setns(2) goes to the topmost mount on the namespace's root: whatever is stacked there would be entered."""

    async def scene(harness: Harness) -> None:
        slot = await harness.slot(namespaces=NAMESPACES, stage=TEMPLATE)
        request = harness.request("/bin/sleep", "1000", namespaces=NAMESPACES)
        request["plan"]["spec"]["mounts"] = TEMPLATE["mounts"]
        request["plan"]["spec"]["linux"].update(LINUX_PART)
        shim = await harness.start(request, slot=slot)
        (harness.root / "mark").write_text("")
        exec_request = harness.exec_request("/bin/test", "-e", "/mark")
        await shim.exec("e", exec_request, [])
        assert (await shim.exec_exited("e")).code == 0
        await shim.signal(9)
        await shim.released

    play(tmp_path, scene)


def test_another_spec_gets_what_it_asks_for(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        command = "cat /proc/keys > /dev/null && wc -c < /proc/interrupts"
        assert (await look(harness, True, command, maskedPaths=["/proc/interrupts"])).strip() == "0"

    play(tmp_path, scene)


@pytest.mark.parametrize("hidden", ["/proc/keys", "/proc/acpi"])
def test_a_link_to_a_hidden_file_of_procfs_is_no_place_for_a_mount(tmp_path: Path, hidden: str) -> None:
    """An image's link must not lead a volume into a procfs (CVE-2019-19921), be the place covered already or not."""

    async def scene(harness: Harness) -> None:
        (harness.root / "trap").symlink_to(hidden)
        source = tmp_path / "source"
        source.mkdir() if hidden.endswith("acpi") else source.write_text("")
        for plan in ({}, {"stage": TEMPLATE}):
            slot = await harness.slot(namespaces=NAMESPACES, **plan)
            request = harness.request("/bin/true", namespaces=NAMESPACES)
            trap = {"destination": "/trap", "type": "bind", "source": str(source), "options": ["rbind"]}
            request["plan"]["spec"]["mounts"] = [*TEMPLATE["mounts"], trap]
            request["plan"]["spec"]["linux"].update(LINUX_PART)
            request["plan"]["source_fds"] = {str(len(TEMPLATE["mounts"])): 1}
            tree = LINUX.open_tree(AT_FDCWD, str(source), OPEN_TREE_CLONE)
            with pytest.raises(StartFailed, match="leads into a procfs"):
                await harness.start(request, tree, slot=slot)
            os.close(tree)

    play(tmp_path, scene)


def test_a_template_that_cannot_be_made_leaves_an_ordinary_slot(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        odd = {"mounts": [*MOUNTS, {"destination": "/elsewhere", "type": "tmpfs"}]}
        slot = await harness.slot(namespaces=NAMESPACES, stage=odd)
        request = harness.request("/bin/cat", "/proc/self/mountinfo", namespaces=NAMESPACES)
        shim = await harness.start(request, slot=slot)
        assert (await shim.exited).code == 0
        await shim.released
        assert sum(line.split()[4] == "/" for line in harness.log(request).splitlines()) == 1

    play(tmp_path, scene)


def test_a_cgroup_that_cannot_be_made_so_undoes_the_start(tmp_path: Path) -> None:
    """It is settled beside the start then, which must wait for it before the program runs."""

    async def scene(harness: Harness) -> None:
        slot = await harness.slot(namespaces=NAMESPACES, stage=TEMPLATE)
        resources = {"pids": {"limit": 7}, "unified": {"x": "1"}}
        request = harness.request("/bin/mkdir", "/ran", namespaces=NAMESPACES, resources=resources)
        request["plan"]["spec"]["mounts"] = TEMPLATE["mounts"]
        request["plan"]["spec"]["linux"].update(LINUX_PART)
        with pytest.raises(StartFailed) as failure:
            await harness.start(request, slot=slot)
        assert failure.value.stage == "cgroup"
        await slot.lost
        assert not (harness.root / "ran").exists()
        assert cgroups_of(harness.parent) == []

    play(tmp_path, scene)
