import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from unchaff.attribute.chunks import Chunk
from unchaff.attribute.gaussians import ashman, posterior
from unchaff.attribute.margin import Margin
from unchaff.attribute.observe import MAX_FEATURES, Walk, pooled
from unchaff.attribute.published import AGGREGATES, Published
from unchaff.attribute.readout import Readout, clear_disagreement, z_score
from unchaff.attribute.trajectory import Trajectory
from unchaff.attribute.typicality import Statistics, Typicality
from unchaff.data import from_arrays
from unchaff.errors import ConfigError, ModelError, NeedsError
from unchaff.methods.unlearn import Unlearn
from unchaff.nets.mlp import mlp
from unchaff.records import Cost, Observed, TrainingRecord
from unchaff.streams import Streams
from unchaff.tasks import margin


def auroc(toy, evidence):
    return roc_auc_score(~toy.truth.is_noisy, evidence.total)


def score(attributor, toy, observed=None):
    return attributor(toy.trained, observed or toy.observed, streams=Streams(0))


@pytest.mark.parametrize("attributor", [Readout(), Trajectory()], ids=["readout", "trajectory"])
def test_wrong_labels_get_lower_evidence(attributor, toy):
    assert auroc(toy, score(attributor, toy)) > 0.9


def test_margin_is_own_minus_best_other():
    scores = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    assert margin(scores, torch.tensor([0, 2])).tolist() == [1.0, -4.0]


def test_a_margin_without_draws_is_that_of_the_plain_network(toy):
    batch = next(toy.observed.train.batches(600))
    with torch.no_grad():
        expected = margin(toy.trained.model(batch.inputs), batch.labels)
    torch.testing.assert_close(score(Margin(draws=0), toy).total, expected)


@pytest.mark.parametrize(("first", "last", "mean"), [(0, None, 4.0), (1, None, 5.5), (0, 2, 2.5)])
def test_the_trajectory_is_the_mean_over_the_epochs_seen(first, last, mean, toy):
    ids = toy.observed.train.ids
    margins = torch.tensor([1.0, 4.0, 7.0])[:, None].repeat(1, 600)
    margins[1:, 5] = float("nan")
    margins[:, 6] = float("nan")
    trained = replace(toy.trained, record=TrainingRecord(ids=ids, margins=margins))
    total = Trajectory(first=first, last=last)(trained, toy.observed, streams=Streams(0)).total
    assert total[0] == mean
    assert total[5] == (1.0 if first == 0 else 0.0)
    assert total[6] == 0.0, "never seen"


def test_the_trajectory_of_a_selection_is_found_by_id(toy):
    part = Observed(train=toy.observed.train.select(toy.observed.train.ids[[3, 500]]))
    assert torch.equal(score(Trajectory(), toy, part).total, score(Trajectory(), toy).total[[3, 500]])


def test_a_missing_record_says_what_to_do(toy):
    with pytest.raises(ConfigError, match=r"needs a recorded training.*use readout"):
        Trajectory()(replace(toy.trained, record=None), toy.observed, streams=Streams(0))
    short = TrainingRecord(ids=np.arange(100, 110), margins=torch.zeros(1, 10))
    with pytest.raises(ConfigError, match="does not cover all samples"):
        Trajectory()(replace(toy.trained, record=short), toy.observed, streams=Streams(0))


def test_attributions_per_feature_come_if_asked_for(toy):
    assert score(Readout(), toy).units == {}
    units = score(Readout(units=True), toy).units["read"]
    assert units.shape == (600, Walk(toy.trained.model, toy.observed.train, 0.5).width)


def test_samples_that_were_not_fitted_on_are_scored_too(toy):
    readout, some = Readout(), toy.observed.train.ids[:400]
    fitted = readout.fitted(Walk(toy.trained.model, toy.observed.train.select(some), 0.5))
    rest = toy.observed.train.select(toy.observed.train.ids[400:])
    scored = readout.scored(Walk(toy.trained.model, rest, 0.5), fitted, left_out=False)
    assert roc_auc_score(~toy.truth.select(rest.ids).is_noisy, scored.total) > 0.85


def test_a_walk_in_memory_is_paid_for_once(toy):
    walk = Walk(toy.trained.model, toy.observed.train, 1.0)
    first = [chunk.rows.tolist() for chunk in walk]
    assert [chunk.rows.tolist() for chunk in walk] == first
    assert walk.expected_flops(2) == walk.expected_flops(1)
    spent = walk.bill()
    assert spent.samples_seen == 600
    assert spent.flops == pytest.approx(walk.expected_flops(1))
    assert walk.bill() == Cost(), "a bill is paid once"


