"""Sound brought to the form a model folder asks for: waveforms, or the features of its extractor."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unchaff.errors import ModelError
from unchaff.extras import library
from unchaff.hub import Folder
from unchaff.packing import MASK, Layout, pack
from unchaff.samples import Kind

WAVEFORM = "Wav2Vec2FeatureExtractor"  # of all networks that hear the wave itself
SPAN = 1 / 6  # of a clip, at most, that training blanks out
SHIFT = 1 / 10  # of a clip, at most, that training moves it by

Clip = NDArray[np.float32]


@dataclass(frozen=True)
class Extracted:
    """What a feature extractor of transformers makes of each clip by itself, silence at its end left out."""

    settings: Mapping[str, Any]  # of the extractor
    seconds: float  # length every clip was brought to
    dear: ClassVar[bool] = True

    @classmethod
    def of(cls, folder: Folder, seconds: float) -> "Extracted":
        """Return the preparation of a folder.

        Raises:
            ModelError: what it makes of clips differs in shape from clip to clip.
        """
        made = cls(dict(folder.extractor.to_dict()), seconds)
        short, whole = (made.one(np.ones(time, dtype=np.float32)) for time in (made.time // 2 + 1, made.time))
        if {name: each.shape for name, each in short.items()} != {
            name: each.shape for name, each in whole.items()
        }:
            raise ModelError(
                f"The feature extractor of {folder.path} ({made.settings['feature_extractor_type']}) gives "
                "each clip its own shape, which is not supported. Wav2Vec2FeatureExtractor and those of AST "
                "and Whisper are."
            )
        return made

    @cached_property
    def extractor(self) -> Any:  # noqa: ANN401  the library's
        """The extractor of these settings."""
        transformers = library("transformers", extra="hub", without="give a network of another kind")
        name = str(self.settings.get("feature_extractor_type"))
        made = getattr(transformers, name, None)
        if not (isinstance(made, type) and issubclass(made, transformers.SequenceFeatureExtractor)):
            raise ModelError(f"{name} is no feature extractor for sound of transformers.")
        return made.from_dict(dict(self.settings))  # type: ignore[attr-defined]

    @property
    def rate(self) -> int:
        """Samples per second the network hears."""
        return int(self.extractor.sampling_rate)

    @property
    def time(self) -> int:
        """Samples of a clip."""
        return max(round(self.seconds * self.rate), 1)

    @cached_property
    def kind(self) -> Kind:
        """Of prepared clips."""
        made = self.one(np.ones(self.time, dtype=np.float32))
        if len(made) == 1:
            return Kind("audio", tuple(next(iter(made.values())).shape), rate=self.rate)
        rows, layout = pack([made])
        return Kind("audio", tuple(rows.shape[1:]), rate=self.rate, layout=layout)

    def one(self, clip: Clip) -> dict[str, Tensor]:
        """Return what the network takes for one clip (time,), by name."""
        clip = clip[: self.time]
        heard = clip[: int(np.flatnonzero(clip)[-1]) + 1] if clip.any() else clip
        made = self.extractor(heard, sampling_rate=self.rate, return_tensors="np")
        found = {str(name): np.asarray(made[name][0]) for name in made}
        if self.settings["feature_extractor_type"] == WAVEFORM:
            found = self._padded(found["input_values"])
        return {name: _plain(torch.from_numpy(each)) for name, each in found.items()}

    def _padded(self, wave: Clip) -> dict[str, NDArray[Any]]:
        """Return a waveform filled up, and where it is one, as batches of the library are."""
        missing = self.time - len(wave)
        filled = np.pad(wave, (0, missing), constant_values=self.extractor.padding_value)
        if not self.extractor.return_attention_mask:
            return {"input_values": filled}
        return {"input_values": filled, MASK: (np.arange(self.time) < len(wave)).astype(np.int64)}

    def __call__(self, raw: Tensor) -> Tensor:
        clips = [self.one(clip) for clip in raw.cpu().float().numpy()]
        if self.kind.layout is None:
            return torch.stack([next(iter(each.values())) for each in clips]).to(raw.device)
        return pack(clips)[0].to(raw.device)

    def changes(self) -> "SoundChanges":
        """Return how training may change prepared clips."""
        if self.kind.layout is not None:
            return SoundChanges(-1, self.kind.layout)
        bands = getattr(self.extractor, "num_mel_bins", self.extractor.feature_size)
        is_time_last = len(self.kind.shape) == 1 or self.kind.shape[-1] != bands
        return SoundChanges(-1 if is_time_last else -2)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "extracted", "settings": dict(self.settings), "seconds": self.seconds}


def _plain(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values.long()


@dataclass(frozen=True)
class SoundChanges:
    """Clips moved in time by up to a tenth, and one span of up to a sixth set to its mean.

    Where a mask says which places hold sound, nothing is moved.
    """

    axis: int  # of time
    layout: Layout | None = None

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return another prepared batch."""
        if self.layout is None:
            by_time = inputs.movedim(self.axis, -1)
            return _blanked(_moved(by_time, generator), generator).movedim(-1, self.axis)
        parts = self.layout.unpack(inputs)
        parts = {
            name: _blanked(each, generator) if each.is_floating_point() else each
            for name, each in parts.items()
        }
        return self.layout.bytes_of(parts)


def _moved(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Return each (..., time) of the batch moved; its ends repeat."""
    time = inputs.shape[-1]
    reach = max(1, round(time * SHIFT))
    shift = torch.randint(-reach, reach + 1, (len(inputs), 1), generator=generator, device=inputs.device)
    source = (torch.arange(time, device=inputs.device) + shift).clamp(0, time - 1)
    return inputs.gather(-1, _beside(source, inputs).expand_as(inputs))


def _blanked(inputs: Tensor, generator: torch.Generator) -> Tensor:
    time = inputs.shape[-1]
    start, width = (
        torch.rand(len(inputs), 1, generator=generator, device=inputs.device) * time * part
        for part in (1.0, SPAN)
    )
    place = torch.arange(time, device=inputs.device)
    inside = _beside((place >= start) & (place < start + width), inputs)
    return torch.where(inside, inputs.mean(-1, keepdim=True), inputs)


def _beside(rows: Tensor, inputs: Tensor) -> Tensor:
    """Return (b, time) with the axes of (b, ..., time)."""
    return rows.reshape(len(rows), *(1,) * (inputs.dim() - 2), rows.shape[-1])
