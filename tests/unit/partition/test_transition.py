import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from unchaff import progress
from unchaff.attribute.ridge import Sums
from unchaff.bench.cell import Cell, score_only
from unchaff.errors import ConfigError, ModelError
from unchaff.partition import pieces as module
from unchaff.partition.believed import Believed
from unchaff.partition.latent import ROUNDS, latent
from unchaff.partition.transition import Transition
from unchaff.records import Evidence

CLASSES = 5
PAIRS = torch.eye(CLASSES)
PAIRS[1] = torch.tensor([0.4, 0.6, 0.0, 0.0, 0.0])  # class 1 is often called 0, and never the other way
EVEN = 0.6 * torch.eye(CLASSES) + 0.1 * (1 - torch.eye(CLASSES))


def world(transition, *, clear=3.0, leak=0.0, count=4000, seed=0):
    """Return true and given labels, and an opinion that shows the true class, and leans to the given one."""
    draw = torch.Generator().manual_seed(seed)
    true = torch.randint(CLASSES, (count,), generator=draw)
    given = torch.multinomial(transition[true], 1, generator=draw).squeeze(1)
    opinion = torch.randn(count, CLASSES, generator=draw) + clear * functional.one_hot(true, CLASSES)
    return true, given, opinion + leak * functional.one_hot(given, CLASSES)


def evidence(given, opinion):
    size = len(given)
    return Evidence(ids=np.arange(size), labels=given, total=torch.zeros(size), opinions={"made": opinion})


def off(quality, right, bins=10):
    """Return the expected calibration error."""
    place = (quality * bins).long().clamp(max=bins - 1)
    gaps = [
        (place == k).float().mean() * (quality[place == k].mean() - right[place == k].float().mean()).abs()
        for k in range(bins)
        if (place == k).any()
    ]
    return float(sum(gaps))


@pytest.mark.parametrize("transition", [EVEN, PAIRS], ids=["even", "pairs"])
@pytest.mark.parametrize("clear", [2.0, 4.0])
def test_the_transition_is_found_and_quality_comes_true(transition, clear):
    true, given, opinion = world(transition, clear=clear)
    found = latent([opinion], given)
    assert (found.transition - transition).abs().max() < 0.06
    quality = Transition()(evidence(given, opinion)).quality
    right = true == given
    assert off(quality, right) < 0.04
    assert float(1 - quality.mean()) == pytest.approx(float((~right).float().mean()), abs=0.03)


@pytest.mark.parametrize(("lowest", "is_noisy"), [(0.3, True), (0.8, False)])
def test_noise_is_found_where_it_is_sure_of_no_label(monkeypatch, lowest, is_noisy):
    quality = torch.linspace(lowest, 1.0, 1000)
    given = torch.arange(1000) % 2
    found = Believed(quality, given, agrees=True, fitted_on=1000)
    monkeypatch.setattr("unchaff.partition.transition.believed", lambda *_: found)
    split = Transition()(evidence(given, torch.zeros(1000, 2)))
    assert split.abstained is not is_noisy
    if is_noisy:
        assert split.noise_rate == pytest.approx(0.35, abs=0.01)


@pytest.mark.parametrize(("noise", "is_noisy"), [("symmetric:0.3", True), ("none", False)])
def test_faint_noise_of_texts_is_found(shared_data, noise, is_noisy):
    """Of these texts, hardly half a percent is surely labelled wrong, and three in ten are."""
    found = score_only(Cell(data=str(shared_data / "sst2"), noise=noise, seed=1, epochs=1, device="cpu"))
    split = found.outcome.partition
    assert split.abstained is not is_noisy
    if is_noisy:
        assert found.measured.detection.auroc > 0.7
        assert split.noise_rate == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("leak", [0.0, 1.0, 2.0])
def test_an_opinion_that_leans_to_the_given_label_is_set_right(leak):
    true, given, opinion = world(EVEN, clear=5.0, leak=leak)
    split = Transition()(evidence(given, opinion))
    assert split.noise_rate == pytest.approx(0.4, abs=0.03)
    assert off(split.quality, true == given) < 0.03


def believe(opinions, given):
    return latent(opinions, given).model.posterior(opinions, given)


