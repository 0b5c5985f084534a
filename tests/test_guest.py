"""What of the guest needs no machine: choosing a kernel, its first file system, and reading the answer."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.guest import initramfs, kernels, machine, policy
from tests.guest.facts import series


def test_the_newest_kernel_of_a_series() -> None:
    names = [
        "linux-image-6.1.0-9-cloud-amd64",
        "linux-image-6.1.0-56-cloud-amd64",
        "linux-image-6.1.0-56-cloud-amd64-dbg",
        "linux-image-6.1.0-57-amd64",
        "linux-image-6.12.9+deb12-cloud-amd64",
        "linux-image-6.12.117+deb12-cloud-amd64",
        "linux-image-6.12-cloud-amd64",
    ]
    assert kernels.newest(names, "6.1") == "linux-image-6.1.0-56-cloud-amd64"
    assert kernels.newest(names, "6.12") == "linux-image-6.12.117+deb12-cloud-amd64"
    assert kernels.newest(names, "6.9") is None
    assert (series("6.1.0-56-cloud-amd64"), series("6.12.117+deb12-cloud-amd64")) == ("6.1", "6.12")


def test_a_kernel_in_the_cache_needs_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "linux-image-6.1.0-2-cloud-amd64"
    (tree / "boot").mkdir(parents=True)
    (tree / "boot/vmlinuz-6.1.0-2-cloud-amd64").touch()
    (tree / "lib/modules/6.1.0-2-cloud-amd64").mkdir(parents=True)
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = kernels.kernel("6.1", tmp_path)
    assert found.release == "6.1.0-2-cloud-amd64"
    assert found.modules == tree / "lib/modules/6.1.0-2-cloud-amd64"
    with pytest.raises(kernels.Lacking, match="no apt"):
        kernels.kernel("6.12", tmp_path)


def test_where_kernels_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRACK_GUEST_CACHE", "/elsewhere")
    assert kernels.default_cache() == Path("/elsewhere")
    monkeypatch.delenv("CARRACK_GUEST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/x/.cache")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert kernels.default_cache() == Path("/home/x/.cache/carrack/guest")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert kernels.default_cache() == Path("/var/cache/carrack/guest")


def test_modules_are_loaded_after_what_they_need() -> None:
    dependencies = initramfs.read_dependencies(
        "kernel/fs/fuse/virtiofs.ko: kernel/fs/fuse/fuse.ko kernel/drivers/virtio/virtio.ko\n"
        "kernel/drivers/virtio/virtio-pci.ko.xz: kernel/drivers/virtio/ring.ko kernel/drivers/virtio/virtio.ko\n"
    )
    assert initramfs.in_order(["virtio_pci", "built_in", "virtiofs"], dependencies) == [
        "kernel/drivers/virtio/virtio.ko",
        "kernel/drivers/virtio/ring.ko",
        "kernel/drivers/virtio/virtio-pci.ko.xz",
        "kernel/fs/fuse/fuse.ko",
        "kernel/fs/fuse/virtiofs.ko",
    ]


def test_the_archive_is_one_that_others_read(tmp_path: Path) -> None:
    content = initramfs.archive(["bin"], {"init": b"#!/bin/sh\n", "bin/busybox": b"x" * 4099}, {"bin/sh": "busybox"})
    assert len(content) % 4 == 0
    unpacked = ["busybox", "cpio", "-i", "-d"]
    try:
        subprocess.run(unpacked, input=content, cwd=tmp_path, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the distribution's busybox-static is not installed")
    assert (tmp_path / "init").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bin/sh").resolve() == tmp_path / "bin/busybox"
    assert (tmp_path / "bin/busybox").stat().st_size == 4099


def test_the_answer_of_a_guest(tmp_path: Path) -> None:
    path = tmp_path / "answer"
    with tarfile.open(path, "w") as archive:
        for name, data in (("junit.xml", b"<x/>"), ("status", b"5")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert machine.read_answer(path, 0, 60) == machine.Answer(5, {"junit.xml": b"<x/>"})


@pytest.mark.parametrize(
    ("content", "status", "reason"), [(b"", 0, "without an answer"), (b"x" * 99, None, "within 60")]
)
def test_a_guest_that_crashed_or_hangs_has_failed(
    tmp_path: Path, content: bytes, status: int | None, reason: str
) -> None:
    (tmp_path / "answer").write_bytes(content)
    with pytest.raises(machine.GuestFailed, match=reason):
        machine.read_answer(tmp_path / "answer", status, 60)


def test_a_machine_that_does_not_end_is_ended(capsys: pytest.CaptureFixture[str]) -> None:
    words = "import time; print('Kernel panic - not syncing', flush=True); time.sleep(60)"
    assert machine.watch([sys.executable, "-c", words], 0.5) is None
    assert "Kernel panic" in capsys.readouterr().out
    assert machine.watch([sys.executable, "-c", "print('off')"], 60) == 0


def test_the_policy_has_all_that_the_kernel_counts() -> None:
    lines = policy.source().splitlines()
    assert lines.count("sid kernel") == lines.count("sid kernel system_u:system_r:host_t:s0") == 1
    assert (policy.SIDS.index("unlabeled"), policy.SIDS.index("devnull")) == (2, 26)
    assert [line for line in lines if line.startswith("category")][-1] == "category c1023;"


def test_the_policy_compiles(tmp_path: Path) -> None:
    try:
        assert policy.build(tmp_path).stat().st_size > 10_000
    except kernels.Lacking as lacking:
        pytest.skip(str(lacking))
