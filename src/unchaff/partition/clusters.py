"""Two full-covariance Gaussian clusters of attribution vectors."""

from dataclasses import dataclass

import torch
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from unchaff.errors import ConfigError
from unchaff.partition.keep import spare_classes
from unchaff.records import Evidence, Partition
from unchaff.shards import whole


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Cluster the per-unit attributions and keep one cluster.

    As published the cluster with number 1 is kept, whatever it holds: the code compares a percentage
    with 0.5. With `by_evidence` the cluster with the higher median `total` is kept.

    Source: arXiv 2506.11615 and its code.
    """

    by_evidence: bool = False
    seed: int = 42  # as in the published code

    def __call__(self, evidence: Evidence) -> Partition:
        """Split; quality is the posterior of the kept cluster.

        Raises:
            ConfigError: the evidence has no per-unit attributions.
        """
        if not evidence.units:
            raise ConfigError("Clusters need per-unit attributions. Use the published attributor.")
        units = torch.cat([whole(units) for units in evidence.units.values()], dim=1).double().numpy()
        scaled = StandardScaler().fit_transform(units)
        posterior = GaussianMixture(2, random_state=self.seed).fit(scaled).predict_proba(scaled)
        quality = torch.from_numpy(posterior[:, self._chosen(posterior.argmax(1), evidence)]).float()
        return Partition(
            ids=evidence.ids,
            quality=quality,
            kept=spare_classes(quality > 0.5, quality, evidence.labels),
            suggested=evidence.suggested,
            evidence=evidence.columns,
            reason="Kept the cluster with the better evidence." if self.by_evidence else "Kept cluster 1.",
            threshold=0.5,
        )

    def _chosen(self, cluster: object, evidence: Evidence) -> int:
        if not self.by_evidence:
            return 1
        number = torch.as_tensor(cluster)
        medians = [
            float(evidence.total[number == k].median()) if bool((number == k).any()) else float("-inf")
            for k in (0, 1)
        ]
        return int(medians[1] > medians[0])
