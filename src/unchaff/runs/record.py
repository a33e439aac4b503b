"""All that a run folder is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Int
from torch import Tensor

from unchaff.evaluate.metrics import Measured
from unchaff.records import Decisions, Outcome, Trained
from unchaff.samples import Samples


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished repair, or one scoring."""

    samples: Samples  # every row, with its label as given; the split covers the same ids
    trained: Trained  # the network before
    outcome: Outcome
    predicted: Int[Tensor, " n"]  # by the network of the outcome, one per row of the samples
    measured: Measured
    model: str  # as typed: how to build the plain network
    frontend: Mapping[str, object] = field(default_factory=dict)  # how raw inputs are prepared
    config: Mapping[str, object] = field(default_factory=dict)  # every setting, plain values, paths as typed
    seed: int = 0
    command: str = ""  # what to type to run it again
    beside: Mapping[str, bytes] = field(default_factory=dict)  # files of the model folder of the network
    notes: tuple[str, ...] = ()  # what a reader has to know: limits, warnings, what was left out
    decisions: Decisions | None = None  # what a person decided, and was heeded
    decided: bytes | None = None  # the same as a file, to go on with in a review
