"""The network a new training begins with."""

import torch
from torch import nn

from unchaff.copies import copied
from unchaff.errors import NeedsError
from unchaff.records import Trained
from unchaff.streams import Streams


def beginning(trained: Trained, *, streams: Streams) -> nn.Module:
    """Return new weights, or where the network came pretrained, those from before its training.

    Raises:
        NeedsError: it came pretrained, and those weights are not known.
    """
    if not trained.pretrained:
        return fresh_copy(trained.model, streams=streams)
    if trained.initial is None:
        raise NeedsError(
            "This method trains anew, and the network was pretrained: it needs the weights from before it "
            "was trained on these data. Give them as --initial (from Python Trained(initial=...))."
        )
    return as_it_began(trained)


def as_it_began(trained: Trained) -> nn.Module:
    """Return a copy of a network with the weights from before its training, as far as they are known."""
    model = copied(trained.model)
    model.load_state_dict({**model.state_dict(), **(trained.initial or {})})
    return model


def fresh_copy(model: nn.Module, *, streams: Streams) -> nn.Module:
    """Return a copy with newly drawn weights; frozen ones, and buffers with a measured input scale, stay.

    Modules draw as they do when they are made. What no module draws, such as a class token that is a
    parameter of its own or weights behind a parametrization, is drawn from a normal distribution with
    the mean and deviation it has.
    """
    fresh = copied(model)
    with streams.forked_global("fresh"), torch.no_grad():
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        for module in reversed(list(fresh.modules())):  # attention draws for its parts as well
            reset = getattr(module, "_reset_parameters", None)
            if callable(reset) and not hasattr(module, "reset_parameters"):
                reset()
        for drawn, old in zip(fresh.parameters(), model.parameters(), strict=True):
            if not old.requires_grad:
                drawn.copy_(old)
            elif torch.equal(drawn, old):
                drawn.copy_(old.mean() + old.std(correction=0) * torch.randn(old.shape).to(old))
    return fresh
