"""Does the network still name the given labels where the inputs are changed a little? A cheap look."""

import time
from dataclasses import dataclass

import torch

from unchaff.attribute.readout import UNDISPUTED, clear_disagreement
from unchaff.nets import flops
from unchaff.nets.hooks import in_eval_mode
from unchaff.records import Cost, Observed, Trained
from unchaff.streams import Streams
from unchaff.train.augment import changed


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """What the look found."""

    disagreement: float | None  # None: augmentation hardly changes this kind, so the look says nothing
    cost: Cost

    @property
    def is_settled(self) -> bool:
        """The network holds on to the given labels: there is nothing to forget."""
        return self.disagreement is not None and self.disagreement < UNDISPUTED


def dispute(trained: Trained, observed: Observed, *, streams: Streams, limit: int = 2000) -> Dispute:
    """Return the share of contradicted labels among the clearer half of at most `limit` augmented inputs.

    A batch that comes out as it went in says nothing, and is left out.
    """
    if observed.train.kind.name == "tabular":  # too small a change
        return Dispute(disagreement=None, cost=Cost())
    started = time.perf_counter()
    samples = observed.train.at(streams.subset("dispute", observed.train.ids, limit))
    generator = streams("dispute/augment", samples.device)
    guesses, margins, labels, each = [], [], [], 0.0
    with in_eval_mode(trained.model), torch.no_grad():
        for batch in samples.batches(samples.at_once(256)):
            seen = changed(batch.inputs, samples, generator)
            if torch.equal(seen, batch.inputs):
                continue
            each = each or flops.forward(trained.model, batch.inputs)
            top = trained.model(seen.contiguous()).float().softmax(1).topk(2, dim=1)
            guesses.append(top.indices[:, 0].cpu())
            margins.append((top.values[:, 0] - top.values[:, 1]).cpu())
            labels.append(batch.labels.cpu())
    number = sum(map(len, labels))
    cost = Cost(time.perf_counter() - started, number, each * number).as_stage("dispute")
    if not labels:
        return Dispute(disagreement=None, cost=cost)
    found = clear_disagreement(*(torch.cat(parts) for parts in (guesses, margins, labels)))
    return Dispute(disagreement=found, cost=cost)
