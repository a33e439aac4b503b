import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unchaff.data.prepare import LogMel, Pixels, Plain, Prepare
from unchaff.data.sources import in_memory
from unchaff.evaluate.accuracy import Scores, score_predictions
from unchaff.evaluate.calibration import calibrate
from unchaff.evaluate.curves import inspect
from unchaff.evaluate.detection import detect
from unchaff.evaluate.metrics import Control, Measured
from unchaff.records import (
    Cost,
    Fitted,
    Hump,
    Outcome,
    Partition,
    PrunedUnit,
    PrunePlan,
    Recipe,
    Trained,
    TrainingRecord,
    Truth,
)  # fmt: skip
from unchaff.report.page import page
from unchaff.runs.read import RunFolder, read
from unchaff.runs.record import Run
from unchaff.runs.told import Told, told
from unchaff.runs.write import contents
from unchaff.samples import Kind, Samples, canonical

N = 60
FITTED = Fitted((-2.0, -1.0, 0.0, 1.0, 2.0), (20, 10, 10, 20), (Hump(0.4, -1.2, 0.4), Hump(0.6, 1.1, 0.5)))
PICTURE, PIXELS = Kind("image", (1, 4, 4)), Pixels()


def scores(num_right: int, total: int = 400) -> Scores:
    labels = torch.arange(total) % 3
    predicted = torch.where(torch.arange(total) < num_right, labels, (labels + 1) % 3)
    return score_predictions(predicted, labels, ("cat", "dog", "owl"))


def network(kind: Kind) -> nn.Sequential:
    """Return a network whose weights are made up, and the same every time."""
    is_row = len(kind.shape) == 1
    made = nn.Sequential()
    made.add_module("first", nn.Linear(kind.shape[0], 4) if is_row else nn.Conv2d(kind.shape[0], 4, 3))
    made.add_module("relu", nn.ReLU())
    made.add_module("pool", nn.Identity() if is_row else nn.AdaptiveAvgPool2d(1))
    made.add_module("flat", nn.Flatten())
    made.add_module("last", nn.Linear(4, 3))
    with torch.no_grad():
        for number, weights in enumerate(made.parameters()):
            values = (torch.arange(weights.numel()) * 7 + number).remainder(5)
            weights.copy_(values.reshape(weights.shape) / 5 - 0.3)
    return made.eval()


def samples_of(raw: Tensor, kind: Kind, prepare: Prepare, names: tuple[str, ...]) -> Samples:
    labels = torch.arange(N) % 3
    return canonical(range(N), labels, class_names=names, kind=kind, source=in_memory(raw, prepare))


def make(
    raw: Tensor | None = None,
    kind: Kind = PICTURE,
    prepare: Prepare = PIXELS,
    names: tuple[str, ...] = ("cat", "dog", "owl"),
) -> Run:
    """Return a run whose numbers are all made up, and the same every time."""
    if raw is None:
        raw = (torch.arange(N * 16) % 256).to(torch.uint8).reshape(N, 1, 4, 4)
    samples = samples_of(raw, kind, prepare, names)
    quality = (torch.arange(N) * 37 % N).float() / N
    suggested = torch.where(quality > 0.3, samples.labels, (samples.labels + 1) % 3)
    split = Partition(
        ids=samples.ids,
        quality=quality,
        kept=quality > 0.3,
        suggested=suggested,
        evidence={
            "readout": quality * 4 - 2,
            "own_log_probability": -(torch.arange(N) * 11 % N).float(),
        },
        reason="Two components, 3 deviations apart.",
        threshold=0.3,
        fitted=FITTED if kind.name == "tabular" else None,
    )
    is_noisy = torch.from_numpy(np.asarray(quality < 0.25))
    truth = Truth(ids=samples.ids, true_label=suggested, is_noisy=is_noisy)
    margins = torch.stack([quality * epoch + samples.labels for epoch in range(1, 4)])
    record = TrainingRecord(ids=samples.ids, margins=margins)
    cost = Cost(1.5, 600, 2e9).as_stage("score") + Cost(8.0, 4000, 7e9).as_stage("finetune")
    return Run(
        samples=samples,
        trained=Trained(model=network(kind), recipe=Recipe(), record=record),
        outcome=Outcome(
            model=nn.Linear(1, 1),
            partition=split,
            plan=PrunePlan(units=(PrunedUnit("first", 3, 0.5), PrunedUnit("first", 1, -0.75))),
            cost=cost,
            notes=("One class is small and was kept whole.",),
        ),
        predicted=suggested,
        measured=Measured(
            before=scores(280),
            after=scores(360),
            controls={
                "finetune-all": Control(scores(300), Cost(8.0, 4000, 7e9)),
                "oracle": Control(scores(370), Cost(8.0, 4000, 7e9)),
            },
            detection=detect(split, truth),
            calibration=calibrate(split, truth),
            curve=inspect(split, truth),
            full=Cost(60.0, 40000, 4.5e10),
        ),
        model="cnn",
        config={"data": "made-up", "noise": "symmetric:0.25"},
        seed=7,
        command="unchaff repair made-up --noise symmetric:0.25 --seed 7",
        notes=("A note from the caller.",),
    )


