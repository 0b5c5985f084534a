"""The container documents of the Docker Engine API (1.51): config, host config, networking config, as field tables.

Source: the Engine API's ContainerConfig, HostConfig and NetworkingConfig. Defaults are what a real daemon records
for a field that a client leaves out.
"""

from __future__ import annotations

from typing import Any, TypedDict

from carrack.model.schema import (
    BOOLEAN,
    INTEGER,
    INTEGERS,
    LABELS,
    LISTS,
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
    "Interval": Field(INTEGER, 0, go="time.Duration"),
    "Timeout": Field(INTEGER, 0, go="time.Duration"),
    "StartPeriod": Field(INTEGER, 0, go="time.Duration"),
    "StartInterval": Field(INTEGER, 0, go="time.Duration"),
    "Retries": Field(INTEGER, 0, go="int"),
}

CONFIG: Table = {
    "Hostname": Field(STRING, ""),
    "Domainname": Field(STRING, ""),
    "User": Field(STRING, ""),
    "AttachStdin": Field(BOOLEAN, False),
    "AttachStdout": Field(BOOLEAN, False),
    "AttachStderr": Field(BOOLEAN, False),
    "ExposedPorts": Field(SET, None, go="nat.PortSet"),
    "Tty": Field(BOOLEAN, False),
    "OpenStdin": Field(BOOLEAN, False),
    "StdinOnce": Field(BOOLEAN, False),
    "Env": Field(STRINGS, None),
    "Cmd": Field(WORDS, None),
    "Healthcheck": Field(HEALTHCHECK, None, go="v1.HealthcheckConfig"),
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
    "StopTimeout": Field(INTEGER, None, go="int"),
    "Shell": Field(WORDS, None),
}

THROTTLE: Table = {"Path": Field(STRING, ""), "Rate": Field(INTEGER, 0, go="uint64")}
WEIGHT: Table = {"Path": Field(STRING, ""), "Weight": Field(INTEGER, 0, go="uint16")}
DEVICE: Table = {
    "PathOnHost": Field(STRING, ""),
    "PathInContainer": Field(STRING, ""),
    "CgroupPermissions": Field(STRING, ""),
}
ULIMIT: Table = {"Name": Field(STRING, ""), "Hard": Field(INTEGER, 0), "Soft": Field(INTEGER, 0)}
# Allow is ours: the networks whose addresses may reach the port
PORT_BINDING: Table = {"HostIp": Field(STRING, ""), "HostPort": Field(STRING, ""), "Allow": Field(STRINGS, None)}

DEVICE_REQUEST: Table = {
    "Driver": Field(STRING, ""),
    "Count": Field(INTEGER, 0, go="int"),
    "DeviceIDs": Field(STRINGS, None),
    "Capabilities": Field(LISTS, None),
    "Options": Field(LABELS, None),
}

MOUNT: Table = {
    "Type": Field(STRING, "", go="mount.Type"),
    "Source": Field(STRING, ""),
    "Target": Field(STRING, ""),
    "ReadOnly": Field(BOOLEAN, False),
    "Consistency": Field(STRING, "", go="mount.Consistency"),
    "IdMap": Field(STRING, ""),  # not Docker's: the option idmap of a bind or a volume
    "BindOptions": Field(
        {
            "Propagation": Field(STRING, "", go="mount.Propagation"),
            "NonRecursive": Field(BOOLEAN, False),
            "CreateMountpoint": Field(BOOLEAN, False),
            "ReadOnlyNonRecursive": Field(BOOLEAN, False),
            "ReadOnlyForceRecursive": Field(BOOLEAN, False),
        },
        None,
        go="mount.BindOptions",
    ),
    "VolumeOptions": Field(
        {
            "NoCopy": Field(BOOLEAN, False),
            "Labels": Field(LABELS, None),
            "DriverConfig": Field({"Name": Field(STRING, ""), "Options": Field(LABELS, None)}, None, go="mount.Driver"),
            "Subpath": Field(STRING, ""),
        },
        None,
        go="mount.VolumeOptions",
    ),
    "ImageOptions": Field({"Subpath": Field(STRING, "")}, None, go="mount.ImageOptions"),
    "TmpfsOptions": Field(
        {
            "SizeBytes": Field(INTEGER, 0),
            "Mode": Field(INTEGER, 0, go="fs.FileMode"),
            "Options": Field(LISTS, None),
        },
        None,
        go="mount.TmpfsOptions",
    ),
}

