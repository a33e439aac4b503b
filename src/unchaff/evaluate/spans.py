"""How well a filter finds planted foreign spans, and what it wins back; needs the truth."""

import torch
from jaxtyping import Bool, Float
from sklearn.metrics import roc_auc_score
from torch import Tensor

from unchaff.errors import DataError
from unchaff.nets.filtering import Filtered
from unchaff.nets.looking import looked_at
from unchaff.noise.foreign import ForeignSpans, masks
from unchaff.samples import Samples
from unchaff.streams import Streams

GRID = 8  # cells a side that pictures are judged in
STRETCHES = 32  # that sound is judged in: the shortest spans must fill half of one


def recovered(*, clean: float, hit: float, filtered: float) -> float | None:
    """Return the share of what foreign spans cost that a filter wins back; None where they cost nothing.

    Args:
        clean: accuracy or ROUGE without spans and without a filter.
        hit: with spans, without a filter.
        filtered: with spans, with a filter.
    """
    return (filtered - hit) / (clean - hit) if clean > hit else None


def auroc_of_spans(scores: Float[Tensor, " n"], is_foreign: Bool[Tensor, " n"]) -> float:
    """Return the probability that a foreign span scores above one that is not.

    Raises:
        DataError: there is only one of both.
    """
    if not 0 < int(is_foreign.sum()) < len(is_foreign):
        raise DataError("Spans of both sorts are needed, foreign ones and others. Plant some in some inputs.")
    return float(roc_auc_score(is_foreign.cpu().numpy(), scores.double().cpu().numpy()))


def auroc_in_inputs(
    model: Filtered, clean: Samples, planted: ForeignSpans, *, streams: Streams, grid: int = GRID
) -> float:
    """Return the AUROC of the spans of pictures or sound, after planting.

    Pictures are judged in a grid of so many cells a side, sound in `STRETCHES`. A span is foreign where at
    least half of it is; its score is the mean of the cells of the filter in it.
    """
    noisy, _ = planted(clean, streams=streams)
    cells = (grid, grid) if clean.kind.name == "image" else (1, STRETCHES)
    under = masks(planted.places(clean, streams), *cells)
    hit = torch.zeros(len(clean), dtype=torch.bool)
    hit[torch.from_numpy(planted.hit(clean.ids, streams))] = True
    under[~hit] = 0

    def look(batch: object) -> Tensor:
        found = model.filter.scores(model.network, batch.inputs)  # type: ignore[attr-defined]
        return torch.nn.functional.adaptive_avg_pool2d(found[:, None], cells)[:, 0].cpu()

    scores = torch.cat(list(looked_at(noisy, look, size=64, name="spans")))
    return auroc_of_spans(scores.flatten(), under.flatten() >= 0.5)
