"""Limits: from a host config's fields to the runtime spec's resources, refusing what makes no sense. Pure."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping

from carrack.engine import defaults
from carrack.errors import InvalidArgument
from carrack.model.container import Document
from carrack.oci.runtime_spec import (
    CPU,
    BlockIO,
    Device,
    DeviceRule,
    LinuxResources,
    Memory,
    Rlimit,
    ThrottleDevice,
)
from carrack.runtime.cgroups import realtime

_MIN_MEMORY = 6 << 20
_NONE: Mapping[str, Document] = {}
_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")
_CPUSET = re.compile(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?){,1000}")
_MOST_DIGITS = 18
_ACCESS = re.compile(r"^(?!.*(.).*\1)[rwm]{1,3}$")


def check(host: Document, cpus: int) -> None:
    """Raise InvalidArgument for limits that contradict each other, with the texts Docker's users know."""
    memory, swap, reservation = host["Memory"], host["MemorySwap"], host["MemoryReservation"]
    if memory and memory < _MIN_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if swap > 0 and not memory:
        raise InvalidArgument("You should always set the Memory limit when using Memoryswap limit, see usage")
    if memory and 0 < swap < memory:
        raise InvalidArgument("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < reservation < _MIN_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if memory and memory < reservation:
        raise InvalidArgument("Minimum memory limit can not be less than memory reservation limit, see usage")
    swappiness = host["MemorySwappiness"]
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidArgument(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    if host["BlkioWeight"] and not 10 <= host["BlkioWeight"] <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    if host.get("ShmSize", 0) < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if not -1000 <= host.get("OomScoreAdj", 0) <= 1000:
        raise InvalidArgument(f"Invalid value {host['OomScoreAdj']}, range for oom score adj is [-1000, 1000]")
    check_cpu(host, cpus)


def check_cpu(host: Document, cpus: int) -> None:
    """The part of :func:`check` that an update is judged by before it is joined with what was."""
    nano = host["NanoCpus"]
    if nano and host["CpuPeriod"]:
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if nano and host["CpuQuota"]:
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if nano < 0 or nano > cpus * 10**9:
        limit = f"from 0.01 to {cpus:.2f}, as there are only {cpus} CPUs available"
        raise InvalidArgument(f"range of CPUs is {limit}")
    if host["CpuShares"] < 0:
        raise InvalidArgument(f"invalid CPU shares ({host['CpuShares']}): value must be a positive integer")
    _check_realtime(host)
    if host["CpuPeriod"] and not 1000 <= host["CpuPeriod"] <= 1_000_000:
        raise InvalidArgument("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < host["CpuRealtimePeriod"] < host["CpuRealtimeRuntime"]:
        raise InvalidArgument("cpu real-time runtime cannot be higher than cpu real-time period")
    if 0 < host["CpuQuota"] < 1000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    for name, what in (("CpusetCpus", "cpuset cpus"), ("CpusetMems", "cpuset mems")):
        if host[name] and not (_CPUSET.fullmatch(host[name]) and _ascends(host[name])):
            raise InvalidArgument(f"Invalid value {host[name]} for {what}: invalid format: {host[name]}")
    _check_available(host["CpusetCpus"], "CPUs", "/sys/devices/system/cpu/online")
    _check_available(host["CpusetMems"], "memory nodes", "/sys/devices/system/node/online")


def _check_realtime(host: Document) -> None:
    period, runtime = host["CpuRealtimePeriod"], host["CpuRealtimeRuntime"]
    if (period or runtime) and not realtime.supported():
        raise InvalidArgument("kernel does not support CPU real-time scheduler")
    if period and runtime > period:
        raise InvalidArgument("cpu real-time runtime cannot be higher than cpu real-time period")


def _check_available(wanted: str, what: str, path: str) -> None:
    """Refuse numbers that the machine does not have; ``path`` lists those it has, and is nowhere without NUMA."""
    if not wanted:
        return
    try:
        with open(path) as file:
            available = file.read().strip()
    except OSError:
        return
    if not _numbers_in(wanted) <= _numbers_in(available):
        raise InvalidArgument(f"Requested {what} are not available - requested {wanted}, available: {available}")


def _ascends(text: str) -> bool:
    """Whether no range of a list like ``0-3,8`` ends before it begins."""
    ranges = [part.split("-") for part in text.split(",")]
    return all(int(words[0]) <= int(words[-1]) for words in ranges)


def _numbers_in(text: str) -> set[int]:
    """The numbers of a list like ``0-3,8``; ranges are cut, as no machine has that many."""
    numbers: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        numbers.update(range(int(first), min(int(last or first), int(first) + 8192) + 1))
    return numbers


def build(host: Document, device_rules: list[DeviceRule]) -> LinuxResources:
    """The runtime spec's ``linux.resources`` of a host config."""
    resources: LinuxResources = {"devices": device_rules}
    if memory := _memory(host):
        resources["memory"] = memory
    if cpu := _cpu(host):
        resources["cpu"] = cpu
    if host["PidsLimit"]:
        resources["pids"] = {"limit": host["PidsLimit"] if host["PidsLimit"] > 0 else -1}
    if block := _block_io(host):
        resources["blockIO"] = block
    return resources


def _memory(host: Document) -> Memory:
    memory: Memory = {}
    if host["Memory"]:
        memory["limit"] = host["Memory"]
    if host["MemoryReservation"]:
        memory["reservation"] = host["MemoryReservation"]
    if host["MemorySwap"]:
        memory["swap"] = host["MemorySwap"]
    if host["MemorySwappiness"] not in (None, -1):
        memory["swappiness"] = host["MemorySwappiness"]
    if host["OomKillDisable"]:
        memory["disableOOMKiller"] = True
    return memory


def _cpu(host: Document) -> CPU:
    cpu: CPU = {}
    if host["CpuShares"]:
        cpu["shares"] = host["CpuShares"]
    if host["NanoCpus"]:
        cpu["period"], cpu["quota"] = 100_000, host["NanoCpus"] * 100_000 // 10**9
    if host["CpuPeriod"]:
        cpu["period"] = host["CpuPeriod"]
    if host["CpuQuota"]:
        cpu["quota"] = host["CpuQuota"]
    if host["CpuRealtimePeriod"]:
        cpu["realtimePeriod"] = host["CpuRealtimePeriod"]
    if host["CpuRealtimeRuntime"]:
        cpu["realtimeRuntime"] = host["CpuRealtimeRuntime"]
    if host["CpusetCpus"]:
        cpu["cpus"] = host["CpusetCpus"]
    if host["CpusetMems"]:
        cpu["mems"] = host["CpusetMems"]
    return cpu


def _block_io(host: Document) -> BlockIO:
    block: BlockIO = {}
    if host["BlkioWeight"]:
        block["weight"] = host["BlkioWeight"]
    if host["BlkioWeightDevice"]:
        block["weightDevice"] = [
            {"major": major, "minor": minor, "weight": entry["Weight"]}
            for entry in host["BlkioWeightDevice"]
            for major, minor in [_numbers(entry["Path"])]
        ]
    if host["BlkioDeviceReadBps"]:
        block["throttleReadBpsDevice"] = _throttles(host["BlkioDeviceReadBps"])
    if host["BlkioDeviceWriteBps"]:
        block["throttleWriteBpsDevice"] = _throttles(host["BlkioDeviceWriteBps"])
    if host["BlkioDeviceReadIOps"]:
        block["throttleReadIOPSDevice"] = _throttles(host["BlkioDeviceReadIOps"])
    if host["BlkioDeviceWriteIOps"]:
        block["throttleWriteIOPSDevice"] = _throttles(host["BlkioDeviceWriteIOps"])
    return block


def _throttles(entries: list[Document]) -> list[ThrottleDevice]:
    result: list[ThrottleDevice] = []
    for entry in entries:
        major, minor = _numbers(entry["Path"])
        result.append({"major": major, "minor": minor, "rate": entry["Rate"]})
    return result


def _numbers(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidArgument(f"stat {path}: {os.strerror(error.errno or 0).lower()}") from error
    return os.major(status.st_rdev), os.minor(status.st_rdev)


def devices(host: Document) -> tuple[list[Device], list[DeviceRule]]:
    """The device nodes to make and the complete device rules. Raises InvalidArgument on a device that is none."""
    privileged = host["Privileged"]
    rules: list[DeviceRule] = [{"allow": True, "access": "rwm"}] if privileged else list(defaults.DEVICE_RULES)
    nodes = _all_host_devices() if privileged else []
    for entry in host["Devices"] or ():
        if privileged and entry["PathInContainer"] in ("", entry["PathOnHost"]):
            continue  # it is there already
        access = entry["CgroupPermissions"] or "rwm"
        if not _ACCESS.match(access):
            raise InvalidArgument(f"invalid device mode: {access}")
        target = entry["PathInContainer"] or entry["PathOnHost"]
        for node in _nodes(entry["PathOnHost"], target):
            nodes.append(node)
            rules.append(
                {
                    "allow": True,
                    "type": node["type"],
                    "major": node["major"],
                    "minor": node["minor"],
                    "access": access,
                }
            )
    for text in host["DeviceCgroupRules"] or []:
        rules.append(_rule(text))
    return nodes, rules


def _rule(text: str) -> DeviceRule:
    match = _RULE.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
    for number, what in ((match[2], "major"), (match[3], "minor")):
        if len(number) > _MOST_DIGITS:
            raise InvalidArgument(f"invalid {what} value in device cgroup rule format: '{text}'")
    rule: DeviceRule = {"allow": True, "type": match[1], "access": match[4]}
    if match[2] != "*":
        rule["major"] = int(match[2])
    if match[3] != "*":
        rule["minor"] = int(match[3])
    return rule


def _nodes(path: str, target: str) -> list[Device]:
    """The device at ``path``, or all devices below it when it is a directory."""
    try:
        status = os.stat(path)
        if not stat.S_ISDIR(status.st_mode):
            if node := _node(os.path.realpath(path), target):
                return [node]
            raise InvalidArgument(
                f'error gathering device information while adding custom device "{path}": not a device node'
            )
        found = []
        for name in sorted(os.listdir(path)):
            below = os.path.join(path, name)
            if os.path.isdir(below) or _is_device(below):
                found += _nodes(below, os.path.join(target, name))
        return found
    except OSError as error:
        raise InvalidArgument(
            f'error gathering device information while adding custom device "{path}": {(error.strerror or "").lower()}'
        ) from error


def _is_device(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _node(path: str, target: str) -> Device | None:
    status = os.stat(path)
    if stat.S_ISCHR(status.st_mode):
        kind = "c"
    elif stat.S_ISBLK(status.st_mode):
        kind = "b"
    else:
        return None
    return {
        "type": kind,
        "path": target,
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "fileMode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }


def _all_host_devices(root: str = "/dev") -> list[Device]:
    """Every device node of the host but its terminals, which a container has of its own."""
    found: list[Device] = []
    for folder, names, files in os.walk(root):
        if folder == root:
            names[:] = [n for n in names if n not in ("pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev")]
            files = [f for f in files if f != "console"]
        for name in files:
            path = os.path.join(folder, name)
            if _is_device(path) and (node := _node(path, path)):
                found.append(node)
    return found


def rlimits(host: Document, usual: Mapping[str, Document] = _NONE) -> list[Rlimit]:
    """The runtime spec's rlimits of the ulimits, and of those ``usual`` ones (by name) it says nothing of.

    Raises InvalidArgument on names the kernel does not have.
    """
    known = "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
    result: list[Rlimit] = []
    own = host["Ulimits"] or []
    taken = {limit["Name"] for limit in own}
    for limit in [*own, *(limit for name, limit in usual.items() if name not in taken)]:
        if limit["Name"] not in known.split():
            raise InvalidArgument(f"invalid ulimit type: {limit['Name']}")
        soft, hard = (_unlimited(limit[key]) for key in ("Soft", "Hard"))
        if soft > hard:
            raise InvalidArgument(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
        result.append({"type": "RLIMIT_" + limit["Name"].upper(), "soft": soft, "hard": hard})
    return result


def _unlimited(value: int) -> int:
    return value if value >= 0 else 2**64 - 1
