"""Tables that come with scikit-learn, as data of the suites."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from unchaff.data import from_arrays
from unchaff.samples import Samples


def breast_cancer() -> tuple[Samples, Samples]:
    """Return the training and the test part: 569 tumours, 30 numbers of each, benign or malignant.

    The test part is a stratified third that never changes; ids are positions in scikit-learn's data.
    """
    pack = load_breast_cancer()
    names = tuple(str(name) for name in pack.target_names)
    samples = from_arrays(pack.data, pack.target, class_names=names)
    train, test = train_test_split(samples.ids, test_size=1 / 3, stratify=pack.target, random_state=0)
    return samples.select(np.asarray(train)), samples.select(np.asarray(test))
