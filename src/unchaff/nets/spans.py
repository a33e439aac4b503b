"""Spans of an input: what an early layer says of each, and inputs without them."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

BANDS = 4  # of a spectrogram, kept apart where frames are judged
SHARES = (0.3, 0.5, 0.75, 1.0)  # sides of blocks, of the largest
# Of sound shorter ones as well: a few frames are all there is at their time, a small patch is not.
SHORT = (0.12, 0.2)
BESIDE = 3  # frames on each side of a hole in sound that tell its level


def cells(
    kind: str, read: Tensor, words: Bool[Tensor, "b length"] | None = None
) -> Float[Tensor, "b m rows columns"]:
    """Return one embedding for each place of what a layer read.

    Of pictures and sound that is mean and log-deviation of every feature over 2 by 2 places, each such
    window; of sound with the bands below one another, one row in all. Of texts it is the word, and NaN where
    there is none.

    Args:
        kind: image, audio or text.
        read: (b, features, rows, columns), or (b, features, length) of texts.
        words: which places of texts hold a word; None: all.
    """
    if kind == "text":
        found = read.float()
        if words is not None:
            held = functional.adaptive_max_pool1d(words.float()[:, None], found.shape[-1]) > 0
            found = found.masked_fill(~held, torch.nan)
        return found[:, :, None]
    side = (min(2, read.shape[-2]), min(2, read.shape[-1]))
    read = read.float()
    mean = functional.avg_pool2d(read, side, 1)
    spread = (functional.avg_pool2d(read.square(), side, 1) - mean.square()).clamp_min(1e-6).log() / 2
    found = torch.cat([mean, spread], 1)
    if kind == "audio":
        bands = functional.adaptive_avg_pool2d(found, (min(BANDS, found.shape[-2]), found.shape[-1]))
        found = bands.flatten(1, 2)[:, :, None]
    return found


def blocks(scores: Float[Tensor, "b rows columns"], sides: tuple[int, ...]) -> list[Tensor]:
    """Return the mean score of every block of cells, one tensor for each side; of one row, of every run.

    Minus infinity where a cell of the block holds nothing.
    """
    rows, columns = scores.shape[1:]
    shapes = [(min(side, rows), side) for side in sides if side <= columns and (rows == 1 or side <= rows)]
    means = [functional.avg_pool2d(scores[:, None], shape, 1)[:, 0] for shape in shapes]
    return [each.masked_fill(each.isnan(), -torch.inf) for each in means]


def sides_of(kind: str, rows: int, columns: int) -> tuple[int, ...]:
    """Return the sides of the blocks that are looked at, in cells: up to half of the input and no more."""
    most = max(1, (columns if rows == 1 else min(rows, columns)) // 2)
    if kind == "text":
        return tuple(range(1, min(most, 4) + 1))
    shares = SHARES if rows > 1 else (*SHORT, *SHARES)
    return tuple(sorted({max(1, round(most * share)) for share in shares}))


def covered(
    shape: tuple[int, ...], read: tuple[int, int], block: tuple[int, int, int, int]
) -> tuple[slice, slice]:
    """Return the rows and columns of an input under a block of places of a layer.

    Args:
        shape: of the input; its last two sides count, or the last one for texts.
        read: rows and columns of what the layer read.
        block: first row, end row, first column, end column among those places; the end row -1: all rows.
    """

    def scaled(first: int, end: int, places: int, side: int) -> slice:
        return slice(max(0, first * side // places), min(side, -(-end * side // places)))

    rows = shape[-2] if len(shape) > 2 else 1
    whole = slice(0, rows) if block[1] < 0 else scaled(block[0], block[1], read[0], rows)
    return whole, scaled(block[2], block[3], read[1], shape[-1])


def filled(
    inputs: Float[Tensor, "b c rows columns"], mask: Bool[Tensor, "b rows columns"]
) -> Float[Tensor, "b c rows columns"]:
    """Return pictures whose masked places hold the mean of what is around them, the nearest that is left.

    What touches a masked place does not count as left: it may be the rim of what is masked.
    """
    hit = mask.flatten(1).any(1)
    some, missing = inputs[hit], mask[hit][:, None]
    left = 1 - functional.max_pool2d(missing.to(inputs.dtype), 3, 1, 1)
    result = some
    for radius in _radii(max(inputs.shape[-2:])):
        if not missing.any():
            break
        known = _boxed(left, radius)
        now = missing & (known > 1e-9)
        result = torch.where(now, _boxed(some * left, radius) / known.clamp_min(1e-9), result)
        missing = missing & ~now
    whole = inputs.clone()
    whole[hit] = result
    return whole


def bridged(
    inputs: Float[Tensor, "b c rows frames"], mask: Bool[Tensor, "b rows frames"]
) -> Float[Tensor, "b c rows frames"]:
    """Return sound whose masked frames lead in a straight line from before the hole to after it.

    What touches the hole does not count, as in `filled`; at an end of the clip the level stays.
    """
    whole, frames = inputs.clone(), inputs.shape[-1]
    for row in mask.flatten(1).any(1).nonzero()[:, 0].tolist():
        gone = mask[row].any(0).nonzero()[:, 0]
        first, end = max(0, int(gone[0]) - 1), min(frames, int(gone[-1]) + 2)
        sides = inputs[row, ..., max(0, first - BESIDE) : first], inputs[row, ..., end : end + BESIDE]
        levels = [side.mean(-1) for side in sides if side.shape[-1]]
        if levels:
            way = torch.linspace(0, 1, end - first, device=inputs.device)
            whole[row, ..., first:end] = torch.lerp(levels[0][..., None], levels[-1][..., None], way)
    return whole


def _boxed(values: Float[Tensor, "b c rows columns"], radius: int) -> Float[Tensor, "b c rows columns"]:
    """Return the means of squares around each place; what lies outside counts as 0."""
    down = functional.avg_pool2d(values, (2 * radius + 1, 1), 1, (radius, 0))
    return functional.avg_pool2d(down, (1, 2 * radius + 1), 1, (0, radius))


def extent(
    scores: Float[Tensor, "rows columns"], block: tuple[slice, slice], beside: tuple[int, int]
) -> tuple[slice, slice]:
    """Return where the span lies that a block of places belongs to, to the place.

    It is the rectangle with the highest sum of scores, each less half of their mean in the block: where
    scores are half as high as in it, the span ends. A score is that of a window of 2 places and of its
    neighbour, which sees the first place of a span; that one counts only at the border.

    Args:
        scores: of windows of 2 by 2 places, or of 2 columns where there is one row.
        block: rows and columns of places.
        beside: rows and columns of places that are looked at around it.
    """
    inner = scores[_windows(block[0], len(scores), 0), _windows(block[1], scores.shape[1], 0)].mean()
    if inner <= 0:
        return block
    rows = _windows(block[0], len(scores), beside[0])
    columns = _windows(block[1], scores.shape[1], beside[1])
    top, end, left, right = densest(scores[rows, columns] - inner / 2)
    down = _places(rows.start + top, rows.start + end, len(scores)) if len(scores) > 1 else block[0]
    return down, _places(columns.start + left, columns.start + right, scores.shape[1])


def _windows(places: slice, count: int, beside: int) -> slice:
    """Return the windows that lie within places of a side, widened; one at least."""
    first = min(max(0, places.start - beside), count - 1)
    return slice(first, max(first + 1, min(count, places.stop - 1 + beside)))


def _places(first: int, end: int, count: int) -> slice:
    """Return the places of a side under so many windows, without those that only the outermost ones see."""
    start = first + (first > 0)
    return slice(start, max(start + 1, end + (end == count)))


def densest(gains: Float[Tensor, "rows columns"]) -> tuple[int, int, int, int]:
    """Return top, end, left and right of the rectangle with the highest sum."""
    above = functional.pad(gains.double().cumsum(0), (0, 0, 1, 0))
    tops, ends = torch.triu_indices(len(above), len(above), 1, device=gains.device)
    strips = functional.pad((above[ends] - above[tops]).cumsum(1), (1, 0))
    low, lefts = strips.cummin(1)
    best = int((strips[:, 1:] - low[:, :-1]).argmax())
    strip, right = divmod(best, gains.shape[1])
    return int(tops[strip]), int(ends[strip]), int(lefts[strip, right]), right + 1


def closed_up(words: Tensor, mask: Bool[Tensor, "b length"], pad: int) -> Tensor:
    """Return texts without the masked words; what follows moves up, and the end is padded."""
    order = mask.long().argsort(dim=1, stable=True)
    kept = words.gather(1, order)
    return torch.where(mask.gather(1, order), pad, kept)


def strange(kind: str, inputs: Tensor, generator: torch.Generator, *, pad: int = 0) -> Iterator[Tensor]:
    """Yield inputs that no longer show what they did: the background, made of the inputs themselves.

    Pictures and sound: all values shuffled; tiles shuffled; contrast and colour drawn at random. Texts: words
    drawn from all that the batch holds, each as likely, as many as there were. Nothing of it is made like any
    noise to be found.
    """
    count, device = len(inputs), inputs.device
    if kind == "text":
        known = inputs[inputs != pad].unique()
        drawn = torch.randint(max(1, len(known)), inputs.shape, generator=generator, device=device)
        yield torch.where(inputs == pad, inputs, known[drawn]) if len(known) else inputs
        return
    channels, rows, columns = inputs.shape[1:]

    def order(places: int) -> Tensor:
        return torch.rand(count, places, generator=generator, device=device).argsort(1)

    flat = inputs.flatten(2)
    yield flat.gather(2, order(rows * columns)[:, None].expand_as(flat)).reshape_as(inputs)
    high, wide = max(1, rows // 8), max(1, columns // 8)
    cut = inputs[..., : rows // high * high, : columns // wide * wide].contiguous()
    tiles = functional.unfold(cut, (high, wide), stride=(high, wide))
    mixed = tiles.gather(2, order(tiles.shape[2])[:, None].expand_as(tiles))
    yield functional.fold(mixed, cut.shape[-2:], (high, wide), stride=(high, wide))
    low, top = inputs.amin(), inputs.amax()
    factor, shift = (torch.randn(count, channels, 1, 1, generator=generator, device=device) for _ in range(2))
    middle, half = (low + top) / 2, (top - low) / 2
    yield (middle + factor * (inputs - middle) + half * shift / 2).clamp(low, top)


def _radii(side: int) -> Iterator[int]:
    radius = 1
    while radius < 2 * side:
        yield radius
        radius *= 2