@pytest.mark.parametrize(
    ("shape", "width"),
    [((7,), 7), ((16, 9, 9), 256), ((128, 9, 9), 512), ((600, 4, 4), 600), ((4, 3, 3), 16), ((8, 30), 32)],
)
def test_pooling_keeps_the_finest_grid_that_fits(shape, width):
    found = pooled(torch.ones(2, *shape))
    assert found.shape == (2, width)
    assert width <= MAX_FEATURES or shape[0] > MAX_FEATURES
    torch.testing.assert_close(found, torch.ones(2, width))


def broken(trained, layer):
    model = copy.deepcopy(trained.model)
    model.get_submodule(layer).weight.data[0] = torch.nan
    return replace(trained, model=model)


NOT_FINITE = r"not finite for some of 600 samples\. Check the inputs with `unchaff doctor`, and the weights"


@pytest.mark.parametrize("method", [Unlearn(), Readout(), Typicality()])
def test_a_network_of_numbers_that_are_not_finite_is_named(toy, method):
    with pytest.raises(ModelError, match=NOT_FINITE):
        method(broken(toy.trained, "0.0"), toy.observed, streams=Streams(0))


def test_statistics_that_are_not_finite_are_named_where_the_features_are_inputs():
    rows = torch.randn(600, 8, generator=Streams(0)("rows"))
    samples = from_arrays(rows, torch.arange(600) % 2)
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    model[0].weight.data[:] = torch.nan
    walk = Walk(model, samples, 0.5)
    labels = Readout().of(walk)
    assert walk.reads_inputs
    with pytest.raises(ModelError, match=NOT_FINITE):
        Typicality().judge(walk, labels)


def test_channels_of_one_place_deviate_by_nothing(toy):
    model = nn.Sequential(
        nn.Conv2d(1, 4, 8), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4)
    )
    for chunk in Walk(model.eval(), toy.observed.train, 0.5):
        assert chunk.moments.shape[1] == 2 * 4
        assert not chunk.moments[:, 4:].any()


def test_evidence_that_is_all_alike_is_nought():
    assert z_score(torch.full((5,), 0.1)).tolist() == [0.0] * 5
    assert z_score(torch.tensor([1.0, 3.0])).tolist() == [-1.0, 1.0]


def test_one_number_makes_no_two_groups():
    for total in (torch.full((50,), 0.1), 3.0 + 1e-7 * torch.randn(50, generator=Streams(0)("same"))):
        assert posterior(total).tolist() == [0.5] * 50
        assert ashman(total) == 0.0


def test_disagreement_is_counted_among_the_clearer_half():
    confidence = torch.tensor([0.1, 0.2, 0.3, 0.8, 0.9])
    labels, said = torch.tensor([0, 0, 0, 0, 0]), torch.tensor([1, 1, 0, 1, 0])
    assert clear_disagreement(said, confidence, labels) == pytest.approx(1 / 3)


def judged(clean_toy, observed=None):
    walk = Walk(clean_toy.trained.model, (observed or clean_toy.observed).train, 0.5)
    return Typicality().judge(walk, Readout().of(walk))


def spoiled_by(clean_toy, change):
    spoiled = torch.from_numpy(Streams(0).per_id("spoil", clean_toy.clean.ids) < 0.4)

    def changed(rows, raw):
        hit = spoiled[torch.from_numpy(rows)][:, None, None, None]
        return torch.where(hit, change(raw), raw)

    return spoiled, Observed(train=clean_toy.clean.altered(changed))


def test_spoiled_inputs_are_told_apart_and_named_by_their_labels(clean_toy):
    spoiled, observed = spoiled_by(
        clean_toy,
        lambda raw: torch.randint(2, raw.shape, generator=Streams(0)("raw"), dtype=torch.uint8) * 255,
    )
    found = judged(clean_toy, observed)
    assert found.acts
    assert roc_auc_score(~spoiled, found.evidence.total) > 0.95


@pytest.mark.parametrize("seed", [3, 6, 7])
def test_rows_of_sound_columns_are_not_set_aside(seed):
    """The distances of long-tailed columns fall into two groups a little further apart than 2 by chance."""
    draw = np.random.default_rng(seed)
    x = np.exp(1.5 * draw.normal(size=(600, 8)))
    samples = from_arrays(
        ((x - x.mean(0)) / x.std(0)).astype(np.float32), (x[:, 0] * x[:, 1] > 1).astype(int)
    )
    with Streams(seed).forked_global("columns"):
        walk = Walk(mlp((8,), 2).eval(), samples, 0.5)
    assert not Typicality().judge(walk, Readout().of(walk)).acts


