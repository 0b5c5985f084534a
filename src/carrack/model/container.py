"""The container documents of the Docker Engine API (1.51): config, host config, networking config, as field tables.

Source: the Engine API's ContainerConfig, HostConfig and NetworkingConfig. Defaults are what a real daemon records
for a field that a client leaves out.
"""

from __future__ import annotations

from typing import Any, TypedDict

from carrack.model.schema import (
    ANY,
    BOOLEAN,
    INTEGER,
    INTEGERS,
    LABELS,
    SET,
    STRING,
    STRINGS,
    WORDS,
    Field,
    ListOf,
    MapOf,
    Table,
)

Document = dict[str, Any]

HEALTHCHECK: Table = {
    "Test": Field(STRINGS, None),
    "Interval": Field(INTEGER, 0),
    "Timeout": Field(INTEGER, 0),
    "StartPeriod": Field(INTEGER, 0),
    "StartInterval": Field(INTEGER, 0),
    "Retries": Field(INTEGER, 0),
}

CONFIG: Table = {
    "Hostname": Field(STRING, ""),
    "Domainname": Field(STRING, ""),
    "User": Field(STRING, ""),
    "AttachStdin": Field(BOOLEAN, False),
    "AttachStdout": Field(BOOLEAN, False),
    "AttachStderr": Field(BOOLEAN, False),
    "ExposedPorts": Field(SET, None),
    "Tty": Field(BOOLEAN, False),
    "OpenStdin": Field(BOOLEAN, False),
    "StdinOnce": Field(BOOLEAN, False),
    "Env": Field(STRINGS, None),
    "Cmd": Field(WORDS, None),
    "Healthcheck": Field(HEALTHCHECK, None),
    "ArgsEscaped": Field(BOOLEAN, False, built=False),
    "Image": Field(STRING, ""),
    "Volumes": Field(SET, None),
    "WorkingDir": Field(STRING, ""),
    "Entrypoint": Field(WORDS, None),
    "NetworkDisabled": Field(BOOLEAN, False),
    "MacAddress": Field(STRING, ""),
    "OnBuild": Field(STRINGS, None),
    "Labels": Field(LABELS, None),
    "StopSignal": Field(STRING, ""),
    "StopTimeout": Field(INTEGER, None),
    "Shell": Field(STRINGS, None),
}

THROTTLE: Table = {"Path": Field(STRING, ""), "Rate": Field(INTEGER, 0)}
WEIGHT: Table = {"Path": Field(STRING, ""), "Weight": Field(INTEGER, 0)}
DEVICE: Table = {
    "PathOnHost": Field(STRING, ""),
    "PathInContainer": Field(STRING, ""),
    "CgroupPermissions": Field(STRING, ""),
}
ULIMIT: Table = {"Name": Field(STRING, ""), "Hard": Field(INTEGER, 0), "Soft": Field(INTEGER, 0)}
PORT_BINDING: Table = {"HostIp": Field(STRING, ""), "HostPort": Field(STRING, "")}

MOUNT: Table = {
    "Type": Field(STRING, ""),
    "Source": Field(STRING, ""),
    "Target": Field(STRING, ""),
    "ReadOnly": Field(BOOLEAN, False),
    "Consistency": Field(STRING, ""),
    "BindOptions": Field(
        {
            "Propagation": Field(STRING, ""),
            "NonRecursive": Field(BOOLEAN, False),
            "CreateMountpoint": Field(BOOLEAN, False),
            "ReadOnlyNonRecursive": Field(BOOLEAN, False),
            "ReadOnlyForceRecursive": Field(BOOLEAN, False),
        },
        None,
    ),
    "VolumeOptions": Field(
        {
            "NoCopy": Field(BOOLEAN, False),
            "Labels": Field(LABELS, None),
            "DriverConfig": Field({"Name": Field(STRING, ""), "Options": Field(LABELS, None)}, None),
            "Subpath": Field(STRING, "", built=False),
        },
        None,
    ),
    "ImageOptions": Field({"Subpath": Field(STRING, "")}, None, built=False),
    "TmpfsOptions": Field(
        {
            "SizeBytes": Field(INTEGER, 0),
            "Mode": Field(INTEGER, 0),
            "Options": Field(ANY, None),
        },
        None,
    ),
}

# What `update` may change, too.
RESOURCES: Table = {
    "CpuShares": Field(INTEGER, 0),
    "Memory": Field(INTEGER, 0),
    "NanoCpus": Field(INTEGER, 0),
    "CgroupParent": Field(STRING, ""),
    "BlkioWeight": Field(INTEGER, 0),
    "BlkioWeightDevice": Field(ListOf(WEIGHT), []),
    "BlkioDeviceReadBps": Field(ListOf(THROTTLE), []),
    "BlkioDeviceWriteBps": Field(ListOf(THROTTLE), []),
    "BlkioDeviceReadIOps": Field(ListOf(THROTTLE), []),
    "BlkioDeviceWriteIOps": Field(ListOf(THROTTLE), []),
    "CpuPeriod": Field(INTEGER, 0),
    "CpuQuota": Field(INTEGER, 0),
    "CpuRealtimePeriod": Field(INTEGER, 0),
    "CpuRealtimeRuntime": Field(INTEGER, 0),
    "CpusetCpus": Field(STRING, ""),
    "CpusetMems": Field(STRING, ""),
    "Devices": Field(ListOf(DEVICE), []),
    "DeviceCgroupRules": Field(STRINGS, None),
    "DeviceRequests": Field(ANY, None, built=False),
    "KernelMemory": Field(INTEGER, 0, built=False),
    "KernelMemoryTCP": Field(INTEGER, 0, built=False),
    "MemoryReservation": Field(INTEGER, 0),
    "MemorySwap": Field(INTEGER, 0),
    "MemorySwappiness": Field(INTEGER, None),
    "OomKillDisable": Field(BOOLEAN, None),
    "PidsLimit": Field(INTEGER, None),
    "Ulimits": Field(ListOf(ULIMIT), []),
    "CpuCount": Field(INTEGER, 0, built=False),
    "CpuPercent": Field(INTEGER, 0, built=False),
    "IOMaximumIOps": Field(INTEGER, 0, built=False),
    "IOMaximumBandwidth": Field(INTEGER, 0, built=False),
}

