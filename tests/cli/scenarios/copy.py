"""``cp``: files, folders, links, tar on standard streams, and what cannot be copied."""

from __future__ import annotations

import io
import os
import tarfile

from tests.cli.play import Play


def _host(play: Play) -> None:
    (play.folder / "file").write_text("from the host\n")
    (play.folder / "folder" / "inner").mkdir(parents=True)
    (play.folder / "folder" / "inner" / "deep").write_text("deep\n")
    os.symlink("file", play.folder / "link")


# docker tells of its own half of a refused copy, or not, as the moment falls
_PIPE = {r"time=\"[^\n]*closed pipe\"\n": ""}


def into(play: Play) -> None:
    _host(play)
    play.quietly("run -d --name one busybox sleep 100")
    play("cp ./file one:/tmp", hide=_PIPE)
    play("cp ./file one:/tmp/renamed", hide=_PIPE)
    play("cp ./file one:/tmp/", hide=_PIPE)
    play("cp ./file one:/nosuch/", hide=_PIPE)
    play("cp ./file one:/nosuch/name", hide=_PIPE)
    play("cp ./folder one:/tmp", hide=_PIPE)
    play("cp ./folder one:/tmp/new", hide=_PIPE)
    play("cp ./folder/. one:/tmp/contents", hide=_PIPE)
    play("cp ./folder/. one:/www", hide=_PIPE)
    play("cp ./folder one:/etc/passwd", hide=_PIPE)
    play("cp ./file one:/etc/passwd/", hide=_PIPE)
    play("cp ./link one:/tmp", hide=_PIPE)
    play("cp -L ./link one:/tmp/followed")
    play("cp -q ./file one:/tmp/quiet")
    play("cp ./nosuch one:/tmp", hide=_PIPE)
    play("cp ./file/ one:/tmp", hide=_PIPE)
    play("cp -a ./file one:/tmp/owned")
    play("cp ./file one:tmp/relative", hide=_PIPE)
    play("cp ./file one:", hide=_PIPE)
    play("exec one sh -c 'find /tmp /www | sort; cat /tmp/renamed; ls -l /tmp/link | cut -c1-10'")


def out(play: Play) -> None:
    play.quietly(
        "run --name one busybox sh -c 'mkdir -p /d/e; echo x > /d/e/f; ln -s f /d/e/l; ln -s /etc/passwd /p; ln -s /nosuch /dangling'"
    )
    play("cp one:/etc/group .")
    play("cp one:/etc/group ./renamed")
    play("cp one:/d ./d")
    play("cp one:/d ./d")
    play("cp one:/d/. ./contents")
    play("cp one:/d/e/l .")
    play("cp one:/p .")
    play("cp -L one:/p ./followed")
    play("cp one:/nosuch .")
    play("cp one:/etc/group/ .")
    play("cp one:/dangling .")
    play("cp -L one:/dangling ./x")
    play("cp one:/etc/group ./nosuch/")
    play("cp one:/etc/group ./nosuch/name")
    play("cp one:/d ./group")
    play("cp one:d/e/f ./relative")
    play("cp -q one:/etc/group ./quiet")
    found = sorted(str(path.relative_to(play.folder)) for path in play.folder.rglob("*"))
    play.note("found", found)
    play.note("links", [os.readlink(play.folder / name) for name in ("l", "p")])
    play.note("texts", [(play.folder / name).read_text().splitlines()[0] for name in ("renamed", "followed", "d/e/f")])


def tars(play: Play) -> None:
    play.quietly("run -d --name one busybox sh -c 'mkdir /d; echo x > /d/f; sleep 100'")
    play.until("exec one cat /d/f", "x")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("given")
        info.size, info.uid, info.mode = 3, 1234, 0o640
        tar.addfile(info, io.BytesIO(b"abc"))
    play("cp - one:/tmp", stdin=archive.getvalue())
    play("exec one sh -c 'cat /tmp/given; ls -ln /tmp/given | cut -c1-18'")
    play("cp - one:/nosuch", stdin=archive.getvalue())
    play("cp - one:/etc/passwd", stdin=archive.getvalue())
    play("cp - one:/tmp", stdin="not a tar")
    play("cp - one:/tmp", stdin="")
    play("cp one:/nosuch -")
    with tarfile.open(fileobj=io.BytesIO(play.output_of("cp one:/d -"))) as tar:
        play.note("members", [f"{member.name} {member.size}" for member in tar])
    with tarfile.open(fileobj=io.BytesIO(play.output_of("cp one:/d/f -"))) as tar:
        play.note("members", [f"{member.name} {member.size}" for member in tar])


def wrong(play: Play) -> None:
    _host(play)
    play.quietly("create --name one busybox")
    play.quietly("create --name two --read-only -v data:/data busybox")
    play("cp one:/etc two:/tmp", hide=_PIPE)
    play("cp ./file ./other", hide=_PIPE)
    play("cp - -", hide=_PIPE)
    play("cp ./file two:/tmp", hide=_PIPE)
    play("cp ./file two:/data", hide=_PIPE)
    play("cp two:/data/file -", hide={r"(?s)\A.+": "<tar>"})
    play("cp ./file one:/proc/x", hide=_PIPE)
    play("cp '' one:/tmp", hide=_PIPE)
    play("cp one:/etc ''", hide=_PIPE)
    play("cp :/x ./x", hide=_PIPE)
    play("cp nosuch:b:c ./x", hide=_PIPE)
    play("cp -z ./file one:/tmp", hide=_PIPE)


def of_stopped_and_paused(play: Play) -> None:
    _host(play)
    play.quietly("create --name made busybox")
    play("cp ./file made:/tmp")
    play("cp made:/tmp/file ./back")
    play.note("text", [(play.folder / "back").read_text()])
    play.quietly("run -d --name held busybox sleep 100")
    play.quietly("pause held")
    play("cp ./file held:/tmp")
    play("cp held:/tmp/file ./again")
    play.note("text", [(play.folder / "again").read_text()])
