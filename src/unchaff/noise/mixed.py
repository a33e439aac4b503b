"""Several kinds of noise on the same data, one after the other."""

from dataclasses import dataclass

import torch

from unchaff.errors import NoiseError
from unchaff.noise.base import Noise
from unchaff.records import Truth
from unchaff.samples import Samples
from unchaff.streams import Streams


@dataclass(frozen=True)
class Mixed:
    """Each kind is planted as if it were alone; a sample is noisy where any of them changed it.

    Source: ours; people and sensors err independently.
    """

    parts: tuple[Noise, ...]

    def __post_init__(self) -> None:
        kinds = [type(part).__name__ for part in self.parts]
        if len(set(kinds)) < len(kinds):
            raise NoiseError(
                f"Each kind of noise may be given once, got {' + '.join(kinds)}: the same kind would hit "
                "the same samples again. Give one of a higher rate."
            )

    def __call__(self, clean: Samples, *, streams: Streams) -> tuple[Samples, Truth]:
        """Plant all of them, in their order."""
        noisy, right = clean, clean.labels.cpu()
        is_spoiled = torch.zeros(len(clean), dtype=torch.bool)
        for part in self.parts:
            before = noisy.labels.cpu()
            noisy, truth = part(noisy, streams=streams)
            is_spoiled |= truth.is_noisy & (noisy.labels.cpu() == before)
        wrong = noisy.labels.cpu() != right  # a label that two kinds changed back is right again
        return noisy, Truth(ids=clean.ids, true_label=right, is_noisy=is_spoiled | wrong)
