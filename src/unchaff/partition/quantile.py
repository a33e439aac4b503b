"""Keep a fixed share of the best."""

from dataclasses import dataclass

import torch

from unchaff.errors import ConfigError
from unchaff.partition.keep import spare_classes
from unchaff.partition.mixture import class_adjusted
from unchaff.records import Evidence, Partition


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """Keep the share of samples with the highest evidence; quality is their rank, in [0, 1].

    Source: small-loss selection with a given rate (Han et al., arXiv 1804.06872). For when the noise
    rate is known; quality is a rank here, not a calibrated probability.
    """

    keep: float = 0.7  # share in (0, 1]
    adjust: bool = True  # subtract the mean evidence of each given class

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ConfigError(f"keep must be in (0, 1], got {self.keep}. To keep 70 % pass 0.7.")

    def __call__(self, evidence: Evidence) -> Partition:
        """Split; exact up to the classes that are spared."""
        total = class_adjusted(evidence.total, evidence.labels) if self.adjust else evidence.total
        order = total.argsort(stable=True)
        count = len(total)
        quality = torch.empty(count)
        quality[order] = (torch.arange(count) + 0.5) / count
        kept = torch.zeros(count, dtype=torch.bool)
        kept[order[count - round(self.keep * count) :]] = True
        return Partition(
            ids=evidence.ids,
            quality=quality,
            kept=spare_classes(kept, total, evidence.labels),
            suggested=evidence.suggested,
            evidence=evidence.columns,
            reason=f"Kept the best {self.keep:.0%}.",
            threshold=1 - self.keep,
        )
