"""Parts of a network that do not learn: masked weights, held and frozen modules."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


@torch.no_grad()
def hold_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set masked weights back to exact zero, so that no optimizer step can revive a pruned unit."""
    if masks:
        parameters = dict(model.named_parameters())
        for name, mask in masks.items():
            parameters[name].mul_(mask)


def rest(learner: nn.Module) -> None:
    """Keep the statistics of normalisations that their owner froze."""
    for module in learner.modules():
        frozen = [parameter.requires_grad for parameter in module.parameters(recurse=False)]
        if frozen and not any(frozen) and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def hold_still(learner: nn.Module, names: tuple[str, ...]) -> None:
    """Stop the gradients of the modules named, and nothing else."""
    for name in names:
        learner.get_submodule(name).requires_grad_(requires_grad=False)


def freeze_others(learner: nn.Module, trains: tuple[str, ...]) -> None:
    """Stop gradients, and batch-norm statistics, of every module not named."""
    learns = {parameter for parameter in learner.parameters() if parameter.requires_grad}
    learner.eval()
    learner.requires_grad_(requires_grad=False)
    modules = dict(learner.named_modules())
    for name in trains:
        modules[name].train()
        for parameter in modules[name].parameters():
            parameter.requires_grad_(parameter in learns)
