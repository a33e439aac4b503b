from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from unchaff.data.prepare import Pixels
from unchaff.data.sources import in_memory
from unchaff.evaluate.accuracy import score_predictions
from unchaff.evaluate.metrics import Control, Measured
from unchaff.records import Cost, Outcome, Partition, PrunedUnit, PrunePlan, Recipe, Trained
from unchaff.runs.record import Run
from unchaff.samples import Kind, canonical

NAMES = ("cat", "dog")


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def make(seed: int = 0) -> Run:
    """Return a small run: six pictures, the first of which is rejected."""
    pictures = torch.arange(6 * 4, dtype=torch.uint8).reshape(6, 1, 2, 2)
    labels, predicted = torch.tensor([0, 1, 0, 1, 0, 1]), torch.tensor([1, 1, 0, 1, 0, 1])
    kind = Kind("image", (1, 2, 2))
    source = in_memory(pictures, Pixels())
    samples = canonical([f"id {i}" for i in range(6)], labels, class_names=NAMES, kind=kind, source=source)
    quality = torch.tensor([0.1, 0.8, 0.9, 1.0, 0.7, 0.95])
    split = Partition(
        ids=samples.ids,
        quality=quality,
        kept=quality > 0.5,
        suggested=predicted,
        evidence={"readout": quality * 2 - 1, "kept": quality},
    )
    cost = Cost(seconds=1.5, samples_seen=12, flops=1e6).as_stage("score")
    return Run(
        samples=samples,
        trained=Trained(model=network(0), recipe=Recipe(epochs=2)),
        outcome=Outcome(
            model=network(seed + 1),
            partition=split,
            plan=PrunePlan(units=(PrunedUnit("1", 2, 0.25),), reason="tells rejected from kept"),
            cost=cost,
            modifications=("mask 1",),
        ),
        predicted=predicted,
        measured=Measured(
            before=score_predictions(labels[[0, 0, 0, 1]], labels[:4], NAMES),
            after=score_predictions(labels[:4], labels[:4], NAMES),
            controls={
                "finetune-all": Control(score_predictions(labels[[0, 1, 2, 2]], labels[:4], NAMES), cost)
            },
            full=Cost(seconds=6, flops=8e6),
        ),
        model="mlp",
        frontend=Pixels().to_json(),
        config={"data": "digits", "folder": ("a", 1)},
        seed=seed,
        command="unchaff repair digits",
        notes=("a note",),
    )


@pytest.fixture
def run() -> Run:
    return make()


@pytest.fixture
def make_run() -> Callable[[int], Run]:
    return make


@pytest.fixture
def scored(run: Run) -> Run:
    """A run that only scored."""
    return replace(run, measured=replace(run.measured, after=None))
