"""Does the network know its training samples only by heart? A cheap look before any work."""

import time
from dataclasses import dataclass

import torch

from unchaff.attribute.readout import UNDISPUTED, clear_disagreement
from unchaff.nets.flops import count
from unchaff.nets.taps import in_eval_mode
from unchaff.records import Cost, Observed, Trained
from unchaff.streams import Streams
from unchaff.train.augment import augment


@dataclass(frozen=True, kw_only=True)
class Memorisation:
    """What the look found."""

    gap: float  # accuracy on the given labels as they are, minus the same on augmented inputs
    disagreement: float  # share of contradicted labels among the clearer half, on augmented inputs
    changed: bool  # augmentation did change the inputs; where it does not, the look says nothing
    cost: Cost

    @property
    def is_undisputed(self) -> bool:
        """The network holds on to the given labels where the inputs are changed."""
        return self.changed and self.disagreement < UNDISPUTED

    @property
    def is_clean(self) -> bool:
        """Nothing was learned by heart and hardly any label is contradicted."""
        return self.changed and self.gap < 0.05 and self.disagreement < 0.05


def memorisation(
    trained: Trained, observed: Observed, *, streams: Streams, limit: int = 2000
) -> Memorisation:
    """Compare the network on plain and on augmented training inputs, on at most `limit` samples."""
    started = time.perf_counter()
    samples = observed.train.at(streams.subset("memorisation", observed.train.ids, limit))
    generator = streams("memorisation/augment", samples.device)
    right, guesses, margins, flops = 0, [], [], 0.0
    with in_eval_mode(trained.model), torch.no_grad():
        for batch in samples.batches(256):
            changed = augment(batch.inputs, samples.kind, generator)
            if torch.equal(changed, batch.inputs):  # this kind is never changed: nothing can be learned here
                return Memorisation(gap=0.0, disagreement=0.0, changed=False, cost=Cost())
            flops = flops or count(trained.model, batch.inputs).forward
            plain = trained.model(batch.inputs)
            right += int((trained.task.predict(plain) == batch.labels).sum())
            scores = trained.model(changed.contiguous()).float().softmax(1)
            top = scores.topk(2, dim=1)
            guesses.append(top.indices[:, 0].cpu())
            margins.append((top.values[:, 0] - top.values[:, 1]).cpu())
    guess, labels = torch.cat(guesses), samples.labels.cpu()
    agreed = int((guess == labels).sum())
    cost = Cost(time.perf_counter() - started, 2 * len(samples), 2 * flops * len(samples))
    return Memorisation(
        gap=(right - agreed) / len(samples),
        disagreement=clear_disagreement(guess, torch.cat(margins), labels),
        changed=True,
        cost=cost.as_stage("guard"),
    )
