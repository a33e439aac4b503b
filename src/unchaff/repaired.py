"""What `unchaff.repair` and `unchaff.score` return: records that a notebook shows, and a run is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import nn

from unchaff.copies import copied
from unchaff.data.dataset import Data, samples_of
from unchaff.data.sources import prepare_of
from unchaff.evaluate.accuracy import predict, score
from unchaff.evaluate.metrics import ON_HOLDOUT, ON_NOTHING, ON_TEST, Measured
from unchaff.interfaces import Repair
from unchaff.methods.deciding import Deciding
from unchaff.nets.adapt import adapted, bare
from unchaff.nets.build import built_in
from unchaff.records import Observed, Outcome, Partition, Trained
from unchaff.report.notebook import html
from unchaff.report.page import page
from unchaff.report.verdict import verdict
from unchaff.report.views import Verdict
from unchaff.runs.record import Run
from unchaff.runs.told import Told
from unchaff.runs.write import check_writable, write
from unchaff.samples import Samples
from unchaff.train.initial import full_cost


@dataclass(frozen=True, kw_only=True, repr=False)
class Scored(Partition):
    """A split, and what it is about. A notebook shows it as tables and the histogram of quality."""

    samples: Samples
    trained: Trained

    def _repr_html_(self) -> str:
        outcome = Outcome(model=self.trained.model, partition=self)
        run = _seen(self.samples, outcome, Measured(before=None, after=None))
        return html(run, Verdict("plain", self.reason))


@dataclass(frozen=True, kw_only=True, repr=False)
class Repaired(Outcome):
    """An outcome, and what it was made from. A notebook shows it as tables and the histogram of quality."""

    trained: Trained  # the network before
    observed: Observed
    method: Repair
    seed: int
    beside: Mapping[str, bytes] = field(default_factory=dict)  # files of the model folder it came from

    @cached_property
    def measured(self) -> Measured:
        """What the last `save` measured; before one, the hold-out is, with its labels as they are."""
        return self._measured(None)

    def save(self, run: str | Path, *, test: Data | None = None, overwrite: bool = False) -> Path:
        """Write a run folder, as `unchaff repair` does; `unchaff.load(run)` gives the network back.

        Args:
            run: where; a folder with something in it is refused.
            test: samples to measure the network on, before and after; else the hold-out with its labels
                as they are, else nothing is measured.
            overwrite: replace an earlier run folder, once the new one is complete.

        Returns:
            The folder.

        Raises:
            RunFolderError: the place is taken, is no folder of ours, or cannot be written.
        """
        folder = Path(run).expanduser()
        check_writable(folder, overwrite=overwrite)
        measured = self._measured(None if test is None else samples_of(test, like=self.observed.train))
        vars(self)["measured"] = measured
        return write(folder, self._run(measured), page, overwrite=overwrite)

    def _repr_html_(self) -> str:
        run = _seen(self.observed.train, self, self.measured)
        return html(run, verdict(self.measured, self))

    def _run(self, measured: Measured) -> Run:
        train, plain = self.observed.train, bare(self.trained.model)
        trained = replace(self.trained, model=_taking(self.trained.model, train))
        said = {"taps": list(trained.taps), "pretrained": trained.pretrained}
        return Run(
            samples=train,
            trained=trained,
            outcome=self,
            predicted=predict(_taking(self.model, train), train).cpu(),
            measured=measured,
            model=built_in(plain, train) or f"{type(plain).__module__}:{type(plain).__name__}",
            frontend=prepare_of(train.source).to_json(),
            config={"made": "unchaff.repair", "method": repr(self.method), **said},
            seed=self.seed,
            beside=self.beside,
            decisions=self.method.decisions if isinstance(self.method, Deciding) else None,
        )

    def _measured(self, test: Samples | None) -> Measured:
        trained = replace(self.trained, model=_taking(self.trained.model, self.observed.train))
        on = self.observed.holdout if test is None else test
        return Measured(
            before=None if on is None else score(trained.model, on),
            after=None if on is None else score(_taking(self.model, on), on),
            measured_on=ON_NOTHING if on is None else ON_HOLDOUT if test is None else ON_TEST,
            full=full_cost(trained, self.observed.train),
            full_is_estimated=trained.recipe is None,
        )


def _seen(samples: Samples, outcome: Outcome, measured: Measured) -> Told:
    """Return a run to look at: nothing is predicted for it, so only the split says what a label should be."""
    labels, split = samples.labels.cpu(), outcome.partition
    suggested = None if split is None else split.suggested
    return Told(
        ids=samples.ids,
        labels=labels,
        suggested=labels if suggested is None else suggested.cpu(),
        class_names=samples.class_names,
        kind=samples.kind.name,
        measured=measured,
        outcome=outcome,
        drives=(),
        decided=np.zeros(len(samples), dtype=np.bool_),
        learned=None,
        notes=(),
        command="",
        manifest={},
    )


def _taking(model: nn.Module, samples: Samples) -> nn.Module:
    return adapted(bare(copied(model)), samples)
