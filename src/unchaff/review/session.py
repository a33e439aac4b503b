"""One review: the suspects, the answers so far, and pictures once the data are found."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from unchaff.errors import ConfigError, UnchaffError
from unchaff.report.reasons import sentence
from unchaff.report.words import quality, visible
from unchaff.review.store import KINDS, Answer, Kind, Seen, Store
from unchaff.review.suspects import OPEN, Asked, Suspects
from unchaff.runs.layout import DECISIONS
from unchaff.runs.read import RunFolder

if TYPE_CHECKING:
    from unchaff.review.pictures import Pictures

AT_ONCE = 10_000  # samples of one answer
MOST = 50_000  # samples of one view: more are higher than a browser can scroll
FIRST = 3.0  # seconds that looking for the data leaves to the page
LAST = 20.0  # seconds that the end waits for it
SHORT = 64  # characters of the name of a batch


class Review:
    """What the page shows and stores; plain values in and out, so that nothing here knows HTTP."""

    def __init__(self, run: RunFolder) -> None:
        """Open a run folder.

        Raises:
            RunFolderError: the run judged no sample, or its decisions cannot be read or written.
        """
        self.run = run
        self.suspects = Suspects.of(run)
        self.store = Store.open(run.path, run.class_names)
        self._class_names = [visible(name) for name in run.class_names]
        self._pictures: Pictures | None = None
        self._why = ""  # there are none
        self._seen = Seen()
        self._changes: list[int] = []  # rows that were decided about, in order
        self._lock = Lock()
        self._is_shown = Event()  # something of the page
        self._is_over = False
        self._beginning: Thread | None = None
        self.catch_up()

    @property
    def file(self) -> Path:
        """Where the answers are."""
        return self.run.path / DECISIONS

    def begin(self) -> Thread:
        """Find the data beside the work: the page is there before, and shows ids as long."""
        self._beginning = Thread(target=self._begin, name="pictures", daemon=True)
        self._beginning.start()
        return self._beginning

    def end(self) -> None:
        """Wait for what is being loaded: a process that ends in the midst of loading a library may hang."""
        self._is_over = True
        self._is_shown.set()
        if self._beginning is not None and self._beginning.is_alive():
            self._beginning.join(LAST)

    def _begin(self) -> None:
        try:
            self._is_shown.wait(FIRST)
            if self._is_over:
                return
            from unchaff.review.pictures import Pictures  # brings torch along, which takes seconds

            self._pictures = Pictures(self.run, self.suspects)
        except UnchaffError as error:
            self._why = str(error)
        except Exception as error:  # noqa: BLE001  whatever it is, ids can be decided about
            self._why = f"The data cannot be read ({type(error).__name__}: {error})."
        self.suspects.settle()

    def about(self) -> dict[str, Any]:
        """Return what the page needs to know once."""
        return {
            "name": visible(self.run.path.resolve().name),
            "kind": visible(self.run.kind),
            "classes": self._class_names,
            **self.notes(),
            **self.state(),
        }

    def notes(self) -> dict[str, Any]:
        """Return what a person has to know about the data."""
        found = [] if self._pictures is None else list(self._pictures.notes)
        if self.suspects.kept.all():
            found.insert(0, "The run set nothing aside; here are the samples it kept, worst first.")
        if self.suspects.unknown:
            count = len(self.suspects.unknown)
            found.append(f"{count} decisions are about samples that are not in this run; they are kept.")
        if self._why:
            found.append(f"Samples are shown without pictures. {self._why}")
        is_opening = self._pictures is None and not self._why
        return {
            "notes": [visible(note) for note in found],
            "pictures": "opening" if is_opening else "none" if self._why else "ready",
        }

    def state(self) -> dict[str, Any]:
        """Return how far the review has come."""
        progress = self.suspects.progress()
        return {
            "version": len(self._changes),
            "progress": {**asdict(progress), "interval": progress.interval},
        }

    def asked_for(self, asked: Asked) -> dict[str, Any]:
        """Return which samples were asked for, the first of very many, in order."""
        self.catch_up()
        rows = self.suspects.rows(asked)
        return {"total": len(rows), "rows": rows[:MOST].tolist(), **self.state()}

    def samples(self, rows: Sequence[int]) -> dict[str, Any]:
        """Return what is known of some samples."""
        found = [self._described(self._checked(row)) for row in rows]
        self._is_shown.set()
        return {"items": found}

    def changes(self, since: int) -> dict[str, Any]:
        """Return what was decided since a version, here or elsewhere."""
        self.catch_up()
        rows = dict.fromkeys(self._changes[max(since, 0) :])
        return {"changed": [self._decision(row) for row in rows], **self.notes(), **self.state()}

    def media(self, rows: Sequence[int]) -> dict[str, Any]:
        """Return what samples look and sound like, by row; nothing while the data are looked for."""
        pictures = self._pictures
        found = {} if pictures is None else {row: asdict(pictures.of(self._checked(row))) for row in rows}
        return {"media": found, **self.notes()}

    def decide(self, batch: str, rows: Sequence[int], kind: Kind, label: int | None) -> dict[str, Any]:
        """Store one answer about some samples; a relabel without a class takes the suggested one of each.

        Raises:
            ConfigError: there is no such sample, class or answer.
            RunFolderError: it could not be stored.
        """
        if not 0 < len(rows) <= AT_ONCE or not 0 < len(batch) <= SHORT:
            raise ConfigError(f"An answer is about 1 to {AT_ONCE:,} samples, got {len(rows)}.")
        if label is not None and not 0 <= label < len(self.run.class_names):
            raise ConfigError(f"There is no class {label}, only 0 to {len(self.run.class_names) - 1}.")
        self.store.add(batch, [self._answer(row, kind, label) for row in dict.fromkeys(rows)])
        return self._answered(rows)

    def undo(self, batch: str) -> dict[str, Any]:
        """Take one answer back.

        Raises:
            RunFolderError: that could not be stored.
        """
        self.store.undo(batch)
        places = self.suspects.row_of
        return self._answered([places[id_] for id_ in self.store.ids_of(batch) if id_ in places])

    def catch_up(self) -> list[int]:
        """Take over what was stored since, by this program or another; return the rows it is about."""
        with self._lock:
            self._seen, answers = self.store.since(self._seen)
            rows = self.suspects.take(answers)
            self._changes += rows
            return rows

    def _answered(self, rows: Sequence[int]) -> dict[str, Any]:
        changed = dict.fromkeys([*rows, *self.catch_up()])
        return {"changed": [self._decision(row) for row in changed], **self.state()}

    def _answer(self, row: int, kind: Kind, label: int | None) -> Answer:
        given = int(self.suspects.labels[self._checked(row)])
        if kind == "relabel":
            label = int(self.suspects.suggested[row]) if label is None else label
            kind = "keep" if label == given else kind
        return Answer(
            id=self.suspects.ids[row],
            kind=kind,
            label=label if kind == "relabel" else None,
            given=given,
            quality=float(self.suspects.quality[row]),
        )

    def _described(self, row: int) -> dict[str, Any]:
        suspects = self.suspects
        given = int(suspects.labels[row])
        return {
            "id": visible(str(suspects.ids[row])),
            "given": given,
            "suggested": int(suspects.suggested[row]),
            "quality": quality(float(suspects.quality[row])),
            "kept": bool(suspects.kept[row]),
            "why": visible(sentence(suspects.below(row), self._class_names[given])),
            **self._decision(row),
        }

    def _decision(self, row: int) -> dict[str, Any]:
        kind, label = int(self.suspects.kinds[row]), int(self.suspects.chosen[row])
        return {
            "row": row,
            "decision": None if kind == OPEN else KINDS[kind],
            "label": label if label >= 0 else None,
        }

    def _checked(self, row: int) -> int:
        if not 0 <= row < len(self.suspects):
            raise ConfigError(f"There is no sample {row}, only 0 to {len(self.suspects) - 1}.")
        return row
