"""Layers straight out of trees."""

import io
import tarfile

import pytest
from tests.unit.storage.trees.conftest import Make

from carrack.errors import InvalidArgument
from carrack.storage.trees.layer import EmptyTree, LayerMaker, Looks, content_digest
from carrack.storage.trees.picking import pick

BASE = {"usr/bin": None, "bin": b"usr/bin", "etc/passwd": "root", "etc/dir": None}


def none(_: str) -> bool:
    return False


def written(maker: LayerMaker) -> dict[str, tarfile.TarInfo]:
    out = io.BytesIO()
    maker.write(out.write)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        return {member.name: member for member in tar}


def test_a_file_and_the_folders_on_the_way(make: Make) -> None:
    source = make({"f": "text"})
    maker = LayerMaker(make(BASE), now=7)
    (thing,) = pick(source, "f", none)
    maker.put_file(source, thing[0].entry, maker.destination("/bin/tool"), Looks((5, 6), newest=0))
    found = written(maker)
    assert list(found) == ["usr", "usr/bin", "usr/bin/tool"]
    tool = found["usr/bin/tool"]
    assert (tool.uid, tool.gid, tool.size, tool.mtime) == (5, 6, 4, 0)
    assert found["usr"].uid == 0


def test_new_folders_belong_to_the_owner(make: Make) -> None:
    maker = LayerMaker(EmptyTree(), now=7)
    maker.folder(b"a/b", Looks((5, 6)))
    found = written(maker)
    assert {name: (each.uid, each.mode, each.mtime) for name, each in found.items()} == {
        "a": (5, 0o755, 7), "a/b": (5, 0o755, 7),
    }  # fmt: skip


def test_contents_of_a_folder(make: Make) -> None:
    source = make({"d/x": "1", "d/sub/y": "2"})
    maker = LayerMaker(make(BASE), now=7)
    (thing,) = pick(source, "d", none)
    maker.put(source, thing, b"etc", Looks())
    assert list(written(maker)) == ["etc", "etc/sub", "etc/sub/y", "etc/x"]


def test_bytes(make: Make) -> None:
    maker = LayerMaker(make(BASE), now=7)
    maker.put_bytes(b"hello", b"etc/motd", Looks(mode=lambda mode, folder: 0o600))
    assert written(maker)["etc/motd"].mode == 0o600


def test_archives_follow_links_of_the_base(make: Make) -> None:
    source = make({"bin/tool": "1"})
    maker = LayerMaker(make(BASE), now=7)
    entry = source.find(b"bin/tool")
    assert entry is not None
    maker.unpack(source, [entry], b"", Looks(None))
    assert "usr/bin/tool" in written(maker)


def test_the_same_gives_the_same_bytes(make: Make) -> None:
    source = make({"d/b": "1", "d/a": "2"})
    outs = []
    for order in (1, -1):
        maker = LayerMaker(EmptyTree(), now=7)
        (thing,) = pick(source, "d", none)
        maker.put(source, thing[::1] if order == 1 else [thing[0], *thing[:0:-1]], b"x", Looks(newest=5))
        out = io.BytesIO()
        maker.write(out.write)
        outs.append(out.getvalue())
    assert outs[0] == outs[1]


@pytest.mark.parametrize("place", [b"etc/dir", b"etc/passwd/x"])
def test_files_and_folders_do_not_mix(make: Make, place: bytes) -> None:
    maker = LayerMaker(make(BASE), now=7)
    with pytest.raises(InvalidArgument, match="cannot"):
        maker.put_bytes(b"x", place, Looks())


def test_content_digest_ignores_times_only(make: Make) -> None:
    one, two = make({"d/a": "1"}), make({"d/a": "2"})
    (first,), (second,) = pick(one, "d", none), pick(two, "d", none)
    digest = content_digest([(one, first)])
    assert digest == content_digest([(one, first)])
    assert digest != content_digest([(two, second)])
    entry = one.find(b"d/a")
    assert entry is not None
    assert digest != content_digest([(one, first)], {"x": b""})


def test_names_of_one_file_stay_so_when_put_at_once(make: Make) -> None:
    source = make({"d/x": "1", "d/y": "2"})
    maker = LayerMaker(EmptyTree(), now=7)
    (thing,) = pick(source, "d", none)
    for each in thing:
        each.entry.offset = 9
    maker.put(source, thing, b"one", Looks())
    maker.put(source, thing, b"two", Looks())
    found = written(maker)
    assert {name: each.linkname for name, each in found.items() if each.islnk()} == {
        "one/y": "one/x", "two/y": "two/x",
    }  # fmt: skip
    assert found["two/x"].isreg()


def test_folders_on_the_way_have_the_permissions_asked_for(make: Make) -> None:
    maker = LayerMaker(make(BASE), now=7)
    maker.put_bytes(b"", b"etc/new/deep/f", Looks(made=0o700))
    found = written(maker)
    assert (found["etc"].mode, found["etc/new"].mode, found["etc/new/deep"].mode) == (0o755, 0o700, 0o700)
