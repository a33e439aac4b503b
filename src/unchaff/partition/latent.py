"""The true label as a hidden variable: what classes say, how labels were changed, what leaked."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unchaff.errors import ModelError

ANCHORS = 0.1  # share of a class that starts its row of the transition: the clearest samples of it
FEWEST = 10  # anchors of a class at least
PSEUDO = 1.0  # counts added to each row of the transition, spread evenly
DOUBT = 0.01  # samples added to the wrong ones when a leak is measured, as a share of all
ROUNDS, SETTLED = 40, 2e-3
LARGEST = 20.0  # slope of an opinion, in logits per deviation


@dataclass(frozen=True)
class Latent:
    """What is believed of the true labels, and the model of the noise that belief rests on."""

    posterior: Float[Tensor, "n classes"]  # P(true label | opinions, given label)
    transition: Float[Tensor, "classes classes"]  # row: true label; column: P(given label | true label)
    slopes: tuple[float, ...]  # of each opinion: logits per deviation
    leaks: tuple[float, ...]  # how far a wrong given label raised its own score, in deviations
    clarity: float  # mean of the largest class probability, the given label not seen
    agrees: bool  # the first opinion scores given labels above others, as anything that sees classes does
    model: "Model"  # that says so

    @property
    def is_identified(self) -> bool:
        """Each class that occurs is mostly given its own label, and no slope ran to its limit."""
        occurs = self.posterior.sum(0) >= FEWEST
        own = self.transition.argmax(1) == torch.arange(len(self.transition))
        return bool(own[occurs].all()) and max(self.slopes) < 0.99 * LARGEST


@dataclass(frozen=True)
class Model:
    """How opinions and given labels speak of true ones; says the same of samples it was not fitted to."""

    deviations: tuple[float, ...]  # of each opinion
    slopes: Float[Tensor, " k"]
    leaks: Float[Tensor, " k"]
    offsets: Float[Tensor, " classes"]
    transition: Float[Tensor, "classes classes"]

    def log_classes(self, scores: Tensor, own: Tensor) -> Float[Tensor, "n classes"]:
        """Return the log probability of each class with the given label not seen."""
        bare = scores - self.leaks[:, None, None] * own
        return torch.log_softmax(torch.einsum("k,knc->nc", self.slopes, bare) + self.offsets, dim=1)

    def log_joint(self, scores: Tensor, own: Tensor, labels: Tensor) -> Float[Tensor, "n classes"]:
        """Return the log probability of each class and the given label."""
        return self.log_classes(scores, own) + self.transition[:, labels].T.clamp_min(1e-12).log()

    @torch.no_grad()
    def posterior(
        self, opinions: Sequence[Float[Tensor, "n classes"]], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, "n classes"]:
        """Return P(true label | opinions, given label) of any samples."""
        pairs = zip(opinions, self.deviations, strict=True)
        scores = torch.stack([_scaled(_centred(opinion), deviation) for opinion, deviation in pairs])
        own = functional.one_hot(labels, scores.shape[2]).double()
        return self.log_joint(scores, own, labels).softmax(dim=1).float()


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
        labels: as given.

    Source: ours; a transition fitted by expectation maximisation is Dawid and Skene (1979) with one
    annotator, anchors as in Patrini et al., arXiv 1609.03683.

    Raises:
        ModelError: an opinion holds numbers that are not finite.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        centred = [_centred(opinion) for opinion in opinions]
        deviations = tuple(float(each.std(correction=0)) for each in centred)
        scores = torch.stack([_scaled(*each) for each in zip(centred, deviations, strict=True)])
        given = labels.cpu().long().clone()
        plain, leaky = (
            _fitted(_Fit(scores, deviations, given, with_leak=with_leak)) for with_leak in (False, True)
        )
    return leaky if leaky.is_identified and leaky.clarity > plain.clarity else plain


def _fitted(fit: "_Fit") -> Latent:
    """Fit slopes and offsets, then transition and leaks, in turns until nothing moves."""
    for _ in range(ROUNDS):
        fit.learn()
        if fit.believe() < SETTLED:
            break
    return fit.result()


class _Fit:
    """A model on its way."""

    def __init__(
        self, scores: Tensor, deviations: tuple[float, ...], labels: Tensor, *, with_leak: bool
    ) -> None:
        number, _, classes = scores.shape
        self._deviations = deviations
        self._scores, self._labels = scores, labels
        self._own = functional.one_hot(labels, classes).double()
        self._leaks = torch.zeros(number, dtype=torch.float64)
        self._log_slopes = torch.full((number,), log(1.5 / number), dtype=torch.float64, requires_grad=True)
        self._offsets = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
        self._posterior = functional.one_hot(scores[0].argmax(1), classes).double()
        self._with_leak = with_leak
        if with_leak:
            self._leaks = self._leaked()
        self._transition = _anchored(scores[0] - self._leaks[0] * self._own, labels)
        self._believing = self._model()

    def _model(self) -> Model:
        slopes = self._log_slopes.clamp(-5.0, log(LARGEST)).exp()
        return Model(self._deviations, slopes, self._leaks, self._offsets, self._transition)

    def _log_joint(self) -> Tensor:
        return self._model().log_joint(self._scores, self._own, self._labels)

    def learn(self) -> None:
        """Raise the likelihood of the given labels over slopes and offsets."""
        parameters = [self._log_slopes, self._offsets]
        search = torch.optim.LBFGS(parameters, max_iter=4, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            search.zero_grad()
            value = 1e-3 * self._offsets.square().mean() - self._log_joint().logsumexp(dim=1).mean()
            value.backward()
            return value

        search.step(loss)

    @torch.no_grad()
    def believe(self) -> float:
        """Renew posterior, transition and leaks; return the largest change of the latter two."""
        self._believing = self._model()
        self._posterior = self._log_joint().softmax(dim=1)
        counts = self._posterior.T @ self._own + PSEUDO / len(self._transition)
        transition = counts / counts.sum(1, keepdim=True)
        leaks = self._leaked() if self._with_leak else self._leaks
        change = max(
            float((transition - self._transition).abs().max()), float((leaks - self._leaks).abs().max())
        )
        self._transition, self._leaks = transition, leaks
        return change

    def _leaked(self) -> Tensor:
        return torch.stack([_leak(score, self._own, self._posterior) for score in self._scores])

    @torch.no_grad()
    def result(self) -> Latent:
        """Return what was fitted."""
        model = self._model()
        return Latent(
            posterior=self._posterior.float(),
            transition=self._transition.float(),
            slopes=tuple(model.slopes.tolist()),
            leaks=tuple(self._leaks.tolist()),
            clarity=float(model.log_classes(self._scores, self._own).exp().amax(1).mean()),
            agrees=float((self._scores[0] * self._own).sum()) > 0,
            model=self._believing,  # that the posterior is of
        )


def _centred(opinion: Tensor) -> Float[Tensor, "n classes"]:
    """Return scores without the mean of each sample."""
    wide = opinion.detach().double().cpu().clone()
    if not bool(wide.isfinite().all()):
        broken = int((~wide.isfinite()).any(1).sum())
        raise ModelError(
            f"What the network's layers say is not finite for {broken} of {len(wide)} samples. "
            "Check the inputs with `unchaff doctor`, and the weights."
        )
    return wide - wide.mean(1, keepdim=True)


def _scaled(centred: Tensor, deviation: float) -> Float[Tensor, "n classes"]:
    return centred / deviation if deviation > 1e-12 else torch.zeros_like(centred)


def _anchored(
    scores: Float[Tensor, "n classes"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "classes classes"]:
    """Return the labels given to the samples that show each class most clearly, as shares."""
    size, classes = scores.shape
    wanted = min(size, max(FEWEST, round(ANCHORS * size / classes)))
    top, first = scores.topk(2, dim=1)
    rows = []
    for label in range(classes):
        best_other = torch.where(first[:, 0] == label, top[:, 1], top[:, 0])
        clearest = (scores[:, label] - best_other).topk(wanted).indices
        rows.append(torch.bincount(labels[clearest], minlength=classes).double() + PSEUDO / classes)
    counts = torch.stack(rows)
    return counts / counts.sum(1, keepdim=True)


def _leak(score: Tensor, own: Tensor, posterior: Tensor) -> Tensor:
    """Return by how much wrong labels raise their own score over that of the same class not given.

    A few samples without any rise are counted in, so that nothing is inferred from hardly any wrong label.
    """
    usual = (posterior.T @ (score * (1 - own))) / (posterior.T @ (1 - own)).clamp_min(1e-6)
    weight = posterior.T @ own
    wrong = 1 - torch.eye(len(weight), dtype=weight.dtype)
    rise = ((posterior.T @ (score * own)) - weight * usual) * wrong
    return (rise.sum() / ((weight * wrong).sum() + DOUBT * len(score))).clamp_min(0)
