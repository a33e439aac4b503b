"""Random changes of a batch that leave its labels right, drawn per sample, on the batch's device."""

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

from unchaff.errors import ConfigError
from unchaff.samples import Augmentation, Kind, Samples

UNKNOWN = 1  # the word that stands for one left out
DROPPED = 0.1  # share of the words left out
JITTER = 0.1  # of numeric columns, in their deviations
REACH = 1 / 16  # of the side of a picture: how far a crop moves


def view(inputs: Tensor, name: str) -> Tensor:
    """Return a deterministic view of a batch: `plain` or `mirror` (left and right exchanged)."""
    return inputs.flip(-1) if name == "mirror" else inputs


def changed(
    inputs: Tensor,
    samples: Samples,
    generator: torch.Generator,
    *,
    side: int | None = None,
    mirrored: Bool[Tensor, " b"] | None = None,
    reach: float = REACH,
) -> Tensor:
    """Return a batch of these samples as training should see it: as the user says, or as the kind allows.

    Raises:
        ConfigError: the function of the user's fails, or returns no batch like the one it got.
    """
    if samples.augmentation is not None:
        return _of_user(samples.augmentation, inputs, generator)
    return augment(inputs, samples.kind, generator, side=side, mirrored=mirrored, reach=reach)


def named(change: Augmentation) -> str:
    """Return what a message calls a function of the user's."""
    return str(getattr(change, "name", None) or getattr(change, "__qualname__", type(change).__qualname__))


def _of_user(change: Augmentation, inputs: Tensor, generator: torch.Generator) -> Tensor:
    try:
        made: object = change(inputs, generator)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever the owner's code raises
        raise ConfigError(
            f"The augmentation {named(change)} raised {type(error).__name__}: {error}. Correct it; it takes "
            "(batch, generator)."
        ) from error
    if not isinstance(made, Tensor) or _about(made) != _about(inputs):
        came = _about(made) if isinstance(made, Tensor) else type(made).__name__
        raise ConfigError(
            f"The augmentation {named(change)} returned {came} for a batch of {_about(inputs)}. Return a "
            "tensor of the same shape and type."
        )
    # On an accelerator the host would wait at every step; there the loss tells.
    if made.device.type == "cpu" and made.is_floating_point() and not bool(torch.isfinite(made).all()):
        raise ConfigError(
            f"The augmentation {named(change)} returned NaN or infinite values. Return finite numbers."
        )
    return made


def _about(batch: Tensor) -> str:
    kind = str(batch.dtype).removeprefix("torch.")
    return f"{kind} of shape {tuple(batch.shape)} on {batch.device.type}"


def augment(
    inputs: Tensor,
    kind: Kind,
    generator: torch.Generator,
    *,
    side: int | None = None,
    mirrored: Bool[Tensor, " b"] | None = None,
    reach: float = REACH,
) -> Tensor:
    """Return the batch as training should see it.

    Images: a random crop after reflection by `reach` of the side, mirrored where the kind allows, and made
    smaller where `side` asks for it: smaller pictures cost less. Images under 16 pixels a side stay
    as they are, for a move by one pixel changes what they show.
    Sound: moved in time by up to a tenth, one span of frames and one of bands set to their mean.
    Texts: a tenth of the words made unknown. Numeric columns: moved by a tenth of their deviation in the
    batch.
    Whatever else: as it is.

    Args:
        inputs: a prepared batch; not modified.
        kind: says what may be done.
        generator: of the batch's device.
        side: width of the result in pixels; the full size by default.
        mirrored: which are mirrored, where the kind allows it; drawn by default.
        reach: how far a crop moves, as a share of the side; one pixel at least.
    """
    if kind.name == "image" and min(inputs.shape[-2:]) >= 16:
        moved = _crop(_mirrored(inputs, kind, generator, mirrored), generator, reach)
        return moved if side is None else smaller(moved, side)
    if kind.name == "audio":
        return _masked(_moved(inputs, generator), generator)
    if kind.pad is not None:
        return _dropped(inputs, kind.pad, generator)
    if kind.name == "tabular":
        return jittered(inputs, generator)
    return inputs


def jittered(rows: Tensor, generator: torch.Generator) -> Tensor:
    """Return rows whose columns moved by a tenth of their deviation in the batch."""
    drawn = torch.randn(rows.shape, generator=generator, device=rows.device)
    return rows + JITTER * rows.std(0, correction=0) * drawn


def _dropped(words: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(words.shape, generator=generator, device=words.device) < DROPPED
    return torch.where(drawn & (words != pad), UNKNOWN, words)


def _mirrored(inputs: Tensor, kind: Kind, generator: torch.Generator, flips: Tensor | None) -> Tensor:
    if "mirror" not in kind.views:
        return inputs
    if flips is None:
        flips = torch.rand(len(inputs), generator=generator, device=inputs.device) < 0.5
    return torch.where(flips[:, None, None, None], inputs.flip(-1), inputs)


def _crop(inputs: Tensor, generator: torch.Generator, reach: float) -> Tensor:
    size, height, width = len(inputs), *inputs.shape[-2:]
    pad = min(max(1, int(reach * height)), width - 1)  # reflection takes no more of a narrow picture
    padded = functional.pad(inputs, (pad, pad, pad, pad), mode="reflect")
    top, left = (
        torch.randint(0, 2 * pad + 1, (size, 1), generator=generator, device=inputs.device) for _ in range(2)
    )
    rows = top + torch.arange(height, device=inputs.device)
    columns = left + torch.arange(width, device=inputs.device)
    each = torch.arange(size, device=inputs.device)[:, None, None]
    # Advanced indices around a slice put the channels last: (b, h, w, c).
    return padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def smaller(inputs: Tensor, side: int) -> Tensor:
    """Return the pictures at a width of `side` pixels, in their proportions."""
    height = max(1, round(inputs.shape[-2] * side / inputs.shape[-1]))
    return functional.interpolate(inputs, (height, side), mode="bilinear", antialias=True)


def _moved(inputs: Tensor, generator: torch.Generator) -> Tensor:
    frames = inputs.shape[-1]
    reach = max(1, frames // 10)
    shift = torch.randint(-reach, reach + 1, (len(inputs), 1), generator=generator, device=inputs.device)
    source = (torch.arange(frames, device=inputs.device) + shift).clamp(0, frames - 1)
    return inputs.gather(-1, source[:, None, None, :].expand_as(inputs))


def _masked(inputs: Tensor, generator: torch.Generator) -> Tensor:
    mean = inputs.mean((-2, -1), keepdim=True)
    for dim in (-2, -1):
        length = inputs.shape[dim]
        start = torch.rand(len(inputs), 1, generator=generator, device=inputs.device) * length
        width = torch.rand(len(inputs), 1, generator=generator, device=inputs.device) * length / 6
        place = torch.arange(length, device=inputs.device)
        inside = (place >= start) & (place < start + width)
        inside = inside[:, None, :, None] if dim == -2 else inside[:, None, None, :]
        inputs = torch.where(inside, mean, inputs)
    return inputs
