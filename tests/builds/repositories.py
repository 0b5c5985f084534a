"""Builds of git repositories, and what a real dockerd made of them: `python -m tests.builds.repositories --host …`.

``--inside PID`` serves the repositories in the network namespace of a process, for a dockerd that is in there with git.
Commits have always the same names, for their times are fixed. Written to tests/golden/builds/repositories.json.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.builds.outcome import Document, layer, merge
from tests.builds.record import GOLDEN, client
from tests.fakes.elsewhere import Repository, git_daemon

PLACE = GOLDEN / "repositories.json"
_WHEN = "2024-01-02T03:04:05Z"
_INSTEAD = "git://address"
_FILES = {
    "Dockerfile": "FROM scratch\nCOPY . /\n",
    "run.sh": "#!/bin/sh\n",
    "private": "0600 is not kept\n",
    ".gitattributes": "exported export-ignore\n",
    "exported": "is there all the same\n",
    ".dockerignore": "ignored\n",
    "ignored": "is there all the same\n",
    "sub/Dockerfile": "FROM scratch\nCOPY . /\n",
    "sub/deep/d": "d\n",
    "vendor/Dockerfile": "FROM scratch\nCOPY /vendor /vendor\n",
    ".gitmodules": '[submodule "vendor/lib"]\n\tpath = vendor/lib\n\turl = ../lib\n',
}
_LINKS = {"link": "run.sh", "absolute": "/etc/passwd", "dangling": "nowhere", "sublink": "sub", "escape": "../.."}
_KEPT = ("--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1")


@dataclass(frozen=True, slots=True)
class Case:
    """``at``: what stands behind the repository's address, with ``{name}`` for commits; ``options`` of the build;
    ``add``: the words of an ADD that does it instead, if the address is not the context."""

    at: str = ""
    options: tuple[str, ...] = ()
    add: str | None = None


CASES = {
    "default": Case(),
    "branch": Case("#side"),
    "branch with a slash": Case("#feature/x"),
    "tag": Case("#v1"),
    "annotated tag": Case("#v2"),
    "commit": Case("#{first}"),
    "tag by its name": Case("#{tag}"),
    "short commit": Case("#{short}"),
    "commit of no branch": Case("#{hidden}"),
    "pull request": Case("#pull/7/head"),
    "whole reference": Case("#refs/pull/7/head"),
    "beginning of a reference": Case("#heads/side"),
    "branch and tag": Case("#both"),
    "HEAD": Case("#HEAD"),
    "nothing": Case("#nothere"),
    "end of a name": Case("#x"),
    "space": Case("#a b"),
    "option": Case("#--upload-pack=x"),
    "folder": Case("#main:sub"),
    "folder of the default": Case("#:/sub/"),
    "folder by a way round": Case("#:sub/../sub"),
    "link to a folder": Case("#:sublink"),
    "link out": Case("#:escape"),
    "no folder": Case("#:nodir"),
    "no folder in a folder": Case("#:sub/nodir/x"),
    "file as a folder": Case("#:sub/Dockerfile"),
    "folder .git": Case("#:.git"),
    "no Dockerfile": Case("", ("-f", "nope")),
    "other Dockerfile": Case("", ("-f", "sub/Dockerfile")),
    "kept": Case("", _KEPT),
    "kept of a tag": Case("#v1", _KEPT),
    "kept of an annotated tag": Case("#v2", _KEPT),
    "kept of a commit": Case("#{first}", _KEPT),
    "kept of a pull request": Case("#pull/7/head", _KEPT),
    "kept of a folder": Case("#:sub", _KEPT),
    "query branch": Case("?branch=side"),
    "query tag": Case("?tag=v2"),
    "query whole tag": Case("?tag=refs/tags/v1"),
    "query folder": Case("?ref=main&subdir=sub"),
    "query no branch": Case("?branch=v1"),
    "query kept": Case("?keep-git-dir=1"),
    "query not kept": Case("?keep-git-dir=0", _KEPT),
    "query kept without a value": Case("?keep-git-dir"),
    "query kept, unclear": Case("?keep-git-dir=yes"),
    "query without submodules": Case("?submodules=false"),
    "query commit": Case("?ref=v1&commit={first}"),
    "query beginning of a commit": Case("?ref=v1&checksum={short}"),
    "query other commit": Case("?ref=v1&commit={unbuilt}"),
    "query other beginning": Case("?ref=side&checksum={short}"),
    "query no commit": Case("?ref=v1&checksum=zzz"),
    "query unknown": Case("?foo=bar"),
    "query empty": Case("?branch="),
    "query twice": Case("?ref=side&ref=v1"),
    "query both": Case("?ref=side&tag=v1"),
    "query branch and tag": Case("?branch=side&tag=v1"),
    "query and fragment": Case("?branch=side#main"),
    "added": Case(add="/x"),
    "added folder": Case("#:sub", add="/x/"),
    "added, owned": Case("#:sub", ("--no-cache",), add="--chown=5:6 --chmod=700 /x"),
    "added, kept": Case("#v2", add="--keep-git-dir=true /x"),
    "added, not kept after all": Case("?keep-git-dir=1", add="--keep-git-dir=false /x"),
    "added, compared": Case("#v1", add="--checksum={first} /x"),
    "added, other": Case("#v1", add="--checksum={unbuilt} /x"),
    "added, no reference": Case("#nothere", add="/x"),
    "added, no folder": Case("#:nodir", add="/x"),
    "added, but some": Case("#:sub", add="--exclude=deep /x"),
}


def make(folder: Path) -> dict[str, str]:
    """Make the repositories ``app.git`` and ``lib`` in a folder; the names of commits."""
    library = Repository(folder / "lib", _WHEN)
    library.commit({"lib.txt": "lib\n"})
    app = Repository(folder / "app.git", _WHEN)
    for name, target in _LINKS.items():
        (app.place / name).symlink_to(target)
    app.commit(_FILES)
    (app.place / "run.sh").chmod(0o755)
    (app.place / "private").chmod(0o600)
    app.git("update-index", "--add", "--cacheinfo", f"160000,{library.git('rev-parse', 'HEAD')},vendor/lib")
    app.git("commit", "-q", "-a", "-m", "submodule")
    app.git("tag", "v1")
    names = {"first": app.git("rev-parse", "HEAD")}
    for branch in ("side", "feature/x", "pulled", "hidden", "unbuilt"):
        app.git("checkout", "-q", "-b", branch, "v1")
        names[branch] = app.commit({branch.replace("/", "-"): f"{branch}\n"})
    app.git("update-ref", "refs/pull/7/head", names["pulled"])
    app.git("update-ref", "refs/own/hidden", names["hidden"])
    app.git("update-ref", "refs/own/unbuilt", names["unbuilt"])
    app.git("checkout", "-q", "main")
    app.git("branch", "-q", "-D", "pulled", "hidden", "unbuilt")
    app.commit({"two": "two\n"})
    app.git("tag", "-a", "-m", "annotated", "v2")
    app.commit({"three": "three\n"})
    app.git("branch", "both", "main")
    app.git("tag", "both", "side")
    return {**names, "tag": app.git("rev-parse", "v2"), "short": names["first"][:8]}


def built(
    program: Sequence[str], environment: dict[str, str], case: Case, address: str, names: dict[str, str], folder: Path
) -> Document:
    """What comes of a case: the files, or the words of the failure, with another address in them."""
    source = f"{address}/app.git{case.at.format(**names)}"
    if case.add is not None:
        *flags, to = case.add.format(**names).split()
        (folder / "Dockerfile").write_text(f"FROM scratch\nADD {' '.join([*flags, source, to])}\n")
        source = str(folder)
    words = [*program, *case.options, "--output", f"type=tar,dest={folder}/out.tar", source]
    done = subprocess.run(words, capture_output=True, env=environment, cwd=folder, timeout=60, text=True, check=False)
    if done.returncode:
        return {"status": done.returncode, "error": _words(done.stderr, address)}
    files = merge([layer((folder / "out.tar").read_bytes())])
    return {
        "status": 0,
        "files": {path: _shown(path, shown, address) for path, shown in sorted(files.items()) if _own(path)},
    }


def _words(told: str, address: str) -> str:
    """What was wrong, without the parts that say only who says so."""
    text = re.split(r"(?m)^(?:ERROR|carrack|Error): ", told.strip())[-1]
    return re.sub(r"^(?:failed to build: )?(?:failed to solve: )?", "", text).replace(address, _INSTEAD).strip()


def _own(path: str) -> bool:
    """Of what is git's own, what says something: not samples, objects, and what depends on where it was fetched."""
    inside = path.partition("/.git/")[2]
    if path.endswith("/vendor/lib/.git"):
        return False  # where a place of dockerd's own was, which nothing follows
    return not inside or inside in ("HEAD", "config", "shallow", "FETCH_HEAD") or inside.startswith("refs/")


def _shown(path: str, shown: Document, address: str) -> Document:
    shown.pop("names", None)
    if "content" in shown:
        shown["content"] = shown["content"].replace(address, _INSTEAD)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--inside", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="repositories-") as text, client(given.host) as environment:
        names = make(Path(text) / "repositories")
        enter = ["nsenter", "--net", "--target", given.inside] if given.inside else []
        with git_daemon(Path(text) / "repositories", enter) as address:
            program = ["docker", "buildx", "build", "--progress=plain", "--provenance=false"]
            found = {}
            for name, case in CASES.items():
                place = Path(tempfile.mkdtemp(dir=text))
                found[name] = built(program, environment, case, address, names, place)
    PLACE.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
