"""Who is hit, whatever the source, and numbers that cannot be."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from unchaff.data import from_arrays
from unchaff.data.prepare import Plain
from unchaff.data.sources import on_disk
from unchaff.errors import NoiseError
from unchaff.noise import NOISES, parse
from unchaff.noise.inputs import GaussianInputs
from unchaff.noise.instance import InstanceDependent
from unchaff.noise.labels import CIFAR
from unchaff.samples import canonical
from unchaff.streams import Streams

NAMES = tuple(sorted({*CIFAR, *CIFAR.values()}))


@dataclass(frozen=True)
class Items:
    values: torch.Tensor

    def __len__(self):
        return len(self.values)

    def __getitem__(self, row):
        return self.values[row]


@pytest.mark.parametrize("name", NOISES)
def test_the_ids_decide_who_is_hit_and_not_the_places(name):
    pixels = np.random.default_rng(0).integers(0, 256, (80, 3, 4, 4), dtype=np.uint8)
    clean = [
        from_arrays(pixels, np.arange(80) % 8, ids=first + np.arange(80), class_names=NAMES)
        for first in (0, 500)
    ]
    low, high = (NOISES[name](0.4)(one, streams=Streams(0))[1].is_noisy for one in clean)
    assert not torch.equal(low, high)


def test_decoded_on_access_the_noise_is_that_of_memory():
    held = from_arrays(np.random.default_rng(0).normal(size=(50, 3)), np.arange(50) % 2)
    source = on_disk(Items(held.source.raw(np.arange(50))), Plain(), workers=0)
    lazy = canonical(held.ids, held.labels, class_names=held.class_names, kind=held.kind, source=source)
    one, other = (GaussianInputs(0.5)(some, streams=Streams(4))[0].source for some in (held, lazy))
    assert torch.equal(one.raw(np.arange(50)), other.raw(np.arange(50)))


def test_one_column_is_no_division_by_zero():
    clean = from_arrays(np.linspace(-1, 1, 200)[:, None], np.arange(200) % 5)
    noisy, truth = InstanceDependent(0.5)(clean, streams=Streams(0))
    assert set(noisy.labels[truth.is_noisy].tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gaussian:0.4:nan", "level must be a finite number, got nan"),
        ("gaussian-published:0.4:-1", "sigma must be 0 or more, got -1"),
        ("instance:0.4:0", "spread must be above 0, got 0"),
    ],
)
def test_a_second_number_that_cannot_be_is_refused(spec, message):
    with pytest.raises(NoiseError, match=message):
        parse(spec)
