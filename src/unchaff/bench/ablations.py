"""Our method with one part changed, and evidence with one part left out: what each is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import nn

from unchaff.attribute.observe import Walk
from unchaff.attribute.readout import Readout
from unchaff.attribute.typicality import Typicality
from unchaff.copies import copied
from unchaff.interfaces import Attributor, Repair
from unchaff.methods.beginning import beginning
from unchaff.methods.finetune import WITHOUT_LOOKS, FineTune, Lesson, Part, Schedule
from unchaff.methods.published import Published
from unchaff.methods.unlearn import TWO_MORE_LOOKS, Unlearn
from unchaff.partition.mixture import Mixture
from unchaff.partition.transition import Transition
from unchaff.prune.importance import Importance
from unchaff.prune.magnitude import Magnitude
from unchaff.prune.random import Random
from unchaff.prune.sensitivity import Sensitivity
from unchaff.records import Evidence, Observed, Outcome, Partition, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.loop import Fitted
from unchaff.train.targets import EarlyLearning, Weighted

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True, kw_only=True)
class Reseeded(Unlearn):
    """The same with other draws: what changes is chance."""

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Repair with streams of their own."""
        return super().__call__(trained, observed, streams=streams.fork("reseeded"))


@dataclass(frozen=True, kw_only=True)
class SoftWeights(Unlearn):
    """All samples are learned from, each with its quality as weight."""

    def lesson(self, observed: Observed, split: Partition) -> Lesson:
        """Return all samples."""
        return Lesson(observed.train, Weighted(split.quality.to(observed.train.device)))


@dataclass(frozen=True, kw_only=True)
class Relabelled(Unlearn):
    """Rejected samples are learned too, with the label that was suggested for them."""

    def lesson(self, observed: Observed, split: Partition) -> Lesson:
        """Return all samples with kept or suggested labels."""
        given = split.suggested if split.suggested is not None else observed.train.labels.cpu()
        labels = torch.where(split.kept, observed.train.labels.cpu(), given)
        return Lesson(observed.train.relabel(labels))


@dataclass(frozen=True, kw_only=True)
class EarlyLearningTargets(Unlearn):
    """The kept samples, with early-learning regularisation against what the split missed."""

    def lesson(self, observed: Observed, split: Partition) -> Lesson:
        """Return the kept samples and the regularised loss."""
        kept = observed.train.select(split.kept_ids)
        return Lesson(kept, EarlyLearning.over(len(kept), kept.num_classes, kept.device))


@dataclass
class AlwaysAveraging(Schedule):
    """Keeps a running mean of the weights in the last part too."""

    @property
    def averages(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, kw_only=True)
class AveragedWeights(Unlearn):
    """Hands over the running mean of the weights instead of the last weights."""

    schedule: ClassVar[type[Schedule]] = AlwaysAveraging

    def finished(self, fitted: Fitted, kept: Samples) -> nn.Module:
        """Return the mean."""
        return fitted.averaged


@dataclass(frozen=True, kw_only=True)
class FreshStatistics(Unlearn):
    """Measures the statistics of batch normalisation again, on the kept samples as they are."""

    def finished(self, fitted: Fitted, kept: Samples) -> nn.Module:
        """Return the network with new statistics."""
        model = fitted.model
        norms = [module for module in model.modules() if isinstance(module, NORMS)]
        usual = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
        model.train()
        with torch.no_grad():
            for batch in kept.batches(256):
                model(batch.inputs)
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum
        return model


@dataclass(frozen=True, kw_only=True)
class LateReset(FineTune):
    """The last layers start from fresh weights, the others as they are."""

    resets: int = 3  # linear and convolution layers

    def start(self, trained: Trained, *, streams: Streams) -> nn.Module:
        """Return the copy fine-tuning starts from."""
        model = copied(trained.model)
        fresh = beginning(trained, streams=streams)
        layers = [name for name, each in model.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)]
        for name in layers[-self.resets :]:
            model.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
        return model


