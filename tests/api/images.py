"""The images that scenarios use, as docker archives that come out the same everywhere.

`golden/data` has one small file and a config in which every field says something; its id and sizes are part of the
golden answers. `golden/run` holds the distribution's busybox, to run.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from typing import Any

RUN, DATA = "golden/run:1", "golden/data:1"
NAMES = (RUN, DATA)
_TIME = 1_700_000_000
_CREATED = "2023-11-14T22:13:20Z"


@functools.cache
def archives() -> tuple[bytes, ...]:
    """The archives for `POST /images/load`, one for each of NAMES."""
    return _archive(RUN, _run_config(), _run_layer()), _archive(DATA, _data_config(), _data_layer())


def _archive(name: str, config: dict[str, Any], layer: bytes) -> bytes:
    config["rootfs"] = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}
    text = json.dumps(config).encode()
    file = hashlib.sha256(text).hexdigest() + ".json"
    manifest = json.dumps([{"Config": file, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    return _tar({file: text, "layer.tar": layer, "manifest.json": manifest})


def _data_config() -> dict[str, Any]:
    created_by = "/bin/sh -c #(nop) "
    return {
        "architecture": "amd64",
        "os": "linux",
        "author": "A. Author <author@example.org>",
        "comment": "made by hand",
        "created": "2023-11-15T22:13:20Z",
        "docker_version": "1.2.3",
        "config": {
            "Hostname": "builder",
            "User": "1000:1000",
            "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
            "Env": ["PATH=/bin", "COLOUR=blue"],
            "Entrypoint": ["/bin/data"],
            "Cmd": ["--all"],
            "Volumes": {"/var/data": {}},
            "WorkingDir": "/srv",
            "Labels": {"org.example.b": "2", "org.example.a": "1"},
            "StopSignal": "SIGUSR1",
            "OnBuild": ["RUN true"],
            "Shell": ["/bin/ash", "-c"],
        },
        "history": [
            {"created": _CREATED, "created_by": created_by + "ADD file:0 in / ", "comment": "first"},
            {"created": "2023-11-15T22:13:20Z", "created_by": created_by + "CMD [--all]", "empty_layer": True,
             "author": "A. Author <author@example.org>"},
        ],
    }  # fmt: skip


def _run_config() -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": _CREATED,
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"], "Labels": {"from": "image"}},
        "history": [{"created": _CREATED, "created_by": "tests"}],
    }


def _data_layer() -> bytes:
    return _tar({"srv/note.txt": b"a note\n"})


def _run_layer() -> bytes:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("the distribution's busybox-static is needed to run containers")
    with open(busybox, "rb") as program:
        data = program.read()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("bin", "etc", "root", "tmp", "srv"):
            _add(archive, name, kind=tarfile.DIRTYPE, mode=0o1777 if name == "tmp" else 0o755)
        _add(archive, "bin/busybox", data, mode=0o755)
        applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
        for applet in sorted(set(applets) - {"busybox"}):
            _add(archive, f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox")
        _add(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        _add(archive, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        _add(archive, "srv/hello.txt", b"hello\n", mode=0o640)
        _add(archive, "srv/link", kind=tarfile.SYMTYPE, link="hello.txt")
    return buffer.getvalue()


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            _add(archive, name, data)
    return buffer.getvalue()


def _add(
    archive: tarfile.TarFile,
    name: str,
    data: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    link: str = "",
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.mtime, info.size = kind, mode, link, _TIME, len(data)
    archive.addfile(info, io.BytesIO(data))
