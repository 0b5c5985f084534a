"""A page with the number of visits, which Redis keeps."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import redis

CACHE = redis.Redis(os.environ["REDIS_HOST"])
STYLE = Path("/app/settings/style")
STARTED_WITH = STYLE.read_text().strip() if STYLE.exists() else "none"


class Page(BaseHTTPRequestHandler):
    """`/` counts; every other path is a file of /app."""

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/":
            text = f"{os.environ.get('GREETING', 'visit')} {CACHE.incr('visits')} style {STARTED_WITH}\n"
        else:
            file = Path("/app" + self.path)
            text = file.read_text() if file.exists() else "nothing\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


ThreadingHTTPServer(("", 8000), Page).serve_forever()
