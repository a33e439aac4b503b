"""Our method: rounds of score, split and fine-tune, within a budget."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from torch import Tensor, nn

from unchaff.attribute.gaussians import posterior
from unchaff.attribute.readout import WALKS, Readout, z_score
from unchaff.attribute.ridge import flops_per_sample
from unchaff.attribute.typicality import Typicality
from unchaff.copies import copied
from unchaff.errors import ConfigError
from unchaff.interfaces import Partitioner, Pruner
from unchaff.methods.channels import by_both
from unchaff.methods.finetune import AT_ONCE, WITHOUT_LOOKS, FineTune, Lesson, Part, Schedule
from unchaff.partition.transition import Transition
from unchaff.prune.activations import NOTHING_REJECTED
from unchaff.prune.apply import masks_for
from unchaff.prune.nothing import NoPruning
from unchaff.prune.remove import REMOVED, removable, without
from unchaff.prune.sizes import said
from unchaff.records import Cost, Evidence, Observed, Outcome, Partition, PrunePlan, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import full_cost
from unchaff.train.loop import Fitted

LEARNING = 0.3  # of the budget: left for learning; where the first look takes more, learning gets it all
ONE_MORE_LOOK = (Part(0.6, small=True, rescore=True), Part(0.4, held=0.3))
TWO_MORE_LOOKS = (
    Part(0.33, small=True, rescore=True), Part(0.24, small=True, rescore=True), Part(0.43, held=0.3),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Unlearn:
    """Find what can be trusted, and learn again from it; on demand, silence what carries the rest first.

    Source: starts from arXiv 2506.11615 (attribution, partition, pruning, fine-tuning). The evidence
    sees the label and reads early layers, samples are scored again once the network is better, and
    fine-tuning starts from shrunk weights; docs/methods.md says what each step is worth.
    """

    budget: float = 0.25  # operations of everything, as a share of one full training
    readout: Readout = field(default_factory=Readout)
    inputs: Typicality = field(default_factory=Typicality)
    partition: Partitioner = field(default_factory=Transition)
    later: Partitioner = field(default_factory=Transition)
    prune: Pruner = field(default_factory=NoPruning)  # what pruning earned: docs/prune.md
    remove: bool = False  # take the pruned units out: a smaller network, and cheaper steps
    finetune: FineTune = field(default_factory=FineTune)
    parts: tuple[Part, ...] | None = None  # None: one re-scoring, and two from a budget of 0.4 on
    later_views: tuple[str, ...] = ("plain",)  # a network that is being repaired needs no mirror image
    schedule: ClassVar[type[Schedule]] = Schedule
    cites: ClassVar[tuple[str, ...]] = ("jin2025machine", "ash2020warm")
    memory: float = 0.3  # weight of the first scoring in later totals, for rules that read the total

    def __post_init__(self) -> None:
        if not 0 < self.budget <= 10:
            raise ConfigError(
                f"budget must be in (0, 10], got {self.budget}. A quarter of a training is 0.25."
            )

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Repair a copy of the network."""
        first = self.look(trained, observed)
        cost = first.evidence.cost
        if first.partition.abstained and first.sound is None:
            return _untouched(trained, first.partition, cost)
        plan = self.prune(trained, observed, first.partition, streams=streams)
        cost = cost + plan.cost
        started = time.perf_counter()
        learner, masks, example = trained, {}, next(observed.train.batches(2)).inputs
        if self.remove:
            plan = removable(trained.model, plan, example)
            learner = without(trained, plan, example)
            plan = replace(
                plan, reason=f"{plan.reason} Taken out: {said(trained.model, learner.model, example)}."
            )
        else:
            masks = masks_for(trained.model, plan, example)
        full = full_cost(trained, observed.train).flops
        allowed = Allowed(self.budget * full - cost.flops, self.budget * full)
        schedule = self._schedule(learner, observed, masks, allowed, first=first)
        first, cost = replace(first, plan=plan), cost + Cost.since(started, "plan")
        outcome = self._rounds(trained, observed, first, schedule, cost, streams=streams)
        return replace(outcome, notes=(*outcome.notes, *self._over_budget(outcome.cost.flops / full)))

    def _rounds(
        self,
        trained: Trained,
        observed: Observed,
        first: "FirstLook",
        schedule: Schedule,
        cost: Cost,
        *,
        streams: Streams,
    ) -> Outcome:
        started = time.perf_counter()
        model, split = schedule.start(streams=streams), first.partition
        cost = cost + Cost.since(started, "plan")
        for part in schedule.parts:
            fitted = schedule.run(model, self.lesson(observed, split), streams=streams)
            model, cost = fitted.model, cost + fitted.cost
            if part.rescore:
                evidence = self._again(replace(trained, model=fitted.averaged), observed, first.evidence)
                started = time.perf_counter()
                split = self._split(evidence, first.sound)
                cost = cost + evidence.cost + Cost.since(started, "split")
                if split.abstained:
                    return replace(_untouched(trained, split, cost), first=first.partition)
        return Outcome(
            model=self.finished(fitted, observed.train.select(split.kept_ids)).eval(),
            partition=split,
            plan=first.plan,
            cost=cost,
            modifications=(REMOVED,) if self.remove and first.plan.units else (),
            notes=(split.reason,),
            first=first.partition,
        )

    def lesson(self, observed: Observed, split: Partition) -> Lesson:
        """Return what is learned from: the kept samples, all alike."""
        return Lesson(observed.train.select(split.kept_ids))

    def finished(self, fitted: Fitted, kept: Samples) -> nn.Module:
        """Return the network that is handed over after the last part."""
        return fitted.model

    def _over_budget(self, share: float) -> list[str]:
        if share <= 1.05 * self.budget:
            return []
        said = (
            f"The repair took {share:.2f} of a full training, above the budget of {self.budget:g}: "
            "on a network this small, looking at the samples costs more than training on them."
        )
        return [said]

    def look(self, trained: Trained, observed: Observed) -> "FirstLook":
        """Score the finished network and split; the input channel acts only where it is sure."""
        walk = self.readout.walk(trained, observed)
        evidence = self.readout.of(walk)
        inputs = self.inputs.judge(walk, evidence)
        typical = inputs.evidence
        evidence = replace(
            evidence,
            columns={**evidence.columns, **typical.columns},
            cost=evidence.cost + typical.cost,
        )
        started = time.perf_counter()
        sound = posterior(typical.total) if inputs.acts else None
        split = self.partition(evidence) if sound is None else by_both(evidence, sound, self.partition)
        evidence = replace(evidence, cost=evidence.cost + Cost.since(started, "split"))
        return FirstLook(
            evidence, split, sound, is_of_words=walk.reads_inputs and observed.train.kind.name == "text"
        )

    def _again(self, now: Trained, observed: Observed, first: Evidence) -> Evidence:
        """Score with the network as it is now: all layers, its own opinion, and the first scoring."""
        readout = replace(self.readout, depth=1.0, own=1.0)
        evidence = readout.of(readout.walk(now, observed, name="re-score", views=self.later_views))
        columns = {f"first_{name}": column for name, column in first.columns.items()}
        total = evidence.total + self.memory * z_score(first.total)
        opinions = {**evidence.opinions, **{f"first_{name}": each for name, each in first.opinions.items()}}
        return replace(evidence, total=total, columns={**evidence.columns, **columns}, opinions=opinions)

    def _split(self, evidence: Evidence, sound: Tensor | None) -> Partition:
        return self.later(evidence) if sound is None else by_both(evidence, sound, self.later)

    def _schedule(
        self,
        trained: Trained,
        observed: Observed,
        masks: Mapping[str, Tensor],
        allowed: "Allowed",
        *,
        first: "FirstLook",
    ) -> Schedule:
        """Plan the parts.

        Where no label is disputed there is nothing to forget, nor to look for again. A network for texts
        learns what it is given by heart at once, so that a later look would see its own lesson. Nor is there
        a later look where it would leave less than three tenths of the budget for learning. Where the first
        look alone takes so much, the network is so small that the budget is passed in any case: learning
        gets the whole of it, for without that the look is worth nothing.
        """
        parts = self.parts or (TWO_MORE_LOOKS if self.budget >= 0.4 else ONE_MORE_LOOK)
        finetune = self.finetune
        if first.is_undisputed:
            parts, finetune = WITHOUT_LOOKS, finetune.gentle()
        elif first.is_of_words:
            parts = self.parts or AT_ONCE
            finetune = finetune.anew(trained.recipe_for(len(observed.train)).lr)
        looking = sum(part.rescore for part in parts) * self._look_again(trained, observed)
        if looking and self.parts is None and allowed.are_few(after=looking):
            parts, looking = AT_ONCE, 0.0
        flops = allowed.left(after=looking)
        return self.schedule.plan(finetune, parts, trained, observed.train, flops=flops, masks=masks)

    def _look_again(self, trained: Trained, observed: Observed) -> float:
        """Return the operations of a later look."""
        walk = replace(self.readout, depth=1.0, own=1.0).walk(trained, observed, views=self.later_views)
        return walk.expected_flops(WALKS, flops_per_sample(walk.width, observed.train.num_classes))


