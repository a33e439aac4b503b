"""Train a fresh network that leaves labels aside which say nothing of their instance."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unchaff.errors import ConfigError
from unchaff.methods.anew import checked_budget, phase_of
from unchaff.methods.beginning import beginning
from unchaff.methods.latent import Believing, steps_within
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.confusing import exact_eta, levelled, softened, stepped_eta, true_posterior
from unchaff.train.loop import fit
from unchaff.train.passes import logits_of

Rule = Literal["exact", "published"]  # how eta follows the posterior
BY_HEART = 0.8  # mean psi above which it says nothing; calibrated, and softened, it is far below
LEVEL = 0.85  # mean psi, in what the second network gives the labels on average
CONFUSING = 0.5  # eta above which a sample is called confusing


@dataclass(frozen=True, kw_only=True)
class Upm:
    """A first network says how probable each given label is; a second one learns which labels say nothing.

    An instance is confusing with probability eta; then its label was drawn whatever its class, from what the
    first network says (psi), else it is right. The second network learns the posterior of the true label,
    and eta of each sample follows.

    The likelihood of a label is linear in eta, so that eta ends at 1 where psi is above what the second
    network gives the label, and else at 0. As long as the second network has learned from the same labels
    in the same way, the two are alike, and eta is decided by chance; and a first network that knows its
    labels by heart is sure of wrong ones too. So psi is softened by a temperature: on average it is a little
    less than what the second network gives the labels when eta begins to be learned. That is once it gives
    them enough (`ready`), for a network that sees no classes yet leaves aside all that is hard.

    Under a temperature that is given, psi must not be learned by heart: where its mean is above 0.8, the
    network that is given does not serve, and a first network of half the budget is trained.

    Source: Wang et al., arXiv 2101.05467, and the authors' code. `published` is the step of that code,
    `exact` the maximum its gradient leads to. We differ: the temperature (1 in the paper); the wait (an epoch
    of 15 in the code for Clothing1M, 35 epochs on CIFAR); the network that is given may serve as the first
    one; class weights are left out.
    """

    own: bool | None = None  # train a first network, with half the budget; None: where the given one won't do
    rule: Rule = "exact"
    rate: float = 0.05  # of the published rule
    start: float = 0.01  # eta before it is learned
    ready: float = 0.35  # mean probability the second network gives the labels, from which eta is learned
    frozen: float = 0.7  # share of the training after which it is learned in any case; see `temperature`
    temperature: float | None = None  # of psi; None: see above, after a pass at least; 1: as it was said
    augment: bool = True
    budget: float = 1.0  # share of one full training, everything included; 2 for two whole networks
    cites: ClassVar[tuple[str, ...]] = ("wang2021tackling",)

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if self.rule not in ("exact", "published"):
            raise ConfigError(f"rule must be 'exact' or 'published', got {self.rule!r}.")
        if self.temperature is not None and self.temperature <= 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}. 1 leaves psi as it is.")
        for name in ("rate", "start", "ready", "frozen"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ConfigError(f"{name} must be in [0, 1], got {value}. Leave it out for the usual one.")

    @property
    def anew(self) -> bool:
        """Whether it looks at no finished network."""
        return bool(self.own)

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        train = observed.train
        first = self._first(trained, train, streams=streams)
        phase = phase_of(trained, train, steps=first.left, augment=self.augment)
        visits = phase.steps * min(phase.batch_size, len(train))
        wait = self.frozen * visits
        if self.temperature is None:  # psi is levelled by what the second network said before
            wait = max(wait, min(len(train), visits / 2))
        confusing = Confusing(train, first, self, wait=round(wait))
        fitted = fit(
            beginning(trained, streams=streams),
            train,
            replace(phase, loss=confusing),
            streams=streams.fork("train"),
            name="train",
            watcher=confusing,
        )
        split = confusing.judged(
            train, "True labels were inferred along with the training.", {"unconfusing": 1 - confusing.eta}
        )
        return Outcome(
            model=fitted.model.eval(),
            partition=split,
            cost=first.cost + fitted.cost,
            notes=(*first.notes, confusing.note()),
        )

    def followed(
        self, own: Float[Tensor, " b"], psi: Float[Tensor, " b"], eta: Float[Tensor, " b"]
    ) -> Float[Tensor, " b"]:
        """Return eta after the posterior of the given label was found to be `own`."""
        if self.rule == "exact":
            return exact_eta(own, psi)
        return stepped_eta(own, psi, eta, rate=self.rate)

    def _first(self, trained: Trained, train: Samples, *, streams: Streams) -> "First":
        """Return what a network trained directly on the given labels says of them, and what is left."""
        spent = Cost()
        if not self.own:
            first = self._said(trained.model, train)
            left = steps_within(trained, train, budget=self.budget, looks=1)
            if self.own is False or not first.knows_by_heart:
                return replace(first, left=left)
            spent = first.cost
        steps = steps_within(trained, train, budget=self.budget, looks=1 if self.own else 2)
        phase = phase_of(trained, train, steps=steps // 2, augment=self.augment)
        streams = streams.fork("psi")
        fresh = beginning(trained, streams=streams)
        fitted = fit(fresh, train, phase, streams=streams, name="psi network")
        first = self._said(fitted.model, train)
        return replace(first, cost=spent + fitted.cost + first.cost, left=steps - steps // 2)

    def _said(self, model: nn.Module, train: Samples) -> "First":
        look = logits_of(model, train, name="psi")
        said = look.rows.log_softmax(1)[:, : train.num_classes]
        psi = None if self.temperature is None else softened(said, train.labels, self.temperature)
        return First(said, psi, look.cost)


@dataclass(frozen=True)
class First:
    """What the first network says of the samples."""

    log_probabilities: Float[Tensor, "n classes"]
    psi: Float[Tensor, " n"] | None  # probability of the given label, softened; None: it will be
    cost: Cost
    left: int = 0  # optimizer steps that the budget leaves for the second network

    @property
    def knows_by_heart(self) -> bool:
        """Whether it is so sure of the given labels that psi says nothing of noise."""
        return self.psi is not None and float(self.psi.double().mean()) > BY_HEART

    @property
    def notes(self) -> tuple[str, ...]:
        """A warning where psi says nothing."""
        if self.psi is None or not self.knows_by_heart:
            return ()
        said = (
            f"The first network gives the labels {float(self.psi.mean()):.2f} on average: it knows them by "
            "heart, or hardly any is wrong. Where many are wrong, eta is too high and the quality too low."
        )
        return (said,)


class Confusing(Believing):
    """Takes the posterior of the true label for the target, and learns eta of each sample."""

    kept: ClassVar[tuple[str, ...]] = (*Believing.kept, "eta", "until", "psi", "levelled")

    def __init__(self, samples: Samples, first: First, method: Upm, *, wait: int) -> None:
        """Begin with what the first network says, and the same eta for all.

        Args:
            samples: with the labels as given.
            first: says psi, and the first belief.
            method: says how eta is learned.
            wait: visits of samples before that.
        """
        said = first.log_probabilities
        self.psi = softened(said, samples.labels, 1.0) if first.psi is None else first.psi
        self.eta = torch.full_like(self.psi, method.start)
        super().__init__(true_posterior(said, samples.labels, self.eta, self.psi))
        self.until = torch.tensor(wait)  # visits until eta is learned
        self.levelled = torch.tensor(first.psi is not None)  # whether psi is as it stays
        self._labels, self._said = samples.labels, None if first.psi is not None else said
        self._method = method

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the cross-entropy with the posterior of the true label, in nats."""
        rows = self.rows_of(batch)
        said = outputs.float().log_softmax(1)[:, : self.belief.shape[1]]
        if self.until > 0:
            self.notice(rows, said.detach(), batch.labels)
        elif self._said is not None and not self.levelled:
            self.psi = levelled(self._said, self._labels, LEVEL * self.giving())
            self.levelled = torch.tensor(True)  # noqa: FBT003
        eta, psi = self.eta[rows], self.psi[rows]
        posterior = true_posterior(said.detach(), batch.labels, eta, psi)
        if self.until <= 0:
            own = posterior.gather(1, batch.labels[:, None]).squeeze(1)
            self.eta[rows] = self._method.followed(own, psi, eta)
            self.remember(rows, posterior)
        self.until -= len(rows)
        return -(posterior * said).sum(1)

    def look(self, model: nn.Module) -> None:
        """Begin to learn eta once the network gives the labels enough."""
        if self.giving() >= self._method.ready:
            self.until = torch.zeros_like(self.until)

    def note(self) -> str:
        """Return how many instances are confusing."""
        share = float((self.eta > CONFUSING).float().mean())
        return f"{share:.1%} of the samples are confusing (eta above {CONFUSING}): their label says nothing."
