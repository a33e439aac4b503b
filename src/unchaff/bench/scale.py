"""The suite `scale`: what a cluster costs and gains, and that what drives it does not grow with the rows."""

import os
import shutil
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from unchaff.attribute.readout import Readout
from unchaff.bench.lines import key_of
from unchaff.bench.memory import GB, PROC, below, held_by
from unchaff.bench.rows import made
from unchaff.data import Loaded, Options, from_arrays
from unchaff.data import load as read
from unchaff.data.prepare import Plain
from unchaff.engine import Engine, Here, Ray, found, score
from unchaff.engine.finding import Found
from unchaff.engine.rows import Portion
from unchaff.engine.stage import reading_only
from unchaff.engine.units import Unit, cut
from unchaff.errors import ConfigError, DataError
from unchaff.nets.build import build
from unchaff.partition.transition import Transition
from unchaff.records import Observed, Trained
from unchaff.samples import Samples
from unchaff.shards import Scratch
from unchaff.streams import Streams

EVERY = 0.5  # seconds between two looks at memory
FEATURES, CLASSES = 8, 10  # of made rows
PACK = "cifar10/train.parquet"


@dataclass(frozen=True, kw_only=True)
class Load:
    """Rows, and where they are scored."""

    name: str
    rows: int
    what: Literal["made", "pictures", "plan"] = "made"  # drawn by workers; of a pack; only planned
    where: Literal["one process", "streamed", "here", "ray", "ray started"] = "ray"
    scorers: int = 1

    @property
    def key(self) -> str:
        """A hash of all that decides what is measured."""
        return key_of(asdict(self))


def _pictures(name: str, **where: object) -> Load:
    return Load(name=f"pictures-{name}", rows=50_000, what="pictures", **where)  # type: ignore[arg-type]


LOADS = (
    _pictures("one-process", where="one process"),
    _pictures("streamed", where="streamed"),
    _pictures("units-here", where="here"),
    _pictures("ray-1"),
    _pictures("ray-2", scorers=2),
    _pictures("ray-1-started", where="ray started"),
    _pictures("ray-2-started", where="ray started", scorers=2),
    Load(name="made-1e6", rows=10**6),
    Load(name="made-1e7", rows=10**7),
    Load(name="plan-1e9", rows=10**9, what="plan"),
)


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a load took."""

    key: str
    setting: str
    where: str
    scorers: int
    rows: int
    start: float  # seconds until the cluster was there; one that is started had done a unit by then
    seconds: float  # of all that follows
    rows_per_second: float
    driver: int  # bytes of the process that drives, at most
    growth: int  # of these since the work began
    workers: int  # bytes of all processes below it together, at most
    made: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        driver, growth, workers = (each / GB for each in (self.driver, self.growth, self.workers))
        return (
            f"{self.setting}: {self.rows:,} rows in {self.seconds:.0f} s "
            f"({self.rows_per_second:,.0f} a second), start {self.start:.1f} s; driver {driver:.2f} GB, "
            f"{growth:.2f} GB of it since it began; workers {workers:.2f} GB"
        )


@dataclass(frozen=True)
class Made:
    """Rows that are drawn where they are scored: cheap, and as many as one likes."""

    def few(self) -> "Made":
        """Return the same."""
        return self

    def read(self, unit: Unit) -> Portion:
        """Return the rows of a unit."""
        return Portion(unit, self.drawn(unit))

    def drawn(self, unit: Unit) -> Samples:
        """Draw them: the same again for the same unit."""
        draw = Streams(unit.start)("made")
        true = torch.randint(CLASSES, (unit.rows,), generator=draw)
        wrong = torch.rand(unit.rows, generator=draw) < 0.2  # a part of these draws the right label again
        given = torch.where(wrong, torch.randint(CLASSES, (unit.rows,), generator=draw), true)
        centres = torch.randn(CLASSES, FEATURES, generator=Streams(0)("centres")) * 2
        inputs = centres[true] + torch.randn(unit.rows, FEATURES, generator=draw)
        ids = np.arange(unit.start, unit.start + unit.rows)
        return from_arrays(inputs, given, ids=ids, class_names=[str(label) for label in range(CLASSES)])


def linear(samples: Samples) -> nn.Module:
    """Return a network of two layers for made rows; it is not trained, as columns are read themselves."""
    with Streams(0).forked_global("scale"):
        return nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, samples.num_classes)).eval()


def apart(load: Load, packs: Path | None) -> Carried:
    """Measure a load in a process of its own, which has held nothing before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(carried, load, packs).result()


