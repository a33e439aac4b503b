"""Train a fresh network on latent labels, drawn under a noise transition that is learned along."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.methods.anew import checked_budget, phase_of
from unchaff.methods.finetune import fresh_copy
from unchaff.methods.latent import Believing, steps_within
from unchaff.records import Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.gibbs import counted, first_transition, latent_posterior, moved, transition_of
from unchaff.train.loop import fit
from unchaff.train.passes import logits_of

First = Literal["counts", "probabilities"]
STEADY = 0.99  # decay of the running mean of the weights that the warm-up hands over


@dataclass(frozen=True, kw_only=True)
class Lccn:
    """A warm-up on the given labels, and then a whole training on latent ones that are drawn batch by batch.

    The latent label of a sample is drawn from what the network says times the transition's column of the
    given label; the network learns the drawn label, and the counts of latent against given labels, from
    which the transition is refreshed, follow. That a batch cannot move the transition beyond the bound of
    the paper (the safeguard) is checked at every batch.

    Source: Yao et al., arXiv 2302.09595, and the authors' code. As there: the counts begin with the warm-up
    network's predictions, training goes on from the running mean of its weights, and the counts of a sample
    are not taken out while it is drawn. We differ: the warm-up is the first part of one schedule and not a
    whole training, so its network is unsure, and a first transition made of its probabilities is so flat that
    classes merge; by default it is made of its predictions (`first`). Steps are given as shares (`hold`:
    20,000 of 46,875 steps; `refresh`: 200 batches of 128 of 50,000 samples), the rate follows the recipe's
    cosine instead of steps at a third and two thirds, and the weights at the end are used and not their
    running mean. Open sets, known labels and two networks (DivideLCCN) are left out.
    """

    warmup: float = 1 / 3  # share of the budget that is spent on the given labels
    first: First = "counts"  # what the first transition is made of; in the paper: probabilities
    hold: float = 0.43  # share of what follows in which the first transition stays
    refresh: float = 0.5  # passes over the samples between two refreshes of the transition
    alpha: float = 1.0  # counts the prior adds to each cell; lower it for many classes of few samples each
    augment: bool = True
    budget: float = 1.5  # share of one full training: the warm-up, one pass and a whole training
    cites: ClassVar[tuple[str, ...]] = ("yao2023latent",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if not 0 < self.warmup < 1:
            raise ConfigError(f"warmup must be in (0, 1), got {self.warmup}. For a third pass 0.33.")
        if self.first not in ("counts", "probabilities"):
            raise ConfigError(f"first must be 'counts' or 'probabilities', got {self.first!r}.")
        if not 0 <= self.hold <= 1:
            raise ConfigError(f"hold must be in [0, 1], got {self.hold}. 1 never refreshes the transition.")
        if self.refresh <= 0 or self.alpha <= 0:
            raise ConfigError(
                f"refresh and alpha must be above 0, got {self.refresh} and {self.alpha}. The usual ones are "
                "0.5 passes and 1 count."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        train = observed.train
        steps = steps_within(trained, train, budget=self.budget, looks=1)
        first = min(steps - 1, max(1, round(self.warmup * steps)))
        whole = phase_of(trained, train, steps=steps, augment=self.augment)
        fresh = fresh_copy(trained.model, streams=streams)
        phase = replace(whole, steps=first, average=STEADY)
        warm = fit(fresh, train, phase, streams=streams.fork("warm-up"), name="warm-up")
        look = logits_of(warm.averaged, train, name="first transition")
        phase = replace(whole, steps=steps - first, first_step=first)
        held = self.hold * phase.steps * min(phase.batch_size, len(train))
        sampler = Sampler(
            train,
            look.rows.log_softmax(1)[:, : train.num_classes],
            self,
            hold=round(held),
            generator=streams("latent labels", train.device),
        )
        fitted = fit(
            warm.averaged,
            train,
            replace(phase, loss=sampler),
            streams=streams.fork("latent"),
            name="train",
            watcher=sampler,
        )
        return Outcome(
            model=fitted.model.eval(),
            partition=sampler.judged(train, "Latent labels were drawn along with the training."),
            cost=warm.cost + look.cost + fitted.cost,
            transition=sampler.found().float().cpu(),
            notes=(sampler.note(),),
        )


class Sampler(Believing):
    """Draws the latent label of each sample at each visit, and counts."""

    kept: ClassVar[tuple[str, ...]] = (
        *Believing.kept, "latent", "counts", "transition", "until", "largest",
    )  # fmt: skip

    def __init__(
        self,
        samples: Samples,
        log_probabilities: Float[Tensor, "n classes"],
        method: Lccn,
        *,
        hold: int,
        generator: torch.Generator,
    ) -> None:
        """Begin with what a network says of the samples.

        Args:
            samples: with the labels as given.
            log_probabilities: of each class; latent labels begin as the most probable ones.
            method: says what the first transition is made of, how often it is refreshed, and its prior.
            hold: visits of samples before the first transition is given up.
            generator: of what is drawn.
        """
        self._alpha = method.alpha
        self._refresh = max(1, round(method.refresh * len(samples)))
        self.latent = log_probabilities.argmax(1)
        self.counts = counted(self.latent, samples.labels, samples.num_classes)
        self.transition = self.found()
        if method.first == "probabilities":
            self.transition = first_transition(log_probabilities.exp(), samples.labels)
        super().__init__(latent_posterior(log_probabilities, samples.labels, self.transition), generator)
        self.until = torch.tensor(hold)  # visits until the next refresh
        self.largest = torch.zeros(2, dtype=torch.float64, device=samples.device)  # ratio to the bound; move

    def __call__(self, outputs: Tensor, batch: Batch) -> Float[Tensor, " b"]:
        """Return the cross-entropy of the latent labels, drawn now, in nats."""
        if self.until <= 0:
            self.transition = self.found()
            self.until += self._refresh
        self.until -= len(batch.labels)
        logits, rows = outputs.float(), self.rows_of(batch)
        said = logits.detach().log_softmax(1)[:, : len(self.counts)]
        posterior = latent_posterior(said, batch.labels, self.transition)
        drawn = posterior.multinomial(1, generator=self.generator).squeeze(1)
        self._count(rows, drawn, batch.labels)
        self.remember(rows, posterior)
        return functional.cross_entropy(logits, drawn, reduction="none")

    def _count(self, rows: Tensor, drawn: Int[Tensor, " b"], labels: Int[Tensor, " b"]) -> None:
        """Move each sample from its old latent label to the new one."""
        classes = len(self.counts)
        change = counted(drawn, labels, classes) - counted(self.latent[rows], labels, classes)
        move = moved(self.counts, change, self._alpha)
        ratio = move.length / move.bound.clamp_min(torch.finfo(torch.float64).tiny)
        self.largest = torch.maximum(self.largest, torch.stack([ratio, move.length]))
        self.counts += change
        self.latent[rows] = drawn

    def found(self) -> Float[Tensor, "classes classes"]:
        """Return the transition by the counts as they are."""
        return transition_of(self.counts, self._alpha)

    def note(self) -> str:
        """Return what the counts say of the noise, and whether the safeguard held."""
        ratio, length = self.largest.tolist()
        right = float(self.counts.diagonal().sum() / self.counts.sum())
        kept = "within" if ratio <= 1 + 1e-9 else "BEYOND"
        return (
            f"By the latent labels {right:.1%} of the given ones are right; no batch moved the transition by "
            f"more than {length:.2g}, {kept} the safeguard (largest ratio to its bound: {ratio:.2f})."
        )
