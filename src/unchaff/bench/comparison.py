"""Methods side by side on what a user gives: the ground they are compared on, and who runs there."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from unchaff.bench.cell import Cell, Material
from unchaff.bench.contenders import KNOWING, KNOWN, ORACLE, split, with_budget
from unchaff.bench.settings import Place, Setting
from unchaff.errors import ConfigError
from unchaff.evaluate.metrics import ON_HOLDOUT
from unchaff.journal import difference
from unchaff.methods import METHODS
from unchaff.runs.manifest import hashes, plain, versions
from unchaff.whole import object_in, put

NAME = "comparison"
BEGUN = "comparison.json"
START = "nothing"  # the network as it came, without which no number says anything
MEASURED = "measured on"
ANEW = "Give another --out."


@dataclass(frozen=True)
class Entrant:
    """One method of a comparison, under the names of its rows."""

    method: str  # as it was asked for
    own: str  # at its own cost
    equal: str | None  # at the common budget; None: it takes none, or not this one
    why: str = ""  # it does not


def entrants(methods: Sequence[str], budget: float | None) -> list[Entrant]:
    """Return what runs for each method that was named, in order, each once.

    Every method that trains is shown augmented inputs, but `published`, which is as it was published.

    Args:
        methods: NAME or NAME@BUDGET.
        budget: the common one, as a share of one full training; None: there is no such table.

    Raises:
        ConfigError: one is not known, or the budget cannot be.
    """
    if budget is not None and not 0 < budget < math.inf:
        raise ConfigError(f"--budget must be above 0, got {budget}. A whole training is 1.")
    return [_entrant(name, budget) for name in dict.fromkeys(methods)]


def _entrant(name: str, budget: float | None) -> Entrant:
    method, given = split(name)
    known = {**KNOWN, **KNOWING}
    if method not in {*known, ORACLE}:
        raise ConfigError(f"There is no method {method!r}. Allowed: {', '.join((*METHODS, ORACLE))}.")
    if method == ORACLE:  # a whole training, which both tables show as what could be
        return Entrant(name, ORACLE if given is None else name, ORACLE)
    own = getattr(with_budget(method, known[method], given), "budget", None)
    shown = f"{method}-augmented" if f"{method}-augmented" in known else method
    if own is None:
        return Entrant(name, shown, None, "Its cost is its own.")
    own_name = f"{shown}@{own:g}"
    try:
        with_budget(method, known[method], budget)
    except ConfigError as error:
        return Entrant(name, own_name, None, f"{error}")
    return Entrant(name, own_name, None if budget is None else f"{shown}@{budget:g}")


@dataclass(frozen=True, kw_only=True)
class Compared(Setting):
    """The data, the noise and the network that a user gives."""

    asked: Cell
    folder: Path  # of the comparison, which notes what its rows are about

    @property
    def ground(self) -> dict[str, object]:
        """What decides the numbers, seeds and contenders apart."""
        settings = plain(asdict(self.asked))
        return {name: settings[name] for name in settings if name not in {"seed", "method", "controls"}}

    @property
    def sentence(self) -> str:
        """What it is, for the page."""
        asked = self.asked
        network = asked.model or "the default network"
        start = f"{asked.epochs} epochs" if asked.weights is None else f"weights {asked.weights.name}"
        held_out = self._noted.get(MEASURED) == ON_HOLDOUT
        where = "held-out samples with their noisy labels" if held_out else "the test samples"
        return f"{asked.data}; noise {asked.noise}; {network}, {start}. Accuracy is that on {where}."

    @property
    def _noted(self) -> dict[str, Any]:
        """What decided the rows that are there; empty where there are none yet."""
        file = self.folder / BEGUN
        return object_in(file, otherwise=ANEW) if file.is_file() else {}

    def cell(self, seed: int, place: Place) -> Cell:
        """Return what `unchaff repair` would run."""
        return replace(self.asked, seed=seed)

    def check(self, seed: int, material: Material) -> None:
        """Note the data of a seed, or compare them with what was noted.

        Raises:
            ConfigError: settings, versions or data are others than those of the rows that are there.
        """
        reference = material.observed.reference
        held = {"train": material.loaded.train, "test": material.test, "reference": reference}
        data = {name: hashes(each) for name, each in held.items() if each is not None}
        self.agree({**self.begun, f"data {seed}": data, MEASURED: material.measured_on})

    @property
    def begun(self) -> dict[str, object]:
        """What decides the numbers of all seeds."""
        return {"settings": self.ground, "versions": versions(), "files": self.asked.files()}

    def agree(self, content: Mapping[str, object]) -> None:
        """Note some of what decides the numbers, or compare it.

        Raises:
            ConfigError: it differs.
        """
        then, now = self._noted, json.loads(json.dumps(content))
        known = {name: value for name, value in then.items() if name in now}
        differing = difference(known, {name: now[name] for name in known})
        if differing:
            raise ConfigError(
                f"The comparison in {self.folder} was begun with something else: {differing}. Give back what "
                "it began with, or another --out."
            )
        if then != {**then, **now}:
            put(self.folder / BEGUN, json.dumps({**then, **now}, indent=1).encode())


def compared(cell: Cell, seeds: Sequence[int], chosen: Sequence[Entrant], folder: Path) -> Compared:
    """Return the ground with all that runs on it, and check it against what is in the folder."""
    if folder.is_dir() and not (folder / BEGUN).exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} holds something else than a comparison. {ANEW}")
    names = [START, *(each.own for each in chosen), *(each.equal for each in chosen if each.equal)]
    ground = Compared(
        name=NAME,
        data=cell.data,
        seeds=tuple(seeds),
        contenders=tuple(dict.fromkeys(names)),
        asked=cell,
        folder=folder,
    )
    if (folder / BEGUN).is_file():
        ground.agree(ground.begun)
    return ground
