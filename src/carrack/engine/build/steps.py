"""Steps: what of a command has to be done to files. What only changes the image's config is no step.

A step is a value with everything in it that its result depends on but for the files it is given, and so it is what
cache keys are made of (:mod:`carrack.engine.build.keys`).
"""

from __future__ import annotations

from dataclasses import dataclass

from carrack.dockerfile.heredoc import Heredoc
from carrack.dockerfile.mounts import Mount


@dataclass(frozen=True, slots=True)
class RunStep:
    """Run ``words`` in the stage's files. ``env`` is sorted ``NAME=value``; ``hidden`` is environment of which the
    result does not depend (proxies, as Docker has it). ``scripts``: heredocs that are files of their own, by name.
    ``sequence`` is ``env`` in the order in which it was said, which is of use for other builders' names of a step."""

    words: tuple[str, ...]
    env: tuple[str, ...]
    workdir: str
    user: str
    hidden: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    network: str = "default"
    insecure: bool = False
    devices: tuple[str, ...] = ()
    scripts: tuple[tuple[str, str], ...] = ()
    sequence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CopyStep:
    """COPY and ADD. ``origin`` names the stage, image or context that ``sources`` are of ("" for the build's own);
    ``destination`` is absolute, with a slash at its end where a folder is meant; ``inline`` are files by name.

    ``extract``: archives among local sources are unpacked (ADD's default); ``remote``: URLs and git repositories are
    fetched; ``owner`` and ``mode`` as typed, ``user``: the stage's home for relative owners is not used, 0:0 is;
    ``archives_keep_owners``: ``owner`` is not for what archives hold."""

    sources: tuple[str, ...]
    destination: str
    origin: str = ""
    inline: tuple[Heredoc, ...] = ()
    owner: str = ""
    mode: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    extract: bool | None = False
    remote: bool = False
    checksum: str = ""
    keep_git_dir: bool = False
    archives_keep_owners: bool = False


@dataclass(frozen=True, slots=True)
class WorkdirStep:
    """Make the directory, with its parents, where it lacks."""

    path: str
    user: str = ""


Step = RunStep | CopyStep | WorkdirStep


def is_root(step: Step) -> bool:
    """Whether a step is nothing to do: the root is there."""
    return isinstance(step, WorkdirStep) and step.path == "/"
