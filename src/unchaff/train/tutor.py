"""A loss that learns along: it keeps something about each sample, and looks at the network between epochs."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from unchaff.records import Cost
from unchaff.samples import Batch, Rows


class Tutor:
    """What a phase takes as its loss and its watcher at once; a method says what it does with a sample.

    What `kept` names is written down with the training and put back when it goes on: tensors, which stay
    where they are. Passes over the samples that it makes itself are in `cost`, their seconds in the training.
    """

    kept: ClassVar[tuple[str, ...]] = ()  # attributes that later steps depend on

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator  # of what it draws
        self.cost = Cost()
        self.epoch = 0  # whole passes so far

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (b)."""
        raise NotImplementedError

    def begin_epoch(self) -> None:
        """A new pass over the samples begins."""

    def see(self, rows: Rows, logits: Tensor, labels: Tensor) -> None:
        """Gradients of a batch are there, and no step was taken yet."""

    def end_epoch(self, model: nn.Module) -> None:
        """The pass is whole."""
        self.epoch += 1
        self.look(model)

    def look(self, model: nn.Module) -> None:
        """Learn from the network as it is after a whole pass."""

    def spend(self, samples: int, flops: float, stage: str) -> None:
        """Charge a pass of its own."""
        self.cost = self.cost + Cost(samples_seen=samples, flops=flops).as_stage(stage)

    def state(self) -> dict[str, Tensor]:
        """Return all that later steps depend on."""
        spent = {
            f"cost.{name}": torch.tensor([each.samples_seen, each.flops], dtype=torch.float64)
            for name, each in self.cost.stages.items()
        }
        held = {name: getattr(self, name) for name in self.kept}
        drawn = {} if self.generator is None else {"generator": self.generator.get_state()}
        return {"epoch": torch.tensor(self.epoch), **held, **spent, **drawn}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from such a state."""
        self.epoch, self.cost = int(state["epoch"]), Cost()
        for name in self.kept:
            getattr(self, name).data.copy_(state[name])
        if self.generator is not None:
            self.generator.set_state(state["generator"])
        for name, each in state.items():
            if name.startswith("cost."):
                seen, flops = each.tolist()
                self.spend(int(seen), flops, name.removeprefix("cost."))
