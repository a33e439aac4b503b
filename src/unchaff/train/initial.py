"""Training from scratch by a recipe: the noisy start, and the controls that retrain."""

from dataclasses import replace

from torch import nn

from unchaff.nets.flops import count
from unchaff.records import Cost, Recipe, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.loop import Fitted, fit
from unchaff.train.optimizers import optimizer_of
from unchaff.train.phases import Cosine, Phase
from unchaff.train.recorder import Recorder, Watcher


def steps_of(recipe: Recipe, size: int) -> int:
    """Return the optimizer steps of a whole training on so many samples."""
    return recipe.epochs * max(1, size // min(recipe.batch_size, size))


def train_by(
    recipe: Recipe,
    model: nn.Module,
    samples: Samples,
    *,
    streams: Streams,
    name: str = "train",
    watcher: Watcher | None = None,
) -> Fitted:
    """Train a copy of a fresh network for the whole recipe."""
    phase = phase_by(recipe, len(samples))
    return fit(model, samples, phase, streams=streams, name=name, watcher=watcher)


def phase_by(recipe: Recipe, size: int) -> Phase:
    """Return a whole training by the recipe on so many samples."""
    steps = steps_of(recipe, size)
    return Phase(
        steps=steps,
        lr=Cosine(steps=steps, peak=recipe.lr, warmup=recipe.warmup),
        batch_size=recipe.batch_size,
        optimizer=optimizer_of(recipe),
        augment=recipe.augment,
    )


def train_initial(plain: nn.Module, samples: Samples, recipe: Recipe, *, streams: Streams) -> Trained:
    """Train a copy of a fresh network on the given labels, right and wrong, until it knows them."""
    recorder = Recorder(samples.ids)
    fitted = train_by(recipe, plain, samples, streams=streams.fork("initial"), watcher=recorder)
    initial = {name: tensor.detach().clone() for name, tensor in plain.state_dict().items()}
    return Trained(
        model=fitted.model.eval(),
        recipe=recipe,
        initial=initial,
        record=recorder.record(),
        cost=fitted.cost,
    )


def with_recipe(trained: Trained, samples: Samples) -> Trained:
    """Return the same with its recipe written in: where none is known, the usual one for all these samples.

    For what learns from a part of them, which would else be trained on as so few samples usually are.
    """
    return replace(trained, recipe=trained.recipe_for(len(samples)))


def full_cost(trained: Trained, samples: Samples) -> Cost:
    """Return what one full training of the recipe takes: measured where it was done here.

    Without a recipe the default one is assumed, and the caller marks shares as estimated.
    """
    recipe = trained.recipe_for(len(samples))
    example = next(samples.batches(2)).inputs
    batch = min(recipe.batch_size, len(samples))
    seen = steps_of(recipe, len(samples)) * batch
    return Cost(
        seconds=trained.cost.seconds, samples_seen=seen, flops=count(trained.model, example).training * seen
    )