@dataclass(frozen=True)
class Allowed:
    """Operations that may still be spent."""

    flops: float  # once the finished network has looked at the samples
    budget: float

    def are_few(self, *, after: float) -> bool:
        """Return whether what is left after more looking is too little to learn by."""
        return self.flops - after < LEARNING * self.budget

    def left(self, *, after: float) -> float:
        """Return what is spent on learning after more looking: all where the first look left too little."""
        return self.budget if self.are_few(after=0.0) else max(self.flops - after, LEARNING * self.budget)


@dataclass(frozen=True)
class FirstLook:
    """What the finished network says before anything is changed."""

    evidence: Evidence
    partition: Partition
    sound: Tensor | None  # probability that the input is not spoiled, where that channel acts
    plan: PrunePlan = NOTHING_REJECTED  # what was pruned by it
    is_of_words: bool = False  # the words of texts were read, not what layers make of them

    @property
    def is_undisputed(self) -> bool:
        """Inputs are spoiled, and no label is disputed: there is nothing to forget."""
        return self.sound is not None and bool(self.partition.kept.all())


def _untouched(trained: Trained, partition: Partition, cost: Cost) -> Outcome:
    return Outcome(
        model=copied(trained.model),
        partition=partition,
        plan=NOTHING_REJECTED,
        cost=cost,
        notes=(partition.reason,),
    )
