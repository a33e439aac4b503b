"""Raw inputs back to files: PNG for images, FLAC or WAV for sound."""

from collections.abc import Iterator
from io import BytesIO

import soundfile
import torch
from PIL import Image
from torch import Tensor

from unchaff.data.sources import chunks_of
from unchaff.samples import Samples

STEPS = 32768  # of 16-bit sound between 0 and 1


def files_of(samples: Samples) -> Iterator[tuple[str, bytes]]:
    """Yield the suffix and content of one file per sample, in order."""
    for rows in chunks_of(len(samples)):
        for one in samples.source.raw(rows):
            yield (
                ("png", png(one)) if samples.kind.name == "image" else sound(one, samples.kind.rate or 16000)
            )


def png(image: Tensor) -> bytes:
    """Return an image (channels, height, width), bytes or floats in [0, 1], as PNG."""
    if image.dtype != torch.uint8:
        image = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = image.permute(1, 2, 0).numpy()
    buffer = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def sound(wave: Tensor, rate: int) -> tuple[str, bytes]:
    """Return a waveform without loss: as 16-bit FLAC if it fits, else as WAV of floats.

    Noise takes a clip above full scale; scaling it down would change what a network hears.
    """
    steps = wave.float() * STEPS
    fits = bool((steps == steps.round()).all()) and float(wave.abs().max()) < 1
    buffer = BytesIO()
    if fits:
        soundfile.write(buffer, steps.to(torch.int16).numpy(), rate, format="FLAC", subtype="PCM_16")
        return "flac", buffer.getvalue()
    soundfile.write(buffer, wave.float().numpy(), rate, format="WAV", subtype="FLOAT")
    return "wav", buffer.getvalue()