def test_without_noise_nothing_is_called_wrong():
    for clear in (2.0, 4.0):
        _, given, opinion = world(torch.eye(CLASSES), clear=clear)
        split = Transition()(evidence(given, opinion))
        assert split.noise_rate < 0.02
        assert split.kept_share > 0.98


def test_a_class_whose_label_is_never_given_to_others_is_trusted_more():
    true, given, opinion = world(PAIRS, clear=2.0)
    split = Transition()(evidence(given, opinion))
    assert split.quality[given == 1].mean() > split.quality[given == 0].mean() + 0.2
    margin = opinion.gather(1, given[:, None]).squeeze(1) - opinion.topk(2, dim=1).values[:, 1]
    right = (true == given).numpy()
    assert roc_auc_score(right, split.quality) > roc_auc_score(right, margin) + 0.05


def test_the_suggested_label_is_the_true_one_more_often():
    true, given, opinion = world(EVEN)
    suggested = Transition()(evidence(given, opinion)).suggested
    assert (suggested == true).float().mean() > (opinion.argmax(1) == true).float().mean()


def test_a_second_opinion_helps_and_a_useless_one_does_no_harm():
    true, given, first = world(EVEN, clear=2.0)
    draw = torch.Generator().manual_seed(5)
    second = torch.randn(len(true), CLASSES, generator=draw) + 2.0 * functional.one_hot(true, CLASSES)
    useless = torch.randn(len(true), CLASSES, generator=draw)

    def found(*opinions):
        quality = believe(opinions, given).gather(1, given[:, None]).squeeze(1)
        return roc_auc_score(true == given, quality)

    assert found(first, second) > found(first) + 0.03
    assert found(first, useless) > found(first) - 0.01
    assert found(first, torch.zeros_like(first)) == pytest.approx(found(first), abs=1e-3)


def test_scale_and_offset_of_a_sample_do_not_matter():
    _, given, opinion = world(EVEN)
    moved = 100.0 * opinion + torch.arange(len(given))[:, None]
    torch.testing.assert_close(believe([moved], given), believe([opinion], given), atol=1e-3, rtol=0)


@pytest.mark.parametrize("rate", [0.0, 0.002, 0.02])
def test_hardly_any_sure_error_means_abstaining(rate):
    _, given, opinion = world(torch.eye(CLASSES), clear=6.0)
    flipped = torch.arange(len(given)) < rate * len(given)
    split = Transition()(evidence(torch.where(flipped, (given + 1) % CLASSES, given), opinion))
    assert split.abstained == (rate < 0.005)
    assert split.kept.all() == split.abstained
    assert ("No evidence of noise" in split.reason) == split.abstained


def test_what_is_kept_below_the_line_for_its_class_is_said():
    _, given, opinion = world(EVEN, clear=4.0)
    usual = Transition()(evidence(given, opinion))
    assert "no class vanishes" not in usual.reason
    assert int(usual.kept.sum()) == int((usual.quality > 0.65).sum())
    rare = torch.where((given == 4).cumsum(0) <= 6, given, (given + 1) % CLASSES)  # six of them are left
    rare = torch.where(given == 4, rare, given)
    split = Transition()(evidence(rare, opinion))
    below = int((split.kept & (split.quality <= 0.65)).sum())
    assert split.kept[rare == 4].all()
    assert below > 0
    assert f"So that no class vanishes, {below} of the kept are at or below it." in split.reason


def test_evidence_without_opinions_is_refused_in_words():
    bare = Evidence(ids=np.arange(4), labels=torch.arange(4), total=torch.zeros(4))
    with pytest.raises(ConfigError, match="Use the readout, or split by Mixture"):
        Transition()(bare)


@pytest.mark.parametrize(("classes", "bound"), [(2, 0.02), (10, 0.02), (100, 0.07)])  # 50 samples a class
def test_clean_labels_of_any_number_of_classes_are_hardly_called_wrong(classes, bound):
    draw = torch.Generator().manual_seed(0)
    given = torch.arange(5000) % classes
    opinion = torch.randn(5000, classes, generator=draw) + 3.0 * functional.one_hot(given, classes)
    found = latent([opinion], given)
    assert max(found.leaks) < 0.05, "a leak that explains all labels away is none"
    split = Transition()(evidence(given, opinion))
    assert split.noise_rate < bound
    assert split.kept_share > 1 - bound


