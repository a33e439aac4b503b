"""What `unchaff.repair` returns: an outcome that can be written as a run folder."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor, nn

from unchaff.data.dataset import Data, samples_of
from unchaff.data.sources import prepare_of
from unchaff.evaluate.accuracy import predict, score
from unchaff.evaluate.metrics import ON_HOLDOUT, ON_NOTHING, ON_TEST, Measured
from unchaff.interfaces import Repair
from unchaff.nets.adapt import adapted, bare
from unchaff.nets.build import built_in
from unchaff.records import Observed, Outcome, Trained
from unchaff.report.page import page
from unchaff.runs.record import Run
from unchaff.runs.write import check_writable, write
from unchaff.samples import Samples
from unchaff.train.initial import full_cost


@dataclass(frozen=True, kw_only=True)
class Repaired(Outcome):
    """An outcome, and what it was made from."""

    trained: Trained  # the network before
    observed: Observed
    method: Repair
    seed: int
    beside: Mapping[str, bytes] = field(default_factory=dict)  # files of the model folder it came from

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
        return write(folder, self._run(None if test is None else samples_of(test)), page, overwrite=overwrite)

    def _run(self, test: Samples | None) -> Run:
        train, plain = self.observed.train, bare(self.trained.model)
        trained = replace(self.trained, model=_taking(self.trained.model, train))
        said = {"taps": list(trained.taps), "pretrained": trained.pretrained}
        return Run(
            samples=train,
            trained=trained,
            outcome=self,
            predicted=predict(_heard(self.model, train), train).cpu(),
            measured=self._measured(trained, test),
            model=built_in(plain, train) or f"{type(plain).__module__}:{type(plain).__name__}",
            frontend=prepare_of(train.source).to_json(),
            config={"made": "unchaff.repair", "method": repr(self.method), **said},
            seed=self.seed,
            beside=self.beside,
        )

    def _measured(self, trained: Trained, test: Samples | None) -> Measured:
        on = self.observed.holdout if test is None else test
        return Measured(
            before=None if on is None else score(_heard(trained.model, on), on),
            after=None if on is None else score(_heard(self.model, on), on),
            measured_on=ON_NOTHING if on is None else ON_HOLDOUT if test is None else ON_TEST,
            full=full_cost(trained, self.observed.train),
            full_is_estimated=trained.recipe is None,
        )


class _Heard(nn.Module):
    """A network that answers for the classes of the data only."""

    def __init__(self, model: nn.Module, classes: int) -> None:
        super().__init__()
        self.model = model
        self.classes = classes

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(inputs)[:, : self.classes]


def _taking(model: nn.Module, samples: Samples) -> nn.Module:
    return adapted(bare(copy.deepcopy(model)), samples)


def _heard(model: nn.Module, samples: Samples) -> nn.Module:
    return _Heard(_taking(model, samples), samples.num_classes)
