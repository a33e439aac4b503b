"""A network whose layers before the last are learned without labels, and what a last layer makes of them."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.data.prepare import AsIs
from unchaff.data.sources import in_memory
from unchaff.errors import ConfigError, NeedsError
from unchaff.methods.beginning import as_it_began, fresh_copy
from unchaff.nets.head import Head, head_of
from unchaff.records import Cost, Trained
from unchaff.samples import Kind, Samples
from unchaff.streams import Streams
from unchaff.train.contrast import Contrast, contrast_flops, projector, with_head
from unchaff.train.initial import phase_by
from unchaff.train.loop import fit
from unchaff.train.optimizers import Adam
from unchaff.train.passes import features_of
from unchaff.train.phases import Cosine, Phase
from unchaff.train.strong import can_change
from unchaff.train.targets import Generalised

ROUNDING = 1e-5  # of their size: how far rounding (float32) may set equal numbers apart


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How the layers before the last learn without labels: two bold views of a sample belong together.

    Source: SimCLR, Chen et al., arXiv 2002.05709. Ours: the optimiser and the schedule of the recipe (there
    LARS), batches that fit a small machine, views as this package makes them (no blur), and a length in
    shares of the recipe; 500 epochs are usual where time is no matter.
    """

    epochs: float = 2.0  # in those of the recipe
    batch_size: int = 256  # at most; else twice that of the recipe
    temperature: float = 0.5
    projector: int = 128  # numbers that are compared

    def __post_init__(self) -> None:
        if self.epochs <= 0:
            raise ConfigError(f"epochs must be above 0, got {self.epochs}. Twice the recipe is 2.")
        if min(self.batch_size, self.projector) < 2:
            raise ConfigError("batch_size and projector must be 2 or more. The usual ones are 256 and 128.")
        Contrast(self.temperature)


@dataclass(frozen=True)
class Encoder:
    """A network whose last layer is new, and what it took to get there."""

    model: nn.Module
    head: Head
    cost: Cost


def usable_head(model: nn.Module, samples: Samples) -> Head:
    """Return the last layer of a network that can be taken apart from the layers before it.

    Raises:
        NeedsError: it cannot.
    """
    head = head_of(model, next(samples.batches(2)).inputs)
    if not head.name or "weight" not in dict(head.of(model).named_parameters(recurse=False)):
        raise NeedsError(
            "This method learns the layers before the last one by themselves, and the network has none, or a "
            "last one without a weight of its own. Give a network of several layers that ends in a "
            "torch.nn.Linear."
        )
    return head


def pretrained_encoder(trained: Trained, samples: Samples, how: Pretraining, *, streams: Streams) -> Encoder:
    """Return a copy of the network whose layers before the last were learned without labels.

    From new weights, or where the network came pretrained from its own.

    Raises:
        NeedsError: the network has no such layers, or nothing can be changed about these samples.
    """
    head = usable_head(trained.model, samples)
    if not can_change(samples):
        raise NeedsError(
            "Learning without labels needs two views of a sample, and nothing is known that leaves the label "
            f"of {samples.kind} right. Give an augmentation."
        )
    model = as_it_began(trained) if trained.pretrained else fresh_copy(trained.model, streams=streams)
    with streams.forked_global("projector"):
        compared = projector(head.width, how.projector).to(head.of(model).weight)
        own = copied(head.of(model))
        own.reset_parameters()
    recipe = trained.recipe_for(len(samples))
    recipe = replace(
        recipe,
        epochs=max(1, round(how.epochs * recipe.epochs)),
        batch_size=min(how.batch_size, 2 * recipe.batch_size),
    )
    phase = replace(
        phase_by(recipe, len(samples)),
        views=("strong", "strong"),
        loss=Contrast(how.temperature),
        beside=contrast_flops(min(recipe.batch_size, len(samples)), how.projector),
    )
    start, streams = with_head(model, head, compared), streams.fork("pretrain")
    fitted = fit(start, samples, phase, streams=streams, name="pretrain")
    return Encoder(with_head(fitted.model, head, own).eval(), head, fitted.cost)


@dataclass(frozen=True)
class Features:
    """What the last layer reads of all samples, centred and brought to deviation 1 as a whole."""

    samples: Samples  # of these numbers instead of the inputs
    mean: Float[Tensor, " width"]
    deviation: float
    cost: Cost


def features(encoder: Encoder, samples: Samples) -> Features:
    """Read what the last layer reads, once and for all: one forward pass."""
    read = features_of(encoder.model, samples, encoder.head, name="read")
    rows = read.rows
    # Without a bias to take it up, the mean has to stay.
    centred = encoder.head.of(encoder.model).bias is not None
    mean = rows.mean(0) if centred else torch.zeros_like(rows[0])
    # One scale for all: a unit that is silent on these samples must not be blown up.
    spread = float((rows - mean).square().mean().sqrt())
    deviation = spread if spread > ROUNDING * float(rows.abs().max()) else 1.0
    return Features(of_rows(samples, (rows - mean) / deviation), mean, deviation, read.cost)


def of_rows(samples: Samples, rows: Float[Tensor, "n width"]) -> Samples:
    """Return the same samples with rows of numbers as their inputs."""
    return replace(
        samples,
        kind=Kind("tabular", (rows.shape[1],)),
        source=in_memory(rows, AsIs()).to(samples.device),
        texts=None,
        columns=(),
        augmentation=None,
    )


@dataclass(frozen=True, kw_only=True)
class Probing:
    """How a new last layer is trained on features that stay as they are.

    Ours: AdamW, a cosine, and features brought to one scale, so that one rate suits every network; the
    layer takes the change up afterwards.
    """

    epochs: int = 5
    lr: float = 0.01
    q: float = 0.7  # of the generalised cross-entropy; 0: cross-entropy

    def __post_init__(self) -> None:
        Generalised(self.q)
        if self.epochs < 1 or self.lr <= 0:
            raise ConfigError(
                "A probe takes at least one epoch, at a rate above 0. The usual are 5 and 0.01."
            )


@dataclass(frozen=True)
class Probed:
    """A network with its new last layer, and what that says."""

    model: nn.Module  # its other layers are as they were
    logits: Float[Tensor, "n classes"]
    cost: Cost


def probed(encoder: Encoder, read: Features, how: Probing, *, batch_size: int, streams: Streams) -> Probed:
    """Train the last layer alone; the labels are those of `read.samples`."""
    layer = copied(encoder.head.of(encoder.model)).requires_grad_(requires_grad=True)
    with streams.forked_global("probe"):
        layer.reset_parameters()
    size = len(read.samples)
    steps = how.epochs * max(1, size // min(batch_size, size))
    phase = Phase(
        steps=steps,
        lr=Cosine(steps=steps, peak=how.lr),
        batch_size=batch_size,
        optimizer=Adam(),
        augment=False,
        loss=Generalised(how.q),
    )
    fitted = fit(layer, read.samples, phase, streams=streams, name="probe")
    learned = Head("", encoder.head.width).of(fitted.model)
    rows = next(read.samples.batches(size)).inputs
    model = copied(encoder.model)
    own = encoder.head.of(model)
    with torch.no_grad():
        logits = learned(rows)
        own.weight.copy_(learned.weight / read.deviation)
        if own.bias is not None:
            own.bias.copy_(learned.bias - own.weight @ read.mean)
    return Probed(model, logits[:, : read.samples.num_classes], fitted.cost)