@dataclass(frozen=True, kw_only=True)
class PlainReadout(Readout):
    """Sees the samples as they are, without their mirror image."""

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Score every training sample."""
        return self.of(Walk(trained.model, observed.train, self.depth, views=("plain",), hears=False))


@dataclass
class LateWalk(Walk):
    """Reads what goes into the output layer, and nothing before."""

    def __post_init__(self) -> None:
        """Find it."""
        super().__post_init__()
        self._points = self._points[-1:]


@dataclass(frozen=True, kw_only=True)
class LastReadout(Readout):
    """Reads the last layer only."""

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Score every training sample."""
        return self.of(LateWalk(trained.model, observed.train, 1.0))


def _pruned(
    rule: type[Sensitivity] | type[Random] | type[Importance], share: float, layers: float
) -> Unlearn:
    return Unlearn(prune=rule(share=share, layers=layers))


def _smaller(rule: type[Importance] | type[Magnitude] | type[Random]) -> Unlearn:
    return Unlearn(prune=rule(share=0.4, layers=1.0), remove=True)


def _kept_above(threshold: float) -> Unlearn:
    rule = Transition(threshold=threshold)
    return Unlearn(partition=rule, later=rule)


ABLATIONS: Mapping[str, Repair] = MappingProxyType(
    {
        "reseeded": Reseeded(),
        # evidence and split
        "all-layers-first": Unlearn(readout=Readout(depth=1.0)),
        "network-opinion-first": Unlearn(readout=Readout(own=1.0)),
        "mixture-split": Unlearn(partition=Mixture(), later=Mixture()),
        "kept-above-0.5": _kept_above(0.5),
        "kept-above-0.8": _kept_above(0.8),
        "one-round": Unlearn(parts=WITHOUT_LOOKS),
        "three-rounds": Unlearn(parts=TWO_MORE_LOOKS),
        # what is learned from
        "soft-weights": SoftWeights(),
        "relabelled": Relabelled(),
        "early-learning-targets": EarlyLearningTargets(),
        # how
        "unshrunk": Unlearn(finetune=FineTune(shrink=1.0)),
        "fresh-start": Unlearn(finetune=FineTune(shrink=0.0)),
        "late-reset": Unlearn(finetune=LateReset()),
        "nothing-held": Unlearn(parts=(Part(0.6, small=True, rescore=True), Part(0.4))),
        "full-size-only": Unlearn(finetune=FineTune(small=1.0)),
        "averaged-weights": AveragedWeights(),
        "fresh-statistics": FreshStatistics(),
        "last-layers": Unlearn(finetune=FineTune(last=2)),
        "last-layers-pruned": Unlearn(finetune=FineTune(last=2), prune=Sensitivity()),
        "last-layers-random-pruning": Unlearn(finetune=FineTune(last=2), prune=Random()),
        # pruning, by rule, share and layers
        "pruned-15": _pruned(Sensitivity, 0.15, 0.34),
        "random-pruning-15": _pruned(Random, 0.15, 0.34),
        "pruned-40": _pruned(Sensitivity, 0.4, 0.34),
        "random-pruning-40": _pruned(Random, 0.4, 0.34),
        "pruned-everywhere": _pruned(Sensitivity, 0.05, 1.0),
        "random-pruning-everywhere": _pruned(Random, 0.05, 1.0),
        "published-last-layers": Published(last=True),
        "published-unpruned": Published(share=0.0),
        "smaller-40": _smaller(Importance),
        "magnitude-smaller-40": _smaller(Magnitude),
        "random-smaller-40": _smaller(Random),
        "importance-pruned": _pruned(Importance, 0.05, 0.34),
    }
)

EVIDENCE: Mapping[str, Attributor] = MappingProxyType(
    {
        "readout-first-layer": Readout(depth=0.01),
        "readout-all-layers": Readout(depth=1.0),
        "readout-last-layer": LastReadout(),
        "readout-without-mirror": PlainReadout(),
        "readout-and-own": Readout(own=1.0),
        "typicality": Typicality(),
    }
)
