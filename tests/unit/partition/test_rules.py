from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from unchaff.attribute.gaussians import ashman, posterior
from unchaff.errors import ConfigError
from unchaff.partition import clusters
from unchaff.partition.clusters import Clusters
from unchaff.partition.keep import spare_classes, starved
from unchaff.partition.mixture import Mixture, class_adjusted
from unchaff.partition.quantile import Quantile
from unchaff.records import Evidence, Partition


def two_groups(gap=5.0, count=500, rate=0.3, **options):
    draw = torch.Generator().manual_seed(0)
    bad = torch.rand(count, generator=draw) < rate
    total = torch.randn(count, generator=draw) - gap * bad
    labels = torch.arange(count) % 5
    return bad, Evidence(ids=np.arange(count), labels=labels, total=total, **options)


def test_the_posterior_finds_the_groups_and_never_falls():
    bad, evidence = two_groups()
    split = Mixture()(evidence)
    assert (split.kept == ~bad).float().mean() > 0.97
    assert split.noise_rate == pytest.approx(0.3, abs=0.03)
    order = class_adjusted(evidence.total, evidence.labels).argsort()
    assert (split.quality[order].diff() >= 0).all()


@pytest.mark.xfail(reason="the fit stops early on purpose: see attribute/gaussians.py, and docs/partition.md")
def test_quality_is_a_probability_that_comes_true():
    bad, evidence = two_groups(gap=3.0, count=5000)
    quality = Mixture(adjust=False)(evidence).quality
    for low, high in ((0.1, 0.4), (0.4, 0.7), (0.7, 0.95)):
        inside = (quality > low) & (quality < high)
        assert (~bad[inside]).float().mean() == pytest.approx(float(quality[inside].mean()), abs=0.12)


def test_hardly_any_disagreement_means_abstaining_but_the_order_stays():
    bad, evidence = two_groups(disagreement=0.04)
    split = Mixture()(evidence)
    assert split.abstained
    assert split.kept.all()
    assert "4.0% of the labels are contradicted" in split.reason
    assert split.noise_rate == pytest.approx(0.04, abs=1e-4)
    assert roc_auc_score(~bad, split.quality) > 0.97
    assert not Mixture()(replace(evidence, disagreement=0.3)).abstained


def test_evidence_that_is_all_alike_keeps_everything():
    split = Mixture(adjust=False)(replace(two_groups()[1], total=torch.ones(500)))
    assert split.abstained
    assert (split.quality == 1).all()


def test_adjusting_takes_the_mean_of_the_class_away():
    total, labels = torch.tensor([1.0, 3.0, 10.0]), torch.tensor([0, 0, 2])
    assert class_adjusted(total, labels).tolist() == [-1.0, 1.0, 0.0]


def test_a_hard_class_is_not_punished():
    _, evidence = two_groups(rate=0.0)
    hard = evidence.labels == 2
    split = Mixture()(replace(evidence, total=evidence.total - 6.0 * hard))
    assert split.quality[hard].mean() == pytest.approx(float(split.quality[~hard].mean()), abs=0.1)


def test_the_separation_tells_one_hump_from_two():
    assert ashman(two_groups(gap=8.0)[1].total) > 4
    assert ashman(two_groups(rate=0.0)[1].total) < 2


def test_the_posterior_draws_nothing_from_the_global_generator():
    total = two_groups()[1].total
    np.random.seed(1)  # noqa: NPY002 - what a caller may do
    first = posterior(total)
    np.random.seed(2)  # noqa: NPY002
    assert torch.equal(first, posterior(total))


@pytest.mark.parametrize("keep", [0.3, 0.7, 1.0])
def test_the_quantile_keeps_exactly_its_share_of_the_best(keep):
    _, evidence = two_groups()
    split = Quantile(keep=keep, adjust=False)(evidence)
    assert int(split.kept.sum()) == round(keep * 500)
    assert evidence.total[split.kept].min() >= evidence.total[~split.kept].max() if keep < 1 else True
    assert sorted(split.quality.tolist()) == pytest.approx([(rank + 0.5) / 500 for rank in range(500)])


@pytest.mark.parametrize("keep", [0.0, 1.1])
def test_a_share_outside_its_range_is_refused(keep):
    with pytest.raises(ConfigError, match=rf"in \(0, 1\], got {keep}"):
        Quantile(keep=keep)


def test_classes_are_spared_without_touching_the_split_that_came_in():
    labels = torch.cat([torch.zeros(100), torch.ones(4)]).long()
    kept, score = torch.zeros(104, dtype=torch.bool), torch.arange(104).float()
    spared = spare_classes(kept, score, labels)
    assert spared[:100].nonzero().squeeze(1).tolist() == list(range(90, 100)), "the best tenth"
    assert spared[100:].all(), "a small class whole"
    assert not kept.any()


class Swapped:
    """The mixture of the library with its two components numbered the other way round."""

    def __init__(self, inner, *arguments, **options):
        self.inner = inner(*arguments, **options)

    def fit(self, values):
        self.inner.fit(values)
        return self

    def predict_proba(self, values):
        return self.inner.predict_proba(values)[:, ::-1].copy()


def with_units():
    bad, evidence = two_groups()
    units = torch.randn(500, 4, generator=torch.Generator().manual_seed(1)) - 6.0 * bad[:, None]
    return replace(evidence, units={"layer": units})


def test_naming_by_evidence_does_not_depend_on_the_numbers_of_the_clusters(monkeypatch):
    evidence, real = with_units(), clusters.GaussianMixture
    plain, literal = Clusters(by_evidence=True)(evidence), Clusters()(evidence)
    monkeypatch.setattr(clusters, "GaussianMixture", lambda *a, **o: Swapped(real, *a, **o))
    assert torch.equal(Clusters(by_evidence=True)(evidence).kept, plain.kept)
    assert evidence.total[plain.kept].median() > evidence.total[~plain.kept].median()
    assert not torch.equal(Clusters()(evidence).kept, literal.kept), "as published: whatever is number 1"


def test_clusters_need_attributions_per_unit():
    with pytest.raises(ConfigError, match="need per-unit attributions"):
        Clusters()(two_groups()[1])


def test_a_class_of_which_little_is_kept_is_named():
    labels = torch.arange(300) % 3
    kept = (labels != 1) | (torch.arange(300) < 100)  # a third of class 1, all of the others
    split = Partition(ids=np.arange(300), quality=kept.double(), kept=kept)
    (said,) = starved(split, labels, ("cat", "dog", "owl"))
    assert "'dog' only 33.0% are kept, of all 77.7%" in said
    whole = replace(split, kept=torch.ones(300).bool())
    assert starved(whole, labels, ("cat", "dog", "owl", "never given")) == []
    assert starved(None, labels, ("cat", "dog", "owl")) == []
