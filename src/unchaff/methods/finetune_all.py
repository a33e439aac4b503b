"""The same fine-tuning without any selection: what the selection must beat."""

from dataclasses import dataclass, field

from unchaff.errors import ConfigError
from unchaff.methods.finetune import FineTune, Part, Schedule
from unchaff.records import Cost, Observed, Outcome, PrunePlan, Trained
from unchaff.streams import Streams
from unchaff.train.initial import full_cost

PARTS = (Part(0.65, small=True), Part(0.35))


@dataclass(frozen=True, kw_only=True)
class FinetuneAll:
    """Fine-tune on all samples, or on a random share, by the recipe and at the cost of `unlearn`.

    What scoring would have cost goes into more steps, so that the cost is equal.

    Source: the controls without which the gain of arXiv 2506.11615 says nothing about its selection.
    """

    budget: float = 0.25  # operations, as a share of one full training
    share: float = 1.0  # of the samples, drawn at random by id
    finetune: FineTune = field(default_factory=FineTune)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"share must be in (0, 1], got {self.share}. For 60 % pass 0.6.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Fine-tune a copy."""
        samples = observed.train
        if self.share < 1:
            draw = streams.per_id("random share", samples.ids)
            number = max(1, round(self.share * len(samples)))
            samples = samples.select(samples.ids[draw.argsort(kind="stable")[:number]])
        flops = self.budget * full_cost(trained, observed.train).flops
        schedule = Schedule.plan(self.finetune, PARTS, trained, samples, flops=flops, plan=PrunePlan())
        model, cost = self.finetune.start(trained, streams=streams), Cost()
        for _ in schedule.parts:
            fitted = schedule.run(model, samples, streams=streams)
            model, cost = fitted.model, cost + fitted.cost
        return Outcome(model=model.eval(), cost=cost)
