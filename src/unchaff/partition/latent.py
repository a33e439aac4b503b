"""The true label as a hidden variable: what classes say, how labels were changed, what leaked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unchaff import progress
from unchaff.partition.agreement import Agreement
from unchaff.partition.pieces import Piece, Pieces, check_finite, piece_of

ANCHORS = 0.1  # share of a class that starts its row of the transition: the clearest samples of it
FEWEST = 10  # anchors of a class at least
PSEUDO = 1.0  # counts added to each row of the transition, spread evenly
DOUBT = 0.01  # samples added to the wrong ones when a leak is measured, as a share of all
ROUNDS, SETTLED = 40, 2e-3
LARGEST = 20.0  # slope of an opinion, in logits per deviation


@dataclass(frozen=True)
class Latent:
    """What is believed of the true labels, and the model of the noise that belief rests on."""

    model: "Model"
    mass: Float[Tensor, " classes"]  # samples believed to be of each class
    transition: Float[Tensor, "classes classes"]  # row: true label; column: P(given label | true label)
    slopes: tuple[float, ...]  # of each opinion: logits per deviation
    leaks: tuple[float, ...]  # how far a wrong given label raised its own score, in deviations
    clarity: float  # mean of the largest class probability, the given label not seen
    agrees: bool  # the first opinion scores a class higher where it was given, as what sees classes does

    @property
    def is_identified(self) -> bool:
        """Each class that occurs is mostly given its own label, and no slope ran to its limit."""
        occurs = self.mass >= FEWEST
        own = self.transition.argmax(1) == torch.arange(len(self.transition))
        return bool(own[occurs].all()) and max(self.slopes) < 0.99 * LARGEST


def latent(opinions: Sequence[Float[Tensor, "n classes"]], labels: Int[Tensor, " n"]) -> Latent:
    """Explain given labels by hidden true ones.

    P(true = y | x) is a softmax over the opinions, each with one slope, and an offset per class;
    P(given | true) is a matrix. Both are fitted in turns to the likelihood of the given labels. A finished
    network has read its labels, so an opinion may lean to the given one: this leak is the mean by which
    wrong labels raise their own score, and is taken off. Fitted with and without: the fit with a leak is
    returned where it is identified and tells the classes apart more clearly, for where classes blur, a
    leak cannot be told from likeness.

    Args:
        opinions: scores per class, on any scale; the first should be the one the label leaked into least.
            Many are worked on piece by piece.
        labels: as given.

    Source: ours; a transition fitted by expectation maximisation is Dawid and Skene (1979) with one
    annotator, anchors as in Patrini et al., arXiv 1609.03683.

    Raises:
        ModelError: an opinion holds numbers that are not finite.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        data = Pieces(opinions, labels.cpu().long().clone())
        with progress.stage("split", 2 * ROUNDS, "rounds at most") as shown:
            plain, leaky = (_fitted(_Fit(data, with_leak=each), shown) for each in (False, True))
    return leaky if leaky.is_identified and leaky.clarity > plain.clarity else plain


def _fitted(fit: "_Fit", shown: progress.Stage) -> Latent:
    """Fit slopes and offsets, then transition and leaks, in turns until nothing moves."""
    for left in reversed(range(ROUNDS)):
        fit.learn()
        if fit.believe() < SETTLED:
            shown.advance(left + 1)
            break
        shown.advance()
    return fit.result()


@dataclass(frozen=True)
class Model:
    """How opinions and given labels speak of true ones; says the same of samples it was not fitted to."""

    deviations: tuple[float, ...]  # of each opinion
    slopes: Float[Tensor, " k"]
    leaks: Float[Tensor, " k"]
    offsets: Float[Tensor, " classes"]
    transition: Float[Tensor, "classes classes"]

    def log_classes(self, piece: Piece) -> Float[Tensor, "n classes"]:
        """Return the log probability of each class with the given label not seen."""
        scores = torch.tensordot(self.slopes, piece.scores, dims=1) + self.offsets
        leak = (self.slopes @ self.leaks).expand(len(scores), 1)
        return torch.log_softmax(scores.scatter_add(1, piece.labels[:, None], -leak), dim=1)

    def log_joint(self, piece: Piece) -> Float[Tensor, "n classes"]:
        """Return the log probability of each class and the given label."""
        return self.log_classes(piece) + self._log_given[piece.labels]

    @cached_property
    def _log_given(self) -> Float[Tensor, "classes classes"]:
        """Row: given label; column: true label."""
        return self.transition.T.clamp_min(1e-12).log()

    @torch.no_grad()
    def posterior(
        self, opinions: Sequence[Float[Tensor, "n classes"]], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, "n classes"]:
        """Return P(true label | opinions, given label) of any samples."""
        for opinion in opinions:
            check_finite(opinion)
        return self.log_joint(piece_of(opinions, self.deviations, labels)).softmax(dim=1).float()


