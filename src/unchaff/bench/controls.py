"""Which comparisons a run makes, and at what cost."""

from contextlib import suppress
from typing import Literal

from unchaff.bench.contenders import ORACLE, RANDOM_PRUNING, RANDOM_SUBSET, contender, with_budget
from unchaff.errors import NeedsError
from unchaff.interfaces import Repair
from unchaff.methods import METHODS
from unchaff.methods.unlearn import Unlearn
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
    is_ours = isinstance(method, Unlearn)
    budget = method.budget if isinstance(method, Unlearn) else Unlearn().budget
    share = None if outcome.partition is None else outcome.partition.kept_share
    at_equal_cost = ("finetune-all", RANDOM_SUBSET, *(_others(method, budget) if is_ours else ()))
    names = {name: f"{name}@{budget!r}" for name in at_equal_cost} | {"retrain": "retrain", ORACLE: ORACLE}
    wanted = {"none": (), "quick": ("finetune-all",), "all": tuple(names)}[which]
    found = {}
    for name in wanted:
        with suppress(NeedsError):  # the others can still be run
            found[name] = contender(names[name], truth=truth, kept_share=lambda _: share)
    return found


def _others(method: Repair, budget: float) -> list[str]:
    """Return the names of our method with, without and with random pruning, less the one that ran."""
    ours = ("unlearn", "unlearn-pruned")
    rivals = [name for name in ours if with_budget(name, METHODS[name], budget) != method]
    return [*rivals, RANDOM_PRUNING]
