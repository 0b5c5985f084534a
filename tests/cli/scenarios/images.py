"""Images: listings, tags, removal, history, save and load, prune."""

from __future__ import annotations

import io
import json
import tarfile

from tests.cli.play import Play, census

_FIELDS = (
    "ID",
    "Repository",
    "Tag",
    "Digest",
    "CreatedSince",
    "CreatedAt",
    "Size",
    "Containers",
    "SharedSize",
    "UniqueSize",
    "VirtualSize",
)


def listing(play: Play) -> None:
    play("images")
    play("tag busybox other:one")
    play("tag busybox registry.example/group/name:two")
    play("images", unordered=True)
    play("image ls", unordered=True)
    play("image list -a", unordered=True)
    play("images busybox")
    play("images other")
    play("images other:one")
    play("images other:nosuch")
    play("images nosuch")
    play("images 'o*:one'")
    play("images registry.example/group/name")
    play("images -q", unordered=True)
    play("images -q --no-trunc busybox")
    play("images --no-trunc busybox")
    play("images --digests busybox")
    play("images UPPER")
    for name in _FIELDS:
        play(f"images busybox --format '{{{{.{name}}}}}'")
    play("images busybox --format json")
    play("images busybox --format '{{json .Repository}}'")
    play("images --format 'table {{.Repository}}\\t{{.Tag}}'", unordered=True)
    play("images busybox --format table")


def filters(play: Play) -> None:
    play.quietly("tag busybox other:one")
    play.quietly("run --name one busybox true")
    play.quietly("commit -c 'LABEL kind=x' one made:one")
    play.quietly("commit one")
    for one in (
        "dangling=true", "dangling=false", "label=kind", "label=kind=x", "label=kind=y", "reference=busybox", "reference=o*",
        "reference=*:one", "reference=nosuch", "before=made:one", "since=busybox", "since=made:one", "until=24h",
    ):  # fmt: skip
        play(f"images --filter {one} --format '{{{{.Repository}}}}:{{{{.Tag}}}}'", unordered=True)
    play("images --filter dangling=true")
    play("images -a --filter dangling=true -q")


def tags_and_removal(play: Play) -> None:
    play("tag busybox one")
    play("tag busybox one:two")
    play("tag one:two one:three")
    play("rmi one:three one:nosuch one:two")
    play("rmi one")
    play("rmi one")
    play.quietly("run --name user busybox true")
    play("commit user made:one")
    play("tag made:one made:two")
    play("rmi made:one")
    play("rmi made:two")
    play("commit user made:one")
    play("run -d --name holder made:one sleep 100")
    play("rmi made:one")
    play("rmi -f made:one")
    play("ps -a --filter name=holder --format '{{.Image}}'")
    play.quietly("rm -f holder")
    play("run --pull never --name ended made:one true")
    play.quietly("commit user made:three")
    play.quietly("create --name waits made:three")
    play("rmi made:three")
    identity = play.quietly("images -q --no-trunc made:three").strip()
    play(f"rmi {identity}", hide={identity.partition(":")[2][:12]: "0" * 12} if identity else None)
    play("rmi -f made:three")
    play("ps -a --filter name=waits --format '{{.Names}}'")
    play.quietly("rm waits")
    play.quietly("commit user made:four")
    play.quietly("tag made:four made:five")
    identity = play.quietly("images -q made:four").strip()
    play(f"rmi {identity}")
    play(f"rmi -f {identity}", unordered=True)
    play("image rm --no-prune nosuch")


def history(play: Play) -> None:
    play.quietly("run --name one busybox sh -c 'head -c 3000 /dev/zero > /x'")
    play.quietly("commit -m 'a message' -a someone one made:one")
    play("history made:one")
    play("history --no-trunc made:one", hide={r"sha256:\S+": "<id>"})
    play("history -q made:one")
    play("history -q --no-trunc made:one")
    play(
        "history -H=false made:one", hide={r" \d{4,} ": " <bytes> ", r"\b\d{4}-\S+": "<time>", r"\b\d{6,}\b": "<bytes>"}
    )
    for name in ("ID", "CreatedSince", "CreatedAt", "CreatedBy", "Size", "Comment"):
        play(f"history made:one --format '{{{{.{name}}}}}'")
    play("history made:one --format json")
    play("history made:one --format 'table {{.CreatedBy}}\\t{{.Comment}}'")


def saving_and_loading(play: Play) -> None:
    play.quietly("tag busybox other:one")
    play("save busybox", hide={r"(?s)\A.+": "<tar>"})
    play("save -o ./saved.tar busybox other:one")
    with tarfile.open(play.folder / "saved.tar") as tar:
        manifest = json.load(tar.extractfile("manifest.json") or io.BytesIO(b"null"))
        play.note(
            "manifest", [json.dumps(sorted(manifest[0]["RepoTags"])), str(len(manifest)), str(sorted(manifest[0]))]
        )
        play.note("files", sorted(name for name in tar.getnames() if "/" not in name))
    play("save -o ./nosuch/saved.tar busybox")
    play("rmi other:one")
    play("load -i ./saved.tar")
    play("load -i ./saved.tar")
    play("load -q -i ./saved.tar")
    play("load", stdin=(play.folder / "saved.tar").read_bytes())
    play("images --format '{{.Repository}}:{{.Tag}}'", unordered=True)
    play("load -i ./nosuch.tar")
    play("load", stdin="not a tar")
    play("load", stdin="")
    identity = play.quietly("images -q busybox").strip()
    play(f"save -o ./plain.tar {identity}")
    play.quietly("rmi other:one")
    play("load -i ./plain.tar")
    play("save busybox nosuch -o ./x.tar")
    play("save --platform linux/arm64 busybox -o ./x.tar")
    play("save UPPER -o ./x.tar")


def loading_anew(play: Play) -> None:
    play.quietly("run --name one busybox sh -c 'head -c 3000 /dev/zero > /x'")
    play.quietly("commit one made:one")
    play.quietly("save -o ./made.tar made:one")
    play.quietly("rm one")
    play("rmi made:one")
    play("load -i ./made.tar", hide={r"(?s)(\w+: )?Loading layer.*\n": ""})
    play("run --rm made:one ls /x")
    play.quietly("rmi made:one")
    play.terminal("load -i ./made.tar", [], hide={r"(?s)\A.*(?=Loaded)": ""})
    play("run --rm made:one ls /x")


def broken_archives(play: Play) -> None:
    def archive(**files: bytes) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name.replace("_", "."))
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    play("load", stdin=archive())
    play("load", stdin=archive(other=b"x"))
    play("load", stdin=archive(manifest_json=b'[{"Config":"nosuch.json","RepoTags":["a:b"],"Layers":[]}]'))


@census("image prune filters")
def pruning(play: Play) -> None:
    play("image prune -f")
    play("image prune", stdin="n\n")
    play.quietly("run --name one -l kind=x busybox true")
    play.quietly("commit one")
    play.quietly("commit -c 'LABEL keep=1' one made:one")
    play("image prune -f --filter label=nosuch")
    play("image prune -f --filter until=24h")
    play("image prune -f")
    play("image prune -a -f --filter label!=keep", hide={"(?m)^(deleted|untagged): .*": r"\1: <image>"})
    play("images --format '{{.Repository}}'", unordered=True)
    play("image prune -a", stdin="y\n")
    play("images --format '{{.Repository}}'")