def test_what_most_inputs_are_is_not_unlike_the_others(clean_toy, monkeypatch):
    walk = Walk(clean_toy.trained.model, clean_toy.clean, 0.5)
    labels, few = Readout().of(walk), torch.arange(len(clean_toy.clean)) % 10 == 0

    class Apart:
        has_channels = True
        are_many = True

        def direction(self):
            return None

        def differences(self, chunk, direction):
            here = few[torch.from_numpy(chunk.rows)]
            return {"distance": 9.0 * here + torch.linspace(0, 1, len(here))}

    monkeypatch.setattr(Statistics, "of", lambda _: Apart())
    few_confirmed = Typicality().judge(walk, replace(labels, total=few.float()))
    assert not few_confirmed.acts, "nine tenths of the inputs would be the spoiled ones"
    few_disputed = Typicality().judge(walk, replace(labels, total=-few.float()))
    assert few_disputed.acts


def test_a_direction_finds_what_the_distance_does_not():
    """Half of the samples shifted along one direction lie as far from the middle as the others."""
    draw = Streams(0)("moments")
    labels = torch.arange(2000) % 4
    moments = torch.randn(2000, 12, generator=draw) + 3 * torch.eye(4, 12)[labels]
    shifted = torch.rand(2000, generator=draw) < 0.5
    moments[shifted] += torch.linspace(1, 2, 12)
    whole = Statistics(
        mean=moments.double().mean(0),
        precision=torch.linalg.inv(moments.double().T.cov()),
        class_means=torch.stack([moments[labels == label].double().mean(0) for label in range(4)]),
        some=torch.cat([(part := moments[labels == each].double()) - part.mean(0) for each in range(4)]),
        has_channels=True,
        are_many=True,
    )  # fmt: skip
    chunk = Chunk(
        rows=np.arange(2000),
        labels=labels,
        features=moments,
        moments=moments,
        log_probs=torch.zeros(2000, 4),
        has_channels=True,
    )
    found = whole.differences(chunk, whole.direction())
    distance, along = found["distance"], found["along"]
    assert max(roc_auc_score(shifted, along), roc_auc_score(~shifted, along)) > 0.99
    assert abs(roc_auc_score(shifted, distance) - 0.5) < 0.1
    assert replace(whole, has_channels=False).direction() is None


def moments_of(some):
    size = some.shape[1]
    eye = torch.eye(size, dtype=some.dtype)
    mean = some.mean(0)
    return Statistics(mean, eye, mean[None], some - mean, has_channels=True, are_many=True)


def test_groups_that_no_single_component_shows_are_parted_by_all_of_them_together():
    draw = Streams(0)("groups")
    mixed = torch.randn(40, 40, generator=draw, dtype=torch.float64)
    values = torch.randn(4000, 40, generator=draw, dtype=torch.float64) @ mixed
    spoiled = torch.rand(4000, generator=draw) < 0.5
    values[spoiled] += 1.1 * torch.sign(torch.randn(40, generator=draw)).double() @ mixed
    whole = moments_of(values)
    along = whole.some @ whole.direction()
    assert ashman(along.float()) > 2 * Typicality().apart_along
    assert max(roc_auc_score(spoiled, along), roc_auc_score(~spoiled, along)) > 0.999


@pytest.mark.parametrize(("count", "size"), [(120, 64), (600, 128), (3000, 64), (1500, 12)])
def test_chance_parts_no_inputs_that_are_all_alike(count, size):
    draw = Streams(count)("alike")
    for values in (torch.randn(count, size, generator=draw), torch.randn(count, size, generator=draw).exp()):
        whole = moments_of(values.double())
        assert ashman((whole.some @ whole.direction()).float()) < Typicality().apart_along


def test_too_few_inputs_are_not_searched():
    draw = Streams(0)("few")
    assert moments_of(torch.randn(60, 64, generator=draw).double()).direction() is None


def test_the_input_channel_stays_out_where_inputs_are_sound(clean_toy):
    assert not judged(clean_toy).acts


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_aggregate_gives_one_attribution_per_unit(aggregate, toy):
    evidence = score(Published(aggregate=aggregate), toy)
    assert evidence.units["3"].shape == (600, 24)
    assert evidence.units["3"].min() >= 0
    sign = -1 if aggregate == "loss" else 1
    torch.testing.assert_close(evidence.total, sign * evidence.units["3"].sum(1))


def test_published_attribution_says_what_it_needs(toy):
    with pytest.raises(ConfigError, match=r"one of max, mean, own, loss, got 'sum'"):
        Published(aggregate="sum")
    flat = replace(toy.trained, model=nn.Sequential(nn.Flatten(), nn.Linear(64, 4)))
    with pytest.raises(NeedsError, match=r"hidden linear layer.*--method unlearn"):
        Published()(flat, toy.observed, streams=Streams(0))


def test_a_single_layer_can_still_be_read(toy):
    flat = replace(toy.trained, model=nn.Sequential(nn.Flatten(), nn.Linear(64, 4)))
    assert auroc(toy, Readout()(flat, toy.observed, streams=Streams(0))) > 0.8