class _Fit:
    """A model on its way."""

    def __init__(self, data: Pieces, *, with_leak: bool) -> None:
        number, classes = data.number, data.classes
        self._data, self._with_leak = data, with_leak
        self._leaks = torch.zeros(number, dtype=torch.float64)
        self._log_slopes = torch.full((number,), log(1.5 / number), dtype=torch.float64, requires_grad=True)
        self._offsets = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
        if with_leak:
            sums = _Rises(number, classes)
            for piece in data:
                sums.add(piece, functional.one_hot(piece.scores[0].argmax(1), classes).double())
            self._leaks = sums.leaks(data.size)
        self._transition = _anchored(data, self._leaks[0])
        self._mass = torch.zeros(classes)
        self._believing = self._model()

    def _model(self) -> Model:
        slopes = self._log_slopes.clamp(-5.0, log(LARGEST)).exp()
        return Model(self._data.deviations, slopes, self._leaks, self._offsets, self._transition)

    def learn(self) -> None:
        """Raise the likelihood of the given labels over slopes and offsets."""
        parameters = [self._log_slopes, self._offsets]
        search = torch.optim.LBFGS(parameters, max_iter=4, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            search.zero_grad()
            model = self._model()
            value = 1e-3 * self._offsets.square().mean()
            value.backward()
            value = value.detach()
            for piece in self._data:
                part = -model.log_joint(piece).logsumexp(dim=1).sum() / self._data.size
                part.backward(retain_graph=True)  # pieces share the way to slopes and offsets
                value += part.detach()
            return value

        search.step(loss)

    @torch.no_grad()
    def believe(self) -> float:
        """Renew transition and leaks by what is believed now; return their largest change."""
        self._believing = self._model()
        self._mass = torch.zeros_like(self._mass)
        counts, sums = torch.zeros_like(self._transition), _Rises(self._data.number, self._data.classes)
        for piece in self._data:
            posterior = self._believing.log_joint(piece).softmax(dim=1)
            counts.index_add_(0, piece.labels, posterior)
            self._mass += posterior.float().sum(0)
            if self._with_leak:
                sums.add(piece, posterior)
        counts = counts.T + PSEUDO / len(counts)
        transition = counts / counts.sum(1, keepdim=True)
        leaks = sums.leaks(self._data.size) if self._with_leak else self._leaks
        change = max(
            float((transition - self._transition).abs().max()), float((leaks - self._leaks).abs().max())
        )
        self._transition, self._leaks = transition, leaks
        return change

    @torch.no_grad()
    def result(self) -> Latent:
        """Return what was fitted."""
        model, clarity, agreement = self._model(), 0.0, Agreement(self._data.classes)
        for piece in self._data:
            clarity += float(model.log_classes(piece).exp().amax(1).sum())
            agreement.add(piece.scores[0], piece.labels)
        return Latent(
            model=self._believing,
            mass=self._mass,
            transition=self._transition.float(),
            slopes=tuple(model.slopes.tolist()),
            leaks=tuple(self._leaks.tolist()),
            clarity=clarity / self._data.size,
            agrees=agreement.is_clear,
        )


def _anchored(data: Pieces, leak: Tensor) -> Float[Tensor, "classes classes"]:
    """Return the labels given to the samples that show each class most clearly, as shares."""
    wanted = min(data.size, max(FEWEST, round(ANCHORS * data.size / data.classes)))
    nobody = torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.int64)
    clearest = [nobody] * data.classes  # of each class: how clearly it is shown, and the given label
    for piece in data:
        scores = piece.scores[0].scatter_add(1, piece.labels[:, None], -leak.expand(len(piece.labels), 1))
        top, first = scores.topk(2, dim=1)
        for label, (before, given) in enumerate(clearest):
            best_other = torch.where(first[:, 0] == label, top[:, 1], top[:, 0])
            clear = torch.cat([before, scores[:, label] - best_other])
            chosen = clear.topk(min(wanted, len(clear))).indices
            clearest[label] = clear[chosen], torch.cat([given, piece.labels])[chosen]
    rows = [torch.bincount(given, minlength=data.classes) for _, given in clearest]
    counts = torch.stack(rows).double() + PSEUDO / data.classes
    return counts / counts.sum(1, keepdim=True)


class _Rises:
    """By how much wrong labels raise their own score over that of the same class not given, from sums."""

    def __init__(self, number: int, classes: int) -> None:
        self._believed = torch.zeros(classes, dtype=torch.float64)
        self._given = torch.zeros(classes, classes, dtype=torch.float64)  # row: given label; column: true
        self._all, self._shown = torch.zeros(2, number, classes, classes, dtype=torch.float64)

    def add(self, piece: Piece, posterior: Float[Tensor, "n classes"]) -> None:
        """Take in what is believed of some samples."""
        labels = piece.labels
        self._believed += posterior.sum(0)
        self._given.index_add_(0, labels, posterior)
        for place, scores in enumerate(piece.scores):
            self._all[place] += scores.T @ posterior
            self._shown[place].index_add_(0, labels, scores.gather(1, labels[:, None]) * posterior)

    def leaks(self, size: int) -> Float[Tensor, " k"]:
        """Return the mean rise for each opinion.

        A few samples without any are counted in, so that nothing is inferred from hardly any wrong label.
        """
        wrong = 1 - torch.eye(len(self._given), dtype=torch.float64)
        some = (self._given * wrong).sum() + DOUBT * size
        usual = (self._all - self._shown) / (self._believed - self._given).clamp_min(1e-6)
        rises = ((self._shown - self._given * usual) * wrong).flatten(1).sum(1)
        return (rises / some).clamp_min(0)
