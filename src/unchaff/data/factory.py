"""`pkg.module:function`: a function of the user's, that returns the data or changes batches."""

import torch
from torch import Tensor

from unchaff.data.assemble import check_alike
from unchaff.data.dataset import Sized, read_dataset
from unchaff.data.options import OF_FILES, OF_VALUES, Options, Skipped
from unchaff.errors import DataError, UnchaffError
from unchaff.importing import function_of
from unchaff.samples import Augmentation, Samples


def call_factory(
    spec: str, options: Options, *, checks: bool = True
) -> tuple[Samples, Samples | None, tuple[Skipped, ...]]:
    """Return the training and, if the factory gives a pair, the test part, and what was left out of both.

    Args:
        spec: `pkg.module:function`.
        options: `rows`, `strict`, `augment` and, of a data set of single tensors, how these are prepared.
        checks: whether options that do not apply are refused.

    Raises:
        DataError: module or function cannot be found, fails, or returns something else.
        ConfigError: an option does not apply.
    """
    try:
        made = function_of(spec, DataError)()
    except UnchaffError:
        raise
    except (Exception, SystemExit) as error:  # whatever the owner's code raises
        raise DataError(
            f"{spec} raised {type(error).__name__}: {error}. Correct it; it takes nothing."
        ) from error
    parts = made if isinstance(made, tuple) and not isinstance(made, Samples) else (made,)
    if len(parts) > 2 or not parts:
        raise DataError(f"{spec} returned {len(parts)} things. Return Samples, a data set, or (train, test).")
    train, skipped = _samples(parts[0], spec, options)
    if checks:
        _check_options(options, spec, parts[0], train)
    if len(parts) == 1:
        return train, None, skipped
    test, more = _samples(parts[1], spec, options, like=train)
    if test.class_names != train.class_names:
        raise DataError(f"The classes of the two parts of {spec} differ. Give both the same class_names.")
    check_alike(test, train)
    return train, test, (*skipped, *more)


class Named:
    """A function of the user's that is known, and written down, by its name."""

    def __init__(self, name: str, function: Augmentation) -> None:
        self.name = name
        self._function = function

    @property
    def changes(self) -> bool:
        """Whether it changes anything: `none` does not."""
        return self._function is not unchanged

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        return self._function(inputs, generator)

    def __str__(self) -> str:
        return self.name


def augmentation(name: str | None) -> Augmentation | None:
    """Return how training changes a batch: `none`, `pkg.module:function`, or None: as the kind allows.

    Raises:
        DataError: the module cannot be found or fails, or has no such function.
    """
    if name is None:
        return None
    return Named(name, unchanged if name == "none" else function_of(name, DataError))


def unchanged(inputs: Tensor, _generator: torch.Generator) -> Tensor:
    """Return the batch as it is: an augmentation that is none."""
    return inputs


def _check_options(options: Options, spec: str, made: object, samples: Samples) -> None:
    """Refuse options that change nothing in what a factory made."""
    if isinstance(made, Samples):
        options.refuse(
            (*OF_FILES, *OF_VALUES), f"{spec} returns Samples, which are read and prepared already"
        )
    options.refuse(OF_FILES, f"{spec} returns a data set, which is no file")
    if samples.kind.layout is not None:
        options.refuse(OF_VALUES, f"{spec} returns several tensors a sample, which are taken as they are")


def _samples(
    made: object, spec: str, options: Options, *, like: Samples | None = None
) -> tuple[Samples, tuple[Skipped, ...]]:
    if isinstance(made, Samples):
        return made, ()
    if isinstance(made, Sized) and not isinstance(made, str | bytes | dict):
        read = read_dataset(made, options=options, like=like)
        return read.samples, read.skipped
    raise DataError(
        f"{spec} returned {type(made).__name__}. Return Samples, a torch Dataset, or (train, test)."
    )
