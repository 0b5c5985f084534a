"""The typed commands of a Dockerfile: what each instruction says, variables not yet replaced.

Every command knows where it stands (``place``) and how it was written (``text``, for history and progress). Fields that
hold words keep their quotes until :mod:`carrack.dockerfile.expansion` reads them with the variables of the moment.
Source: Dockerfile reference.
"""

from __future__ import annotations

from dataclasses import dataclass

from carrack.dockerfile.heredoc import Heredoc
from carrack.dockerfile.mounts import Mount
from carrack.dockerfile.problem import Place


@dataclass(frozen=True, slots=True)
class Command:
    """What all have."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A command line: in the shell form one text for the shell, else the words of the program (``exec``)."""

    words: tuple[str, ...]
    shell: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """``key=value``; ``value`` is None for an ARG without default. ``legacy``: written ``key value``."""

    key: str
    value: str | None
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class From(Command):
    """``base`` is an image, a stage or ``scratch``; ``name`` "" when the stage has none."""

    base: str
    name: str = ""
    platform: str = ""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arg(Command):
    pairs: tuple[Pair, ...]
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Env(Command):
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Label(Command):
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Run(Command):
    """``network`` is default, none or host; ``security`` sandbox or insecure; ``devices`` are CDI names as typed."""

    line: Words
    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[Mount, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transfer(Command):
    """What ADD and COPY share. ``sources`` may be patterns; ``inline`` are files by their heredocs, which stand among
    the sources by their opening words. ``link`` and ``parents`` are None when nothing was said."""

    sources: tuple[str, ...]
    destination: str
    inline: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Copy(Transfer):
    """``origin``: the stage, image or context copied from (``--from``), "" for the build's own."""

    origin: str = ""
    parents: bool = False


@dataclass(frozen=True, slots=True)
class Add(Transfer):
    """``checksum``: ``sha256:…`` or a git commit; ``unpack``: whether archives are unpacked, None for the default."""

    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True, slots=True)
class Cmd(Command):
    line: Words


@dataclass(frozen=True, slots=True)
class Entrypoint(Command):
    line: Words


@dataclass(frozen=True, slots=True)
class Shell(Command):
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expose(Command):
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Volume(Command):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class User(Command):
    user: str


@dataclass(frozen=True, slots=True)
class Workdir(Command):
    path: str


@dataclass(frozen=True, slots=True)
class Stopsignal(Command):
    signal: str


@dataclass(frozen=True, slots=True)
class Maintainer(Command):
    name: str


@dataclass(frozen=True, slots=True)
class Healthcheck(Command):
    """``line`` None: no check (``NONE``). Times are in nanoseconds, 0 where nothing was said; ``retries`` likewise."""

    line: Words | None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Onbuild(Command):
    """``expression``: the instruction as it goes into the image, with its heredocs' lines."""

    expression: str
    trigger: Command
