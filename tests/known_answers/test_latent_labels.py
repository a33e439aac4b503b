"""Latent labels on synthetic networks whose probabilities are right, with planted noise."""

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from unchaff.train.confusing import exact_eta, stepped_eta, true_posterior
from unchaff.train.gibbs import counted, first_transition, latent_posterior, moved, transition_of

CLASSES = 10


def calibrated(count, seed):
    """Return probabilities that are right 19 times in 20, and true labels drawn from them."""
    draw = torch.Generator().manual_seed(seed)
    main = torch.randint(CLASSES, (count,), generator=draw)
    logits = torch.randn(count, CLASSES, generator=draw, dtype=torch.float64)
    logits += functional.one_hot(main, CLASSES) * (4 + 6 * torch.rand(count, 1, generator=draw))
    probabilities = logits.softmax(1)
    return probabilities, probabilities.multinomial(1, generator=draw).squeeze(1), draw


def symmetric(rate):
    return torch.eye(CLASSES).double() * (1 - rate * CLASSES / (CLASSES - 1)) + rate / (CLASSES - 1)


def sampled(probabilities, given, draw, sweeps=30):
    """Return the mean transition of the later half of the sweeps, each in batches of a tenth."""
    said, latent = probabilities.log(), probabilities.argmax(1)
    counts, transition = counted(latent, given, CLASSES), first_transition(probabilities, given)
    found = []
    for sweep in range(sweeps):
        for rows in torch.randperm(len(given), generator=draw).chunk(10):
            posterior = latent_posterior(said[rows], given[rows], transition)
            fresh = posterior.multinomial(1, generator=draw).squeeze(1)
            counts += counted(fresh, given[rows], CLASSES) - counted(latent[rows], given[rows], CLASSES)
            latent[rows] = fresh
            assert counts.min() >= 0
            assert counts.sum() == len(given)
        transition = transition_of(counts, 1.0)
        found += [transition] if sweep >= sweeps // 2 else []
    return torch.stack(found).mean(0), transition


@pytest.mark.parametrize(("count", "planted", "drawn"), [(10_000, 0.10, 0.05), (50_000, 0.05, 0.05)])
def test_the_sampler_finds_the_planted_transition(count, planted, drawn):
    """Mean L1 distance per row, to the planted matrix and to the one that was drawn."""
    probabilities, true, draw = calibrated(count, seed=0)
    assert 0.94 < (probabilities.argmax(1) == true).double().mean() < 0.97
    noise = symmetric(0.4)
    given = noise[true].multinomial(1, generator=draw).squeeze(1)
    mean, last = sampled(probabilities, given, draw)
    empirical = counted(true, given, CLASSES)
    empirical = empirical / empirical.sum(1, keepdim=True)
    for found in (mean, last):
        assert (found - noise).abs().sum(1).mean() < planted
    assert (mean - empirical).abs().sum(1).mean() < drawn


def test_no_batch_moves_the_transition_beyond_the_bound():
    draw = torch.Generator().manual_seed(0)
    closest = 0.0
    for _ in range(2000):
        classes = int(torch.randint(2, 8, (), generator=draw))
        size = int(torch.randint(1, 200, (), generator=draw))
        before, after, given = torch.randint(classes, (3, size), generator=draw)
        alpha = float(torch.rand((), generator=draw)) + 0.01
        counts = counted(before, given, classes)
        move = moved(counts, counted(after, given, classes) - counts, alpha)
        assert 0 <= move.length <= move.bound * (1 + 1e-12)
        closest = max(closest, float(move.length / move.bound.clamp_min(1e-9)))
    assert closest > 0.9, "a bound that is never near says little"


def test_the_bound_by_hand():
    """Row 0 of two loses one of its three samples, row 1 gains it; the prior adds one to each cell."""
    counts = torch.tensor([[2.0, 1.0], [0.0, 3.0]]).double()
    change = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).double()
    move = moved(counts, change, 1.0)
    assert move.length == pytest.approx(abs(3 / 5 - 2 / 4) * 2 + abs(1 / 5 - 2 / 6) * 2)
    assert move.bound == pytest.approx(0.4 / 0.8 + 0.4 / 1.2)


def test_under_a_transition_that_changes_nothing_the_latent_label_is_the_given_one():
    probabilities, _, draw = calibrated(500, seed=1)
    given = torch.randint(CLASSES, (500,), generator=draw)
    posterior = latent_posterior(probabilities.log(), given, torch.eye(CLASSES).double())
    assert torch.equal(posterior.multinomial(1, generator=draw).squeeze(1), given)
    certain = first_transition(functional.one_hot(given, CLASSES).double(), given)
    torch.testing.assert_close(certain, torch.eye(CLASSES).double())


def confusing(count=5000, seed=2):
    """Return p, psi, given labels and which are wrong: four labels in ten were drawn without a look."""
    p, true, draw = calibrated(count, seed)
    blind = torch.rand(count, generator=draw) < 0.38
    given = torch.where(blind, torch.randint(CLASSES, (count,), generator=draw), true)
    psi = 0.62 * p.gather(1, given[:, None]).squeeze(1) + 0.38 / CLASSES
    return p, psi, given, given != true, true


def own_of(posterior, given):
    return posterior.gather(1, given[:, None]).squeeze(1)


def test_eta_finds_the_planted_confusing_instances():
    p, psi, given, is_wrong, true = confusing()
    assert 0.32 < is_wrong.double().mean() < 0.36
    eta = torch.full_like(psi, 0.01)
    for _ in range(50):
        eta = exact_eta(own_of(true_posterior(p.log(), given, eta, psi), given), psi)
    q = true_posterior(p.log(), given, eta, psi)
    assert roc_auc_score(is_wrong, eta) >= 0.95
    assert eta[is_wrong].mean() > 0.9
    assert eta[~is_wrong].mean() < 0.1
    assert (q.argmax(1) == true).double().mean() >= (p.argmax(1) == true).double().mean()


def test_the_exact_step_never_lowers_the_likelihood_and_is_where_the_gradient_ends():
    p, psi, given, *_ = confusing(400)
    own = own_of(p, given)
    eta, before = torch.full_like(psi, 0.3), None
    for _ in range(20):
        likelihood = (1 - eta) * own + eta * psi
        assert before is None or (likelihood >= before - 1e-9).all()
        before = likelihood
        q = own_of(true_posterior(p.log(), given, eta, psi, floor=1e-300), given)
        eta = exact_eta(q, psi)
        inside = (eta > 1e-3) & (eta < 1 - 1e-3)
        slope = (1 - q) / eta - q * (1 - psi) / (1 - eta + eta * psi)
        assert slope[inside].abs().max() < 1e-6 if inside.any() else True


def test_the_published_step_by_hand():
    own, psi, eta = (torch.tensor([value]).double() for value in (0.6, 0.5, 0.2))
    stepped = stepped_eta(own, psi, eta, rate=0.05)
    assert stepped.item() == pytest.approx(0.2 + 0.05 * (0.4 - 0.6 * 0.2 * 0.5) / 0.2)
    assert stepped_eta(own, psi, torch.zeros(1).double(), rate=0.05).item() == 1, "clipped"


def test_no_confusion_is_the_given_label_and_sheer_confusion_the_network():
    p, psi, given, *_ = confusing(300)
    none = true_posterior(p.log(), given, torch.zeros_like(psi), psi, floor=1e-300)
    torch.testing.assert_close(none, functional.one_hot(given, CLASSES).double())
    sheer = true_posterior(p.log(), given, torch.ones_like(psi), psi)
    torch.testing.assert_close(sheer, p)
