from __future__ import annotations

import io
import stat

import pytest
from tests.suites.tarballs import END, directory, file, hardlink, header, pax, symlink, whiteout

from carrack.storage.tar import TarError, TarReader
from carrack.storage.tree import Node, Tree


def plant(*blocks: bytes) -> Tree:
    tree = Tree()
    for entry in TarReader(io.BytesIO(b"".join(blocks) + END)):
        tree.add(entry)
    return tree


def at(tree: Tree, path: str) -> Node:
    node = tree.root
    for name in path.encode().split(b"/"):
        assert node.children is not None
        node = node.children[name]
    return node


def names(node: Node) -> set[bytes]:
    assert node.children is not None
    return set(node.children)


def test_the_last_entry_of_a_name_wins() -> None:
    tree = plant(file(b"a", b"one"), file(b"./a", b"three"), symlink(b"b", b"x"), file(b"/b"))
    assert at(tree, "a").size == 5
    assert stat.S_ISREG(at(tree, "b").mode)


def test_a_directory_over_a_directory_keeps_its_children_and_takes_the_attributes() -> None:
    tree = plant(directory(b"d", mode=0o700), file(b"d/f"), directory(b"d/", mode=0o1777, uid=5), file(b"d/g"))
    assert names(at(tree, "d")) == {b"f", b"g"}
    assert (at(tree, "d").mode, at(tree, "d").uid) == (stat.S_IFDIR | 0o1777, 5)


def test_file_over_directory_drops_the_subtree_but_not_its_other_links() -> None:
    tree = plant(file(b"d/deep/f", b"x"), hardlink(b"h", b"d/deep/f"), file(b"d"))
    assert stat.S_ISREG(at(tree, "d").mode)
    assert at(tree, "h").size == 1


def test_directory_over_file_is_opaque_since_the_file_had_hidden_what_is_below() -> None:
    tree = plant(file(b"d"), directory(b"d"), file(b"d/f"))
    assert at(tree, "d").opaque
    assert names(at(tree, "d")) == {b"f"}


def test_missing_parents_are_implicit_until_described() -> None:
    tree = plant(file(b"a/b/c"), directory(b"a"), file(b"x/y"))
    assert tree.implicit_paths() == [b"x", b"a/b"] or set(tree.implicit_paths()) == {b"x", b"a/b"}
    assert tree.root.implicit
    described = plant(directory(b"./", mode=0o711), directory(b"a"), file(b"a/f"))
    assert not described.root.implicit
    assert described.root.mode == stat.S_IFDIR | 0o711
    assert described.implicit_paths() == []


def test_symlink_parents_are_followed_inside_the_root() -> None:
    tree = plant(
        directory(b"usr"),
        symlink(b"bin", b"usr/bin"),
        file(b"bin/sh"),
        symlink(b"abs", b"/usr"),
        file(b"abs/f"),
        symlink(b"up", b"../../../usr/lib"),
        file(b"up/so"),
    )
    assert names(at(tree, "usr")) == {b"bin", b"f", b"lib"}
    assert names(at(tree, "usr/bin")) == {b"sh"}
    assert stat.S_ISLNK(at(tree, "bin").mode)
    assert set(tree.implicit_paths()) == {b"usr/bin", b"usr/lib"}


def test_a_replaced_symlink_is_not_followed_any_more() -> None:
    tree = plant(directory(b"x"), symlink(b"l", b"x"), file(b"l/one"), directory(b"l"), file(b"l/two"))
    assert names(at(tree, "x")) == {b"one"}
    assert names(at(tree, "l")) == {b"two"}


def test_a_hard_link_shares_the_inode_also_through_links_and_to_links() -> None:
    tree = plant(
        file(b"d/f"),
        symlink(b"s", b"d"),
        hardlink(b"h", b"s/f"),
        hardlink(b"h", b"/d/f"),
        hardlink(b"t", b"s"),
    )
    assert at(tree, "h") is at(tree, "d/f")
    assert at(tree, "t") is at(tree, "s")


@pytest.mark.parametrize(
    "blocks",
    [
        [hardlink(b"h", b"absent")],
        [hardlink(b"h", b"no/such/dir")],
        [directory(b"d"), hardlink(b"h", b"d")],
        [whiteout(b"", b"gone"), hardlink(b"h", b"gone")],
        [file(b"f"), file(b"f/below")],
        [file(b"f"), hardlink(b"h", b"f/x")],
        [symlink(b"l", b"l"), file(b"l/x")],
        [symlink(b"l", b"m"), symlink(b"m", b"l"), file(b"l/x")],
        [symlink(b"l", b"")],
        [file(b"../x")],
        [hardlink(b"h", b"../x")],
        [file(b".")],
        [file(b".wh.")],
        [file(b".wh..")],
        [file(b".wh...")],
        [file(b".wh.d/f")],
        [pax({b"linkpath": b"n" * 300}), symlink(b"l", b""), file(b"l/x")],
    ],
)
def test_refused(blocks: list[bytes]) -> None:
    with pytest.raises(TarError):
        plant(*blocks)


def test_whiteouts_hide_only_lower_layers() -> None:
    tree = plant(
        whiteout(b"d", b"gone"),
        file(b"kept"),
        whiteout(b"", b"kept"),
        whiteout(b"", b"late"),
        file(b"late", b"x"),
        directory(b"remade", mode=0o700),
        whiteout(b"", b"remade"),
        whiteout(b"", b"later"),
        directory(b"later"),
        whiteout(b"", b"implied"),
        file(b"implied/f"),
        file(b"before/f"),
        whiteout(b"", b"before"),
    )
    assert at(tree, "d/gone").is_whiteout
    assert stat.S_ISREG(at(tree, "kept").mode)
    assert at(tree, "late").size == 1
    for name in ("remade", "later", "implied", "before"):
        assert at(tree, name).opaque, name
    assert tree.implicit_paths() == [b"d"]


def test_whiteouts_in_opaque_directories_are_dropped_and_the_others_told() -> None:
    tree = plant(
        whiteout(b"", b"a"),
        whiteout(b"d", b"b"),
        directory(b"o"),
        file(b"o/.wh..wh..opq"),
        whiteout(b"o/deep", b"c"),
        header(b"e/native", b"3"),
    )
    assert tree.settle_whiteouts() == [b"d", b"e"]
    assert names(at(tree, "o/deep")) == set()
    assert names(tree.root) == {b"a", b"d", b"e", b"o"}
    assert plant(file(b"f")).settle_whiteouts() == []


def test_opaque_markers_and_aufs_files() -> None:
    tree = plant(
        file(b"d/f"),
        file(b"d/.wh..wh..opq"),
        file(b".wh..wh..opq"),
        file(b".wh..wh.aufs"),
        header(b".wh..wh.plnk", b"5"),
        file(b".wh..wh.plnk/1.2"),
    )
    assert at(tree, "d").opaque
    assert tree.root.opaque
    assert names(tree.root) == {b"d"}
    assert at(tree, "d").implicit  # its attributes are still those of the lower directory


def test_a_long_run_of_replaced_links_is_not_quadratic() -> None:
    blocks = [directory(b"d")]
    for index in range(3000):
        blocks += [file(b"p%d/f" % index), symlink(b"l", b"d"), file(b"l/f"), file(b"l")]
    assert len(names(plant(*blocks).root)) == 3002
