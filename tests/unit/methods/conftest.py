from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch

from unchaff.data.prepare import AsIs
from unchaff.data.sources import in_memory
from unchaff.nets.build import build
from unchaff.noise import parse
from unchaff.records import Observed, Recipe, Trained, Truth
from unchaff.samples import Kind, Samples, canonical
from unchaff.streams import Streams


def caused(count: int, seed: int, classes: int = 4) -> Samples:
    """Return rows of 40 numbers that five causes make, so that any seven tenths of them tell the rest."""
    fixed, drawn = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    middles, mixing = 1.6 * torch.randn(classes, 5, generator=fixed), torch.randn(5, 40, generator=fixed)
    labels = torch.arange(count) % classes
    causes = middles[labels] + 0.7 * torch.randn(count, 5, generator=drawn)
    rows = torch.tanh(causes @ mixing / 2) + 0.1 * torch.randn(count, 40, generator=drawn)
    return canonical(
        range(count),
        labels,
        class_names=tuple("abcdefgh"[:classes]),
        kind=Kind("tabular", (40,)),
        source=in_memory(rows / 0.7, AsIs()),
    )


@dataclass(frozen=True)
class Rows:
    """Rows under wrong labels, and a network that nobody has trained yet: methods that train anew only."""

    trained: Trained
    observed: Observed
    truth: Truth
    test: Samples


@pytest.fixture(scope="session")
def rows() -> Callable[..., Rows]:
    """Return a function that plants some noise in rows of numbers."""

    def planted(noise: str, *, count: int = 1500, seed: int = 0, epochs: int = 16) -> Rows:
        clean, streams = caused(count, seed=1 + seed), Streams(seed)
        plant = parse(noise)
        noisy, truth = (clean, None) if plant is None else plant(clean, streams=streams.fork("noise"))
        if truth is None:
            nothing = torch.zeros(count, dtype=torch.bool)
            truth = Truth(ids=clean.ids, true_label=clean.labels, is_noisy=nothing)
        model = build("mlp", noisy, streams=streams).eval()
        recipe = replace(Recipe.usual(model, count), epochs=epochs, batch_size=64)
        return Rows(Trained(model=model, recipe=recipe), Observed(train=noisy), truth, caused(1000, seed=99))

    return planted
