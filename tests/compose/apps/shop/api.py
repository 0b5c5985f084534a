"""Orders by HTTP, kept in PostgreSQL: GET /orders lists them, POST /orders adds one."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2


class Orders(BaseHTTPRequestHandler):
    """The service; address and password of the database are in the environment (libpq)."""

    def do_GET(self) -> None:
        """Every order's text, in the order they came."""
        with psycopg2.connect("") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT what FROM orders ORDER BY id")
            self._answer([row[0] for row in cursor.fetchall()])

    def do_POST(self) -> None:
        """Add the body as an order."""
        what = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with psycopg2.connect("") as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders (what) VALUES (%s)", (what,))
        self._answer("added")

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


with psycopg2.connect("") as first, first.cursor() as table:
    table.execute("CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, what text NOT NULL)")
print("orders are taken", flush=True)
ThreadingHTTPServer(("", 8000), Orders).serve_forever()
