"""Image files to bytes of one size: (channels, height, width), uint8."""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile
from torch import Tensor

from unchaff import limits
from unchaff.data.listing import Decoded, Encoded, Subset, good_rows
from unchaff.data.options import Options
from unchaff.data.prepare import Pixels, Prepare
from unchaff.data.processed import Processed
from unchaff.data.sources import in_memory, on_disk
from unchaff.data.workers import alike, in_threads
from unchaff.errors import DataError
from unchaff.hub import Folder
from unchaff.samples import Kind

LAZY_ABOVE = 2 * 1024**3  # bytes when decoded
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L"})
# Others are rare as training data, and some of them are programs: EPS would start Ghostscript.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError, OverflowError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)


@dataclass(frozen=True)
class ImageItems:
    """Decodes one image at a time to a fixed shape."""

    encoded: Encoded
    shape: tuple[int, int, int]
    processed: Processed | None = None  # how a model folder brings images to this shape

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, row: int) -> Tensor:
        if self.processed is None:
            return torch.from_numpy(decode(self.encoded[row], self.shape))
        channels = self.processed.channels
        return torch.from_numpy(self.processed(decode(self.encoded[row], (channels, None, None))))


def decode(data: bytes, shape: tuple[int, int | None, int | None]) -> NDArray[np.uint8]:
    """Return the pixels of an image file, brought to (channels, height, width); None: as they are."""
    channels, height, width = shape
    with opened(data) as file:
        image: Image.Image = file
        if image.mode.startswith("I"):  # 16 bits, which Pillow would clip and not scale
            image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
    if height is not None and width is not None and image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.array(image)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def opened(data: bytes) -> ImageFile.ImageFile:
    """Return an image of a known format that is not too large to decode; its pixels are not read yet.

    Raises:
        DataError: it is too large.
        OSError: it is no image.
    """
    image = Image.open(BytesIO(data), formats=FORMATS)
    if image.width * image.height > limits.PIXELS.value:
        raise DataError(f"{image.width}x{image.height} pixels, {limits.PIXELS}")
    return image


def decode_all(
    encoded: Encoded,
    options: Options,
    *,
    kind: Kind | None = None,
    prepare: Prepare | None = None,
    folder: Folder | None = None,
) -> Decoded:
    """Decode every image once: into memory, or when lazy only to see that it can be read."""
    heads = list(alike(in_threads(lambda row: _head(encoded, row), len(encoded), name="headers")))
    sound = [head for head in heads if isinstance(head, _Head)]
    if not sound:
        reason = heads[0] if heads else "there is none"
        raise DataError(f"None of the {len(heads)} images can be read: {reason}. Give other files.")
    processed = None if folder is None else Processed(folder)
    shape = _shape(sound, options) if processed is None else processed.shape
    shape = shape if kind is None else (kind.shape[0], kind.shape[1], kind.shape[2])
    items = ImageItems(encoded, shape, processed)
    lazy = len(sound) * int(np.prod(shape)) > LAZY_ABOVE if options.lazy is None else options.lazy
    pixels = np.zeros((0 if lazy else len(encoded), *shape), dtype=np.uint8)
    bad = {row: head for row, head in enumerate(heads) if isinstance(head, str)}
    bad |= dict(_decoded_into(pixels, items, bad))
    rows = good_rows(len(encoded), bad)
    if not len(rows):
        raise DataError(f"None of the {len(heads)} images can be read: {bad[0]}. Give other files.")
    prepare = prepare or (Pixels(options.mean, options.std) if processed is None else processed.prepare)
    return Decoded(
        source=on_disk(replace(items, encoded=Subset(encoded, rows)), prepare, workers=options.workers)
        if lazy
        else in_memory(torch.from_numpy(pixels[rows] if bad else pixels), prepare),
        kind=kind or Kind("image", shape, views_of(shape, options)),
        prepare=prepare,
        rows=rows,
        bad=bad,
        notes=tuple(_notes(sound, shape)),
    )


def views_of(shape: tuple[int, ...], options: Options) -> tuple[str, ...]:
    """Return which views keep the label: a mirror image does for colour, unless told otherwise."""
    mirror = shape[0] == 3 if options.mirror is None else options.mirror
    return ("plain", "mirror") if mirror else ("plain",)


@dataclass(frozen=True)
class _Head:
    size: tuple[int, int]  # height, width
    mode: str


def _head(encoded: Encoded, row: int) -> "_Head | str":
    data = b"?"
    try:
        data = encoded[row]
        with opened(data) as image:
            return _Head((image.height, image.width), image.mode)
    except BROKEN as error:
        return _reason(data, error)


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, DataError):
        return str(error)
    return f"not a readable image ({str(error).partition('<')[0].strip() or type(error).__name__})"


def _decoded_into(
    pixels: NDArray[np.uint8], items: ImageItems, bad: dict[int, str]
) -> Iterator[tuple[int, str]]:
    def fill(row: int) -> str:
        if row in bad:
            return ""
        try:
            image = items[row].numpy()
        except BROKEN as error:
            return _reason(b"?", error)
        if len(pixels):
            pixels[row] = image
        return ""

    for row, reason in enumerate(in_threads(fill, len(items), name="read")):
        if reason:
            yield row, reason


def _shape(heads: list[_Head], options: Options) -> tuple[int, int, int]:
    channels = 1 if all(head.mode in GREY_MODES for head in heads) else 3
    counts = Counter(head.size for head in heads)
    most = max(counts.values())
    height, width = options.size or max(size for size, count in counts.items() if count == most)
    return channels, height, width


def _notes(heads: list[_Head], shape: tuple[int, int, int]) -> Iterator[str]:
    channels, height, width = shape
    resized = sum(head.size != (height, width) for head in heads)
    if resized:
        yield f"{resized} of {len(heads)} images were resized to {height}x{width}."
    plain = "L" if channels == 1 else "RGB"
    modes = Counter(head.mode for head in heads if head.mode != plain)
    if modes:
        listed = ", ".join(f"{count} of mode {mode}" for mode, count in sorted(modes.items()))
        yield f"Images were converted to {'grey' if channels == 1 else 'colour'}: {listed}."
