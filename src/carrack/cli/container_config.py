"""Flags of ``create`` and ``run`` → the documents that ``POST /containers/create`` takes.

Only what was typed is sent: defaults are the daemon's. What the daemon does not have, it refuses by the field's name.
"""

from carrack.cli.exit import Exit
from carrack.errors import InvalidArgument, NotSupported, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
_NETWORK_FLAGS = ("network", "ip", "ip6", "link", "link-local-ip", "network-alias", "mac-address")
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


def with_proxies(body: "Document", proxies: list[str]) -> None:
    """Give the container the user's proxies as well, as far as no variable of that name was given."""
    given = {word.partition("=")[0] for word in body.get("Env") or ()}
    if more := [word for word in proxies if word.partition("=")[0] not in given]:
        body["Env"] = [*(body.get("Env") or ()), *more]


def restart_policy(text: str) -> "Document":
    """``{"Name", "MaximumRetryCount"}`` of ``on-failure:3``."""
    name, colon, count = text.partition(":")
    if colon and not count.removeprefix("-").isdigit():
        raise InvalidArgument("invalid restart policy format: maximum retry count must be an integer")
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
        try:
            words += environment_file(_file(name), name, inherited)
        except InvalidArgument as error:
            told = str(error).replace("poorly formatted environment: ", f"invalid env file ({name}): ")
            raise InvalidArgument(told) from error
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
    if chosen and detach:
        raise Exit(1, "conflicting options: cannot specify both --attach and --detach")
    if chosen or detach:
        return chosen
    return ["stdout", "stderr", *(["stdin"] if parsed.flag("interactive") else [])]


def _host(parsed: "Parsed") -> "Document":
    host: Document = {key: parsed.value(name) for name, key in _HOST_PLAIN.items() if parsed.given(name)}
    _check_modes(parsed)
    if "Ulimits" in host:
        host["Ulimits"] = sorted(host["Ulimits"], key=lambda limit: str(limit["Name"]))
    host.update({key: dict(parsed.value(name)) for name, key in _HOST_MAPS.items() if parsed.given(name)})
    if parsed.given("disable-content-trust") and not parsed.flag("disable-content-trust"):
        raise NotSupported(
            "--disable-content-trust=false: signatures of Docker Content Trust are obsolete and are not verified here"
        )
    if parsed.given("restart"):
        host["RestartPolicy"] = restart_policy(parsed.text("restart"))
    if parsed.flag("rm") and host.get("RestartPolicy", {}).get("Name", "no") != "no":
        raise InvalidArgument("conflicting options: cannot specify both --restart and --rm")
    if parsed.given("add-host"):
        host["ExtraHosts"] = parsed.words("add-host")
    if parsed.given("device"):
        _devices(parsed.words("device"), host)
    if parsed.given("gpus"):
        from carrack.cli.gpus import parse_gpus

        try:
            host.setdefault("DeviceRequests", []).append(parse_gpus(parsed.text("gpus")))
        except InvalidArgument as error:
            raise InvalidArgument(f'invalid argument "{parsed.text("gpus")}" for "--gpus" flag: {error}') from error
    if parsed.given("log-driver") or parsed.given("log-opt"):
        if parsed.text("log-driver") == "none" and parsed.given("log-opt"):
            raise InvalidArgument("invalid logging opts for driver none")
        host["LogConfig"] = {"Type": parsed.text("log-driver"), "Config": dict(parsed.value("log-opt") or [])}
    if parsed.given("tmpfs"):
        from carrack.model.mounts import parse_tmpfs

        host["Tmpfs"] = dict(parse_tmpfs(word) for word in parsed.words("tmpfs"))
    _security(parsed.words("security-opt"), host)
    return host


def _check_modes(parsed: "Parsed") -> None:
    """What docker's command refuses before the daemon is asked."""
    for name, what in (("pid", "PID"), ("uts", "UTS"), ("userns", "USER")):
        mode = parsed.text(name)
        if mode not in ("", "host") and not (name == "pid" and mode.startswith("container:")):
            raise InvalidArgument(f"--{name}: invalid {what} mode")
    if parsed.text("cgroupns") not in ("", "host", "private"):
        raise InvalidArgument("--cgroupns: invalid CGROUP mode")
    swappiness = parsed.number("memory-swappiness")
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidArgument(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")


def _volumes(parsed: "Parsed", config: "Document", host: "Document") -> None:
    """``-v /data`` is an anonymous volume of the configuration, all else a bind; ``./x`` is meant from here."""
    for word in dict.fromkeys(parsed.words("volume")):
        _check_volume(word)
        source, colon, rest = word.partition(":")
        if not colon:
            config.setdefault("Volumes", {})[word] = {}
            continue
        if source.startswith("."):
            import os

            source = os.path.abspath(source)
        host.setdefault("Binds", []).append(f"{source}:{rest}")


def _check_volume(word: str) -> None:
    parts = word.split(":")
    if not word:
        raise InvalidArgument("invalid empty volume spec")
    if len(parts) > 3:
        raise InvalidArgument(f"invalid spec: {word}: too many colons")
    if "" in parts:
        raise InvalidArgument(f"invalid spec: {word}: empty section between colons")


def _ports(parsed: "Parsed", config: "Document", host: "Document") -> None:
    from carrack.model.ports import parse_exposed, parse_published

    exposed: dict[str, dict[str, str]] = {}
    bindings: dict[str, list[Document]] = {}
    for word in parsed.words("publish"):
        for port in parse_published(word):
            exposed[port.container] = {}
            bindings.setdefault(port.container, []).append(port.binding())
    for word in parsed.words("expose"):
        exposed.update({name: {} for name in parse_exposed(word)})
    config["ExposedPorts"] = exposed
    if bindings:
        host["PortBindings"] = bindings


def _networks(parsed: "Parsed", host: "Document") -> "Document":
    if not any(map(parsed.given, _NETWORK_FLAGS)):
        return {}
    from carrack.cli.container_networks import endpoints

    return endpoints(parsed, host)


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
        if not word.startswith("/") and "/" in word and "=" in word:
            host.setdefault("DeviceRequests", []).append({"Driver": "cdi", "DeviceIDs": [word]})
            continue
        path, *rest = word.split(":")
        rights = rest.pop() if rest and rest[-1] and set(rest[-1]) <= set("rwm") else "rwm"
        if len(rest) == 2 and path:
            raise InvalidArgument(f"bad mode specified: {rest[1]}")
        if len(rest) > 1 or not path:
            raise InvalidArgument(f"invalid device specification: {word}")
        device = {
            "PathOnHost": path,
            "PathInContainer": rest[0] if rest and rest[0] else path,
            "CgroupPermissions": rights,
        }
        host.setdefault("Devices", []).append(device)


def _security(words: list[str], host: "Document") -> None:
    """Security options; a seccomp profile is read here, as the daemon may be on another machine."""
    options = []
    for word in words:
        key, separator, value = word.partition("=") if "=" in word else word.partition(":")
        if key == "seccomp" and value not in ("unconfined", "builtin", ""):
            from carrack.client import document

            try:
                profile = document.loads(_file(value))
            except InvalidArgument as error:
                raise InvalidArgument(f"opening seccomp profile ({value}) failed: {error}") from error
            except Unavailable as error:
                raise InvalidArgument(
                    f"compacting json for seccomp profile ({value}) failed: it is not JSON"
                ) from error
            word = f"seccomp={document.dumps(profile)}"
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
