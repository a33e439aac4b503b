"""How foreign each place of inputs is, by where their embeddings usually lie; all it knows is in buffers."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unchaff.nets.mahalanobis import Gaussian, relative

PLAIN = 3.0  # times the bound where there is no background: many usual embeddings lie beyond their mean
OWN = 0.5  # of the median score of an input, taken off its scores: a busy picture is busy all over


class Foreignness(nn.Module):
    """The relative distance of embeddings, less what is usual at each place and in each input."""

    mean: Tensor
    white: Tensor
    background_mean: Tensor  # empty: no background
    background_white: Tensor
    level: Tensor  # (rows, columns) of clean distances at each place: layers see the border of an input

    def __init__(self, usual: Gaussian, background: Gaussian | None, *, reach: float) -> None:
        """Begin with no level.

        Args:
            usual: where embeddings usually lie.
            background: where those of inputs lie that show nothing.
            reach: bound of a distance, in mean distances of usual embeddings; further without a background.
        """
        super().__init__()
        away = background or Gaussian(usual.mean.new_zeros(0), usual.white.new_zeros(0, 0))
        self.register_buffer("mean", usual.mean.float())
        self.register_buffer("white", usual.white.float())
        self.register_buffer("background_mean", away.mean.float())
        self.register_buffer("background_white", away.white.float())
        self.register_buffer("level", torch.zeros(0, 0, device=usual.mean.device))
        self._reach = reach if background is not None else PLAIN * reach

    @classmethod
    def like(cls, state: Mapping[str, Tensor], prefix: str, *, reach: float) -> "Foreignness":
        """Return an empty one of the size that weights under such a prefix have.

        Raises:
            KeyError: they hold none.
        """
        empty = {name: torch.zeros_like(state[f"{prefix}{name}"]) for name in ("mean", "white", "level")}
        away = torch.zeros_like(state[f"{prefix}background_mean"])
        background = Gaussian(away, torch.zeros_like(state[f"{prefix}background_white"]))
        found = cls(Gaussian(empty["mean"], empty["white"]), background if len(away) else None, reach=reach)
        found.level = empty["level"]
        return found

    def distances(self, found: Float[Tensor, "b m rows columns"]) -> Float[Tensor, "b rows columns"]:
        """Return the relative distance of each place, within the bound."""
        away = None
        if self.background_mean.numel():
            away = Gaussian(self.background_mean, self.background_white)
        far = relative(found.movedim(1, -1).flatten(0, 2), Gaussian(self.mean, self.white), away)
        bound = self._reach * len(self.mean)  # the mean distance of usual places is their number of features
        return far.clamp(-bound, bound).view(len(found), *found.shape[2:])

    def centred(self, distances: Float[Tensor, "b rows columns"]) -> Float[Tensor, "b rows columns"]:
        """Return distances less what is usual at each place, and less half of the input's own median.

        NaN is a place that holds nothing, and stays one.
        """
        scores = distances - self.level
        return scores - OWN * scores.flatten(1).nanmedian(1).values[:, None, None]
