import copy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import unchaff
from unchaff.errors import UnchaffError
from unchaff.estimator import EXPECTED_FAILED_CHECKS, RepairedClassifier


def layers(columns=None, classes=8):
    first = nn.LazyLinear(32) if columns is None else nn.Linear(columns, 32)
    return nn.Sequential(first, nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, classes))


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([RepairedClassifier(epochs=6)])
def test_it_is_a_classifier_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [RepairedClassifier(layers())], expected_failed_checks=lambda _estimator: EXPECTED_FAILED_CHECKS
)
def test_it_is_one_with_a_module_too_but_for_what_is_declared(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def rows():
    draw = np.random.default_rng(0)
    right = np.repeat(["no", "yes", "maybe"], 150)
    x = draw.normal(size=(450, 8)) + 2.5 * np.eye(3, 8)[np.repeat([0, 1, 2], 150)]
    given = np.where(draw.random(450) < 0.3, draw.permutation(right), right)
    return x, given, right


def test_wrong_labels_are_found_and_unlearned(rows):
    x, given, right = rows
    model = RepairedClassifier().fit(x, given)
    assert model.score(x, right) > 0.9
    assert (given == right)[model.kept_].mean() > (given == right).mean() + 0.1
    assert len(model.outcome_.quality["quality"]) == len(x)
    np.testing.assert_array_equal(model.classes_, ["maybe", "no", "yes"])
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)


def test_a_module_that_was_trained_is_repaired_and_left_as_it_is(rows):
    x, given, _ = rows
    network = layers(8, 5)
    before = copy.deepcopy(network.state_dict())
    model = RepairedClassifier(network, is_trained=True).fit(x, given)
    assert model.predict_proba(x).shape == (450, 3), "outputs without a class are left out"
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())


def test_a_function_makes_the_network_and_a_clone_has_it(rows):
    x, given, right = rows
    model = clone(RepairedClassifier(layers, method=unchaff.METHODS["nothing"], epochs=10)).fit(x, given)
    assert model.model_[0].in_features == 8
    assert model.kept_.all()
    assert model.score(x, right) > 0.5


class Named(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = layers(8, 3)

    def forward(self, inputs):
        return {"logits": self.layers(inputs)}


def test_a_network_may_answer_with_a_mapping_and_rows_left_out_are_not_kept(rows):
    x, given, right = rows
    broken = x.copy()
    broken[3, 2] = 1e39  # finite, and not in single precision
    network = Named()
    with pytest.warns(UserWarning, match="1 sample cannot be used"):
        model = RepairedClassifier(network, epochs=10).fit(broken, given)
    assert model.kept_.shape == (450,)
    assert not model.kept_[3]
    with pytest.warns(UserWarning, match="1 sample cannot be used"):
        left = RepairedClassifier(network, epochs=10, method=unchaff.METHODS["nothing"]).fit(broken, given)
    assert model.score(x, right) > left.score(x, right), "few steps of training are not undone"


def test_few_rows_are_not_unlike_themselves():
    x, labels = make_classification(65, 5, random_state=0, flip_y=0.3)
    split = RepairedClassifier(epochs=2).fit(x, labels).outcome_.partition
    assert "unlike" not in split.reason


def test_errors_are_value_errors(rows):
    x, given, _ = rows
    assert issubclass(UnchaffError, ValueError)
    with pytest.raises(ValueError, match="one class"):
        RepairedClassifier().fit(x, ["no"] * len(x))
    with pytest.raises(UnchaffError, match="2 outputs, but the data have 3 classes"):
        RepairedClassifier(layers(8, 2)).fit(x, given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 0}, "epochs must be a whole number, 1 or more, got 0"),
        ({"epochs": -1}, "got -1. Leave it out for 24"),
        ({"epochs": 1.5}, "got 1.5"),
        ({"epochs": "x"}, "got 'x'"),
        ({"epochs": True}, "got True"),
        ({"seed": "a"}, "seed must be a whole number, got 'a'"),
        ({"network": "x"}, "network must be None, a torch.nn.Module or a function"),
        ({"network": lambda _columns, _classes: 3}, "of type int"),
        ({"method": 5}, "method must be a repair method, got 5"),
        ({"is_trained": True}, "there is no network"),
    ],
    ids=lambda case: case if isinstance(case, str) else ", ".join(case),  # no address of a function
)
def test_a_setting_that_cannot_be_used_is_named_in_fit(rows, given, said):
    x, labels, _ = rows
    model = RepairedClassifier(**given)
    with pytest.raises(UnchaffError, match=said):
        model.fit(x, labels)
