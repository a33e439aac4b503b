"""A fresh network trained by the recipe: what methods share that train with another loss."""

import math
from dataclasses import replace

from torch import nn

from unchaff.errors import ConfigError
from unchaff.methods.beginning import beginning
from unchaff.nets.flops import count
from unchaff.records import Outcome, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import phase_by, steps_of
from unchaff.train.loop import Fitted, fit
from unchaff.train.phases import Cosine, Loss, Phase
from unchaff.train.tutor import Tutor

CLOSE = 0.03  # of a budget: as good as equal


def checked_budget(budget: float) -> None:
    """Check a budget of a method that trains anew.

    Raises:
        ConfigError: it is not above 0.
    """
    if not 0 < budget < math.inf:
        raise ConfigError(f"budget must be above 0, got {budget}. A whole training is 1.")


def checked_share(name: str, share: float, example: str) -> None:
    """Check a share in [0, 1); `example` says what to pass.

    Raises:
        ConfigError: it is outside.
    """
    if not 0 <= share < 1:
        raise ConfigError(f"{name} must be in [0, 1), got {share}. {example}")


def phase_within(
    trained: Trained, samples: Samples, *, budget: float, price: float = 1.0, augment: bool = True
) -> Phase:
    """Return a whole training by the recipe, shortened or lengthened to a budget; it has one step at least.

    To the step, unless whole epochs come close: then every sample is met as often as any other.

    Args:
        trained: whose recipe it is.
        samples: to learn from.
        budget: share of the operations of one full training.
        price: of an epoch, in those of plain training: 2 for two networks, or for two views.
        augment: whether inputs are changed at random.
    """
    recipe = trained.recipe_for(len(samples))
    epochs = recipe.epochs * budget / price
    if abs(round(epochs) - epochs) <= CLOSE * epochs:
        epochs = round(epochs)
    steps = max(1, round(epochs * steps_of(replace(recipe, epochs=1), len(samples))))
    return phase_of(trained, samples, steps=steps, augment=augment)


def phase_for(
    trained: Trained,
    samples: Samples,
    *,
    flops: float,
    learner: nn.Module | None = None,
    views: int = 1,
    augment: bool = True,
) -> Phase:
    """Return a whole training by the recipe that takes so many operations, to the step; one step at least.

    Args:
        trained: whose recipe it is.
        samples: to learn from.
        flops: that it may take.
        learner: what runs in a step; None: the network itself.
        views: how often a sample runs through it in a step.
        augment: whether inputs are changed at random.
    """
    each = views * count(learner or trained.model, next(samples.batches(2)).inputs).training
    batch = min(trained.recipe_for(len(samples)).batch_size, len(samples))
    return phase_of(trained, samples, steps=max(1, int(flops / (each * batch) + 1e-6)), augment=augment)


def phase_of(trained: Trained, samples: Samples, *, steps: int, augment: bool) -> Phase:
    """Return a training by the recipe, annealed over so many steps."""
    recipe = replace(trained.recipe_for(len(samples)), augment=augment)
    schedule = Cosine(steps=steps, peak=recipe.lr, warmup=recipe.warmup)
    return replace(phase_by(recipe, len(samples)), steps=steps, lr=schedule)


def fitted_anew(
    trained: Trained, samples: Samples, phase: Phase, *, streams: Streams, name: str = "train"
) -> Fitted:
    """Train a freshly initialised copy; a loss that learns along looks on as well, and is paid for.

    All methods that call this begin with the same weights and see the samples in the same order, so that
    what differs is the method.
    """
    tutor = phase.loss if isinstance(phase.loss, Tutor) else None
    fresh = beginning(trained, streams=streams)
    fitted = fit(fresh, samples, phase, streams=streams.fork("retrain"), name=name, watcher=tutor)
    return fitted if tutor is None else replace(fitted, cost=fitted.cost + tutor.cost)


def taught_anew(trained: Trained, samples: Samples, phase: Phase, loss: Loss, *, streams: Streams) -> Outcome:
    """Return a network trained anew with this loss."""
    fitted = fitted_anew(trained, samples, replace(phase, loss=loss), streams=streams)
    return Outcome(model=fitted.model.eval(), cost=fitted.cost)
