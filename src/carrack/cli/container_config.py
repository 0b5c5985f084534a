"""Flags of ``create`` and ``run`` → the documents that ``POST /containers/create`` takes.

Only what was typed is sent: defaults are the daemon's. What the daemon does not have, it refuses by the field's name.
"""

from carrack.cli.exit import Exit
from carrack.errors import InvalidArgument, NotSupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_TEXTS = {
    "hostname": "Hostname",
    "domainname": "Domainname",
    "user": "User",
    "workdir": "WorkingDir",
    "stop-signal": "StopSignal",
}
_HOST_PLAIN = {
    # texts
    "cgroup-parent": "CgroupParent",
    "cgroupns": "CgroupnsMode",
    "cpuset-cpus": "CpusetCpus",
    "cpuset-mems": "CpusetMems",
    "ipc": "IpcMode",
    "isolation": "Isolation",
    "pid": "PidMode",
    "runtime": "Runtime",
    "userns": "UsernsMode",
    "uts": "UTSMode",
    "volume-driver": "VolumeDriver",
    "cidfile": "ContainerIDFile",
    # numbers
    "blkio-weight": "BlkioWeight",
    "cpu-count": "CpuCount",
    "cpu-percent": "CpuPercent",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "cpus": "NanoCpus",
    "io-maxbandwidth": "IOMaximumBandwidth",
    "io-maxiops": "IOMaximumIOps",
    "kernel-memory": "KernelMemory",
    "memory": "Memory",
    "memory-reservation": "MemoryReservation",
    "memory-swap": "MemorySwap",
    "memory-swappiness": "MemorySwappiness",
    "oom-score-adj": "OomScoreAdj",
    "pids-limit": "PidsLimit",
    "shm-size": "ShmSize",
    # truths
    "init": "Init",
    "oom-kill-disable": "OomKillDisable",
    "privileged": "Privileged",
    "publish-all": "PublishAllPorts",
    "read-only": "ReadonlyRootfs",
    "rm": "AutoRemove",
    # lists
    "blkio-weight-device": "BlkioWeightDevice",
    "cap-add": "CapAdd",
    "cap-drop": "CapDrop",
    "device-cgroup-rule": "DeviceCgroupRules",
    "device-read-bps": "BlkioDeviceReadBps",
    "device-read-iops": "BlkioDeviceReadIOps",
    "device-write-bps": "BlkioDeviceWriteBps",
    "device-write-iops": "BlkioDeviceWriteIOps",
    "dns": "Dns",
    "dns-option": "DnsOptions",
    "dns-search": "DnsSearch",
    "group-add": "GroupAdd",
    "link": "Links",
    "mount": "Mounts",
    "ulimit": "Ulimits",
    "volumes-from": "VolumesFrom",
}
_HOST_MAPS = {"annotation": "Annotations", "storage-opt": "StorageOpt", "sysctl": "Sysctls"}
_HEALTH = {
    "health-interval": "Interval",
    "health-retries": "Retries",
    "health-start-interval": "StartInterval",
    "health-start-period": "StartPeriod",
    "health-timeout": "Timeout",
}


def create_document(parsed: "Parsed", env: "Mapping[str, str]", *, detach: bool = False) -> "Document":
    """The body of a create request from parsed flags, whose arguments are the image and its command."""
    image, *command = parsed.arguments
    config = _config(parsed, env, detach)
    config["Image"] = image
    if command:
        config["Cmd"] = command
    host = _host(parsed)
    _volumes(parsed, config, host)
    if parsed.given("publish") or parsed.given("expose"):
        _ports(parsed, config, host)
    networking = _networks(parsed, host)
    if host:
        config["HostConfig"] = host
    if networking:
        config["NetworkingConfig"] = {"EndpointsConfig": networking}
    return config


def restart_policy(text: str) -> "Document":
    """``{"Name", "MaximumRetryCount"}`` of ``on-failure:3``."""
    name, colon, count = text.partition(":")
    if colon and not count.isdigit():
        raise InvalidArgument(f"invalid restart policy format: maximum retry count must be an integer: {text}")
    if not name:
        raise InvalidArgument("invalid restart policy format: no policy provided before colon")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def environment_words(parsed: "Parsed", inherited: "Mapping[str, str]") -> list[str]:
    """Variables of ``--env-file`` first, then those of ``--env``, which win."""
    if not parsed.given("env") and not parsed.given("env-file"):
        return []
    from carrack.model.labels import environment, environment_file

    words = []
    for name in parsed.words("env-file"):
        words += environment_file(_file(name), name, inherited)
    return words + environment(parsed.words("env"), inherited)


