"""Requests as programs in Go write them: every field of the client library's structures, mostly empty."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from tests.cli.running import DaemonProcess

# What the Go library sends for fields that its user left alone.
_CONFIG: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
_HOST: dict[str, Any] = {
    "Binds": None,
    "ContainerIDFile": "",
    "LogConfig": {"Type": "", "Config": None},
    "NetworkMode": "",
    "PortBindings": None,
    "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
    "AutoRemove": False,
    "VolumeDriver": "",
    "VolumesFrom": None,
    "ConsoleSize": [0, 0],
    "CapAdd": None,
    "CapDrop": None,
    "CgroupnsMode": "",
    "Dns": None,
    "DnsOptions": None,
    "DnsSearch": None,
    "ExtraHosts": None,
    "GroupAdd": None,
    "IpcMode": "",
    "Cgroup": "",
    "Links": None,
    "OomScoreAdj": 0,
    "PidMode": "",
    "Privileged": False,
    "PublishAllPorts": False,
    "ReadonlyRootfs": False,
    "SecurityOpt": None,
    "UTSMode": "",
    "UsernsMode": "",
    "ShmSize": 0,
    "Isolation": "",
    "CpuShares": 0,
    "Memory": 0,
    "NanoCpus": 0,
    "CgroupParent": "",
    "BlkioWeight": 0,
    "BlkioWeightDevice": None,
    "BlkioDeviceReadBps": None,
    "BlkioDeviceWriteBps": None,
    "BlkioDeviceReadIOps": None,
    "BlkioDeviceWriteIOps": None,
    "CpuPeriod": 0,
    "CpuQuota": 0,
    "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0,
    "CpusetCpus": "",
    "CpusetMems": "",
    "Devices": None,
    "DeviceCgroupRules": None,
    "DeviceRequests": None,
    "MemoryReservation": 0,
    "MemorySwap": 0,
    "MemorySwappiness": None,
    "OomKillDisable": None,
    "PidsLimit": None,
    "Ulimits": None,
    "CpuCount": 0,
    "CpuPercent": 0,
    "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
    "MaskedPaths": None,
    "ReadonlyPaths": None,
}


class Wire:
    """The daemon's API as paths and bodies."""

    def __init__(self, daemon: DaemonProcess, version: str = "1.41") -> None:
        self._daemon = daemon
        self._prefix = f"/v{version}"

    def ask(self, method: str, path: str, body: object = None, *, raw: bytes | None = None, status: int = 0) -> Any:
        """The answer's document (its bytes when it is none), whose status must be `status` or mean success."""
        with closing(self._connect()) as connection:
            kind = "application/x-tar" if raw is not None else "application/json"
            content = raw if raw is not None else None if body is None else json.dumps(body)
            connection.request(method, self._prefix + path, content, {"Content-Type": kind} if content else {})
            answer = connection.getresponse()
            data = answer.read()
        good = answer.status == status if status else answer.status < 400
        assert good, f"{method} {path}: {answer.status} {data.decode(errors='replace')[:500]}"
        if not data or "json" not in (answer.getheader("Content-Type") or ""):
            return data
        return json.loads(data)

    def create(self, name: str, host: dict[str, Any] | None = None, **config: Any) -> str:
        """Create a container with all fields of the library; its id."""
        body = {
            **_CONFIG,
            **config,
            "HostConfig": {**_HOST, **(host or {})},
            "NetworkingConfig": {"EndpointsConfig": {}},
        }
        query = urlencode({"name": name}) if name else ""
        return str(self.ask("POST", f"/containers/create?{query}", body, status=201)["Id"])

    def hijack(self, path: str, body: object = None) -> socket.socket:
        """A connection that is a stream from now on."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(str(self._daemon.socket))
        content = b"" if body is None else json.dumps(body).encode()
        head = [
            f"POST {self._prefix}{path} HTTP/1.1",
            "Host: docker",
            "Connection: Upgrade",
            "Upgrade: tcp",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
        ]
        sock.sendall("\r\n".join([*head, "", ""]).encode() + content)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += sock.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        return sock

    def stream(self, path: str) -> Iterator[bytes]:
        """The pieces of an answer that goes on until one closes it."""
        with closing(self._connect()) as connection:
            connection.request("GET", self._prefix + path)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            while piece := answer.read1(65536):
                yield piece

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """The documents of a stream of lines."""
        rest = b""
        for piece in self.stream(path):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (json.loads(line) for line in lines if line.strip())

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("docker", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        connection.sock.connect(str(self._daemon.socket))
        return connection


def all_of(sock: socket.socket) -> bytes:
    """What comes until the other side ends."""
    data = b""
    with closing(sock):
        while piece := sock.recv(65536):
            data += piece
    return data


def apart(data: bytes) -> tuple[str, str]:
    """Standard output and standard error of a multiplexed stream."""
    said = {1: b"", 2: b""}
    while data:
        kind, size = struct.unpack(">BxxxL", data[:8])
        said[kind] += data[8 : 8 + size]
        data = data[8 + size :]
    return said[1].decode(), said[2].decode()


def execute(wire: Wire, container: str, *words: str, **more: Any) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in a container."""
    body = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(words), "Detach": False, "Tty": False, **more}
    made = wire.ask("POST", f"/containers/{container}/exec", body, status=201)["Id"]
    said = apart(all_of(wire.hijack(f"/exec/{made}/start", {"Detach": False, "Tty": False})))
    return int(wire.ask("GET", f"/exec/{made}/json")["ExitCode"]), *said
