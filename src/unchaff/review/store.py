"""`decisions.sqlite`: every answer a person gave, in the order they came; none is ever changed."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Literal, cast, get_args

from unchaff.errors import RunFolderError
from unchaff.runs.layout import DECISIONS

Kind = Literal["keep", "drop", "relabel", "open"]  # open: not decided any more
KINDS: tuple[Kind, ...] = get_args(Kind)
VERSION = 1  # of the tables
MARK = 0x756E6368  # tells our files from others
PATIENCE = 10.0  # seconds to wait for another process that is writing
# An id has no type, so that 7 and "7" stay two; an answer that is sent twice is one.
ANSWERS = (
    "CREATE TABLE answers (seq INTEGER PRIMARY KEY AUTOINCREMENT, batch TEXT NOT NULL, id NOT NULL, "
    "kind TEXT NOT NULL, label INTEGER, given INTEGER NOT NULL, quality REAL, at TEXT NOT NULL, "
    "UNIQUE (batch, id))"
)
TABLES = (
    ANSWERS,
    "CREATE TABLE undone (seq INTEGER PRIMARY KEY AUTOINCREMENT, batch TEXT NOT NULL UNIQUE, at TEXT)",
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE INDEX answers_by_id ON answers (id)",
)
COLUMNS = "seq, batch, id, kind, label, given, quality, at"
AWAY = "Move the file away to begin anew; sqlite3 FILE .recover may save what is in it."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a person said of one sample."""

    id: int | str
    kind: Kind
    label: int | None  # of a relabel: the class from now on
    given: int  # the class it had then
    quality: float | None  # it had then
    at: str = ""  # when, in UTC


@dataclass(frozen=True)
class Seen:
    """How far a reader has come."""

    answers: int = 0
    undone: int = 0