def carried(load: Load, packs: Path | None) -> Carried:
    """Measure a load in this process.

    Raises:
        ConfigError: no Linux, or no packs for pictures.
    """
    if not (PROC / "self" / "smaps_rollup").exists():
        raise ConfigError("The suite scale reads /proc of Linux. Run it there.")
    if load.what == "pictures" and (packs is None or not (packs / PACK).is_file()):
        raise ConfigError(f"{load.name} needs {PACK} in the folder of data packs. Name that with --packs.")
    scratch, began = Scratch(), time.monotonic()
    is_spread = load.where.startswith("ray")
    engine: AbstractContextManager[Engine] = Ray(scorers=load.scorers) if is_spread else nullcontext(Here())
    with engine as joined:
        if load.where == "ray started":
            list(joined.run(reading_only("start", _count), cut([("", 1)])))
        start = time.monotonic() - began
        with Watch() as watch:
            began = time.monotonic()
            _work(load, joined, packs, scratch.path / "run")
            seconds = time.monotonic() - began
    shutil.rmtree(scratch.path / "run", ignore_errors=True)
    return Carried(
        key=load.key,
        setting=load.name,
        where=load.where,
        scorers=load.scorers if is_spread else 0,
        rows=load.rows,
        start=round(start, 2),
        seconds=round(seconds, 2),
        rows_per_second=round(load.rows / seconds, 1),
        driver=watch.driver,
        growth=watch.driver - watch.at_first,
        workers=watch.workers,
        made=made(torch.device("cpu")),
    )


def _work(load: Load, engine: Engine, packs: Path | None, out: Path) -> None:
    if load.what == "plan":
        units = cut([("", load.rows)])
        planned = sum(engine.run(reading_only("plan", _count), units))
        if planned != load.rows:
            raise DataError(f"{planned} of {load.rows} rows were planned.")
        return
    if load.what == "made":
        rows = Made()
        few = rows.drawn(Unit(0, "", 0, 10_000, 0))
        like = Loaded(train=few, test=None, prepare=Plain())
        made_rows = Found(rows, cut([("", load.rows)]), Options(), like, f"{load.rows:,} made rows")
        score(made_rows, Trained(model=linear(few)), str(out), engine)
        return
    spec, options = str(Path(packs or ".") / PACK), Options(rows=load.rows, lazy=load.where == "streamed")
    if load.where in ("one process", "streamed"):
        samples = read(spec, options).train
        trained = Trained(model=_network(samples))
        Transition()(Readout()(trained, Observed(train=samples), streams=Streams(0)))
        return
    rows_found = found(spec, options, engine)
    score(rows_found, Trained(model=_network(rows_found.example)), str(out), engine)


def _network(samples: Samples) -> nn.Module:
    return build("small-cnn", samples, streams=Streams(0)).eval()


def _count(unit: Unit) -> int:
    return unit.rows


class Watch:
    """Looks at the memory of this process and of those below it, from time to time."""

    def __init__(self) -> None:
        self.driver = self.at_first = self.workers = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._look()
        self.at_first = self.driver
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._ends.wait(EVERY):
            self._look()

    def _look(self) -> None:
        own = os.getpid()
        self.driver = max(self.driver, held_by([own], "Pss:"))
        self.workers = max(self.workers, held_by(list(below(own)), "Pss:"))
