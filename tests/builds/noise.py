"""What two builds of the same example may have otherwise, and why: only there they are not compared in full."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.builds.examples import Example
from tests.builds.outcome import Document


@dataclass(frozen=True, slots=True)
class Noise:
    """``paths`` are patterns; the contents of those files are left out, their kind, owner, mode and names are not."""

    paths: tuple[str, ...]
    why: str


#: in any two builds
ALWAYS = (
    Noise(("/var/log/*",), "each line has the time in it"),
    Noise(("/var/cache/ldconfig/aux-cache",), "has the libraries' inode numbers and times"),
    Noise(("/var/cache/apt/*.bin",), "has the times of the lists of packages"),
    Noise(("*.pyc",), "has the time at which its source was installed"),
)
#: between a build that was recorded and one of today; besides, of what is not `Example.own` nothing is recorded
LATER = (
    Noise(("/keys", "/text.sig"), "made by the key of that run"),
    Noise(("/hello",), "made by the compiler of that day"),
)


def settled(document: Document, example: Example, *, recorded: bool) -> Document:
    """The document without what may differ from another live build, or (``recorded``) from one that was recorded."""
    files = document["files"]
    if recorded and example.own:
        files = {path: shown for path, shown in files.items() if _matches(path, example.own)}
        document = {**document, "removed": []}
    for noise in (*ALWAYS, *(LATER if recorded else ())):
        left_out = {"content": f"({noise.why})"}
        files = {
            path: {**shown, **left_out} if "content" in shown and _matches(path, noise.paths) else shown
            for path, shown in files.items()
        }
    return {**document, "files": files}


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
