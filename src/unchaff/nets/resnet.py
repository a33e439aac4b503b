"""ResNet-18 for small images."""

from torch import nn

from unchaff.nets.blocks import Residual, head, stem
from unchaff.nets.standardize import Standardize


def resnet18(shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Return ResNet-18 with a 3x3 stem of stride 1, no pooling in front, and a 256-unit head.

    Source: arXiv 2506.11615 (the head is the layer that paper prunes); He et al., arXiv 1512.03385.
    """
    stages = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    blocks = [
        block
        for inputs, outputs, stride in stages
        for block in (Residual(inputs, outputs, stride), Residual(outputs, outputs, 1))
    ]
    return nn.Sequential(
        Standardize(shape[0], 2), stem(shape[0], 64, stride=1), *blocks, head(512, 256, classes)
    )
