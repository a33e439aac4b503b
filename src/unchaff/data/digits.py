"""The built-in data: scikit-learn's 1,797 handwritten digits, 8x8 grey."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from unchaff.data.prepare import Pixels
from unchaff.data.sources import in_memory
from unchaff.samples import Kind, Samples, canonical

CLASS_NAMES = tuple(str(digit) for digit in range(10))


def digits() -> tuple[Samples, Samples]:
    """Return the training and the test part; ids are positions in scikit-learn's data.

    The test part is a stratified quarter that never changes.

    >>> train, test = digits()
    >>> len(train), len(test), str(train.kind)
    (1347, 450, 'image 1x8x8')
    """
    pack = load_digits()
    images = np.round(pack.images * 255 / 16).astype(np.uint8)[:, None]
    samples = canonical(
        np.arange(len(images)),
        torch.from_numpy(pack.target),
        class_names=CLASS_NAMES,
        kind=Kind("image", (1, 8, 8)),  # a mirrored 3 is no 3: one view only
        source=in_memory(torch.from_numpy(images), Pixels()),
    )
    train, test = train_test_split(samples.ids, test_size=0.25, stratify=pack.target, random_state=0)
    return samples.select(train), samples.select(test)
