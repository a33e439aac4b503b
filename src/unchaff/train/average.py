"""A running mean of weights and statistics, for steadier scoring at a high learning rate."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unchaff.copies import copied


class Average:
    """Follows a network; without a decay it keeps nothing."""

    def __init__(self, live: nn.Module, decay: float | None) -> None:
        self.steps = 0
        self._live = live
        self._decay = decay
        self._mean = None if decay is None else copied(live)

    @torch.no_grad()
    def update(self) -> None:
        """Take the network as it is now into the mean; the first steps count less and less for long."""
        if self._mean is None or self._decay is None:
            return
        self.steps += 1
        decay = min(self._decay, self.steps / (self.steps + 9))
        for mean, live in zip(_tensors(self._mean), _tensors(self._live), strict=True):
            mean.lerp_(live, 1 - decay) if mean.is_floating_point() else mean.copy_(live)

    def model(self, live: nn.Module) -> nn.Module:
        """Return the mean, or the live network where none is kept."""
        if self._mean is None:
            return live
        self._mean.zero_grad(set_to_none=True)
        return self._mean

    def state(self) -> dict[str, Tensor]:
        """Return the tensors of the mean."""
        return {} if self._mean is None else dict(self._mean.state_dict())

    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from a state."""
        self.steps = steps
        if self._mean is not None:
            self._mean.load_state_dict(dict(state))


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
