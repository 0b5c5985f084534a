"""Records: what must be known again after a restart, in one SQLite database.

Writes go to one thread, which puts all that wait into one transaction (group commit), each write in a savepoint of its
own so that a failing one takes no other with it. Two connections write: one with `synchronous=FULL`, for what a user
would miss after a power cut, one with NORMAL, for what may lose its last moments. Reads have a connection per thread
and never wait for writers (write-ahead log).

    meta.db   meta.db-wal   meta.db-shm       in the data root, mode 0600

On a full disk writes fail, but those that say so (`spare`) may use what a `Reserve` has kept back: what removes things
or tells their end must be recorded, or nothing would ever make room again.
"""

import asyncio
import errno
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeVar

from carrack.errors import Internal, Unavailable
from carrack.storage import salvage
from carrack.storage.reserve import Reserve

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH_LIMIT = 256
_MOMENT = 0.02  # seconds

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
    # Nothing ever took leases; and file(1) can tell what the file is.
    """
    DROP TABLE lease;
    PRAGMA application_id = 0x43524b44;
    """,
    # When each image was last used, in nanoseconds since 1970.
    """
    CREATE TABLE used (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
    """,
    # Blobs that no image needs, kept for the next pull since then.
    """
    CREATE TABLE cached (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;
    """,
    # What a step of a build gave, by the key of all it depended on.
    """
    CREATE TABLE build_step (key TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
    """,
    # How each build went.
    """
    CREATE TABLE build_record (ref TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
    """,
)


class _Write:
    """One queued unit of work and where its result goes."""

    __slots__ = ("durable", "future", "spare", "taken", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], durable: bool, spare: bool) -> None:
        self.work = work
        self.durable = durable
        self.spare = spare
        self.taken = False
        self.future: Future[Any] = Future()

    def take(self) -> bool:
        """Whether anybody still wants it done."""
        self.taken = self.taken or self.future.set_running_or_notify_cancel()
        return self.taken


class Records:
    """The database at `path`; start() before use, close() at the end."""

    def __init__(self, path: str | Path, reserve: Reserve | None = None) -> None:
        self.path = str(path)
        self._reserve = reserve
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._posted: list[_Write] = []
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Open (or make) the database, bring its schema up to date and start the writer.

        A damaged file is put aside, and what can be read of it is taken over: see `salvage`. Raises Internal when the
        file was made by a newer version, OSError when it cannot be opened.
        """
        try:
            full, normal = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise OSError(None, f"cannot open the record database: {error}", self.path) from error
            full, normal = self._replace(error)
        if self._reserve is not None:
            self._reserve.keep()
        self._thread = threading.Thread(target=self._run, args=(full, normal), name="records", daemon=True)
        self._thread.start()

    @property
    def put_aside(self) -> list[str]:
        """Damaged databases of earlier times that are still there: until somebody removes them, files without a record
        may be what their records told of."""
        return salvage.damaged(self.path)

    def _replace(self, error: sqlite3.DatabaseError) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        """A new database in the place of the damaged one, with what can still be read of it."""
        name = salvage.put_aside(self.path)
        full, normal = self._open()
        full.execute("BEGIN IMMEDIATE")
        counts = salvage.salvage(name, full)
        full.execute("COMMIT")
        told = ", ".join(f"{count} {table}s" for table, count in counts.items() if count) or "nothing"
        log.error(
            "the record database %s was damaged (%s); it is kept as %s, and of its records %s could be read. "
            "Files without a record are left alone until that file is gone: restore a backup, or remove it",
            *(self.path, error, name, told),
        )
        return full, normal

    def _open(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        try:
            return self._open_both()
        except (sqlite3.OperationalError, OSError):
            # On a full disk there is no room for the write-ahead log; nothing else is helped by this.
            if self._reserve is None or not self._reserve.release():
                raise
            return self._open_both()

    def _open_both(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        with ExitStack() as undo:
            full = undo.enter_context(closing(self._connect("FULL")))
            self._check_and_migrate(full)
            normal = undo.enter_context(closing(self._connect("NORMAL")))
            undo.pop_all()
        return full, normal

    def close(self) -> None:
        """Finish what is queued, then close all connections."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._hand_over()
            self._queue.put(None)
            thread.join()
        with self._lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()
            self._local = threading.local()

    async def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True, spare: bool = False) -> T:
        """Run `work` in a transaction of the writer's thread; returns when it is committed.

        With ``spare`` it may use the room kept back for a full disk: for what removes, or tells the end of something.

        `work` raises to undo what it did; its exception is passed on (sqlite3.IntegrityError for a broken constraint).
        Raises OSError (ENOSPC, EIO) when the disk does not take it. A cancelled caller may find its write done or not
        done.
        """
        write = self._submit(work, durable, spare)
        try:
            result: T = await asyncio.wrap_future(write.future)
        except sqlite3.OperationalError as error:
            number = errno.ENOSPC if _is_full(error) else errno.EIO
            raise OSError(number, f"{os.strerror(number)} ({error})", self.path) from error
        return result

    def post(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """The same for what nobody waits for, nor has to be on disk: in its turn among all writes, the next of which
        takes it along if it comes in a moment. A failure is logged."""
        self._check_open()
        write = _Write(work, durable=False, spare=False)
        write.future.add_done_callback(_report)
        if not self._posted:
            self._timer = asyncio.get_running_loop().call_later(_MOMENT, self._hand_over)
        self._posted.append(write)

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

    def _submit(self, work: Callable[[sqlite3.Connection], Any], durable: bool, spare: bool) -> _Write:
        self._check_open()
        self._hand_over()
        write = _Write(work, durable, spare)
        self._queue.put(write)
        return write

    def _check_open(self) -> None:
        if self._thread is None:
            raise Unavailable(f"the record database {self.path} is closed")

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        posted, self._posted = self._posted, []
        for write in posted:
            self._queue.put(write)

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
                self._commit(full if any(write.durable for write in batch) else normal, batch)
        full.close()
        normal.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Write]) -> None:
        if self._reserve is None:
            _commit(connection, batch)
            return
        if waiting := _commit(connection, batch, spare=True):
            self._reserve.release()
            _commit(connection, waiting)
        self._reserve.keep()


def _commit(connection: sqlite3.Connection, batch: list[_Write], *, spare: bool = False) -> list[_Write]:
    """One transaction for the batch; answers go out only when it is on disk.

    With ``spare`` those that may use the reserve and found no room are not answered, but returned.
    """
    waiting: list[_Write] = []
    done: list[tuple[_Write, Any]] = []
    failed: list[tuple[_Write, BaseException]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for write in batch:
            if not write.take():
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
            if write in answered or write.future.cancelled():
                continue
            if spare and write.spare and _is_full(error):
                waiting.append(write)
            else:
                write.future.set_exception(error)
        done = []
    for write, result in done:
        write.future.set_result(result)
    for write, failure in failed:
        write.future.set_exception(failure)
    return waiting


def _report(future: Future[Any]) -> None:
    if not future.cancelled() and (failure := future.exception()) is not None:
        log.error("a record could not be written: %s", failure)


def _is_full(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    )
