"""One experiment from a spec to what it gave: what `repair`, `score` and the suites all run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from unchaff import journal, progress
from unchaff import noise as noises
from unchaff.bench.contenders import with_budget
from unchaff.bench.controls import Controls, chosen
from unchaff.bench.notes import notes_of
from unchaff.bench.reviewed import Reviewed
from unchaff.bench.start import start
from unchaff.data import Loaded, Options, hold_out, load, load_like
from unchaff.data.write import truth_about
from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.calibration import calibrate
from unchaff.evaluate.curves import inspect
from unchaff.evaluate.detection import detect
from unchaff.evaluate.metrics import ON_HOLDOUT, ON_TEST, Control, Measured
from unchaff.hub import opened
from unchaff.interfaces import Repair
from unchaff.methods import METHODS
from unchaff.methods.heed import check_reference, heeding
from unchaff.methods.unlearn import Unlearn
from unchaff.partition.extend import extended
from unchaff.recording.matching import Matched, matched
from unchaff.records import Cost, Observed, Outcome, Partition, Trained, TrainingRecord, Truth
from unchaff.runs.manifest import hashes, sha256
from unchaff.runs.weights import to_bytes
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import full_cost


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What to run. Every field is plain, so that a cell can be written down and run again."""

    data: str = "digits"
    options: Options = field(default_factory=Options)
    test: str | None = None
    reference: str | None = None
    noise: str = "none"  # planted in the training part
    truth: Path | None = None  # read by the evaluation only
    model: str | None = None  # None: what suits the data
    weights: Path | None = None  # None: train first, on the labels as they are
    initial: Path | None = None
    record: Path | None = None  # of a training on these data; weighed in where the method splits
    epochs: int = 24  # of that training
    augment: bool = False  # in that training
    method: str = "unlearn"
    budget: float | None = None  # None: the method's own
    controls: Controls = "quick"
    decisions: Path | None = None  # run folder with what a person decided; data and network are its own
    holdout: float = 0.1  # where there is no test set
    device: str = "auto"
    seed: int = 0

    def files(self) -> dict[str, object]:
        """Return hashes of what is named here apart from the data: weights, truth, a model folder."""
        named = {"weights": self.weights, "initial": self.initial, "truth": self.truth, "record": self.record}
        there = {name: file for name, file in named.items() if file is not None and file.is_file()}
        found: dict[str, object] = {name: sha256(file.read_bytes()) for name, file in there.items()}
        folder = self.options.hub
        return found if folder is None else {**found, "folder": opened(folder).hashes()}


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a cell works on."""

    loaded: Loaded
    observed: Observed
    test: Samples  # clean where a test set was given, else the hold-out with its noisy labels
    truth: Truth | None
    beside: Mapping[str, bytes] = field(default_factory=dict)  # files of the model folder, as they were read
    recorded: Matched | None = None
    reviewed: Reviewed | None = None

    @property
    def record(self) -> TrainingRecord | None:
        """What was written down while a network learned these samples."""
        return None if self.recorded is None else self.recorded.record

    @property
    def seen(self) -> Observed:
        """What a method is given: not the samples it is measured on, on which it might choose an epoch."""
        return replace(self.observed, holdout=None)

    @property
    def measured_on(self) -> str:
        """Which labels the accuracies are measured against."""
        return ON_HOLDOUT if self.observed.holdout is not None else ON_TEST


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a cell gave."""

    cell: Cell
    model_spec: str
    material: Material
    trained: Trained
    outcome: Outcome  # its partition covers every row, held out or not
    measured: Measured
    notes: tuple[str, ...]

    @property
    def samples(self) -> Samples:
        """All samples with their labels as given, noise planted."""
        return self.material.loaded.train


def method_of(cell: Cell) -> Repair:
    """Return the method, with the cell's budget where it takes one."""
    if cell.method not in METHODS:
        raise ConfigError(f"There is no method {cell.method!r}. Allowed: {', '.join(METHODS)}.")
    return with_budget(cell.method, METHODS[cell.method], cell.budget)


