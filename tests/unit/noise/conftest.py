import numpy as np
import pytest
import torch

from unchaff.data.dataset import from_arrays

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="session")
def pictures():
    """Ten classes of unequal size with the names of CIFAR-10, 3x4x4."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (397, 3, 4, 4), generator=generator).byte()
    labels = np.minimum(np.arange(397) % 13, 9)
    return from_arrays(images, labels, ids=np.arange(397) * 3, class_names=CIFAR)
