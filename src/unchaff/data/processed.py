"""Images brought to the form a model folder asks for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff.data.prepare import Pixels
from unchaff.errors import ModelError
from unchaff.hub import Folder, loading

PROBES = ((64, 48), (37, 53))  # heights and widths; all images have to come out alike
EXACT = 1e-3  # of a prepared pixel

Image = NDArray[np.uint8]  # (channels, height, width)


@dataclass(frozen=True)
class Processed:
    """The size and section of an image, as the folder's image processor takes them.

    Its scale and normalisation are done by `Pixels`, so that images are held as bytes.
    """

    folder: Folder

    @property
    def channels(self) -> int:
        """Of the network: 1 for grey, 3 for colour."""
        return int(getattr(self.folder.config, "num_channels", 3))

    def __call__(self, pixels: Image) -> Image:
        """Return the image in the size of the folder."""
        return self._run(pixels, do_rescale=False, do_normalize=False)

    def _run(self, pixels: Image, **settings: bool) -> Any:  # noqa: ANN401  bytes, or numbers
        made = self.folder.image_processor(
            images=[pixels], input_data_format="channels_first", return_tensors="np", **settings
        )
        return np.ascontiguousarray(made["pixel_values"][0])

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Of every image: channels, height, width.

        Raises:
            ModelError: images come out in several shapes, or not as bytes.
        """
        with loading(self.folder.path, "the image processor"):
            made = [self(np.zeros((self.channels, *size), dtype=np.uint8)) for size in PROBES]
        shapes = {each.shape for each in made}
        if len(shapes) > 1 or made[0].ndim != 3 or made[0].dtype != np.uint8:
            raise ModelError(
                f"The image processor of {self.folder.path} does not bring images to one size. "
                "Set size, and crop_size where it crops, to one height and width."
            )
        channels, height, width = made[0].shape
        return channels, height, width

    @cached_property
    def prepare(self) -> Pixels:
        """Scale and normalisation, found from what the processor makes of black and of white.

        Raises:
            ModelError: it does more than that.
        """
        _, height, width = self.shape
        black, white = (
            self._run(np.full((self.channels, height, width), value, dtype=np.uint8)).astype(np.float64)
            for value in (0, 255)
        )
        low, high = black.mean((1, 2)), white.mean((1, 2))
        if not (high - low).all():
            raise ModelError(f"The image processor of {self.folder.path} makes all images alike.")
        std = 1 / (high - low)
        found = Pixels(_rounded(-low * std), _rounded(std))
        ramp = np.arange(self.channels * height * width) % 256
        image = ramp.reshape(self.channels, height, width).astype(np.uint8)
        ours = found(torch.from_numpy(self(image))[None])[0].numpy()
        if np.abs(ours - self._run(image)).max() > EXACT:
            raise ModelError(
                f"The image processor of {self.folder.path} does more than resize, crop, rescale and "
                "normalise, which is not supported. Give a prepared data set from Python."
            )
        return found


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