RESTART_POLICY: Table = {"Name": Field(STRING, "no"), "MaximumRetryCount": Field(INTEGER, 0)}

HOST_CONFIG: Table = {
    "Binds": Field(STRINGS, None),
    "ContainerIDFile": Field(STRING, ""),
    "LogConfig": Field({"Type": Field(STRING, ""), "Config": Field(LABELS, {})}, {"Type": "", "Config": {}}),
    "NetworkMode": Field(STRING, ""),
    "PortBindings": Field(MapOf(PORT_BINDING, of_lists=True), {}),
    "RestartPolicy": Field(RESTART_POLICY, {"Name": "no", "MaximumRetryCount": 0}),
    "AutoRemove": Field(BOOLEAN, False),
    "VolumeDriver": Field(STRING, ""),
    "VolumesFrom": Field(STRINGS, None),
    "ConsoleSize": Field(INTEGERS, [0, 0]),
    "Annotations": Field(LABELS, None),
    "CapAdd": Field(STRINGS, None),
    "CapDrop": Field(STRINGS, None),
    "CgroupnsMode": Field(STRING, ""),
    "Dns": Field(STRINGS, []),
    "DnsOptions": Field(STRINGS, []),
    "DnsSearch": Field(STRINGS, []),
    "ExtraHosts": Field(STRINGS, None),
    "GroupAdd": Field(STRINGS, None),
    "IpcMode": Field(STRING, ""),
    "Cgroup": Field(STRING, "", built=False),
    "Links": Field(STRINGS, None, built=False),
    "OomScoreAdj": Field(INTEGER, 0),
    "PidMode": Field(STRING, ""),
    "Privileged": Field(BOOLEAN, False),
    "PublishAllPorts": Field(BOOLEAN, False),
    "ReadonlyRootfs": Field(BOOLEAN, False),
    "SecurityOpt": Field(STRINGS, None),
    "StorageOpt": Field(LABELS, None, built=False),
    "Tmpfs": Field(LABELS, None),
    "UTSMode": Field(STRING, ""),
    "UsernsMode": Field(STRING, ""),
    "ShmSize": Field(INTEGER, 0),
    "Sysctls": Field(LABELS, None),
    "Runtime": Field(STRING, ""),
    "Isolation": Field(STRING, ""),
    **RESOURCES,
    "Mounts": Field(ListOf(MOUNT), None),
    "MaskedPaths": Field(STRINGS, None),
    "ReadonlyPaths": Field(STRINGS, None),
    "Init": Field(BOOLEAN, None),
}

# What is fixed when a container is made: its place among the cgroups, its devices, its processes' limits.
_FIXED = ("CgroupParent", "Devices", "DeviceCgroupRules", "Ulimits")
UPDATE: Table = {
    **RESOURCES,
    **{name: RESOURCES[name]._replace(built=False) for name in _FIXED},
    "RestartPolicy": Field(RESTART_POLICY, None),
}

ENDPOINT: Table = {
    "IPAMConfig": Field(
        {
            "IPv4Address": Field(STRING, ""),
            "IPv6Address": Field(STRING, ""),
            "LinkLocalIPs": Field(STRINGS, None),
        },
        None,
        built=False,
    ),
    "Links": Field(STRINGS, None, built=False),
    "Aliases": Field(STRINGS, None, built=False),
    "MacAddress": Field(STRING, ""),
    "DriverOpts": Field(LABELS, None, built=False),
    "GwPriority": Field(INTEGER, 0, built=False),
}
NETWORKING: Table = {"EndpointsConfig": Field(MapOf(ENDPOINT), {})}

EXEC: Table = {
    "AttachStdin": Field(BOOLEAN, False),
    "AttachStdout": Field(BOOLEAN, False),
    "AttachStderr": Field(BOOLEAN, False),
    "ConsoleSize": Field(INTEGERS, None),
    "DetachKeys": Field(STRING, ""),
    "Tty": Field(BOOLEAN, False),
    "Env": Field(STRINGS, None),
    "Cmd": Field(STRINGS, None),
    "Privileged": Field(BOOLEAN, False),
    "User": Field(STRING, ""),
    "WorkingDir": Field(STRING, ""),
}
EXEC_START: Table = {
    "Detach": Field(BOOLEAN, False),
    "Tty": Field(BOOLEAN, False),
    "ConsoleSize": Field(INTEGERS, None),
}


class MountPoint(TypedDict, total=False):
    """One resolved mount of a container, as `inspect` shows it under ``Mounts`` (plus what we keep for ourselves)."""

    Type: str
    Name: str
    Source: str
    Destination: str
    Driver: str
    Mode: str
    RW: bool
    Propagation: str