def device_of(name: str) -> torch.device:
    """Return the device; auto takes an accelerator where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(name, False):
        raise ConfigError(f"The device {name!r} is not available here. Use --device auto or cpu.")
    return torch.device(name)


def gather(cell: Cell, *, streams: Streams) -> Material:
    """Load the data, plant the noise in the training part, and set test data aside."""
    device = device_of(cell.device)
    planted = noises.parse(cell.noise)
    if planted is not None and cell.truth is not None:
        raise ConfigError("--noise plants noise and knows the truth of it. Leave out --noise or --truth.")
    loaded = load(cell.data, cell.options)
    progress.say(loaded.found)
    test = loaded.test if cell.test is None else load_like(cell.test, loaded, cell.options)
    train, truth = loaded.train, None
    if planted is not None:
        train, truth = planted(train, streams=streams)
    if cell.truth is not None:
        truth = truth_about(train, cell.truth)
    recorded = None if cell.record is None else matched(cell.record, train)
    train = train.to(device)
    loaded = replace(loaded, train=train)
    reference = None
    if cell.reference is not None:
        reference = load_like(cell.reference, loaded, cell.options).to(device)
    holdout = None
    if test is None:
        train, holdout = hold_out(train, cell.holdout, streams=streams)
        test = holdout
    observed = Observed(train=train, holdout=holdout, reference=reference)
    folder = cell.options.hub
    return Material(
        loaded=loaded,
        observed=observed,
        test=test.to(device),
        truth=truth,
        beside={} if folder is None else opened(folder).beside(),
        recorded=recorded,
        reviewed=None if cell.decisions is None else Reviewed.of(cell.decisions, loaded.train),
    )


def run(cell: Cell) -> Result:
    """Train if need be, repair, compare and measure."""
    method, streams = method_of(cell), Streams(cell.seed)
    if cell.reference is not None:
        check_reference(method)
    material = gather(cell, streams=streams)
    method = heeding(method, material.record)
    spec, trained = _begun(cell, material, streams=streams)
    outcome = _heard(method, material)(trained, material.seen, streams=streams)
    wanted, controls = chosen(cell.controls, method, outcome, material.truth), {}
    for place, (name, control) in enumerate(wanted.items(), start=1):
        with progress.part(f"control {place} of {len(wanted)}, {name}"):
            controls[name] = _heard(control, material)(trained, material.seen, streams=streams)
    return _measured(cell, spec, material, trained, outcome, controls)


def _heard(method: Repair, material: Material) -> Repair:
    """Return the method with what a person decided, which controls get too: all compare on equal data."""
    return method if material.reviewed is None else material.reviewed.heard_by(method)


def _begun(cell: Cell, material: Material, *, streams: Streams) -> tuple[str, Trained]:
    """Return the network to repair; a journal notes what all that follows depends on.

    Raises:
        RunFolderError: the journal was begun with something else.
    """
    record = material.record
    if journal.is_kept():
        journal.check("data", hashes(material.loaded.train))
        if material.observed.reference is not None:
            journal.check("reference", hashes(material.observed.reference))
        if record is not None:
            journal.check("record", {"sha256": sha256(to_bytes({"margins": record.margins}))})
    spec, trained = start(cell, material.observed.train, streams=streams)
    if journal.is_kept() and cell.weights is not None:  # they were read, and nothing was trained yet
        journal.check("weights", {"sha256": sha256(cell.weights.read_bytes())})
    if cell.options.hub is not None:
        journal.check("folder", opened(cell.options.hub).hashes())
    return spec, trained if record is None else replace(trained, record=record)


def score_only(cell: Cell) -> Result:
    """Judge every sample as a repair does first, and leave the network alone."""
    if cell.reference is not None:
        raise ConfigError("A score makes no use of a reference: it chooses nothing. Leave --reference out.")
    streams = Streams(cell.seed)
    material = gather(cell, streams=streams)
    spec, trained = _begun(cell, material, streams=streams)
    found = heeding(Unlearn(), material.record).look(trained, material.observed)
    split, cost = found.partition, found.evidence.cost
    outcome = Outcome(model=trained.model, partition=split, cost=cost, notes=(split.reason,))
    return _measured(cell, spec, material, trained, outcome, None)


def _measured(
    cell: Cell,
    spec: str,
    material: Material,
    trained: Trained,
    outcome: Outcome,
    controls: dict[str, Outcome] | None,
) -> Result:
    """Measure all networks on the same data, and the split against the truth where it is known."""
    test, truth = material.test, material.truth
    detection = calibration = curve = first = None
    judged, earlier = _judged(outcome.partition, material), _judged(outcome.first, material)
    if judged is not None and truth is not None:
        about = truth.select(judged.ids)
        detection, calibration = detect(judged, about), calibrate(judged, about)
        curve = inspect(judged, about)
        first = None if earlier is None else detect(earlier, about)
    measured = Measured(
        before=score(trained.model, test),
        after=None if controls is None else score(outcome.model, test),
        measured_on=material.measured_on,
        controls={
            name: Control(score(control.model, test), control.cost)
            for name, control in (controls or {}).items()
        },
        detection=detection,
        first_detection=first,
        calibration=calibration,
        curve=curve,
        full=full_cost(trained, material.observed.train),
        full_is_estimated=trained.recipe is None,
    )
    if material.reviewed is not None:
        material = _relabelled(material, material.reviewed)
    whole, judging = _whole(trained, outcome, material)
    measured = replace(measured, judging=judging)
    if material.reviewed is not None:
        measured = replace(measured, review=material.reviewed.review(whole.partition, measured))
    return Result(
        cell=cell,
        model_spec=spec,
        material=material,
        trained=trained,
        outcome=whole,
        measured=measured,
        notes=tuple(notes_of(cell, material, outcome, whole.partition, measured.review)),
    )


def _judged(split: Partition | None, material: Material) -> Partition | None:
    return split if split is None or material.reviewed is None else material.reviewed.undecided(split)


def _whole(trained: Trained, outcome: Outcome, material: Material) -> tuple[Outcome, Cost | None]:
    """Let the split cover held-out rows too, and say what that cost."""
    split: Partition | None = outcome.partition
    holdout = material.observed.holdout
    if split is None or holdout is None:
        return outcome, None
    repaired = replace(trained, model=outcome.model)
    split, cost = extended(split, repaired, material.observed.train, holdout)
    split = split if material.reviewed is None else material.reviewed.imposed(split)
    return replace(outcome, partition=split), cost


def _relabelled(material: Material, reviewed: Reviewed) -> Material:
    """Return the data as a person left them; what is measured on stays as it is."""
    loaded = replace(material.loaded, train=reviewed.decisions.applied(material.loaded.train))
    return replace(material, loaded=loaded, observed=reviewed.applied(material.observed))