def _config(parsed: "Parsed", env: "Mapping[str, str]", detach: bool) -> "Document":
    config: Document = {key: parsed.text(name) for name, key in _TEXTS.items() if parsed.given(name)}
    attach = _attached(parsed, detach)
    config.update({f"Attach{name.capitalize()}": True for name in attach})
    if parsed.flag("tty"):
        config["Tty"] = True
    if parsed.flag("interactive"):
        config.update({"OpenStdin": True, "StdinOnce": "stdin" in attach})
    if parsed.given("stop-timeout"):
        config["StopTimeout"] = parsed.number("stop-timeout")
    if parsed.given("entrypoint"):
        config["Entrypoint"] = [parsed.text("entrypoint")]
    if words := environment_words(parsed, env):
        config["Env"] = words
    if parsed.given("label") or parsed.given("label-file"):
        config["Labels"] = _labels(parsed)
    if health := _health(parsed):
        config["Healthcheck"] = health
    return config


def _labels(parsed: "Parsed") -> dict[str, str]:
    from carrack.model.labels import label_file, labels

    found = [word for name in parsed.words("label-file") for word in label_file(_file(name), name)]
    return labels(found + parsed.words("label"))


def _attached(parsed: "Parsed", detach: bool) -> list[str]:
    """Which streams are attached: those of ``--attach``, else output always and input with ``-i``, none with ``-d``."""
    chosen = [name.lower() for name in parsed.words("attach")]
    for name in chosen:
        if name not in ("stdin", "stdout", "stderr"):
            raise InvalidArgument("valid streams are STDIN, STDOUT and STDERR")
    if chosen and detach:
        raise Exit(1, "conflicting options: cannot specify both --attach and --detach")
    if chosen or detach:
        return chosen
    return ["stdout", "stderr", *(["stdin"] if parsed.flag("interactive") else [])]


def _host(parsed: "Parsed") -> "Document":
    host: Document = {key: parsed.value(name) for name, key in _HOST_PLAIN.items() if parsed.given(name)}
    host.update({key: dict(parsed.value(name)) for name, key in _HOST_MAPS.items() if parsed.given(name)})
    if parsed.flag("use-api-socket"):
        raise NotSupported(
            "--use-api-socket is not built; mount the socket with -v /run/carrack.sock:/run/carrack.sock"
        )
    if parsed.given("disable-content-trust") and not parsed.flag("disable-content-trust"):
        raise NotSupported("--disable-content-trust=false is not built: no image is verified by its signature yet")
    if parsed.given("restart"):
        host["RestartPolicy"] = restart_policy(parsed.text("restart"))
    if parsed.flag("rm") and host.get("RestartPolicy", {}).get("Name", "no") != "no":
        raise InvalidArgument("conflicting options: cannot specify both --restart and --rm")
    if parsed.given("add-host"):
        host["ExtraHosts"] = [_extra_host(word) for word in parsed.words("add-host")]
    if parsed.given("device"):
        _devices(parsed.words("device"), host)
    if parsed.given("gpus"):
        host.setdefault("DeviceRequests", []).append(_gpus(parsed.text("gpus")))
    if parsed.given("log-driver") or parsed.given("log-opt"):
        host["LogConfig"] = {"Type": parsed.text("log-driver"), "Config": dict(parsed.value("log-opt") or [])}
    if parsed.given("tmpfs"):
        from carrack.model.mounts import parse_tmpfs

        host["Tmpfs"] = dict(parse_tmpfs(word) for word in parsed.words("tmpfs"))
    _security(parsed.words("security-opt"), host)
    return host


def _volumes(parsed: "Parsed", config: "Document", host: "Document") -> None:
    """``-v /data`` is an anonymous volume of the configuration, all else a bind; ``./x`` is meant from here."""
    for word in parsed.words("volume"):
        source, colon, rest = word.partition(":")
        if not colon:
            config.setdefault("Volumes", {})[word] = {}
            continue
        if source.startswith("."):
            import os

            source = os.path.abspath(source)
        host.setdefault("Binds", []).append(f"{source}:{rest}")


def _ports(parsed: "Parsed", config: "Document", host: "Document") -> None:
    from carrack.model.ports import parse_exposed, parse_published

    exposed: dict[str, dict[str, str]] = {}
    bindings: dict[str, list[dict[str, str]]] = {}
    for word in parsed.words("publish"):
        for port in parse_published(word):
            exposed[port.container] = {}
            bindings.setdefault(port.container, []).append({"HostIp": port.host_ip, "HostPort": port.host_port})
    for word in parsed.words("expose"):
        exposed.update({name: {} for name in parse_exposed(word)})
    config["ExposedPorts"] = exposed
    if bindings:
        host["PortBindings"] = bindings


