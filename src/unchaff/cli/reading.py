"""Given options -> how the library reads data."""

from dataclasses import replace
from pathlib import Path

from unchaff.cli import options
from unchaff.data import Options
from unchaff.data.factory import augmentation
from unchaff.hub import is_folder
from unchaff.nets.build import NETS


def columns(given: options.Columns) -> Options:
    """Return how a table is to be read."""
    return Options(
        input_column=given.input_column,
        label_column=given.label_column,
        id_column=given.id_column,
        group_column=given.group_column,
        rows=given.rows,
        strict=given.strict,
    )


def reading(given: options.Network) -> Options:
    """Return how data are to be read and prepared, for the network that was named."""
    return replace(
        columns(given),
        lazy=given.lazy,
        workers=given.workers,
        size=options.image_size(given.size),
        rate=given.rate,
        seconds=given.seconds,
        mean=options.numbers("--mean", given.mean),
        std=options.numbers("--std", given.std),
        mirror=given.mirror,
        augment=augmentation(given.augment),
        hub=_folder_of(given.model),
    )


def _folder_of(model: str | None) -> Path | None:
    """Return the model folder that was named as the network; a built-in name comes first."""
    return Path(model) if model is not None and model not in NETS and is_folder(model) else None