_THROTTLES = ListOf(THROTTLE, "blkiodev.ThrottleDevice", pointers=True)

# What `update` may change, too.
RESOURCES: Table = {
    "CpuShares": Field(INTEGER, 0),
    "Memory": Field(INTEGER, 0),
    "NanoCpus": Field(INTEGER, 0),
    "CgroupParent": Field(STRING, ""),
    "BlkioWeight": Field(INTEGER, 0, go="uint16"),
    "BlkioWeightDevice": Field(ListOf(WEIGHT, "blkiodev.WeightDevice", pointers=True)),
    "BlkioDeviceReadBps": Field(_THROTTLES),
    "BlkioDeviceWriteBps": Field(_THROTTLES),
    "BlkioDeviceReadIOps": Field(_THROTTLES),
    "BlkioDeviceWriteIOps": Field(_THROTTLES),
    "CpuPeriod": Field(INTEGER, 0),
    "CpuQuota": Field(INTEGER, 0),
    "CpuRealtimePeriod": Field(INTEGER, 0),
    "CpuRealtimeRuntime": Field(INTEGER, 0),
    "CpusetCpus": Field(STRING, ""),
    "CpusetMems": Field(STRING, ""),
    "Devices": Field(ListOf(DEVICE, "container.DeviceMapping")),
    "DeviceCgroupRules": Field(STRINGS, None),
    "DeviceRequests": Field(ListOf(DEVICE_REQUEST, "container.DeviceRequest"), None),
    "KernelMemory": Field(INTEGER, 0, built=False),
    "KernelMemoryTCP": Field(INTEGER, 0, built=False),
    "MemoryReservation": Field(INTEGER, 0),
    "MemorySwap": Field(INTEGER, 0),
    "MemorySwappiness": Field(INTEGER, None),
    "OomKillDisable": Field(BOOLEAN, None),
    "PidsLimit": Field(INTEGER, None),
    "Ulimits": Field(ListOf(ULIMIT, "units.Ulimit", pointers=True)),
    "CpuCount": Field(INTEGER, 0, built=False),
    "CpuPercent": Field(INTEGER, 0, built=False),
    "IOMaximumIOps": Field(INTEGER, 0, built=False, go="uint64"),
    "IOMaximumBandwidth": Field(INTEGER, 0, built=False, go="uint64"),
}

RESTART_POLICY: Table = {
    "Name": Field(STRING, "no", go="container.RestartPolicyMode"),
    "MaximumRetryCount": Field(INTEGER, 0, go="int"),
}
_LOG: Table = {"Type": Field(STRING, ""), "Config": Field(LABELS, {})}

