"""The process that all shims are forked from: everything imported, nothing running, one thread.

Forking it costs less than a millisecond where starting an interpreter costs ten. It knows no container: a request
names namespaces and brings the socket over which the new shim will answer. When the daemon's end closes, the zygote
ends; its shims go on. Executed only through :mod:`carrack.shim.seal`.
"""

from __future__ import annotations

import codecs
import gc
import os
import sys

from carrack.linux import seccomp
from carrack.linux.syscalls import LINUX
from carrack.runtime import channel, idmap, inroot
from carrack.runtime.cgroups.hierarchy import detect
from carrack.runtime.process import expose_to_oom_killer
from carrack.runtime.seal import is_sealed
from carrack.shim import main as shim
from carrack.shim import protocol, reaper
from carrack.shim.filling import fill
from carrack.shim.rehearsal import rehearse
from carrack.shim.slot import Usual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from typing import Any, NoReturn

    from carrack.linux.kernel import Kernel
    from carrack.runtime.cgroups.hierarchy import Hierarchy

#: what the runtime imports only on demand, which would be too late inside a container
PRELOADED = (seccomp, idmap)

#: how many plans are remembered
_PLANS = 8

PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36


class Zygote:
    """Serves one daemon on one socket."""

    def __init__(self, kernel: Kernel, sock: socket, hierarchy: Hierarchy) -> None:
        self._kernel = kernel
        self._sock = sock
        self._hierarchy = hierarchy
        self._plans: dict[bytes, dict[str, Any]] = {}
        self.filling: list[object] = []
        reaper.ignore()

    def serve(self) -> NoReturn:
        """Fork shims until the daemon's end closes. There is nothing else to wait for, so no event loop."""
        try:
            channel.send(self._sock, {"ready": os.getpid()})
        except OSError:  # the daemon has ended meanwhile
            os._exit(0)
        while True:
            self._request()

    def _request(self) -> None:
        try:
            body, fds = channel.receive_body(self._sock, protocol.MAX_FDS)
        except ConnectionError:  # the daemon was killed with words of ours unread
            os._exit(0)
        if not body:
            os._exit(0)
        plan = self._plans.get(body) or self._learn(body)
        try:
            if os.fork() == 0:
                if "userns" in plan:
                    self._map_ids(plan["userns"], fds[0])
                self._become_shim(plan, fds)
        except OSError as error:  # the daemon sees the new socket close
            print(f"carrack zygote: cannot fork a shim: {error}", file=sys.stderr)
        finally:
            for fd in fds:
                os.close(fd)

    def _learn(self, body: bytes) -> dict[str, Any]:
        """Most slots are of the same plan: what it is made of stays, so that neither we nor the shims touch it."""
        document: dict[str, Any] = channel.decode(body)
        if "userns" in document:
            return document
        plan: dict[str, Any] = document["slot"]
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        plan["usual"] = Usual(plan)
        self._plans[body] = plan
        gc.freeze()
        return plan

    def _map_ids(self, maps: dict[str, Any], answer: int) -> NoReturn:
        """In a fork: answer with a user namespace that nobody is in, or with the error."""
        try:
            reaper.notice()
            sock = channel.bare(answer)
            try:
                procfs = inroot.Procfs(self._kernel)
                space = idmap.user_namespace(self._kernel, procfs, maps["uid_map"], maps["gid_map"])
                channel.send(sock, {"userns": True}, [space])
            except OSError as error:
                channel.send(sock, {"errno": error.errno or 0, "error": error.strerror or str(error)})
        finally:
            os._exit(0)

    def _become_shim(self, plan: dict[str, Any], fds: list[int]) -> NoReturn:
        """In the fork: own session, none of the zygote's descriptors."""
        try:
            os.setsid()
            self._sock.close()
            reaper.notice()
            self._kernel.prctl(PR_SET_CHILD_SUBREAPER, 1)
            shim.run(self._kernel, self._hierarchy, channel.bare(fds[0]), plan, fds[1:])
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)


def main(descriptor: int) -> NoReturn:
    """Become the zygote on that inherited socket. Ends with status 1 when the seal does not hold."""
    if not is_sealed():
        raise SystemExit("carrack zygote: not started from a sealed interpreter: refusing to run")
    os.set_inheritable(descriptor, False)
    LINUX.prctl(PR_SET_DUMPABLE, 0)
    LINUX.prctl(PR_SET_CHILD_SUBREAPER, 1)
    hierarchy = detect()
    reaper.hear_all()
    expose_to_oom_killer()
    rehearse(LINUX, hierarchy)
    close_imports()
    gc.collect()
    zygote = Zygote(LINUX, channel.bare(descriptor), hierarchy)
    zygote.filling = fill()
    gc.freeze()
    gc.disable()
    zygote.serve()


def close_imports() -> None:
    """Load nothing more, ever: a later import would search the root directory of a container."""
    for name in ("utf-8", "ascii", "latin-1"):
        codecs.lookup(name)
    sys.path.clear()
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
