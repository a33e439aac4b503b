"""Grounds whose network learned something else first: without labels, or other classes with wrong labels."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from unchaff import noise as noises
from unchaff.bench.cell import Cell, Material
from unchaff.bench.start import fitting
from unchaff.errors import ConfigError
from unchaff.methods.encoder import Pretraining, pretrained_encoder, usable_head
from unchaff.nets.build import build, default_net
from unchaff.records import Recipe, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import train_initial


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """How the network came to be that is tuned."""

    classes: tuple[int, ...] = ()  # that it learned to tell apart; none: it learned without labels
    noise: str = "none"  # in their labels

    @property
    def sentence(self) -> str:
        """What it is, for the page."""
        if not self.classes:
            return "Its network learned without labels."
        return f"Its network learned the classes {', '.join(map(str, self.classes))}, noise {self.noise}."


def narrowed(samples: Samples, classes: tuple[int, ...]) -> Samples:
    """Return the samples of some classes, which are numbered anew."""
    labels = samples.labels.cpu()
    rows = torch.isin(labels, torch.tensor(classes)).nonzero().squeeze(1).numpy()
    some = samples.at(rows)
    places = torch.zeros(samples.num_classes, dtype=torch.long)
    places[list(classes)] = torch.arange(len(classes))
    return replace(
        some,
        labels=places[some.labels.cpu()].to(samples.device),
        class_names=tuple(samples.class_names[each] for each in classes),
    )


def of_classes(material: Material, classes: tuple[int, ...]) -> Material:
    """Return the material with the samples of some classes only.

    Raises:
        ConfigError: noise was planted before, whose truth numbers classes otherwise.
    """
    if material.truth is not None:
        raise ConfigError("Some classes of data with planted noise are no ground. Take noise none.")
    observed = replace(material.observed, train=narrowed(material.observed.train, classes))
    return replace(material, observed=observed, test=narrowed(material.test, classes))


def begun(how: Backbone, cell: Cell, everything: Samples, own: Samples, *, streams: Streams) -> Trained:
    """Return the network that is tuned on `own`, with a new last layer.

    Args:
        how: what it learned.
        cell: says which network, and how long it is trained.
        everything: samples of all classes.
        own: those it is going to be tuned on.
        streams: of the seed.
    """
    streams = streams.fork("backbone")
    samples = narrowed(everything, how.classes) if how.classes else own
    spec = cell.model or default_net(samples)
    fresh = fitting(build(spec, samples, streams=streams), samples)
    recipe = replace(Recipe.usual(fresh, len(samples)), epochs=cell.epochs, augment=True)
    if how.classes:
        planted = noises.parse(how.noise)
        spoiled = samples if planted is None else planted(samples, streams=streams)[0]
        trained = train_initial(fresh, spoiled, recipe, streams=streams)
        model, cost = _with_new_head(trained.model, samples, own, streams=streams), trained.cost
    else:
        start = Trained(model=fresh, recipe=recipe)
        encoder = pretrained_encoder(start, samples, Pretraining(), streams=streams)
        model, cost = encoder.model, encoder.cost
    state = {name: each.detach().clone() for name, each in model.state_dict().items()}
    return Trained(
        model=model.eval(),
        recipe=replace(recipe, augment=False),
        initial=state,
        cost=cost,
        pretrained=True,
    )


def _with_new_head(model: nn.Module, samples: Samples, own: Samples, *, streams: Streams) -> nn.Module:
    """Return the network with a last layer that has not learned anything, and an output for each class."""
    head = usable_head(model, samples)
    old = head.of(model)
    with streams.forked_global("head"):
        layer = nn.Linear(head.width, own.num_classes, bias=old.bias is not None).to(old.weight)
    model.set_submodule(head.name, layer)
    return model