def test_an_opinion_that_sees_no_classes_judges_nothing():
    given = torch.arange(300) % 3
    left_out = -functional.one_hot(given, 3).float()  # what leaving a sample out leaves of constant features
    split = Transition()(evidence(given, left_out))
    assert split.abstained
    assert "does not tell the classes apart" in split.reason


@pytest.mark.parametrize("width", [1, 8, 64])
@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.5, 0.3, 0.2), (0.1,) * 10], ids=len)
def test_nothing_is_judged_by_layers_that_see_no_classes_however_frequent_these_are(shares, width):
    """A class that is frequent is scored high everywhere; that is not to see it."""
    judged = []
    for seed in range(5):
        draw = torch.Generator().manual_seed(seed)
        given = torch.multinomial(torch.tensor(shares), 2000, replacement=True, generator=draw)
        seen = torch.ones(2000, 1) if width == 1 else torch.randn(2000, width, generator=draw)
        sums = Sums(len(shares))
        sums.add(seen, given)
        judged.append(not Transition()(evidence(given, sums.solve(0.3).leave_one_out(seen, given))).abstained)
    assert sum(judged) <= 1, "two standard errors, by chance"


def test_numbers_that_are_not_finite_are_refused_in_words():
    _, given, opinion = world(EVEN)
    opinion[7, 2] = float("nan")
    with pytest.raises(ModelError, match="not finite for 1 of 4000 samples"):
        Transition()(evidence(given, opinion))


def test_it_runs_where_gradients_are_off_and_labels_are_small_integers():
    _, given, opinion = world(EVEN)
    plain = Transition()(evidence(given, opinion)).quality
    with torch.inference_mode():
        inferred = Transition()(evidence(given.int(), opinion.clone())).quality
    assert torch.equal(plain, inferred)
    assert torch.equal(plain, Transition()(evidence(given, opinion.requires_grad_())).quality)


def test_a_single_doubtful_sample_among_few_is_no_evidence():
    given = torch.arange(90) % 3
    opinion = 8.0 * functional.one_hot(given, 3).float()
    opinion += 0.1 * torch.randn(90, 3, generator=torch.Generator().manual_seed(0))
    opinion[0] = opinion[1]
    assert Transition()(evidence(given, opinion)).abstained


def test_pieces_give_what_the_whole_gives(monkeypatch):
    _, given, first = world(PAIRS, clear=2.0)
    opinions = [first, first.sin() + first]
    whole = latent(opinions, given)
    monkeypatch.setattr(module, "PIECE", len(given) * CLASSES // 5)
    pieces = latent(opinions, given)
    for one, two in zip((pieces, pieces.model), (whole, whole.model), strict=True):
        for name, value in vars(two).items():
            if name != "model":
                torch.testing.assert_close(getattr(one, name), value, rtol=1e-6, atol=1e-8)


def test_pieces_made_again_are_the_pieces_that_were_held(monkeypatch):
    _, given, opinion = world(PAIRS, clear=2.0)
    monkeypatch.setattr(module, "PIECE", len(given) * CLASSES // 5)
    held = latent([opinion], given)
    monkeypatch.setattr(module, "HELD", 0)
    again = latent([opinion], given)
    assert torch.equal(held.model.transition, again.model.transition)
    assert held.slopes == again.slopes


class Counting(progress.Silent):
    """The stages that were begun, and how far they came."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int, str]] = []
        self.done = 0

    def begin(self, name: str, total: int, unit: str) -> progress.Stage:
        self.begun.append((name, total, unit))
        return self

    def advance(self, count: int = 1) -> None:
        self.done += count


def test_the_fit_says_how_far_it_is():
    _, given, opinion = world(EVEN)
    listener = Counting()
    with progress.shown_by(listener):
        latent([opinion], given)
    assert listener.begun == [("split", 2 * ROUNDS, "rounds at most")]
    assert listener.done == 2 * ROUNDS
