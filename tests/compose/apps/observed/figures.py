"""`app` serves a figure as Prometheus reads it; `collect ADDRESS` appends what it reads there to a file."""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Metrics(BaseHTTPRequestHandler):
    """One gauge."""

    def do_GET(self) -> None:
        """The same for every path."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"app_figure {os.environ['FIGURE']}\n".encode())


def collect(address: str) -> None:
    """Ten times a second."""
    while True:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer, open("/collected/figures", "ab") as file:
                file.write(answer.read())
        except OSError as problem:
            print(f"not collected: {problem}")
        time.sleep(0.1)


if sys.argv[1] == "app":
    ThreadingHTTPServer(("", 9000), Metrics).serve_forever()
else:
    collect(sys.argv[2])
