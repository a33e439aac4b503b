"""Which comparisons a run makes, and at what cost."""

from dataclasses import replace
from typing import Literal

from unchaff.bench.oracle import Oracle
from unchaff.interfaces import Repair
from unchaff.methods.finetune_all import FinetuneAll
from unchaff.methods.retrain import Retrain
from unchaff.methods.unlearn import Unlearn
from unchaff.prune.nothing import NoPruning
from unchaff.prune.random import Random
from unchaff.records import Outcome, Truth

Controls = Literal["none", "quick", "all"]


def chosen(which: Controls, method: Repair, outcome: Outcome, truth: Truth | None) -> dict[str, Repair]:
    """Return the controls by name; those of our own parts only where our method ran.

    Args:
        which: none, quick (fine-tuning on all data at equal cost) or all.
        method: that was run; its budget is theirs.
        outcome: that it gave; its kept share is that of the random subset.
        truth: adds the oracle where noise was planted.
    """
    budget = method.budget if isinstance(method, Unlearn) else Unlearn().budget
    controls: dict[str, Repair] = {}
    if which == "none":
        return controls
    controls["finetune-all"] = FinetuneAll(budget=budget)
    if which == "quick":
        return controls
    if outcome.partition is not None and outcome.partition.kept_share < 1:
        controls["random-subset"] = FinetuneAll(budget=budget, share=outcome.partition.kept_share)
    if isinstance(method, Unlearn):
        controls["no-pruning"] = replace(method, prune=NoPruning())
        controls["random-pruning"] = replace(method, prune=Random())
    controls["retrain"] = Retrain()
    if truth is not None and bool(truth.is_noisy.any()):
        controls["oracle"] = Oracle(truth=truth)
    return controls
