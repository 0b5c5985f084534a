"""The contract of carrack.storage.snapshots.base.Snapshotter, for every driver.

A subclass gives the fixture ``make``, which opens the driver on the same directories each time it is called.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.suites.tarballs import END, directory, file, hardlink, header, pax, symlink, whiteout
from tests.suites.trees import Found, on_disk

from carrack.errors import CarrackError, Conflict, InvalidArgument, NotFound
from carrack.storage import differ, erofs
from carrack.storage.snapshots.base import Snapshotter
from carrack.storage.tar import TarReader
from carrack.storage.tarheader import TarError
from carrack.storage.tree import Tree

Make = Callable[[], Snapshotter]
UNKNOWN = "sha256:" + "0" * 64
BASE = (
    directory(b"./", mode=0o711, uid=3),
    directory(b"etc", mode=0o750, uid=7, gid=8, mtime=1234),
    file(b"etc/passwd", b"root"),
    directory(b"lib", mode=0o755),
    file(b"lib/a", b"a" * 5000),
    hardlink(b"lib/b", b"lib/a"),
    symlink(b"bin", b"lib"),
)


def store(driver: Snapshotter, *blocks: bytes) -> str:
    """Store a layer; its diff id."""
    return store_archive(driver, b"".join(blocks) + END)


def store_archive(driver: Snapshotter, archive: bytes) -> str:
    """Store a whole archive; its diff id."""
    diff_id = "sha256:" + hashlib.sha256(archive).hexdigest()
    writer = driver.layer_writer()
    try:
        for start in range(0, len(archive), 700):
            writer.write(archive[start : start + 700])
        writer.commit(diff_id)
    finally:
        writer.abort()
    return diff_id


@contextmanager
def mounted(fd: int) -> Iterator[Path]:
    """A path for a detached mount."""
    try:
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


#: what the init layer puts in where an image lacks it; a view of the image does not have them
INIT = {"dev", "dev/pts", "dev/shm", "proc", "sys", ".dockerenv", "etc/hostname", "etc/resolv.conf", "etc/mtab"}


def of_image(files: dict[str, Found]) -> dict[str, Found]:
    """Files without those of the init layer."""
    return {path: found for path, found in files.items() if path not in INIT}


def changed(driver: Snapshotter, key: str, layers: Sequence[str]) -> list[str]:
    """What a snapshot changed, as docker diff prints it."""
    with driver.changes(key) as upper:
        view = driver.view(layers)
        try:
            return [f"{'CAD'[change.kind]} {change.path}" for change in differ.changes(upper, view)]
        finally:
            os.close(view)


def leftovers(root: Path) -> list[str]:
    return [str(path) for path in root.glob("**/ingest/*")]


class SnapshotterContract:
    #: whether names that a layer links are one file
    keeps_links = True

    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        raise AssertionError("the subclass gives it")

    @pytest.fixture
    def driver(self, make: Make) -> Snapshotter:
        return make()

    def as_stored(self, files: dict[str, Found]) -> dict[str, Found]:
        """Files as a layer with them shows them."""
        if self.keeps_links:
            return files
        return {path: replace(each, links=frozenset([path])) for path, each in files.items()}

    def test_a_layer_is_there_once_it_is_committed(self, driver: Snapshotter, tmp_path: Path) -> None:
        assert driver.layers() == []
        first = store(driver, *BASE)
        assert store(driver, *BASE) == first
        assert driver.layers() == [first]
        assert driver.has_layer(first)
        assert not driver.has_layer(UNKNOWN)
        assert leftovers(tmp_path) == []

    def test_the_tar_comes_back_byte_for_byte_where_it_is_kept(self, driver: Snapshotter) -> None:
        trailing = b"after the end" * 99
        diff_id = store(driver, *BASE, END, trailing)
        source = driver.open_tar(diff_id)
        if source is not None:
            with source:
                assert "sha256:" + hashlib.sha256(source.read()).hexdigest() == diff_id
                source.seek(-len(trailing) - len(END), os.SEEK_END)
                assert source.read(13) == trailing[:13]
        with pytest.raises(NotFound):
            driver.open_tar(UNKNOWN)

    @pytest.mark.parametrize("blocks", [(file(b"a", b"x" * 600)[:700],), (file(b"../a"),), (hardlink(b"h", b"no"),)])
    def test_a_bad_layer_leaves_nothing(self, driver: Snapshotter, tmp_path: Path, blocks: tuple[bytes, ...]) -> None:
        writer = driver.layer_writer()
        with pytest.raises(TarError):
            self._write_all(writer.write, writer.commit, blocks)
        writer.abort()
        writer.abort()
        assert driver.layers() == []
        assert leftovers(tmp_path) == []

    def test_a_link_to_a_file_of_a_lower_layer_is_refused(self, driver: Snapshotter, tmp_path: Path) -> None:
        """A layer is stored without knowing what it will lie on; Docker's overlay2 refuses it, too."""
        lower = store(driver, *BASE)
        with pytest.raises(TarError, match="which this layer does not contain: put both names into one layer"):
            store(driver, hardlink(b"lib/c", b"lib/a"))
        assert driver.layers() == [lower]
        assert leftovers(tmp_path) == []

    @staticmethod
    def _write_all(write: Callable[[bytes], None], commit: Callable[[str], None], blocks: Sequence[bytes]) -> None:
        for block in blocks:
            write(block)
        commit(UNKNOWN)

    def test_a_snapshot_is_the_layers_and_its_own_changes(self, driver: Snapshotter) -> None:
        layers = [store(driver, *BASE), store(driver, directory(b"lib"), file(b"lib/new", b"2"))]
        driver.prepare("one", layers)
        driver.prepare("two", layers)
        assert sorted(driver.keys()) == ["one", "two"]
        with mounted(driver.mount("one")) as root:
            assert (root / "lib/b").read_bytes() == b"a" * 5000
            assert (root / "bin/new").read_text() == "2"
            (root / "lib/a").write_text("changed")
            os.unlink(root / "etc/passwd")
        with mounted(driver.mount("one")) as root:
            assert (root / "lib/a").read_text() == "changed"
            assert not (root / "etc/passwd").exists()
        with mounted(driver.mount("two")) as root:
            assert (root / "lib/a").read_bytes() == b"a" * 5000
        with mounted(driver.view(layers)) as root:
            assert (root / "etc/passwd").read_text() == "root"
            with pytest.raises(OSError, match="Read-only"):
                (root / "x").touch()
        driver.remove("one")
        driver.remove("one")
        assert driver.keys() == ["two"]

    def test_a_change_stays_under_the_name_it_was_made_by(self, driver: Snapshotter) -> None:
        """Whatever other names the file has in its layer."""
        names = [f"lib/{letter}" for letter in "abcdef"]
        layer = store(driver, *BASE, *(hardlink(name.encode(), b"lib/a") for name in names[2:]))
        for name in names:
            key = name[-1]
            driver.prepare(key, [layer])
            with mounted(driver.mount(key)) as root:
                assert (root / name).read_bytes() == b"a" * 5000
                (root / name).write_text("changed")
            with mounted(driver.mount(key)) as root:
                assert (root / name).read_text() == "changed"

    def test_metadata(self, driver: Snapshotter) -> None:
        capability = bytes.fromhex("0100000200200000000000000000000000000000")
        layer = store(
            driver,
            pax({b"SCHILY.xattr.security.capability": capability, b"SCHILY.xattr.user.note": b"\0hi"})
            + file(b"ping", b"elf", mode=0o4755, uid=100_000, gid=5, mtime=-7),
            hardlink(b"pong", b"ping"),
            header(b"null", b"3", mode=0o666, device=(1, 3)),
            header(b"disk", b"4", device=(259, 70000)),
            header(b"pipe", b"6"),
            pax({b"path": b"n" * 255 + b"/" + b"m" * 200, b"linkpath": b"t" * 700}) + symlink(b"x", b""),
        )
        with mounted(driver.view([layer])) as root:
            status = (root / "ping").stat()
            assert (status.st_mode, status.st_uid, status.st_gid) == (stat.S_IFREG | 0o4755, 100_000, 5)
            assert (status.st_nlink, status.st_mtime) == (2 if self.keeps_links else 1, -7)
            assert os.getxattr(root / "pong", "security.capability") == capability
            assert os.getxattr(root / "ping", "user.note") == b"\0hi"
            assert (root / "null").stat().st_rdev == os.makedev(1, 3)
            assert (root / "disk").stat().st_rdev == os.makedev(259, 70000)
            assert stat.S_ISFIFO((root / "pipe").stat().st_mode)
            assert os.readlink(root / ("n" * 255) / ("m" * 200)) == "t" * 700

    @pytest.mark.parametrize("form", ["gnu", "posix", "0.1"])
    def test_files_with_holes(self, driver: Snapshotter, form: str, tmp_path: Path) -> None:
        """As GNU tar writes them, with more stretches than its header holds, beside others, linked and replaced."""
        source = tmp_path / "source"
        source.mkdir()
        with (source / "holes").open("wb") as holes:
            for index in range(40):
                holes.seek(index * 70_000)
                holes.write(b"island %d" % index * 400)
            holes.truncate(5 << 20)
        (source / "hollow").touch()
        os.truncate(source / "hollow", 3 << 20)
        (source / "plain").write_bytes(b"plain" * 1000)
        os.link(source / "holes", source / "linked")
        options = ["--format=posix", "--sparse-version=0.1"] if form == "0.1" else [f"--format={form}"]
        command = ["tar", "-cS", *options, "-C", str(source), ".", "./hollow"]
        archive = subprocess.run(command, capture_output=True, check=True).stdout
        assert len(archive) < 2 << 20
        layer = store_archive(driver, archive)
        with mounted(driver.view([layer])) as root:
            assert on_disk(str(root)) == self.as_stored(on_disk(str(source)))
        tar = driver.open_tar(layer)
        if tar is not None:
            with tar:
                assert tar.read() == archive
        assert driver.damage(layer) == ""

    def test_whiteouts_across_layers(self, driver: Snapshotter) -> None:
        layers = [
            store(driver, file(b"gone"), file(b"tree/x/y"), file(b"opaque/old"), file(b"again"), file(b"swap/f")),
            store(
                driver,
                whiteout(b"", b"gone"),
                whiteout(b"", b"tree"),
                directory(b"opaque"),
                file(b"opaque/.wh..wh..opq"),
                file(b"opaque/new"),
                whiteout(b"", b"again"),
                file(b"swap"),
            ),
            store(driver, file(b"again", b"3"), directory(b"swap"), file(b"swap/g")),
        ]
        with mounted(driver.view(layers)) as root:
            assert sorted(os.listdir(root)) == ["again", "opaque", "swap"]
            assert os.listdir(root / "opaque") == ["new"]
            assert os.listdir(root / "swap") == ["g"]
            assert (root / "again").read_text() == "3"
        with mounted(driver.view(layers[:1])) as root:
            assert sorted(os.listdir(root)) == ["again", "gone", "opaque", "swap", "tree"]

    def test_whiteouts_with_nothing_to_hide_do_not_show(self, driver: Snapshotter) -> None:
        first = store(
            driver,
            whiteout(b"", b"top"),
            whiteout(b"only/deep", b"x"),
            directory(b"opaque"),
            file(b"opaque/.wh..wh..opq"),
            whiteout(b"opaque/in", b"y"),
            file(b"opaque/f"),
        )
        second = store(driver, whiteout(b"new", b"z"), file(b"new/f"), whiteout(b"only", b"w"))
        for layers, names in (([first], ["only", "opaque"]), ([first, second], ["new", "only", "opaque"])):
            driver.prepare(f"key{len(layers)}", layers)
            with mounted(driver.view(layers)) as root:
                assert sorted(os.listdir(root)) == names
                assert os.listdir(root / "only") == ["deep"]
                assert os.listdir(root / "only/deep") == []
                assert sorted(os.listdir(root / "opaque")) == ["f", "in"]
                assert os.listdir(root / "opaque/in") == []
                assert "new" not in names or os.listdir(root / "new") == ["f"]

    def test_an_opaque_root_hides_all_lower_layers(self, driver: Snapshotter) -> None:
        layers = [store(driver, *BASE), store(driver, file(b".wh..wh..opq"), file(b"only"))]
        with mounted(driver.view(layers)) as root:
            assert os.listdir(root) == ["only"]

    def test_directories_a_layer_only_implies_keep_the_attributes_of_lower_ones(self, driver: Snapshotter) -> None:
        base = store(
            driver,
            *BASE,
            pax({b"SCHILY.xattr.user.kept": b"yes"}) + directory(b"srv", mode=0o2770, uid=11, gid=12, mtime=99),
            directory(b"srv/described", mode=0o700),
            directory(b"srv/described/deep", mode=0o1777),
        )
        middle = store(driver, file(b"srv/web/index"), file(b"etc/motd"))
        top = store(
            driver,
            directory(b"srv/described", mode=0o711),
            file(b"srv/described/deep/f"),
            whiteout(b"", b"lib"),
            file(b"lib/fresh"),
        )
        driver.prepare("key", [base, middle, top])
        for fd in (driver.view([base, middle, top]), driver.mount("key")):
            with mounted(fd) as root:
                srv, etc = (root / "srv").stat(), (root / "etc").stat()
                assert (stat.S_IMODE(srv.st_mode), srv.st_uid, srv.st_gid) == (0o2770, 11, 12)
                assert os.getxattr(root / "srv", "user.kept") == b"yes"
                assert (stat.S_IMODE(etc.st_mode), etc.st_uid, etc.st_gid) == (0o750, 7, 8)
                assert stat.S_IMODE((root / "srv/described").stat().st_mode) == 0o711
                assert stat.S_IMODE((root / "srv/described/deep").stat().st_mode) == 0o1777
                assert os.listdir(root / "lib") == ["fresh"]
                assert (stat.S_IMODE(root.stat().st_mode), root.stat().st_uid) == (0o711, 3)

    def test_the_init_layer_adds_what_is_missing_and_is_no_change(self, driver: Snapshotter) -> None:
        layer = store(driver, *BASE, file(b"etc/hosts", b"mine"), directory(b"proc", mode=0o555))
        driver.prepare("key", [layer])
        with mounted(driver.mount("key")) as root:
            for name in ("dev/pts", "dev/shm", "proc", "sys"):
                assert (root / name).is_dir()
            assert (root / "etc/hosts").read_text() == "mine"
            assert (root / "etc/resolv.conf").read_bytes() == b""
            assert (root / ".dockerenv").is_file()
            assert os.readlink(root / "etc/mtab") == "/proc/mounts"
            assert stat.S_IMODE((root / "proc").stat().st_mode) == 0o555
            etc = (root / "etc").stat()
            assert (stat.S_IMODE(etc.st_mode), etc.st_uid, etc.st_gid) == (0o750, 7, 8)
        assert changed(driver, "key", [layer]) == []
        with mounted(driver.view([layer])) as root:
            assert not (root / "dev").exists()

    def test_the_init_layer_of_a_chain_that_grows(self, driver: Snapshotter) -> None:
        """Layers that touch none of its paths, and each kind of those that do, with such ones above and below."""
        base, plain, above = (store(driver, *blocks) for blocks in (BASE, [file(b"f", b"1")], [file(b"usr/g")]))
        tops = [
            [file(b"h")],
            [directory(b"etc", mode=0o711)],
            [whiteout(b"", b"etc")],
            [symlink(b"dev", b"/usr")],
            [directory(b"etc", mode=0o750), symlink(b"etc/hosts", b"/usr/g")],
            [file(b"proc", b"no directory")],
            [whiteout(b"", b".wh..opq"), file(b"only")],
            [directory(b".", mode=0o711)],
        ]
        for number, top in enumerate(tops):
            key, layers = f"k{number}", [base, plain, store(driver, *top), above]
            with mounted(driver.view(layers)) as root:
                mode = root.stat().st_mode
                etc = (root / "etc").stat().st_mode if (root / "etc").exists() else 0o40755
            driver.prepare(key, layers)
            with mounted(driver.mount(key)) as root:
                assert (root.stat().st_mode, (root / "etc").stat().st_mode) == (mode, etc), top
                for name in ("dev", "dev/pts", "dev/shm", "proc", "sys", "etc"):
                    assert stat.S_ISDIR((root / name).lstat().st_mode), (name, top)
                for name in ("etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv"):
                    assert stat.S_ISREG((root / name).lstat().st_mode), (name, top)
            assert changed(driver, key, layers) == []

    def test_changes_are_told_and_make_a_layer(self, driver: Snapshotter) -> None:
        """Of every kind; stored as a layer on top of the same chain they give the same files."""
        base = store(
            driver,
            *BASE,
            *(file(b"%s/%s" % (where, name), b"old") for where in (b"keep", b"new", b"gone") for name in (b"f", b"g")),
            *(file(b"one/%s" % name, b"same size") for name in (b"text", b"mode", b"time", b"note", b"left")),
            symlink(b"one/link", b"text"),
        )
        driver.prepare("key", [base])
        with mounted(driver.mount("key")) as root:
            (root / "made/deep").mkdir(parents=True)
            (root / "made/deep/f").write_text("x")
            os.link(root / "made/deep/f", root / "made/again")
            os.unlink(root / "lib/a")
            os.rename(root / "lib/b", root / "lib/c")
            (root / "keep").chmod(0o700)
            for name in ("new", "gone"):
                shutil.rmtree(root / name)
            (root / "new").mkdir()
            (root / "new/g").write_text("new")
            (root / "one/mode").chmod(0o600)
            os.utime(root / "one/time", (5, 5))
            os.setxattr(root / "one/note", "user.note", b"hi")
            times = (root / "one/text").stat()
            (root / "one/text").write_text("SAME SIZE")
            os.utime(root / "one/text", ns=(times.st_atime_ns, times.st_mtime_ns))
            os.unlink(root / "one/link")
            os.symlink("mode", root / "one/link")
            (root / "etc/hosts").write_text("127.0.0.1 me")
            expected = on_disk(str(root))
        told = changed(driver, "key", [base])
        assert told == [
            *("C /etc", "A /etc/hosts", "D /gone", "C /keep", "C /lib", "D /lib/a", "D /lib/b", "A /lib/c"),
            *("A /made", "A /made/again", "A /made/deep", "A /made/deep/f", "C /new", "D /new/f", "C /new/g"),
            *("C /one", "C /one/link", "C /one/mode", "C /one/time"),
        ]
        packed = io.BytesIO()
        with driver.changes("key") as upper:
            differ.pack_upper(upper, packed.write)
        layer = store_archive(driver, packed.getvalue())
        with mounted(driver.view([base, layer])) as root:
            assert (root / "one/text").read_text() == "SAME SIZE"
            assert os.getxattr(root / "one/note", "user.note") == b"hi"
            found = on_disk(str(root))
        assert of_image(found) == of_image(self.as_stored(expected))
        with pytest.raises(NotFound), driver.changes("absent"):
            pass

    def test_the_size_of_changes(self, driver: Snapshotter) -> None:
        driver.prepare("key", [store(driver, *BASE)])
        assert driver.size("key") == 0
        with mounted(driver.mount("key")) as root:
            (root / "new").write_bytes(b"x" * 3000)
            os.link(root / "new", root / "again")
            (root / "etc/passwd").write_text("changed")
            os.unlink(root / "lib/a")
            (root / "dev/made").write_text("y")
        assert driver.size("key") == 3000 + 7 + 1
        with pytest.raises(NotFound):
            driver.size("absent")

    def test_a_chain_may_hold_a_layer_twice(self, driver: Snapshotter) -> None:
        empty = store(driver)
        first = store(driver, file(b"f", b"1"), file(b"d/f"))
        second = store(driver, file(b"f", b"2"), whiteout(b"", b"d"), file(b"g"))
        chain = [empty, first, empty, second, first, empty]
        driver.prepare("key", chain)
        for fd in (driver.mount("key"), driver.view(chain)):
            with mounted(fd) as root:
                assert (root / "f").read_text() == "1"
                assert (root / "d/f").is_file()
                assert (root / "g").is_file()

    def test_no_layers_at_all(self, driver: Snapshotter) -> None:
        driver.prepare("key", [])
        with mounted(driver.mount("key")) as root:
            (root / "f").touch()
            assert (root / "proc").is_dir()
        with mounted(driver.view([])) as root:
            assert os.listdir(root) == []

    def test_many_layers(self, driver: Snapshotter, tmp_path: Path) -> None:
        layers = [store(driver, directory(b"./"), file(b"f0"))]
        layers += [store(driver, file(b"f%d" % index), file(b"top", b"%d" % index)) for index in range(1, 128)]
        driver.prepare("key", layers)
        with mounted(driver.mount("key")) as root:
            assert (root / "top").read_text() == "127"
            assert (root / "f0").is_file()
        assert list(tmp_path.glob("**/mended/*")) == []  # which would double their number

    def test_a_restarted_driver_finds_everything(self, make: Make) -> None:
        first = make()
        layer = store(first, *BASE)
        first.prepare("key", [layer])
        with mounted(first.mount("key")) as root:
            (root / "made").touch()
            again = make()
            again.sweep(["key"])
            assert again.layers() == [layer]
            assert again.keys() == ["key"]
            assert (root / "lib/a").read_bytes() == b"a" * 5000  # a mount outlives the daemon's driver
            with mounted(again.mount("key")) as same:
                assert (same / "made").exists()
        again.remove("key")
        again.sweep([])
        again.remove_layer(layer)
        assert again.layers() == []

    def test_a_running_file_system_survives_the_sweep_of_its_layer(self, driver: Snapshotter) -> None:
        layer = store(driver, *BASE)
        driver.prepare("key", [layer])
        with mounted(driver.mount("key")) as root:
            driver.sweep([])
            assert (root / "lib/a").read_bytes() == b"a" * 5000
        with mounted(driver.mount("key")) as root:
            assert (root / "lib/a").read_bytes() == b"a" * 5000

    def test_a_layer_that_is_removed_and_stored_again_while_somebody_reads_it(self, driver: Snapshotter) -> None:
        layer = store(driver, *BASE)
        with mounted(driver.view([layer])) as before:
            driver.remove_layer(layer)
            assert store(driver, *BASE) == layer
            driver.prepare("key", [layer])
            with mounted(driver.mount("key")) as root:
                assert (root / "lib/a").read_bytes() == b"a" * 5000
            driver.sweep([])
            assert before.exists()
        driver.sweep([])
        driver.remove("key")
        driver.remove_layer(layer)
        assert driver.layers() == []

    def test_data_that_looks_like_an_image_is_data(self, driver: Snapshotter) -> None:
        """The kernel is given no metadata but ours, wherever the layer puts its own."""
        inner = Tree()
        inner.add(next(iter(TarReader(io.BytesIO(file(b"intruder") + END)))))
        head, metadata = erofs.build(inner, 4096, b"u" * 16)
        image = head.ljust(8192, b"\0") + metadata
        layer = store(driver, file(b"a", image), file(b"b", image[512:]), file(b"c", image[1024:]))
        with mounted(driver.view([layer])) as root:
            assert sorted(os.listdir(root)) == ["a", "b", "c"]
            assert (root / "c").read_bytes() == image[1024:]

    def test_from_several_threads_at_once_with_sweeps_in_between(self, driver: Snapshotter) -> None:
        layers = [store(driver, *BASE), store(driver, file(b"etc/implied"))]

        def life(key: str) -> None:
            for _ in range(4):
                driver.prepare(key, layers)
                with mounted(driver.mount(key)) as root:
                    driver.sweep([])
                    assert (root / "lib/a").stat().st_size == 5000
                    assert (root / "etc/implied").is_file()
                driver.remove(key)

        with ThreadPoolExecutor(4) as pool:
            for result in [pool.submit(life, f"key{index}") for index in range(4)]:
                result.result()
        assert driver.keys() == []

    def test_refusals(self, driver: Snapshotter) -> None:
        layer = store(driver, *BASE)
        driver.prepare("key", [layer])
        refused: list[tuple[type[CarrackError], Callable[[], object]]] = [
            (Conflict, lambda: driver.prepare("key", [layer])),
            (NotFound, lambda: driver.prepare("other", [UNKNOWN])),
            (NotFound, lambda: driver.mount("absent")),
            (NotFound, lambda: driver.view([layer, UNKNOWN])),
            (InvalidArgument, lambda: driver.prepare("../up", [layer])),
            (InvalidArgument, lambda: driver.has_layer("sha256:../../etc")),
            (Conflict, lambda: driver.remove_layer(layer)),
        ]
        for kind, call in refused:
            with pytest.raises(kind):
                call()
        assert driver.keys() == ["key"]
        driver.remove_layer(UNKNOWN)
        driver.remove("key")
        driver.remove_layer(layer)
        assert driver.layers() == []

    def test_a_damaged_layer_is_found_set_aside_and_made_again(self, driver: Snapshotter, tmp_path: Path) -> None:
        layer, other = store(driver, *BASE), store(driver, file(b"other"))
        driver.prepare("key", [layer])
        os.close(driver.mount("key"))
        assert (driver.damage(layer), driver.damage(other)) == ("", "")
        (notes,) = driver.directories.root.glob(f"layers/{layer.partition(':')[2]}/notes")  # type: ignore[attr-defined]
        notes.write_bytes(b"{")
        assert "its notes cannot be read" in driver.damage(layer)
        aside = notes.parents[2] / "aside"
        driver.set_aside(layer, aside)
        assert (aside / "notes").read_bytes() == b"{"
        assert driver.layers() == [other]
        with pytest.raises(NotFound):
            driver.damage(layer)
        with pytest.raises(NotFound):
            driver.set_aside(layer, tmp_path / "again")
        assert store(driver, *BASE) == layer
        assert driver.damage(layer) == ""
        with mounted(driver.mount("key")) as root:
            assert (root / "etc/passwd").read_bytes() == b"root"
        driver.remove("key")
