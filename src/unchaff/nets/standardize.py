"""Input scaling that travels with the weights."""

import torch
from torch import Tensor, nn

from unchaff.samples import Samples


class Standardize(nn.Module):
    """Subtract a mean and divide by a deviation per channel, kept in the state dict.

    The scale is part of the network, so a repaired network takes plain prepared inputs.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        shape = (channels,) + (1,) * dims
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs - self.mean) / self.std

    @torch.no_grad()
    def measure(self, samples: Samples, batch_size: int = 512) -> None:
        """Set mean and deviation from the inputs (not the labels) of these samples."""
        rest = tuple(i for i in range(1, self.mean.dim() + 1) if i != 1)
        total, square, count = torch.zeros(()), torch.zeros(()), 0
        for batch in samples.batches(samples.at_once(batch_size)):
            inputs = batch.inputs.double()
            total = total.to(inputs) + inputs.sum((0, *rest))
            square = square.to(inputs) + inputs.square().sum((0, *rest))
            count += inputs.numel() // inputs.shape[1]
        mean = total / count
        variance = (square / count - mean.square()).clamp_min(0)
        varies = variance > 1e-10 * square / count  # more than rounding leaves of a constant
        std = torch.where(varies, variance.sqrt(), torch.ones_like(variance))
        self.mean.copy_(mean.view_as(self.mean))
        self.std.copy_(std.view_as(self.std))
