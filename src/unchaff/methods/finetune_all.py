"""The same fine-tuning without any selection: what the selection must beat."""

from dataclasses import dataclass, field

from unchaff.attribute.dispute import dispute
from unchaff.errors import ConfigError
from unchaff.methods.finetune import WITHOUT_LOOKS, FineTune, Lesson, Schedule
from unchaff.records import Observed, Outcome, Trained
from unchaff.streams import Streams
from unchaff.train.initial import full_cost, with_recipe


@dataclass(frozen=True, kw_only=True)
class FinetuneAll:
    """Fine-tune on all samples, or on a random share, by the recipe and at the cost of `unlearn`.

    What scoring would have cost goes into more steps, so that the cost is equal. Where a look at some
    augmented inputs finds no label disputed, it starts from weights that are not shrunk: on clean labels
    a control that forgets would be too weak.

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
        samples, trained = observed.train, with_recipe(trained, observed.train)
        if self.share < 1:
            draw = streams.per_id("random share", samples.ids)
            number = max(1, round(self.share * len(samples)))
            samples = samples.select(samples.ids[draw.argsort(kind="stable")[:number]])
        look = dispute(trained, observed, streams=streams)
        finetune = self.finetune.gentle() if look.is_settled else self.finetune
        flops = self.budget * full_cost(trained, observed.train).flops - look.cost.flops
        schedule = Schedule.plan(finetune, WITHOUT_LOOKS, trained, observed.train, flops=flops)
        model, cost = schedule.start(streams=streams), look.cost
        for _ in schedule.parts:
            fitted = schedule.run(model, Lesson(samples), streams=streams)
            model, cost = fitted.model, cost + fitted.cost
        return Outcome(model=model.eval(), cost=cost)
