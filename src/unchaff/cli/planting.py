"""What `inject` does, and says about it."""

from collections.abc import Iterator
from pathlib import Path

from unchaff import noise
from unchaff.cli import options
from unchaff.cli.reading import columns
from unchaff.cli.table import percent
from unchaff.data.write import inject
from unchaff.errors import NoiseError
from unchaff.streams import Streams


def lines(
    given: options.Columns, *, data: str, kind: str, out: Path, seed: int, overwrite: bool
) -> Iterator[str]:
    """Plant the noise and yield what was written, with the exact rates."""
    planted = noise.parse(kind)
    if planted is None:
        raise NoiseError(
            "There is nothing to plant with --noise none. Give KIND:RATE, such as symmetric:0.4."
        )
    written = inject(
        data,
        planted,
        out.expanduser(),
        streams=Streams(seed),
        options=columns(given),
        overwrite=overwrite,
    )
    yield written.loaded.found
    yield from (f"Note: {note}" for note in written.loaded.notes)
    if written.loaded.skipped:
        yield f"{len(written.loaded.skipped)} samples cannot be read and are left out."
    rates = noise.realised(written.truth, written.noisy)
    per_class = zip(written.noisy.class_names, rates.per_class, strict=True)
    yield f"Planted {kind}: {percent(rates.rate)} of {len(written.noisy)} samples are noisy."
    yield "By true class: " + ", ".join(f"{name} {percent(rate)}" for name, rate in per_class) + "."
    yield f"Noisy data: {written.data_file}; the truth, for the evaluation only: {written.truth_file}."
