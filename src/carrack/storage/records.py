"""Records: what must be known again after a restart, in one SQLite database.

Writes go to one thread, which puts all that wait into one transaction (group commit), each write in a savepoint of its
own so that a failing one takes no other with it. Two connections write: one with `synchronous=FULL`, for what a user
would miss after a power cut, one with NORMAL, for what may lose its last moments. Reads have a connection per thread
and never wait for writers (write-ahead log).

    meta.db   meta.db-wal   meta.db-shm       in the data root, mode 0600
"""

import asyncio
import errno
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from carrack.errors import Internal, Unavailable

T = TypeVar("T")

BATCH_LIMIT = 256

# One entry per schema version, applied in order and never changed once released.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE container (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE image (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE tag (reference TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES image (id)) WITHOUT ROWID;
    CREATE INDEX tag_image ON tag (image_id);
    CREATE TABLE layer (
        diff_id TEXT PRIMARY KEY, size INTEGER NOT NULL, blob_digest TEXT, document TEXT NOT NULL DEFAULT '{}'
    ) WITHOUT ROWID;
    CREATE TABLE blob (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, media_type TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE volume (name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE network (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE lease (
        id TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, created REAL NOT NULL, PRIMARY KEY (id, kind, key)
    ) WITHOUT ROWID;
    CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
)


class _Write:
    """One queued unit of work and where its result goes."""

    __slots__ = ("durable", "future", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], durable: bool) -> None:
        self.work = work
        self.durable = durable
        self.future: Future[Any] = Future()


class Records:
    """The database at `path`; start() before use, close() at the end."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Open (or make) the database, bring its schema up to date and start the writer.

        Raises Internal when the file is damaged or was made by a newer version, OSError when it cannot be opened.
        """
        connections: list[sqlite3.Connection] = []
        try:
            full = self._connect("FULL")
            connections.append(full)
            self._check_and_migrate(full)
            normal = self._connect("NORMAL")
            connections.append(normal)
        except BaseException as error:
            for connection in connections:
                connection.close()
            if isinstance(error, sqlite3.OperationalError) and not os.path.isfile(self.path):
                raise OSError(None, f"cannot open the record database: {error}", self.path) from error
            if isinstance(error, sqlite3.DatabaseError):
                raise Internal(
                    f"the record database {self.path} is damaged ({error}); "
                    "restore it from a backup, or move it away to start with empty records"
                ) from error
            raise
        self._thread = threading.Thread(target=self._run, args=(full, normal), name="records", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is queued, then close all connections."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()
        with self._lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()
            self._local = threading.local()

    async def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """Run `work` in a transaction of the writer's thread; returns when it is committed.

        `work` raises to undo what it did; its exception is passed on (sqlite3.IntegrityError for a broken constraint).
        Raises OSError (ENOSPC, EIO) when the disk does not take it. A cancelled caller may find its write done or not
        done.
        """
        write = self._submit(work, durable)
        try:
            result: T = await asyncio.wrap_future(write.future)
        except sqlite3.OperationalError as error:
            number = errno.ENOSPC if error.sqlite_errorcode == sqlite3.SQLITE_FULL else errno.EIO
            raise OSError(number, f"{os.strerror(number)} ({error})", self.path) from error
        return result

    def read(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query, as last committed."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect("NORMAL")
            connection.execute("PRAGMA query_only = ON")
            with self._lock:
                self._readers.append(connection)
            self._local.connection = connection
        return connection.execute(sql, parameters).fetchall()

    def _submit(self, work: Callable[[sqlite3.Connection], Any], durable: bool) -> _Write:
        if self._thread is None:
            raise Unavailable(f"the record database {self.path} is closed")
        write = _Write(work, durable)
        self._queue.put(write)
        return write

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        if not os.path.exists(self.path):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_and_migrate(self, connection: sqlite3.Connection) -> None:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)")
        version = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise Internal(
                f"the record database {self.path} has schema version {version}, this program knows up to "
                f"{len(MIGRATIONS)}: it was made by a newer version; start that one"
            )
        for number in range(version + 1, len(MIGRATIONS) + 1):
            script = f"BEGIN; {MIGRATIONS[number - 1]}; INSERT INTO schema_version VALUES ({number}); COMMIT;"
            connection.executescript(script)

    def _run(self, full: sqlite3.Connection, normal: sqlite3.Connection) -> None:
        open_ = True
        while open_:
            batch: list[_Write] = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) >= BATCH_LIMIT or self._queue.empty():
                    break
                item = self._queue.get()
            open_ = item is not None
            if batch:
                _commit(full if any(write.durable for write in batch) else normal, batch)
        full.close()
        normal.close()


def _commit(connection: sqlite3.Connection, batch: list[_Write]) -> None:
    """One transaction for the batch; answers go out only when it is on disk."""
    done: list[tuple[_Write, Any]] = []
    failed: list[tuple[_Write, BaseException]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for write in batch:
            if not write.future.set_running_or_notify_cancel():
                continue
            connection.execute("SAVEPOINT work")
            try:
                done.append((write, write.work(connection)))
            except Exception as error:
                if not connection.in_transaction:  # a full disk or a failing one takes the whole transaction with it
                    raise
                connection.execute("ROLLBACK TO work")
                failed.append((write, error))
            connection.execute("RELEASE work")
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        answered = {write for write, _ in failed}
        for write in batch:
            if write not in answered and not write.future.cancelled():
                write.future.set_exception(error)
        done = []
    for write, result in done:
        write.future.set_result(result)
    for write, failure in failed:
        write.future.set_exception(failure)
