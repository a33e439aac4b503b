"""How often a network is right on analogue hardware, whose layers are noisy."""

import torch
from torch import Tensor, nn

from unchaff.errors import ModelError
from unchaff.evaluate.accuracy import Scores, score_predictions
from unchaff.nets.adapt import logits_of
from unchaff.nets.analogue import analogue_layers, noisy, of_spread, spread_of
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.looking import looked_at
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams


def score_on_hardware(
    model: nn.Module,
    samples: Samples,
    strengths: tuple[float, ...],
    *,
    streams: Streams,
    layers: tuple[str, ...] = (),
) -> dict[float, Scores]:
    """Return how well it predicts these labels at each strength of the noise.

    Args:
        model: with or without blocks, which are digital; not modified.
        samples: with their right labels.
        strengths: deviation of the noise of a layer, in those of its clean outputs on these samples.
        streams: of the noise; networks of the same layers get the same draws.
        layers: that are noisy, by name; none: all linear and convolution layers.
    """
    example = next(samples.batches(2)).inputs
    names = tuple(each.name for each in analogue_layers(model, example))
    if layers:
        names = tuple(name for name in names if name.removesuffix(".layer") in layers)
    if layers and not names:
        raise ModelError(f"The network has no linear or convolution layer {layers[0]!r}. Correct the name.")
    spread, _ = spread_of(model, samples, names, name="measure")

    def at(strength: float) -> Scores:
        generator = streams(f"hardware {strength:g}", samples.device)

        def predicted(batch: Batch) -> Tensor:
            with noisy(model, names, of_spread(spread, strength), generator):
                return logits_of(model(batch.inputs)).argmax(1)

        with in_eval_mode(model), torch.no_grad(), streams.forked_global("hardware"):
            answers = torch.cat(list(looked_at(samples, predicted, size=512, name="hardware")))
        return score_predictions(answers, samples.labels, samples.class_names)

    return {strength: at(strength) for strength in strengths}
