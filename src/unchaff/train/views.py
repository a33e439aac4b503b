"""What the network is shown of a batch: once, or in several views at once."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from unchaff.samples import UNTAGGED, Batch, Samples
from unchaff.train.augment import changed
from unchaff.train.phases import Phase, Tagged, View
from unchaff.train.strong import strongly


@dataclass(frozen=True)
class Shown:
    """The views of a batch, one after the other, and the tags of each."""

    inputs: tuple[Tensor, ...]
    tags: tuple[Tensor | None, ...]

    def part(self, batch: Batch, part: slice) -> tuple[Tensor, Batch]:
        """Return what the network reads of some samples, and these, with the tags of all views."""
        views = [each[part] for each in self.inputs]
        tags = [each[part] for each in self.tags if each is not None]
        some = Batch(batch.ids[part], batch.rows[part], batch.inputs[part], batch.labels[part])
        inputs = torch.cat(views) if len(views) > 1 else views[0]
        return inputs, replace(some, tags=torch.cat(tags) if tags else None)


def views_of(
    batch: Batch,
    samples: Samples,
    phase: Phase,
    generator: torch.Generator,
    *,
    mirrored: Bool[Tensor, " b"],
) -> Shown:
    """Return what the phase asks for; `mirrored` tells which pictures are, where it asks for no views.

    A view that makes inputs worse is a worse copy of the view before it.
    """
    if phase.views:
        made: list[Tagged] = []
        for view in phase.views:
            before = made[-1] if made else (batch.inputs, batch.tags)
            made.append(_seen(view, batch, before, samples, generator))
        return Shown(tuple(inputs for inputs, _ in made), tuple(tags for _, tags in made))
    inputs = batch.inputs
    if phase.augment:
        mirrored = mirrored.to(samples.device)
        inputs = changed(inputs, samples, generator, side=phase.side, mirrored=mirrored, reach=phase.reach)
    return Shown((inputs,), (batch.tags,))


def _seen(view: View, batch: Batch, before: Tagged, samples: Samples, generator: torch.Generator) -> Tagged:
    if not isinstance(view, str):
        return view(*before, generator)
    if view == "plain":
        return batch.inputs, batch.tags
    change = changed if view == "weak" else strongly
    return change(batch.inputs, samples, generator), batch.tags


def tag_loss(said: Tensor, batch: Batch, heeds: tuple[float, ...]) -> Float[Tensor, " b"]:
    """Return the cross-entropy of the tags of each sample, in nats: mean over words, weighed sum over views.

    Args:
        said: what the network says of the words of each view (views * b, length, tags).
        batch: with the tags of each view.
        heeds: the weight of each view; none: they share 1 evenly.
    """
    given = batch.tags
    if given is None:
        return said.new_zeros(len(batch.rows))
    each = functional.cross_entropy(
        said.float().transpose(1, 2), given, ignore_index=UNTAGGED, reduction="none"
    ).sum(1)
    of_sample = each / (given != UNTAGGED).sum(1).clamp(min=1)
    by_view = of_sample.reshape(-1, len(batch.rows))
    weights = heeds or (1 / len(by_view),) * len(by_view)
    return by_view.T @ by_view.new_tensor(weights)
