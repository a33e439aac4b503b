import numpy as np
import torch

from unchaff.data.dataset import from_arrays
from unchaff.noise.instance import InstanceDependent
from unchaff.streams import Streams


def test_wrong_labels_depend_on_the_input():
    """Copies of one picture of one class mostly go to the same wrong class; random ones spread."""
    generator = torch.Generator().manual_seed(0)
    same = torch.randn(1, 1, 16, 16, generator=generator).expand(300, 1, 16, 16)
    images = torch.cat([same, torch.randn(309, 1, 16, 16, generator=generator)]) * 4
    clean = from_arrays(images, torch.cat([torch.zeros(600), torch.arange(1, 10)]).long())
    noisy, truth = InstanceDependent(0.5)(clean, streams=Streams(0))

    def largest_share(rows):
        wrong = noisy.labels[rows][truth.is_noisy[rows]]
        return wrong.bincount(minlength=10).max() / len(wrong)

    assert largest_share(slice(0, 300)) > largest_share(slice(300, 600)) + 0.05


def test_rates_differ_between_samples_and_are_exact_in_all(pictures):
    noisy, truth = InstanceDependent(0.37)(pictures, streams=Streams(0))
    assert int(truth.is_noisy.sum()) == round(0.37 * len(pictures))
    assert np.array_equal((noisy.labels != pictures.labels).numpy(), truth.is_noisy.numpy())
