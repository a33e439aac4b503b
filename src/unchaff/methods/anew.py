"""A fresh network trained by the recipe: what methods share that train with another loss."""

from dataclasses import replace

from unchaff.errors import ConfigError
from unchaff.records import Trained
from unchaff.samples import Samples
from unchaff.train.initial import phase_by
from unchaff.train.phases import Phase


def checked_budget(budget: float) -> None:
    """Check a budget of a method that trains anew.

    Raises:
        ConfigError: it is not above 0.
    """
    if budget <= 0:
        raise ConfigError(f"budget must be above 0, got {budget}. A whole training is 1.")


def phase_within(
    trained: Trained, samples: Samples, *, budget: float, price: float = 1.0, augment: bool = True
) -> Phase:
    """Return a whole training by the recipe, shortened or lengthened to a budget; it has one epoch at least.

    Args:
        trained: whose recipe it is.
        samples: to learn from.
        budget: share of the operations of one full training.
        price: of an epoch, in those of plain training: 2 for two networks, or for two views.
        augment: whether inputs are changed at random.
    """
    recipe = trained.recipe_for(len(samples))
    epochs = max(1, round(recipe.epochs * budget / price))
    return phase_by(replace(recipe, epochs=epochs, augment=augment), len(samples))
