"""Who has what: images, alone and together, containers, volumes, the engine, and nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from carrack.engine.system.owners import Accountant, Holding, Known, explain
from carrack.storage.accounting import Place, Share
from carrack.storage.snapshots.base import chain_id

A, B, C, X, D, Y = ("sha256:" + digit * 64 for digit in "abcdef")
KNOWN = Known(
    images=(Holding("app:1", (A, B), (X,)), Holding("base:1", (A,))),
    containers={"1" * 64: Holding("web", (A, C))},
    volumes={"data"},
    driver="erofs",
    builds=(Holding("", (A, D), (Y,)),),
    running={"7" * 64},
)


def owner(kind: str, name: str = "", driver: str = "erofs") -> tuple[str, tuple[str, ...], str]:
    (row,) = explain(
        [Share(Place(kind, name, driver if kind in ("layer", "chain", "tree", "snapshot") else ""), 7)], KNOWN
    )
    assert row.size == 7
    assert bool(row.note) == (row.kind == "unowned")
    return row.kind, row.owners, row.what


def plain(digest: str) -> str:
    return digest.partition(":")[2]


def test_layers() -> None:
    assert owner("layer", plain(B)) == ("image", ("app:1",), "layers")
    assert owner("layer", plain(A)) == ("image", ("app:1", "base:1"), "shared layers")
    assert owner("layer", plain(C)) == ("container", ("web",), "layers of a removed image")
    assert owner("layer", plain(X)) == ("unowned", (), f"layers/erofs/layers/{plain(X)}")
    assert owner("layer", plain(A), "copy") == ("unowned", (), "layers/copy")


def test_chains() -> None:
    assert owner("chain", plain(chain_id([A]))) == ("image", ("app:1", "base:1"), "shared mount points")
    assert owner("chain", plain(chain_id([A, B]))) == ("image", ("app:1",), "mount points")
    assert owner("chain", plain(chain_id([A, C]))) == ("container", ("web",), "mount points of a removed image")
    assert owner("chain", "0" * 64)[0] == "unowned"
    assert owner("tree", plain(chain_id([A, B]))) == ("image", ("app:1",), "unpacked layers")


def test_the_rest() -> None:
    assert owner("blob", plain(X)) == ("image", ("app:1",), "compressed layers and manifests")
    assert owner("blob", plain(A))[0] == "unowned"
    assert owner("snapshot", "1" * 64) == ("container", ("web",), "written files")
    assert owner("log", "1" * 64) == ("container", ("web",), "logs")
    assert owner("files", "2" * 64) == ("unowned", (), f"containers/{'2' * 64}")
    assert owner("snapshot", "2" * 64) == ("unowned", (), f"layers/erofs/containers/{'2' * 64}")
    assert owner("volume", "data") == ("volume", ("data",), "data")
    assert owner("volume", "lost") == ("unowned", (), "volumes/lost")
    assert owner("records") == ("engine", (), "records")
    assert owner("damaged") == ("unowned", (), "meta.db.damaged")
    assert owner("quarantine") == ("unowned", (), "quarantine")
    assert owner("unknown", "lost+found") == ("unowned", (), "lost+found")


def test_builds() -> None:
    assert owner("layer", plain(D)) == ("builds", (), "layers of the build cache")
    assert owner("layer", plain(A))[0] == "image"
    assert owner("chain", plain(chain_id([A, D]))) == ("builds", (), "mount points of the build cache")
    assert owner("blob", plain(Y)) == ("builds", (), "compressed layers of the build cache")
    assert owner("snapshot", "7" * 64) == ("builds", (), "steps that are being run")
    assert owner("snapshot", "build-12") == ("builds", (), "steps that are being run")
    assert owner("build") == ("builds", (), "cache mounts")


class Containers(list[Any]):
    """Plays the container store."""

    def __init__(self) -> None:
        self.transient: set[str] = set()


def test_rows_are_summed_and_sorted() -> None:
    places = [Place("layer", plain(B), "erofs"), Place("volume", "data"), Place("records"), Place("unknown", "x")]
    places += [Place("blob", plain(X)), Place("layer", plain(A), "erofs")]
    rows = explain([Share(place, size) for size, place in enumerate(places * 2)], KNOWN)
    assert [(row.kind, row.size) for row in rows] == [
        ("image", 16), ("image", 14), ("image", 6), ("volume", 8), ("engine", 10), ("unowned", 12),
    ]  # fmt: skip


def test_what_goes_while_it_is_measured_had_an_owner(tmp_path: Path) -> None:
    (tmp_path / "volumes" / "gone").mkdir(parents=True)
    volumes = [["gone"], []]
    containers = Containers()
    images: Any = SimpleNamespace(store=[], layers=SimpleNamespace(cache=SimpleNamespace(blobs=()), blobs=list))
    account = asyncio.run(Accountant(tmp_path, images, containers, lambda: volumes.pop(0), list, "erofs").explain())
    assert [(row["Kind"], row["Owners"]) for row in account["Rows"]] == [("volume", ["gone"]), ("engine", [])]
    assert account["Size"] == sum(row["Size"] for row in account["Rows"])
