"""Train a fresh network on latent labels, drawn under a noise transition that is learned along."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.methods.anew import checked_budget, phase_of
from unchaff.methods.beginning import beginning
from unchaff.methods.latent import Believing, steps_within
from unchaff.records import Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.gibbs import counted, first_transition, latent_posterior, moved, transition_of
from unchaff.train.loop import fit
from unchaff.train.passes import logits_of

First = Literal["counts", "probabilities"]


@dataclass(frozen=True, kw_only=True)
class Lccn:
    """A whole training whose first part learns from the given labels, and the rest from latent ones.

    The latent label of a sample is drawn from what the network says times the transition's column of the
    given label; the network learns the drawn label, and the counts of latent against given labels, from
    which the transition is refreshed, follow. That a batch cannot move the transition beyond the bound of
    the paper (the safeguard) is checked at every batch.

    The warm-up ends after the first pass in which the network gave the labels enough (`ready`), and in any
    case at the pass nearest to `warmup`: a network that knows little yet draws labels that confirm what it
    believes, which harms more than given ones that are wrong at random, and one that knows all labels by
    heart draws them again.

    Source: Yao et al., arXiv 2302.09595, and the authors' code. As there: the counts begin with the warm-up
    network's predictions, and the counts of a sample are not taken out while it is drawn. We differ: warm-up
    and the rest are one schedule and not two trainings, so that network is unsure, and a first transition
    made of its probabilities is so flat that classes merge; by default it is made of its predictions
    (`first`). Steps are given as shares (`hold`: 20,000 of 46,875 steps; `refresh`: 200 batches of 128 of
    50,000 samples), the rate follows the recipe's cosine instead of steps at a third and two thirds, and
    no running means of weights are used. Open sets, known labels and two networks (DivideLCCN) are left out.
    """

    ready: float = 0.35  # mean probability the network gives the labels, from which latent ones are drawn
    warmup: float = 0.8  # share of the steps after which they are drawn in any case, to the nearest pass
    first: First = "counts"  # what the first transition is made of; in the paper: probabilities
    hold: float = 0.43  # share of what follows in which the first transition stays
    refresh: float = 0.5  # passes over the samples between two refreshes of the transition
    alpha: float = 1.0  # counts the prior adds to each cell; lower it for many classes of few samples each
    augment: bool = True
    budget: float = 1.5  # share of one full training, everything included
    cites: ClassVar[tuple[str, ...]] = ("yao2023latent",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if self.first not in ("counts", "probabilities"):
            raise ConfigError(f"first must be 'counts' or 'probabilities', got {self.first!r}.")
        for name in ("ready", "warmup", "hold"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ConfigError(f"{name} must be in [0, 1], got {value}. Leave it out for the usual one.")
        if self.refresh <= 0 or self.alpha <= 0:
            raise ConfigError(
                f"refresh and alpha must be above 0, got {self.refresh} and {self.alpha}. The usual ones are "
                "0.5 passes and 1 count."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        train = observed.train
        steps = steps_within(trained, train, budget=self.budget, looks=1)
        phase = phase_of(trained, train, steps=steps, augment=self.augment)
        visits = steps * min(phase.batch_size, len(train))
        sampler = Sampler(train, self, visits=visits, generator=streams("latent labels", train.device))
        fitted = fit(
            beginning(trained, streams=streams),
            train,
            replace(phase, loss=sampler),
            streams=streams.fork("train"),
            name="train",
            watcher=sampler,
        )
        return Outcome(
            model=fitted.model.eval(),
            partition=sampler.judged(train, "Latent labels were drawn along with the training."),
            cost=fitted.cost + sampler.cost,
            transition=sampler.found().float().cpu(),
            notes=(sampler.note(),),
        )


class Sampler(Believing):
    """After a warm-up it draws the latent label of each sample at each visit, and counts."""

    kept: ClassVar[tuple[str, ...]] = (
        *Believing.kept, "latent", "counts", "transition", "left", "until", "largest", "begun",
    )  # fmt: skip

    def __init__(
        self, samples: Samples, method: Lccn, *, visits: int, generator: torch.Generator | None
    ) -> None:
        """Begin with the labels as given.

        Args:
            samples: with those labels.
            method: says how long the warm-up is, what the first transition is made of, and how it goes on.
            visits: of samples in the whole training.
            generator: of what is drawn.
        """
        self._samples, self._method, self._visits = samples, method, visits
        classes = samples.num_classes
        super().__init__(functional.one_hot(samples.labels, classes).float(), generator)
        self.latent = samples.labels.clone()
        self.counts = counted(self.latent, samples.labels, classes)
        self.transition = self.found()
        self.begun = torch.zeros((), dtype=torch.bool)
        self.left = torch.tensor(visits)
        self.until = torch.tensor(0)  # visits until the next refresh
        self.largest = torch.zeros(2, dtype=torch.float64, device=samples.device)  # ratio to the bound; move

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the cross-entropy of the labels, given or drawn now, in nats."""
        logits, rows = outputs.float(), self.rows_of(batch)
        said = logits.detach().log_softmax(1)[:, : len(self.counts)]
        self.left -= len(rows)
        if not self.begun:
            self.notice(rows, said, batch.labels)
            return functional.cross_entropy(logits, batch.labels, reduction="none")
        if self.until <= 0:
            self.transition = self.found()
            self.until += max(1, round(self._method.refresh * len(self._samples)))
        self.until -= len(rows)
        posterior = latent_posterior(said, batch.labels, self.transition)
        drawn = posterior.multinomial(1, generator=self.generator).squeeze(1)
        self._count(rows, drawn, batch.labels)
        self.remember(rows, posterior)
        return functional.cross_entropy(logits, drawn, reduction="none")

    def look(self, model: nn.Module) -> None:
        """End the warm-up where the labels are given enough, or at the pass nearest to its end."""
        over = float(self._visits - self.left) + len(self._samples) / 2 > self._method.warmup * self._visits
        if self.begun or not (over or self.giving() >= self._method.ready):
            return
        look = logits_of(model, self._samples, name="first transition")
        self.spend(look.cost.samples_seen, look.cost.flops, "first transition")
        self.begin(look.rows.log_softmax(1)[:, : self._samples.num_classes])

    def begin(self, said: Float[Tensor, "n classes"]) -> None:
        """Take the most probable labels for the first latent ones, of log-probabilities."""
        labels = self._samples.labels
        self.latent = said.argmax(1)
        self.counts = counted(self.latent, labels, said.shape[1])
        self.transition = self.found()
        if self._method.first == "probabilities":
            self.transition = first_transition(said.exp(), labels)
        self.belief = latent_posterior(said, labels, self.transition).float()
        self.until = (self._method.hold * self.left).long()
        self.begun = torch.ones((), dtype=torch.bool)

    def _count(self, rows: Tensor, drawn: Int[Tensor, " b"], labels: Int[Tensor, " b"]) -> None:
        """Move each sample from its old latent label to the new one."""
        classes, alpha = len(self.counts), self._method.alpha
        change = counted(drawn, labels, classes) - counted(self.latent[rows], labels, classes)
        move = moved(self.counts, change, alpha)
        ratio = move.length / move.bound.clamp_min(torch.finfo(torch.float64).tiny)
        self.largest = torch.maximum(self.largest, torch.stack([ratio, move.length]))
        self.counts += change
        self.latent[rows] = drawn

    def found(self) -> Float[Tensor, "classes classes"]:
        """Return the transition by the counts as they are."""
        return transition_of(self.counts, self._method.alpha)

    def note(self) -> str:
        """Return what the counts say of the noise, and whether the safeguard held."""
        if not self.begun:
            return "The training was over before latent labels were drawn. Give a larger budget."
        ratio, length = self.largest.tolist()
        right = float(self.counts.diagonal().sum() / self.counts.sum())
        kept = "within" if ratio <= 1 + 1e-9 else "BEYOND"
        return (
            f"By the latent labels {right:.1%} of the given ones are right; no batch moved the transition by "
            f"more than {length:.2g}, {kept} the safeguard (largest ratio to its bound: {ratio:.2f})."
        )
