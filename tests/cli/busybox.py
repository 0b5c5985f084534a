"""The image of the tests: the distribution's static busybox with fixed content, made without any registry."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile

IMAGE = "busybox:latest"
IMPORT = ["import", "-c", 'CMD ["sh"]', "-", IMAGE]
_FOLDERS = ("bin", "etc", "root", "tmp", "www")


def root_file_system() -> bytes | None:
    """A tar of busybox, links to it, and a few files; None where busybox-static is not installed."""
    busybox = shutil.which("busybox")
    if busybox is None:
        return None
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in _FOLDERS:
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(info)
        archive.add(busybox, "bin/busybox")
        for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                info = tarfile.TarInfo(f"bin/{applet}")
                info.type, info.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(info)
        _text(archive, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        _text(archive, "etc/group", "root:x:0:\nnogroup:x:65534:\nstaff:x:50:nobody\n")
        _text(archive, "www/index.html", "carrack serves\n")
    return buffer.getvalue()


def _text(archive: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text)
    archive.addfile(info, io.BytesIO(text.encode()))