HOST_CONFIG: Table = {
    "Binds": Field(STRINGS, None),
    "ContainerIDFile": Field(STRING, ""),
    "LogConfig": Field(_LOG, {"Type": "", "Config": {}}, go="container.LogConfig"),
    "NetworkMode": Field(STRING, "", go="container.NetworkMode"),
    "PortBindings": Field(MapOf(PORT_BINDING, of_lists=True, go="nat.PortBinding"), None, go="nat.PortMap"),
    "RestartPolicy": Field(RESTART_POLICY, {"Name": "no", "MaximumRetryCount": 0}, go="container.RestartPolicy"),
    "AutoRemove": Field(BOOLEAN, False),
    "VolumeDriver": Field(STRING, ""),
    "VolumesFrom": Field(STRINGS, None),
    "ConsoleSize": Field(INTEGERS, [0, 0]),
    "Annotations": Field(LABELS, None),
    "CapAdd": Field(WORDS, None),
    "CapDrop": Field(WORDS, None),
    "CgroupnsMode": Field(STRING, "", go="container.CgroupnsMode"),
    "Dns": Field(STRINGS, None),
    "DnsOptions": Field(STRINGS, None),
    "DnsSearch": Field(STRINGS, None),
    "ExtraHosts": Field(STRINGS, None),
    "GroupAdd": Field(STRINGS, None),
    "IpcMode": Field(STRING, "", go="container.IpcMode"),
    "Cgroup": Field(STRING, "", built=False, go="container.CgroupSpec"),
    "Links": Field(STRINGS, None),
    "OomScoreAdj": Field(INTEGER, 0, go="int"),
    "PidMode": Field(STRING, "", go="container.PidMode"),
    "Privileged": Field(BOOLEAN, False),
    "PublishAllPorts": Field(BOOLEAN, False),
    "ReadonlyRootfs": Field(BOOLEAN, False),
    "SecurityOpt": Field(STRINGS, None),
    "StorageOpt": Field(LABELS, None),
    "Tmpfs": Field(LABELS, None),
    "UTSMode": Field(STRING, "", go="container.UTSMode"),
    "UsernsMode": Field(STRING, "", go="container.UsernsMode"),
    "ShmSize": Field(INTEGER, 0),
    "Sysctls": Field(LABELS, None),
    "Runtime": Field(STRING, ""),
    "Isolation": Field(STRING, "", go="container.Isolation"),
    **RESOURCES,
    "Mounts": Field(ListOf(MOUNT, "mount.Mount"), None),
    "MaskedPaths": Field(STRINGS, None),
    "ReadonlyPaths": Field(STRINGS, None),
    "Init": Field(BOOLEAN, None),
}

# What is fixed when a container is made: its place among the cgroups, its devices, its processes' limits.
_FIXED = ("CgroupParent", "Devices", "DeviceCgroupRules", "DeviceRequests", "Ulimits")
UPDATE: Table = {
    **RESOURCES,
    **{name: RESOURCES[name]._replace(built=False) for name in _FIXED},
    "RestartPolicy": Field(RESTART_POLICY, None, go="container.RestartPolicy"),
    # Ours: ports to publish and no longer to publish, also of a container that runs.
    "PublishAdd": Field(MapOf(PORT_BINDING, of_lists=True, go="nat.PortBinding"), None, go="nat.PortMap"),
    "PublishRemove": Field(STRINGS, None),
}

ENDPOINT: Table = {
    "IPAMConfig": Field(
        {
            "IPv4Address": Field(STRING, ""),
            "IPv6Address": Field(STRING, ""),
            "LinkLocalIPs": Field(STRINGS, None),
        },
        None,
        go="network.EndpointIPAMConfig",
    ),
    "Links": Field(STRINGS, None),
    "Aliases": Field(STRINGS, None),
    "MacAddress": Field(STRING, ""),
    "DriverOpts": Field(LABELS, None),
    "GwPriority": Field(INTEGER, 0, go="int"),
    # What an engine writes there itself; clients send it back, and it says nothing.
    "NetworkID": Field(STRING, ""),
    "EndpointID": Field(STRING, ""),
    "Gateway": Field(STRING, ""),
    "IPAddress": Field(STRING, ""),
    "IPPrefixLen": Field(INTEGER, 0, go="int"),
    "IPv6Gateway": Field(STRING, ""),
    "GlobalIPv6Address": Field(STRING, ""),
    "GlobalIPv6PrefixLen": Field(INTEGER, 0, go="int"),
    "DNSNames": Field(STRINGS, None),
}
_ENDPOINTS = MapOf(ENDPOINT, go="network.EndpointSettings")
NETWORKING: Table = {"EndpointsConfig": Field(_ENDPOINTS, {}, go="map[string]*network.EndpointSettings")}
# The body of a create request: a config, and beside its fields the two others.
CREATE: Table = {
    **CONFIG,
    "HostConfig": Field(HOST_CONFIG, None, go="container.HostConfig"),
    "NetworkingConfig": Field(NETWORKING, None, go="network.NetworkingConfig"),
}

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
    # Not shown: the part of a volume or image, the image and its layers, the options of a tmpfs.
    Subpath: str
    Image: str
    Layers: list[str]
    Options: list[str]
