import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from unchaff.errors import RunFolderError
from unchaff.review.store import MARK, Answer, Seen, Store

NAMES = ("cat", "dog")
KILLED = """
import os, signal, sys
from pathlib import Path
from unchaff.review.store import Answer, Store
store = Store.open(Path(sys.argv[1]), ("cat", "dog"))
for row in range(5):
    store.add(f"batch {row}", [Answer(id=row, kind="drop", label=None, given=0, quality=0.5)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def answer(id_, kind="keep", label=None):
    return Answer(id=id_, kind=kind, label=label, given=0, quality=0.25)


@pytest.fixture
def open_store(tmp_path):
    stores = []

    def open_one(names=NAMES):
        stores.append(Store.open(tmp_path, names))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def holding(store):
    return {one.id: (one.kind, one.label) for one in store.decided()}


def test_the_last_answer_holds_and_all_stay_in_the_log(open_store, tmp_path):
    store = open_store()
    store.add("a", [answer(7), answer("7", "drop")])
    store.add("b", [answer(7, "relabel", 1)])
    assert holding(store) == {7: ("relabel", 1), "7": ("drop", None)}
    with sqlite3.connect(tmp_path / "decisions.sqlite") as log:
        assert log.execute("SELECT count(*) FROM answers").fetchone() == (3,)


def test_an_answer_is_on_disk_before_the_call_returns(open_store):
    store = open_store()
    run = store._connection.execute
    assert run("PRAGMA journal_mode").fetchone() == ("wal",)
    assert run("PRAGMA synchronous").fetchone() == (2,), "FULL: the log is synced at every commit"


def test_every_answer_survives_a_kill(tmp_path, open_store):
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    killed = subprocess.run(words, env={**os.environ}, check=False)  # noqa: S603
    assert killed.returncode == -signal.SIGKILL
    assert holding(open_store()) == dict.fromkeys(range(5), ("drop", None))


def test_undo_takes_back_a_batch_and_what_was_before_holds_again(open_store):
    store = open_store()
    store.add("a", [answer(1), answer(2)])
    store.add("b", [answer(1, "drop")])
    store.undo("b")
    assert holding(store) == {1: ("keep", None), 2: ("keep", None)}
    store.undo("a")
    assert holding(store) == {}


def test_undo_in_one_tab_leaves_the_answer_of_another(open_store):
    one, other = open_store(), open_store()
    one.add("mine", [answer(1)])
    other.add("theirs", [answer(1, "drop")])
    one.undo("mine")
    assert holding(other) == {1: ("drop", None)}
    other.undo("theirs")
    assert holding(one) == {}


def test_a_batch_that_is_sent_twice_is_one(open_store):
    store = open_store()
    for _ in range(2):
        store.add("a", [answer(1)])
    store.add("b", [answer(1, "drop")])
    store.add("a", [answer(1)])
    assert holding(store) == {1: ("drop", None)}


def test_writers_at_once_lose_nothing(open_store):
    stores = [open_store() for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda row: stores[row % 3].add(f"batch {row}", [answer(row)]), range(60)))
    assert set(holding(stores[0])) == set(range(60))


def test_a_reader_is_told_only_what_is_new(open_store):
    store = open_store()
    store.add("a", [answer(1)])
    seen, _ = store.since(Seen())
    store.add("b", [answer(2)])
    store.undo("a")
    seen, changed = store.since(seen)
    assert {one.id: one.kind for one in changed} == {1: "open", 2: "keep"}
    assert store.since(seen) == (seen, [])


def test_the_content_is_a_file_of_its_own(open_store, tmp_path):
    store = open_store()
    store.add("a", [answer(1), answer("x", "relabel", 1)])
    store.undo("nothing")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "decisions.sqlite").write_bytes(store.content())
    copy = Store.open(tmp_path / "copy", NAMES)
    assert holding(copy) == holding(store)
    copy.close()


def test_decisions_can_be_looked_at_where_nothing_can_be_written(open_store, tmp_path):
    store = open_store()
    store.add("a", [answer(1)])
    looking = Store.look(tmp_path, NAMES)
    assert holding(looking) == {1: ("keep", None)}
    with pytest.raises(RunFolderError, match="could not be read or written"):
        looking.add("b", [answer(2)])
    looking.close()


def test_where_there_are_no_decisions_it_says_how_to_make_some(tmp_path):
    with pytest.raises(RunFolderError, match="unchaff review"):
        Store.look(tmp_path, NAMES)


def newer(file):
    with sqlite3.connect(file) as base:
        base.execute(f"PRAGMA application_id = {MARK}")
        base.execute("PRAGMA user_version = 2")
        base.execute("CREATE TABLE answers (seq INTEGER)")


def foreign(file):
    with sqlite3.connect(file) as base:
        base.execute("CREATE TABLE notes (text TEXT)")


def trap(file):
    """A view in place of a table, in a file that bears our mark."""
    Store.open(file.parent, NAMES).close()
    with sqlite3.connect(file) as base:
        base.execute("DROP TABLE answers")
        base.execute("CREATE VIEW answers AS SELECT 1 AS seq")


BROKEN = {
    "garbage": (lambda file: file.write_bytes(b"garbage " * 100), "no file of decisions"),
    "cut": (lambda file: file.write_bytes(b"SQLite format 3\0" + b"x" * 500), "damaged|no file"),
    "newer": (newer, "newer version"),
    "foreign": (foreign, "something else than decisions"),
    "trap": (trap, "something else than decisions"),
    "folder": (lambda file: file.mkdir(), "could not be read or written"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_in_one_sentence(tmp_path, name):
    break_it, said = BROKEN[name]
    break_it(tmp_path / "decisions.sqlite")
    with pytest.raises(RunFolderError, match=said):
        Store.open(tmp_path, NAMES)


def test_other_classes_are_refused(open_store):
    open_store().add("a", [answer(1)])
    with pytest.raises(RunFolderError, match="other classes"):
        open_store(("cat", "dog", "owl"))


@pytest.mark.parametrize("change", ["kind = 'burn'", "label = 9, kind = 'relabel'", "given = -1"])
def test_an_answer_that_nobody_could_have_given_is_refused(open_store, tmp_path, change):
    store = open_store()
    store.add("a", [answer(1)])
    with sqlite3.connect(tmp_path / "decisions.sqlite") as base:
        base.execute(f"UPDATE answers SET {change}")  # noqa: S608
    with pytest.raises(RunFolderError, match="nobody could have given"):
        store.decided()
