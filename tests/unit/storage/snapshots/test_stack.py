"""Which directories are overlaid in which order; that they make the right file system is the contract suite's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from carrack.errors import Conflict, NotFound
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.base import Owners
from carrack.storage.snapshots.layerdirs import LayerDirectories, LayerNotes
from carrack.storage.snapshots.overlaymount import OverlayMounter
from carrack.storage.snapshots.rooms import Rooms
from carrack.storage.snapshots.stack import OverlayStack

pytestmark = pytest.mark.root
A, B, C = ("sha256:" + letter * 64 for letter in "abc")


class Recorder(OverlayMounter):
    """Mounts nothing; shows the topmost lower directory."""

    def __init__(self, run_root: Path) -> None:
        super().__init__(run_root, LINUX, one_by_one=True)
        self.calls: list[list[str]] = []

    def mount(
        self,
        lowers: Sequence[Path],
        upper: Path | None = None,
        work: Path | None = None,
        owners: Owners | None = None,
        label: str = "",
        *,
        lasting: bool = True,
    ) -> int:
        self.lasting = lasting
        self.calls.append([path.parent.name[0] if path.name == "fs" else path.name for path in lowers])
        return os.open(lowers[0], os.O_RDONLY)


@pytest.fixture
def directories(tmp_path: Path) -> LayerDirectories:
    return LayerDirectories(tmp_path / "root")


@pytest.fixture
def mounter(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "run")


@pytest.fixture
def stack(directories: LayerDirectories, mounter: Recorder) -> OverlayStack:
    rooms = Rooms(directories.root, directories.root.parent / "run", LINUX)
    return OverlayStack(directories, mounter, LINUX, lambda diff_id: directories.find(diff_id) / "fs", rooms)


def add(directories: LayerDirectories, diff_id: str, *, opaque_root: bool = False, implicit_root: bool = False) -> None:
    staging = directories.begin()
    (staging / "fs").mkdir()
    directories.commit(staging, diff_id, LayerNotes((), (), implicit_root, opaque_root, 0))


def test_topmost_first_twice_only_once_and_nothing_below_an_opaque_root(
    directories: LayerDirectories, mounter: Recorder, stack: OverlayStack
) -> None:
    for diff_id in (A, B):
        add(directories, diff_id)
    add(directories, C, opaque_root=True)
    for layers in ([A, B], [A], [], [A, B, A], [A, C, B]):
        os.close(stack.view(layers))
    # the names of "empty" directories make up the two that overlayfs wants
    assert mounter.calls == [["b", "a"], ["a", "a"], ["a", "b"], ["a", "b"], ["b", "c"]]


def test_the_life_of_a_snapshot(directories: LayerDirectories, mounter: Recorder, stack: OverlayStack) -> None:
    add(directories, A)
    stack.prepare("key", [A])
    assert stack.layers_of("key") == [A]
    assert stack.needed(["key", "absent"]) == {A}
    os.close(stack.mount("key"))
    assert len(mounter.calls[-1]) == 2  # the init layer and the image's
    with pytest.raises(Conflict):
        stack.forget_layer(A)
    stack.remove("key")
    stack.forget_layer(A)
    with pytest.raises(NotFound):
        stack.upper("key")


def test_a_snapshot_that_a_power_cut_took_is_not_found_and_can_be_prepared_again(
    directories: LayerDirectories, stack: OverlayStack
) -> None:
    add(directories, A)
    stack.prepare("key", [A])
    (directories.root / "containers/key/chain").unlink()
    with pytest.raises(NotFound):
        stack.mount("key")
    assert stack.needed(["key"]) == set()
    stack.remove("key")
    stack.prepare("key", [A])
    os.close(stack.mount("key"))


def test_a_chain_that_only_grew_has_the_init_layer_of_its_beginning(
    directories: LayerDirectories, stack: OverlayStack
) -> None:
    add(directories, A)
    add(directories, B, implicit_root=True)
    add(directories, C)
    stack.prepare("ab", [A, B])
    stack.prepare("a", [A])
    assert len(os.listdir(directories.root / "init")) == 1
    stack.prepare("abc", [A, B, C])
    assert len(os.listdir(directories.root / "init")) == 2
    assert [stack.layers_of(key) for key in ("a", "ab", "abc")] == [[A], [A, B], [A, B, C]]
    assert stack.needed(["ab"]) == {A, B}
    stack.remove("abc")
    for diff_id in (A, B):
        with pytest.raises(Conflict):
            stack.forget_layer(diff_id)
    stack.remove("ab")
    stack.forget_layer(B)
    assert stack.layers_of("a") == [A]


def test_a_snapshot_whose_layers_a_power_cut_took_is_not_found(
    directories: LayerDirectories, stack: OverlayStack
) -> None:
    add(directories, A)
    add(directories, B, implicit_root=True)
    stack.prepare("key", [A, B])
    (directories.root / "containers/key/layers").write_bytes(b"")
    with pytest.raises(NotFound):
        stack.mount("key")
    assert stack.needed(["key"]) == {A}
    stack.prepare("key", [A, B])
    os.close(stack.mount("key"))
    with pytest.raises(Conflict):
        stack.prepare("key", [A, B])


def test_what_need_not_last_is_mounted_so_and_can_be_again(stack: OverlayStack, mounter: Recorder) -> None:
    stack.prepare("c", (), lasting=False)
    for _ in range(2):
        os.close(stack.mount("c"))
        assert not mounter.lasting
        (stack.upper("c").parent / "work" / "work" / "incompat" / "volatile").mkdir(parents=True)
    stack.mount("c")
    assert not list((stack.upper("c").parent / "work").rglob("incompat"))
    stack.remove("c")
    stack.prepare("c", ())
    stack.mount("c")
    assert mounter.lasting
