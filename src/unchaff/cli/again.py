"""`unchaff repair --resume-from RUN --decisions`: the same run, with what a person decided."""

from dataclasses import fields, replace

from unchaff.bench.cell import Cell, method_of
from unchaff.bench.replay import cell_of
from unchaff.cli import options
from unchaff.cli.repair import Options
from unchaff.data.factory import augmentation
from unchaff.errors import ConfigError
from unchaff.methods.heed import chooses
from unchaff.runs.read import read

# Where things lie now, and how the repair is done.
ANEW = ("data", "test", "reference", "weights", "initial", "record", "truth", "model", "augment")
HOW = ("method", "budget", "controls", "device")
# What decides data, labels and network, and so is that of the run.
SETTLED = {field.name for field in fields(options.Reading)} | {"epochs", "seed", "noise", "holdout"}
SETTLED -= {field.name for field in fields(options.Answering)} | {"augment"}


def reviewed(given: Options) -> Cell:
    """Return the cell of the run that was reviewed, which heeds the decisions in its folder.

    Raises:
        ConfigError: one option without the other, or one that the run has settled.
        RunFolderError: it is no run that can be repeated.
    """
    if given.resume_from is None or not given.decisions:
        missing = "--resume-from RUN" if given.resume_from is None else "--decisions"
        raise ConfigError(f"--resume-from and --decisions go together. Give {missing} too.")
    usual = {field.name: field.default for field in fields(given)}
    for name in usual.keys() & SETTLED:
        if getattr(given, name) != usual[name]:
            raise ConfigError(
                f"--{name.replace('_', '-')} is that of {given.resume_from}, whose data and network are "
                "taken again. Leave it out."
            )
    changed = {name: getattr(given, name) for name in (*ANEW, *HOW) if getattr(given, name) != usual[name]}
    if "augment" in changed:
        changed["augment"] = augmentation(given.augment)
    cell = cell_of(read(given.resume_from), **changed, decisions=given.resume_from)
    is_of_run = given.reference is None and not chooses(method_of(cell))
    return replace(cell, reference=None) if is_of_run else cell