@pytest.fixture(scope="session")
def run() -> Run:
    return make()


@pytest.fixture(scope="session")
def named() -> Callable[[tuple[str, ...]], Run]:
    """A run whose classes have these names."""
    return lambda names: make(names=names)


@pytest.fixture(scope="session")
def sounds() -> Run:
    waves = torch.sin(torch.arange(N * 8000).float().reshape(N, 8000) * 0.2)
    return make(waves, Kind("audio", (1, 64, 101), rate=8000), LogMel.at(8000, 1.0))


@pytest.fixture(scope="session")
def rows() -> Run:
    return make(torch.arange(N * 12).float().reshape(N, 12), Kind("tabular", (12,)), Plain())


@pytest.fixture(scope="session")
def remeasured(run: Run) -> Callable[..., Run]:
    """The run with other measurements."""

    def change(**measured: object) -> Run:
        return replace(run, measured=replace(run.measured, **measured))

    return change


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """Scores out of 400 and controls, to measure with."""
    return SimpleNamespace(scores=scores, control=lambda right: Control(scores(right), Cost(1, 1, 1e9)))


@pytest.fixture(scope="session")
def manifest() -> dict[str, object]:
    """A manifest that is the same every time."""
    return {
        "created": "2026-01-02T03:04:05+00:00",
        "seed": 7,
        "versions": {"unchaff": "1.0", "torch": "2.0"},
        "data": {"num_samples": N, "kind": "image 1x4x4", "inputs_sha256": "0123456789abcdef" * 4},
        "hardware": {"cpu": "a processor", "cores": 2},
        "config": {"data": "made-up", "noise": "symmetric:0.25", "test": None},
    }


@pytest.fixture(scope="session")
def folder_of(manifest, tmp_path_factory) -> Callable[[Run], RunFolder]:
    """Write the files of a run, with the manifest that is the same every time, and read them."""

    def write(run: Run) -> RunFolder:
        folder = tmp_path_factory.mktemp("run")
        for name, content in contents(run).items():
            (folder / name).write_bytes(content)
        told = json.loads((folder / "manifest.json").read_text())
        kept = {"command": told["command"], "notes": told["notes"]}
        (folder / "manifest.json").write_text(json.dumps({**manifest, **kept}))
        return read(folder)

    return write


@pytest.fixture(scope="session")
def told_of(folder_of) -> Callable[[Run], Told]:
    """What the files of a run tell."""
    return lambda run: told(folder_of(run))


@pytest.fixture(scope="session")
def page_of(told_of) -> Callable[[Run], str]:
    """The page of a run."""
    return lambda run: page(told_of(run), run.samples)


@pytest.fixture(scope="session")
def pages(run: Run, sounds: Run, rows: Run, page_of) -> dict[str, str]:
    """One page of each kind of data."""
    return {"run": page_of(run), "sounds": page_of(sounds), "rows": page_of(rows)}
