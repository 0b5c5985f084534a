"""Where contexts come from that are not here: a web server of a few files, and repositories behind `git daemon`."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def web(files: Mapping[str, bytes], host: str = "127.0.0.1") -> Iterator[str]:
    """Serve files by their paths; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path, files.get(self.path.partition("?")[0]))
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((host, 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield f"http://{host}:{served.server_port}"
        finally:
            served.shutdown()
            thread.join()


class Repository:
    """A repository with a work tree at ``place``; ``when``: the time of all commits, for these to have always the same
    names."""

    def __init__(self, place: Path, when: str = "") -> None:
        self.place = place
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when} if when else {}
        self._env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(place.parent), **dates}
        place.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "safe.directory=*"]
        done = subprocess.run(
            ["git", *who, *words], cwd=self.place, env=self._env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str]) -> str:
        """Write files and commit them; the commit."""
        for path, text in files.items():
            (self.place / path).parent.mkdir(parents=True, exist_ok=True)
            (self.place / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "more")
        return self.git("rev-parse", "HEAD")


@contextmanager
def git_daemon(folder: Path, enter: Sequence[str] = (), host: str = "127.0.0.1") -> Iterator[str]:
    """Serve the repositories in a folder; yields the address before their names. ``enter``: words of a command that
    leads to where it is to be served."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder.mkdir(exist_ok=True)
    with socket.socket() as sock:
        sock.bind((host, 0))
        port = sock.getsockname()[1]
    words = [f"--listen={host}", f"--port={port}", f"--base-path={folder}", "--reuseaddr", "--export-all"]
    env = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    daemon = subprocess.Popen(
        [*enter, "git", "daemon", *words], env=env, stderr=subprocess.DEVNULL, start_new_session=True
    )
    asks = [*enter, "git", "ls-remote", f"git://{host}:{port}/"]
    try:
        for _ in range(100):
            asked = subprocess.run(asks, env={**env, "LC_ALL": "C"}, capture_output=True, text=True, check=False)
            if "unable to connect" not in asked.stderr:
                break
            time.sleep(0.05)
        yield f"git://{host}:{port}"
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait()
