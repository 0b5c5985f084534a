"""What the daemon hands to a shim to start a program, as typed JSON. A value named ``fd``, ``*_fd`` or in a list of
descriptors is an index into the descriptors beside the request."""

import os
from typing import Any, NotRequired, TypedDict


class FileRequest(TypedDict):
    """A log file: kind json-file or local, its name, max_size in bytes (0: no limit), max_file files in all, whether
    older ones are compressed; ``attributes``: the JSON object that every entry of a json-file carries."""

    kind: str
    name: str
    max_size: int
    max_file: int
    compress: NotRequired[bool]
    attributes: NotRequired[str]


class LoggerRequest(TypedDict, total=False):
    """A logger process: what carrack.shim.logs.process takes. Either ``file`` or ``task``; ``cache`` is the file that
    ``docker logs`` is answered from beside a task; sizes in bytes."""

    file: FileRequest
    task: dict[str, Any]
    cache: FileRequest
    blocking: bool
    max_buffer: int
    max_messages: int


class LogRequest(TypedDict):
    """Where the log goes: files in ``directory``, written by the shim itself or by a logger."""

    directory: str
    file: NotRequired[FileRequest]
    logger: NotRequired[LoggerRequest]


class AttachRequest(TypedDict, total=False):
    """A client that is there from the beginning: its end of a stream socket, and what it wants."""

    fd: int
    stdin: bool
    stdout: bool
    stderr: bool


class RuntimeRequest(TypedDict):
    """Another runtime: its program and options, and the namespaces (by type) of the slot that the container joins."""

    words: list[str]
    join: list[str]


class StartRequest(TypedDict):
    """``plan`` is the runtime's InitPlan; ``cgroup`` the final path of the cgroup; ``size`` [height, width]."""

    container: str
    directory: str
    plan: dict[str, Any]
    cgroup: str
    terminal: NotRequired[bool]
    size: NotRequired[list[int] | None]
    stdin: NotRequired[bool]
    stdin_once: NotRequired[bool]
    log: NotRequired[LogRequest | None]
    attach: NotRequired[list[AttachRequest]]
    hold_fds: NotRequired[list[int]]
    runtime: NotRequired[RuntimeRequest]


class ExecRequest(TypedDict):
    """``plan`` is the runtime's ExecPlan. The end of an attached client's input is the end of the program's. ``note``:
    what a later daemon is told of it."""

    plan: dict[str, Any]
    terminal: NotRequired[bool]
    size: NotRequired[list[int] | None]
    stdin: NotRequired[bool]
    attach: NotRequired[list[AttachRequest]]
    note: NotRequired[dict[str, Any]]


def open_directories(request: StartRequest) -> tuple[list[int], dict[str, int]]:
    """Descriptors of the directories a shim writes in, and which is which: it must not depend on how their paths
    look in its own mount namespace."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    fds = [os.open(request["directory"], flags)]
    places = {"directory": 0}
    log = request.get("log")
    if log:
        try:
            fds.append(os.open(log["directory"], flags))
        except OSError:
            os.close(fds[0])
            raise
        places["log_directory"] = 1
    return fds, places
