"""Bold random changes of a batch, for methods that compare views: the label stays right, little else does."""

import torch
from torch import Tensor
from torch.nn import functional

from unchaff.samples import Samples
from unchaff.train.augment import UNKNOWN, changed, jittered

SMALLEST = 0.3  # area of a crop, as a share of the picture
LIGHT = 0.4  # how far contrast moves, as a share of itself
MOVED = 0.8  # how far brightness and colours move, in deviations: as two fifths of a mean twice as large
GREY = 0.2  # share of the pictures that lose their colours
CUT = 0.35  # side of the square that is covered, as a share of the picture
LEFT_OUT = 0.3  # share of the words or columns that are left out


def strongly(inputs: Tensor, samples: Samples, generator: torch.Generator) -> Tensor:
    """Return a batch of these samples, boldly changed; as the user says where the user says how.

    Images of 16 pixels a side and more: a crop of three tenths to all of the area at full size, mirrored
    where the kind allows; contrast, brightness and colours moved; some in grey; a square covered. Smaller
    ones: contrast, brightness and the square only. Sound: moved and masked twice. Texts: three tenths of the
    words made unknown. Numeric columns: three tenths at their mean, the others moved. Else: as it is.

    Source: Chen et al., arXiv 2002.05709, section 3 (crop, colour, grey; no blur, for pictures of 32 pixels);
    DeVries and Taylor, arXiv 1708.04552 (the square).
    """
    kind = samples.kind
    if samples.augmentation is not None:
        return changed(inputs, samples, generator)
    if kind.name == "image":
        large = min(inputs.shape[-2:]) >= 16
        cropped = _resized(inputs, "mirror" in kind.views, generator) if large else inputs
        return _covered(_relit(cropped, generator), generator)
    if kind.name == "audio":
        return changed(changed(inputs, samples, generator), samples, generator)
    if kind.pad is not None:
        return torch.where(_drawn(inputs, LEFT_OUT, generator) & (inputs != kind.pad), UNKNOWN, inputs)
    if kind.name == "tabular":
        moved = jittered(inputs, generator)
        return torch.where(_drawn(inputs, LEFT_OUT, generator), inputs.mean(0), moved)
    return inputs


def can_change(samples: Samples) -> bool:
    """Whether two bold views of such a sample differ at all."""
    kind, change = samples.kind, samples.augmentation
    if change is not None:
        return bool(getattr(change, "changes", True))
    return kind.name in ("image", "audio", "tabular") or kind.pad is not None


def _drawn(inputs: Tensor, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(inputs.shape, generator=generator, device=inputs.device) < share


def _uniform(inputs: Tensor, low: float, high: float, generator: torch.Generator, width: int = 1) -> Tensor:
    """Return numbers (b, width, 1, 1) between the two."""
    drawn = torch.rand(len(inputs), width, 1, 1, generator=generator, device=inputs.device)
    return low + (high - low) * drawn


def _resized(inputs: Tensor, may_mirror: bool, generator: torch.Generator) -> Tensor:  # noqa: FBT001
    """Return a random part of each picture at full size."""
    area = _uniform(inputs, SMALLEST, 1.0, generator).flatten()
    ratio = torch.exp(_uniform(inputs, -0.28, 0.28, generator)).flatten()  # 3:4 to 4:3
    wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    right, down = (
        (1 - side) * (2 * _uniform(inputs, 0, 1, generator).flatten() - 1) for side in (wide, high)
    )
    if may_mirror:
        wide = torch.where(_uniform(inputs, 0, 1, generator).flatten() < 0.5, -wide, wide)
    zero = torch.zeros_like(wide)
    matrix = torch.stack(
        [torch.stack([wide, zero, right], dim=1), torch.stack([zero, high, down], dim=1)], dim=1
    )
    grid = functional.affine_grid(matrix, list(inputs.shape), align_corners=False)
    return functional.grid_sample(inputs, grid, padding_mode="reflection", align_corners=False)


def _relit(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Return the pictures in another light, whatever the scale of their pixels."""
    mean = inputs.mean((1, 2, 3), keepdim=True)
    reach = MOVED * inputs.std(correction=0)
    contrast = _uniform(inputs, 1 - LIGHT, 1 + LIGHT, generator)
    brightness = reach * _uniform(inputs, -1, 1, generator)
    relit = (inputs - mean) * contrast + mean + brightness
    if inputs.shape[1] != 3:
        return relit
    relit = relit + reach * _uniform(inputs, -1, 1, generator, width=3)
    grey = relit.mean(1, keepdim=True).expand_as(relit)
    return torch.where(_uniform(inputs, 0, 1, generator) < GREY, grey, relit)


def _covered(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Return the pictures with a square set to their mean, as far as it lies inside."""
    height, width = inputs.shape[-2:]
    middle = [_uniform(inputs, 0, side, generator) for side in (height, width)]
    rows = torch.arange(height, device=inputs.device)[:, None] + 0.5
    columns = torch.arange(width, device=inputs.device) + 0.5
    reach = CUT / 2
    inside = ((rows - middle[0]).abs() <= reach * height) & ((columns - middle[1]).abs() <= reach * width)
    return torch.where(inside, inputs.mean((2, 3), keepdim=True), inputs)
