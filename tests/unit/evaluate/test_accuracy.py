from dataclasses import replace

import pytest
import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch import nn

from unchaff.errors import ModelError
from unchaff.evaluate.accuracy import logits, predict, score, score_predictions, wilson
from unchaff.samples import Samples


class Shaky(nn.Module):
    """A user's network: its own dropout is always on, and one part is kept in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4).eval()
        self.head = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(self.head(self.norm(inputs)), 0.5, training=True)


def test_scores_equal_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(1)
    labels, predicted = torch.randint(4, (2, 200), generator=generator)
    predicted[predicted == 3] = 0  # a class that is never predicted
    scores = score_predictions(predicted, labels, ("a", "b", "c", "d", "never there"))
    expected = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    assert scores.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert (scores.macro_precision, scores.macro_recall, scores.macro_f1) == pytest.approx(expected[:3])
    rows = precision_recall_fscore_support(labels, predicted, labels=range(5), zero_division=0)
    for index, each in enumerate(scores.per_class):
        values = (each.precision, each.recall, each.f1, each.support)
        assert values == pytest.approx([column[index] for column in rows])


def test_wilson_equals_published_values() -> None:
    assert wilson(10, 100) == pytest.approx((0.05523, 0.17437), abs=1e-5)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0


def test_nothing_of_the_callers_is_changed(samples: Samples) -> None:
    model = Shaky()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    first = logits(model, samples)
    torch.testing.assert_close(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    torch.testing.assert_close(model.state_dict(), before)
    torch.testing.assert_close(logits(model, samples), first)


def test_modes_come_back_after_an_error(samples: Samples) -> None:
    model = nn.Sequential(nn.Linear(4, 2)).train()
    with pytest.raises(ModelError, match=r"shape \(30, 2\).*build it with 3 outputs"):
        logits(model, samples)
    assert model.training


def test_of_more_outputs_those_of_the_classes_count(samples: Samples) -> None:
    model = nn.Linear(4, 5)
    with torch.no_grad():
        model.bias[3:] = 100.0
    narrow = nn.Linear(4, 3)
    narrow.load_state_dict({"weight": model.weight[:3], "bias": model.bias[:3]})
    assert torch.equal(predict(model, samples), predict(narrow, samples))
    assert score(model, samples) == score(narrow, samples)


def test_a_record_of_outputs_is_refused(samples: Samples) -> None:
    class Wrapped(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
            return {"logits": super().forward(inputs)}

    with pytest.raises(ModelError, match="returned dict, not a tensor"):
        logits(Wrapped(4, 3), samples)


def test_batch_size_does_not_matter(samples: Samples) -> None:
    model = nn.Linear(4, 3)
    torch.testing.assert_close(logits(model, samples, batch_size=7), logits(model, samples))


def test_a_perfect_network_scores_one(samples: Samples) -> None:
    model = nn.Linear(4, 3)
    learned = replace(samples, labels=logits(model, samples).argmax(1))
    assert score(model, learned).accuracy == 1.0
    assert score(model, learned).n == 30
