"""What `inject` does, and says about it."""

from unchaff import noise
from unchaff.cli import answer, inject, show, terminal
from unchaff.cli.reading import columns
from unchaff.cli.said import say
from unchaff.cli.words import pasted, percent
from unchaff.data.assemble import left_out
from unchaff.data.write import inject as plant
from unchaff.errors import NoiseError
from unchaff.streams import Streams


def perform(given: inject.Options) -> int:
    """Plant the noise, and say what was written, with the exact rates."""
    planted = noise.parse(given.noise)
    if planted is None:
        raise NoiseError(
            "There is nothing to plant with --noise none. Give KIND:RATE, such as symmetric:0.4."
        )
    with show.stages(quiet=given.quiet):
        written = plant(
            given.data,
            planted,
            given.out.expanduser(),
            streams=Streams(given.seed),
            options=columns(given),
            overwrite=given.overwrite,
        )
    loaded, rates = written.loaded, noise.realised(written.truth, written.noisy)
    per_class = dict(zip(written.noisy.class_names, rates.per_class, strict=True))

    def tell() -> None:
        for line in (loaded.found, *(f"Note: {note}" for note in loaded.notes)):
            terminal.tell(line)
        for sentence in left_out(loaded.skipped):
            terminal.tell(sentence)
        say(f"Planted {given.noise}: {percent(rates.rate)} of {len(written.noisy)} samples are noisy.")
        named = ", ".join(f"{name} {percent(rate)}" for name, rate in per_class.items())
        terminal.tell(f"By true class: {named}.")
        say(f"Noisy data: {pasted(written.data_file)}")
        say(f"Truth, for the evaluation only: {pasted(written.truth_file)}")

    content = {
        "found": loaded.found,
        "notes": loaded.notes,
        "num_samples": len(written.noisy),
        "num_skipped": len(loaded.skipped),
        "noise": given.noise,
        "rate": rates.rate,
        "per_class": per_class,
        "data": answer.whole(written.data_file),
        "truth": answer.whole(written.truth_file),
    }
    return answer.give(given, answer.Answer(content=content, tell=tell, path=written.data_file))