def _networks(parsed: "Parsed", host: "Document") -> "Document":
    """Endpoint settings per network; the flags without a network's name belong to the first."""
    endpoints: Document = {}
    for word in parsed.words("network"):
        name, settings = _network(word)
        endpoints[name] = settings
    names = list(endpoints)
    if names:
        host["NetworkMode"] = names[0]
    common: Document = {}
    addresses = {
        "IPv4Address": parsed.text("ip"),
        "IPv6Address": parsed.text("ip6"),
        "LinkLocalIPs": parsed.words("link-local-ip"),
    }
    if given := {key: value for key, value in addresses.items() if value}:
        common["IPAMConfig"] = given
    if parsed.given("network-alias"):
        common["Aliases"] = parsed.words("network-alias")
    if parsed.given("mac-address"):
        common["MacAddress"] = parsed.text("mac-address")
    if common:
        endpoints.setdefault(names[0] if names else "default", {}).update(common)
    return endpoints if len(endpoints) > 1 or any(endpoints.values()) else {}


def _network(word: str) -> "tuple[str, Document]":
    """A network by name, or as ``name=front,alias=web,ip=10.0.0.4``."""
    if "=" not in word:
        return word, {}
    name = ""
    settings: Document = {}
    ipam: dict[str, Any] = {}
    for field in word.split(","):
        key, _, value = field.partition("=")
        if key == "name":
            name = value
        elif key == "alias":
            settings.setdefault("Aliases", []).append(value)
        elif key == "driver-opt":
            option, _, text = value.partition("=")
            settings.setdefault("DriverOpts", {})[option] = text
        elif key in ("ip", "ip6"):
            ipam["IPv4Address" if key == "ip" else "IPv6Address"] = value
        elif key == "link-local-ip":
            ipam.setdefault("LinkLocalIPs", []).append(value)
        elif key == "mac-address":
            settings["MacAddress"] = value
        elif key == "gw-priority":
            settings["GwPriority"] = int(value)
        else:
            raise InvalidArgument(f"invalid field key {key} in --network {word}")
    if not name:
        raise InvalidArgument(f"network name/id is not specified in --network {word}")
    if ipam:
        settings["IPAMConfig"] = ipam
    return name, settings


def _health(parsed: "Parsed") -> "Document":
    health: Document = {key: parsed.number(name) for name, key in _HEALTH.items() if parsed.number(name)}
    if parsed.given("health-cmd"):
        health["Test"] = ["CMD-SHELL", parsed.text("health-cmd")]
    if not parsed.flag("no-healthcheck"):
        return health
    if health:
        raise InvalidArgument("--no-healthcheck conflicts with --health-* options")
    return {"Test": ["NONE"]}


def _devices(words: list[str], host: "Document") -> None:
    """``/dev/x[:/dev/y][:rwm]``; a name like ``vendor.com/class=device`` is asked of CDI."""
    for word in words:
        if not word.startswith("/") and "=" in word:
            host.setdefault("DeviceRequests", []).append({"Driver": "cdi", "DeviceIDs": [word]})
            continue
        path, *rest = word.split(":")
        rights = rest.pop() if rest and rest[-1] and set(rest[-1]) <= set("rwm") else "rwm"
        if len(rest) > 1 or not path:
            raise InvalidArgument(f"invalid device specification: {word}")
        device = {
            "PathOnHost": path,
            "PathInContainer": rest[0] if rest and rest[0] else path,
            "CgroupPermissions": rights,
        }
        host.setdefault("Devices", []).append(device)


def _gpus(text: str) -> "Document":
    request: Document = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        if not equals or key == "count":
            count = value or key
            if count != "all" and not count.isdigit():
                raise InvalidArgument(f"count ({count}) must be an integer")
            request["Count"] = -1 if count == "all" else int(count)
        elif key == "device":
            request["DeviceIDs"] = [*(request["DeviceIDs"] or []), value]
        elif key == "driver":
            request["Driver"] = value
        elif key == "capabilities":
            request["Capabilities"] = [["gpu", *value.split(",")]]
        else:
            raise InvalidArgument(f"unexpected key '{key}' in '{field}'")
    return request


def _extra_host(word: str) -> str:
    name, separator, address = word.partition("=") if "=" in word else word.partition(":")
    if not separator or not name or not address:
        raise InvalidArgument(f'bad format for add-host: "{word}"')
    return f"{name}:{address.strip('[]')}"


def _security(words: list[str], host: "Document") -> None:
    """Security options; a seccomp profile is read here, as the daemon may be on another machine."""
    options = []
    for word in words:
        key, separator, value = word.partition("=") if "=" in word else word.partition(":")
        if key == "seccomp" and value not in ("unconfined", "builtin", ""):
            from carrack.client import document

            word = f"seccomp={document.dumps(document.loads(_file(value)))}"
        elif key == "systempaths" and value == "unconfined":
            host.update({"MaskedPaths": [], "ReadonlyPaths": []})
            continue
        elif not separator and key != "no-new-privileges":
            raise InvalidArgument(f'Invalid --security-opt: "{word}"')
        options.append(word)
    if options:
        host["SecurityOpt"] = options


def _file(name: str) -> bytes:
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidArgument(f"open {name}: {(error.strerror or str(error)).lower()}") from error