class Store:
    """The answers about one run. Several programs may write at once; each answer is on disk before the reply.

    What holds for a sample is its last answer that was not taken back, so that the order in which two
    people decide and undo cannot lose anything.
    """

    def __init__(self, file: Path, connection: sqlite3.Connection, class_names: Sequence[str]) -> None:
        self.file = file
        self._class_names = list(class_names)
        self._connection = connection
        self._lock = Lock()

    @classmethod
    def open(cls, folder: Path, class_names: Sequence[str]) -> "Store":
        """Return the answers in a run folder, of which there may be none yet.

        Raises:
            RunFolderError: the file is none of ours, is broken or newer, is about other classes, or may
                not be written.
        """
        file = folder / DECISIONS
        with _said(file):
            connection = sqlite3.connect(file, timeout=PATIENCE, check_same_thread=False)
            store = cls(file, connection, class_names)
            try:
                store._begin()
            except BaseException:
                store.close()
                raise
        return store

    @classmethod
    def look(cls, folder: Path, class_names: Sequence[str]) -> "Store":
        """Return the answers in a folder that need not be writable; they can only be read.

        Raises:
            RunFolderError: there are none, or as `open`.
        """
        file = folder / DECISIONS
        if not file.is_file():
            raise RunFolderError(f"{folder} holds no decisions. Make some with unchaff review {folder}.")
        with _said(file):
            store = cls(file, _readable(file), class_names)
            try:
                store._check()
            except BaseException:
                store.close()
                raise
        return store

    def _begin(self) -> None:
        run = self._connection.execute
        self._connection.isolation_level = None  # transactions are begun below, by name
        run("PRAGMA trusted_schema = OFF")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        with self._writing():
            if not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                _make(self._connection)
                run("INSERT INTO about VALUES ('class_names', ?)", [json.dumps(self._class_names)])
        self._check()

    def _check(self) -> None:
        """Refuse what we have not made: a file may also hold views and triggers that would run."""
        run = self._connection.execute
        mark, version = run("PRAGMA application_id").fetchone()[0], run("PRAGMA user_version").fetchone()[0]
        if mark == MARK and version > VERSION:
            raise RunFolderError(f"{self.file} is of a newer version of unchaff. Install that one.")
        found = {row[0] for row in run("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}
        if mark != MARK or found != set(TABLES):
            raise RunFolderError(f"{self.file} holds something else than decisions. Move it away.")
        broken = run("PRAGMA quick_check(1)").fetchone()[0]
        if broken != "ok":
            raise RunFolderError(f"{self.file} is damaged ({broken}). {AWAY}")
        names = run("SELECT value FROM about WHERE name = 'class_names'").fetchone()
        if names is None or json.loads(names[0]) != self._class_names:
            raise RunFolderError(
                f"{self.file} is about other classes than this run. Move it away, or give it back its run."
            )

    def add(self, batch: str, answers: Sequence[Answer]) -> None:
        """Write answers that were given together; the same batch twice is written once."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows = [(batch, one.id, one.kind, one.label, one.given, one.quality, now) for one in answers]
        with self._lock, _said(self.file), self._writing():
            self._connection.executemany(
                "INSERT OR IGNORE INTO answers (batch, id, kind, label, given, quality, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def undo(self, batch: str) -> None:
        """Take the answers of a batch back."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock, _said(self.file), self._writing():
            self._connection.execute("INSERT OR IGNORE INTO undone (batch, at) VALUES (?, ?)", [batch, now])

    def ids_of(self, batch: str) -> list[int | str]:
        """Return the samples that a batch is about."""
        with self._lock, _said(self.file):
            found = self._connection.execute("SELECT id FROM answers WHERE batch = ? ORDER BY seq", [batch])
            return [row[0] for row in found]

    def since(self, seen: Seen) -> tuple[Seen, list[Answer]]:
        """Return what holds now for each sample that was answered, or taken back, since then.

        A sample that has no answer any more comes with the kind `open`.
        """
        with self._lock, _said(self.file), self._reading():
            run = self._connection.execute
            last = run("SELECT ifnull(max(seq), 0), (SELECT ifnull(max(seq), 0) FROM undone) FROM answers")
            now = Seen(*last.fetchone())
            if now == seen:
                return now, []
            rows = run(
                f"SELECT {COLUMNS}, batch IN (SELECT batch FROM undone) FROM answers WHERE id IN ("  # noqa: S608
                "SELECT id FROM answers WHERE seq > ? OR batch IN (SELECT batch FROM undone WHERE seq > ?)"
                ") ORDER BY seq",
                [seen.answers, seen.undone],
            )
            holds: dict[int | str, Answer] = {}
            for *columns, was_undone in rows:
                answer = self._answer(columns)
                if not was_undone:
                    holds[answer.id] = answer
                elif answer.id not in holds:
                    holds[answer.id] = Answer(
                        id=answer.id, kind="open", label=None, given=answer.given, quality=answer.quality
                    )
        return now, list(holds.values())

    def decided(self) -> list[Answer]:
        """Return what holds for every sample that is decided."""
        return [answer for answer in self.since(Seen())[1] if answer.kind != "open"]

    def content(self) -> bytes:
        """Return all answers as one file of this kind."""
        with self._lock, _said(self.file), closing(sqlite3.connect(":memory:")) as copy:
            _make(copy)
            for table in ("answers", "undone", "about"):
                rows = self._connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    copy.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
            copy.commit()
            return copy.serialize()

    def close(self) -> None:
        """Close the file, so that all answers are in it; until then the latest are in a file beside it."""
        self._connection.close()

    def _answer(self, columns: Sequence[object]) -> Answer:
        _, _, id_, kind, label, given, quality, at = columns
        classes = range(len(self._class_names))
        is_sound = (
            isinstance(id_, int | str)
            and kind in KINDS
            and (label in classes if kind == "relabel" else label is None)
            and given in classes
            and isinstance(quality, float | None)
        )
        if not is_sound:
            raise RunFolderError(f"{self.file} holds an answer that nobody could have given. {AWAY}")
        return Answer(
            id=cast("int | str", id_),
            kind=cast("Kind", kind),
            label=cast("int | None", label),
            given=cast("int", given),
            quality=cast("float | None", quality),
            at=str(at),
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        yield from self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        yield from self._transaction("BEGIN")

    def _transaction(self, begin: str) -> Iterator[None]:
        self._connection.execute(begin)
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables."""
    for table in TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA application_id = {MARK}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _readable(file: Path) -> sqlite3.Connection:
    """Return a connection that only reads."""
    address = f"{file.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:  # the folder may not be written: then nobody else can be writing either
        connection.close()
        address += "&immutable=1"
        return sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
    return connection


@contextmanager
def _said(file: Path) -> Iterator[None]:
    """Turn what a broken file or a full disk makes the library raise into one sentence."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise RunFolderError(
            f"{file} could not be read or written ({error}). Make room, see to the permissions of the "
            "folder, or work on a copy of it."
        ) from error
    except (sqlite3.Error, ValueError) as error:
        if isinstance(error, RunFolderError):
            raise
        raise RunFolderError(f"{file} is no file of decisions, or is damaged ({error}). {AWAY}") from error
