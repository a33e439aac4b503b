"""Small convolutional networks for images and for log-mel sound."""

from torch import nn

from unchaff.nets.blocks import Residual, head, stem
from unchaff.nets.standardize import Standardize


def small_cnn(shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Return a residual network of about 0.33 M parameters for images of 8 to 64 pixels a side."""
    return nn.Sequential(
        Standardize(shape[0], 2),
        stem(shape[0], 32, stride=2 if shape[-1] >= 16 else 1),
        Residual(32, 32, 1),
        Residual(32, 64, 2),
        Residual(64, 128, 2),
        head(128, 128, classes),
    )


def audio_cnn(shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Return a residual network of about 0.32 M parameters for log-mel spectrograms."""
    return nn.Sequential(
        Standardize(shape[0], 2),
        stem(shape[0], 16, stride=2),
        Residual(16, 32, 2),
        Residual(32, 64, 2),
        Residual(64, 128, 2),
        head(128, 128, classes),
    )
