"""Given options -> how the library reads data."""

from dataclasses import replace

from unchaff.cli import options
from unchaff.data import Options


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


def reading(given: options.Reading) -> Options:
    """Return how data are to be read and prepared."""
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
    )
