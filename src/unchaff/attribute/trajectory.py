"""How each sample was learned, if training was recorded."""

from dataclasses import dataclass

from unchaff.errors import ConfigError
from unchaff.records import Evidence, Observed, Trained
from unchaff.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Margin of the given label, averaged over the recorded epochs; costs nothing.

    Source: area under the margin, Pleiss et al., arXiv 2001.10528. Right labels are learned early and
    wrong ones late, so the mean stays high for the right ones.
    """

    first: int = 0  # epochs to leave out at the beginning
    last: int | None = None  # epochs to use; None: all

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Score every training sample; higher is more trustworthy.

        Raises:
            ConfigError: the training was not recorded, or did not see all samples.
        """
        record = trained.record
        if record is None:
            raise ConfigError(
                "The trajectory needs a recorded training, and none was given. "
                "Train with a Recorder, or use readout."
            )
        samples = observed.train
        rows = record.ids.searchsorted(samples.ids)
        inside = rows < len(record.ids)
        if not (inside.all() and (record.ids[rows] == samples.ids).all()):
            raise ConfigError("The record does not cover all samples. Record the training on the same data.")
        margins = record.margins[self.first : self.last].double().nanmean(0)[rows].float()
        margins = margins.nan_to_num(0.0)
        return Evidence(
            ids=samples.ids, labels=samples.labels.cpu(), total=margins, columns={"trajectory": margins}
        )
