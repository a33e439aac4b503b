"""A method -> the same method, which takes what a person decided as given."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from unchaff.errors import ConfigError
from unchaff.interfaces import Partitioner, Repair
from unchaff.partition.decided import Decided, curve_of, imposed
from unchaff.records import Decisions, Observed, Outcome, Partition, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import with_recipe


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """A method on the data as a person left them.

    Relabelled samples have their new label, and what was decided is certain in every split; the answers
    calibrate the quality of all others. A method that makes no split does not see the dropped ones. What is
    held out is not touched here.

    Source: ours.
    """

    method: Repair
    decisions: Decisions

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Repair.

        Raises:
            ConfigError: nothing of a class would be left to learn from.
        """
        train = self.decisions.applied(observed.train)
        here = self.decisions.about(train.ids)
        left = train.select(np.setdiff1d(train.ids, here.ids[~here.kept]))
        _check_classes(train, left)
        method = _heeding(self.method, self.decisions)
        seen = left if method is self.method else train
        outcome = method(with_recipe(trained, train), replace(observed, train=seen), streams=streams)
        if outcome.partition is None:
            return outcome
        return replace(outcome, partition=imposed(_whole(outcome.partition, train), here))


def _heeding(method: Repair, decisions: Decisions) -> Repair:
    """Return the method with the decisions in each of its splits; itself where it makes none."""
    curve = curve_of(decisions)
    rules = {
        field.name: Decided(rule=getattr(method, field.name), decisions=decisions, curve=curve)
        for field in fields(method)  # type: ignore[arg-type]  # every method is a dataclass
        if field.type is Partitioner
    }
    return replace(method, **rules) if rules else method  # type: ignore[type-var]


def _check_classes(train: Samples, left: Samples) -> None:
    counts = [
        torch.bincount(each.labels.cpu(), minlength=train.num_classes).tolist() for each in (train, left)
    ]
    for name, before, after in zip(train.class_names, *counts, strict=True):
        if before and not after:
            raise ConfigError(
                f"Every sample labelled {name!r} was dropped, so that nothing is left to learn it from. Take "
                "some of it back in unchaff review."
            )


def _whole(split: Partition, train: Samples) -> Partition:
    """Return the split with the samples that were not looked at, of quality 0."""
    places = torch.from_numpy(np.searchsorted(train.ids, split.ids))
    size = len(train)

    def spread(column: torch.Tensor, otherwise: float) -> torch.Tensor:
        whole = torch.full((size, *column.shape[1:]), otherwise, dtype=column.dtype)
        whole[places] = column.cpu()
        return whole

    suggested = split.suggested
    if suggested is not None:
        suggested = train.labels.cpu().clone().scatter(0, places, suggested.cpu().long())
    return replace(
        split,
        ids=train.ids,
        quality=spread(split.quality, 0.0),
        kept=spread(split.kept, otherwise=0.0),
        suggested=suggested,
        evidence={name: spread(column.float(), float("nan")) for name, column in split.evidence.items()},
    )
