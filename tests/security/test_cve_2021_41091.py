"""CVE-2021-41091: the data root and the directories of layers in it could be searched by every user of the host, so
that an ordinary user executed a setuid-root program that some image or container brought along.

A container makes such a program. Root finds its file on the host; nobody (uid 65534) tries every path to it and all
others. With the directories on the way opened for the length of one attempt the same user reaches it, so the closed
doors (there are two) are what keeps them out.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import CommandLine, DaemonProcess
from tests.fakes.sandbox import run_apart

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def open_daemon() -> Iterator[DaemonProcess]:
    """A daemon below a directory that everybody may search, as /var/lib is."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    root = Path(tempfile.mkdtemp(prefix="crk-test-"))
    root.chmod(0o755)
    process = DaemonProcess(root)
    try:
        process.start()
        carrack = CommandLine("carrack", process)
        carrack(*IMPORT, stdin=archive)
        script = "cp /bin/busybox /setuid; chmod 4755 /setuid; touch /v/in-a-volume; echo logged; sleep 1000"
        carrack("run", "-d", "--name", "keeper", "-v", "vol:/v", "busybox:latest", "sh", "-c", script)
        carrack("exec", "keeper", "sh", "-c", "until [ -e /v/in-a-volume ]; do sleep 0.05; done")
        yield process
        carrack("rm", "-fv", "keeper")
        carrack("volume", "rm", "vol")
    finally:
        process.stop()
        shutil.rmtree(root)


def below(root: Path) -> list[Path]:
    """All that is there; what goes meanwhile is left out."""
    return [Path(folder, name) for folder, folders, files in os.walk(root) for name in [*folders, *files]]


def as_nobody(paths: list[str], result: Path) -> list[str]:
    """Which of the paths an ordinary user can see at all."""
    result.touch()
    result.chmod(0o666)
    out = os.open(result, os.O_WRONLY | os.O_TRUNC)

    def work() -> None:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        os.write(out, "\n".join(path for path in paths if os.path.lexists(path)).encode())

    try:
        run_apart(work)
    finally:
        os.close(out)
    return result.read_text().split("\n") if result.stat().st_size else []


def test_a_setuid_program_of_a_container(open_daemon: DaemonProcess, tmp_path: Path) -> None:
    data = open_daemon.root / "data"
    found = [path for path in below(data) if path.name == "setuid" and path.stat().st_mode & stat.S_ISUID]
    assert found
    assert as_nobody([str(path) for path in found], tmp_path / "seen") == []
    assert stat.S_IMODE(data.stat().st_mode) == 0o710
    on_the_way = [parent for parent in found[0].parents if parent == data or data in parent.parents]
    modes = {parent: stat.S_IMODE(parent.stat().st_mode) for parent in on_the_way}
    try:
        for parent in on_the_way:
            parent.chmod(0o755)  # what the broken versions had
        assert as_nobody([str(found[0])], tmp_path / "seen") == [str(found[0])]
    finally:
        for parent, mode in modes.items():
            parent.chmod(mode)


def test_nothing_at_all_below_the_data_root(open_daemon: DaemonProcess, tmp_path: Path) -> None:
    data = open_daemon.root / "data"
    everything = [str(path) for path in below(data)]
    assert any(path.endswith("in-a-volume") for path in everything)
    assert any(path.endswith("-json.log") for path in everything)
    assert as_nobody(everything, tmp_path / "seen") == []


def test_the_run_root_shows_no_layer_socket_or_exit(open_daemon: DaemonProcess, tmp_path: Path) -> None:
    run = open_daemon.root / "run"
    everything = [str(path) for path in below(run)]
    assert any("layers/" in path for path in everything)
    assert any(path.endswith("shim.sock") for path in everything)
    seen = as_nobody(everything, tmp_path / "seen")
    assert not [path for path in seen if path.endswith(".sock") or (os.path.isfile(path) and path != str(run / "pid"))]
    assert not [path for path in seen if "layers/" in path]
    assert stat.S_IMODE(open_daemon.socket.stat().st_mode) == 0o660
