"""Suggested labels, by hand."""

import numpy as np
import torch

from unchaff.evaluate.suggestions import suggest
from unchaff.records import Partition, Truth

IDS = np.arange(6)
TRUTH = Truth(
    ids=IDS, true_label=torch.tensor([0, 0, 0, 1, 1, 1]), is_noisy=torch.tensor([0, 0, 1, 0, 0, 1]).bool()
)
GIVEN = torch.tensor([0, 0, 1, 1, 1, 0])


def split(suggested):
    return Partition(ids=IDS, quality=torch.ones(6), kept=torch.ones(6).bool(), suggested=suggested)


def test_the_truth_itself_has_no_error():
    found = suggest(split(TRUTH.true_label), GIVEN, TRUTH, 2)
    assert (found.label_error, found.transition_error) == (0.0, 0.0)
    assert found.given_error == 2 / 6


def test_suggesting_what_is_given_finds_no_transition():
    found = suggest(split(GIVEN), GIVEN, TRUTH, 2)
    assert found.label_error == 2 / 6
    np.testing.assert_allclose(found.transition_error, 2 / 3)  # rows (2/3, 1/3) against (1, 0)


def test_one_wrong_suggestion():
    found = suggest(split(torch.tensor([0, 0, 0, 1, 1, 0])), GIVEN, TRUTH, 2)
    np.testing.assert_allclose(found.label_error, 1 / 6)
    # Class 0: (3/4, 1/4) against (2/3, 1/3); class 1: (0, 1) against (1/3, 2/3).
    np.testing.assert_allclose(found.transition_error, (1 / 6 + 2 / 3) / 2)


def test_no_suggestion_is_no_number():
    assert suggest(split(None), GIVEN, TRUTH, 2) is None
