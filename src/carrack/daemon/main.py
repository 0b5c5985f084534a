"""carrackd: from the command line to a daemon that answers, and back to nothing when it is told to stop."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from carrack import __version__
from carrack.daemon import config as configuration
from carrack.daemon import flags, logs
from carrack.daemon.config import Config
from carrack.daemon.imports import without_client
from carrack.daemon.listen import Endpoint, names, open_endpoints
from carrack.daemon.lock import owning, pidfile
from carrack.daemon.notify import notify
from carrack.daemon.reload import reload
from carrack.errors import CarrackError
from carrack.shim import knock

if TYPE_CHECKING:
    from carrack.daemon.survey import Survey
    from carrack.daemon.wiring import Services
    from carrack.http.porch import Porch
    from carrack.http.server import Server

    Build = Callable[[Config, Survey], Awaitable[Services]]

log = logging.getLogger("carrack.daemon")

_SCRAPERS = 64
"""Connections that may be open to the metrics' address."""

_FIRST_TURNS = 12
"""Turns of the event loop in which a request that waits in a socket is read and answered."""

_PATIENCE = 3
"""Stop signals after which the daemon no longer waits for anything."""


def main() -> int:
    """Run the program; the exit code is 0 after a clean stop, 1 after a failure, 2 for a bad command line."""
    try:
        command = configuration.from_process()
    except CarrackError as error:
        print(f"carrackd: {error}\nSee 'carrackd --help'.", file=sys.stderr)
        return 2
    if command.what == "run":
        code = run(command.config)
        # The interpreter's own end frees everything one by one, which takes longer than all of ours.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    texts = {"help": flags.usage(), "version": f"Carrack version {__version__}\n", "validate": "configuration OK\n"}
    sys.stdout.write(texts[command.what])
    return 0


def run(config: Config, build: Build | None = None) -> int:
    """Serve what `build` makes (the daemon's own wiring) until told to stop; the exit code is as for `main`."""
    logs.set_up("debug" if config.debug else config.log_level, config.log_format)
    if config.tracing:
        log.warning("this engine exports no traces; without effect: %s", ", ".join(config.tracing))
    if os.geteuid() != 0:
        log.critical("carrackd needs root: it makes namespaces, mounts and cgroups")
        return 1
    os.umask(0o022)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    gc.disable()  # until the daemon listens: nothing of what a start makes is garbage
    try:
        with ExitStack() as stack:
            stack.enter_context(owning(config.data_root))
            os.makedirs(config.exec_root, mode=0o711, exist_ok=True)
            stack.enter_context(pidfile(config.pidfile))
            endpoints = open_endpoints(config, stack)
            asyncio.run(_Daemon(config, endpoints).serve(build or _wire))
    except (CarrackError, OSError) as error:
        log.critical("carrackd cannot go on: %s", error)
        log.debug("the trace", exc_info=True)
        return 1
    except Exception:
        log.critical("carrackd cannot go on because of a defect; please report it", exc_info=True)
        return 1
    return 0


async def _wire(config: Config, survey: Survey) -> Services:
    # In a thread, so that what can be answered already is answered meanwhile.
    wiring = await asyncio.to_thread(importlib.import_module, "carrack.daemon.wiring")
    services: Services = wiring.build(config, survey)
    return services


class _Daemon:
    """One run of the daemon, with everything it needs already opened."""

    def __init__(self, config: Config, endpoints: list[Endpoint]) -> None:
        self._config = config
        self._endpoints = endpoints
        self._signals = 0
        self._stopping = asyncio.Event()
        self._services: Services | None = None

    async def serve(self, build: Build) -> None:
        knock.knock(str(self._config.exec_root))
        # Only a daemon that runs pays for these imports; --version and --validate do not.
        from carrack.daemon.survey import Survey

        self._handle_signals()
        config, survey = self._config, Survey(self._config)
        try:
            await survey.take()
            porch = await self._answer_first(survey)
            without_client()
            self._services = services = await build(config, survey)
            await self._start(services)
            try:
                servers = await self._open(services, porch)
                # What start-up made stays for the daemon's life; the collector need not look at it at all.
                gc.freeze()
                gc.enable()
                notify(config.notify_socket, "READY=1")
                await self._stopping.wait()
                notify(config.notify_socket, "STOPPING=1")
                await self._stop_containers(services)
                await asyncio.gather(*(server.close() for server in servers))
            finally:
                await services.stop()
        finally:
            await asyncio.to_thread(survey.close)
        log.info("stopped")

    async def _answer_first(self, survey: Survey) -> Porch:
        """Answer already what can be, where nobody has to be judged: other requests wait for the rest of the start."""
        from carrack.api.early import Early
        from carrack.http.porch import Porch

        config = self._config
        porch = Porch(Early(survey.store, config.minimum_version, config.experimental).answer)
        if survey.holds and not config.authorization_plugins:
            for endpoint in self._endpoints:
                if endpoint.socket.family == socket.AF_UNIX and not endpoint.metrics:
                    await porch.listen(endpoint.socket)
            for _ in range(_FIRST_TURNS):  # those who ask already have their answer before the next imports
                await asyncio.sleep(0)
        return porch

    async def _open(self, services: Services, porch: Porch) -> list[Server]:
        """Serve everything; returns what does."""
        from carrack.api.app import NATIVE, Application
        from carrack.api.auth import Door
        from carrack.http.server import Server

        config, door = self._config, Door(names(self._config))
        oldest, experimental = config.minimum_version, config.experimental
        api = Application(services.routes, door, services.authorizer, oldest, experimental)
        server = Server(api, native=NATIVE)
        measured = Server(Application(services.metrics_routes, door), most=_SCRAPERS)
        porch.move(server)
        for endpoint in self._endpoints:
            await (measured if endpoint.metrics else server).listen(endpoint.socket, endpoint.tls)
            log.info("listening on %s", endpoint.name)
        return [server, measured]

    async def _start(self, services: Services) -> None:
        try:
            await services.start()
        except BaseException:
            # What had started is ended; a failure of that must not hide why the start failed.
            try:
                await services.stop()
            except Exception as error:
                log.error("while ending a failed start: %s", error, exc_info=error)
            raise

    async def _stop_containers(self, services: Services) -> None:
        if not self._config.live_restore:
            timeout = self._config.shutdown_timeout
            await services.stop_containers(None if timeout < 0 else float(timeout))

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)

    def _on_stop(self, number: int) -> None:
        self._signals += 1
        log.info("got %s, stopping", signal.Signals(number).name)
        self._stopping.set()
        if self._signals >= _PATIENCE:
            log.critical("told to stop %d times, not waiting any longer; containers are left as they are", _PATIENCE)
            os._exit(1)

    def _on_reload(self) -> None:
        notify(self._config.notify_socket, "RELOADING=1")
        self._config = reload(self._config)
        logs.set_up("debug" if self._config.debug else self._config.log_level, self._config.log_format)
        if self._services is not None:
            self._services.reload(self._config)
        notify(self._config.notify_socket, "READY=1")


if __name__ == "__main__":
    sys.exit(main())
