"""How clearly the network itself gives the given label, averaged over changed inputs."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from unchaff import progress
from unchaff.filled import Filled
from unchaff.nets.flops import count
from unchaff.nets.hooks import in_eval_mode
from unchaff.nets.looking import looked_at
from unchaff.records import Cost, Evidence, Observed, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.tasks import margin
from unchaff.train.augment import changed, view


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Logit of the given label minus the best other, averaged over augmented inputs.

    Source: the margin of Pleiss et al., arXiv 2001.10528, of the finished network. On plain inputs a
    network that memorised its labels gives them all a high margin; changed inputs undo part of that.
    """

    draws: int = 4  # augmented inputs per sample; 0: the deterministic views only

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Score every training sample; higher is more trustworthy."""
        started = time.perf_counter()
        samples = observed.train
        generator = streams("margin", samples.device)
        total, suggested = Filled(len(samples)), Filled(len(samples))
        model = trained.model

        def answered(batch: Batch) -> tuple[Tensor, Tensor]:
            drawn = generator.get_state()
            try:
                seen = self._inputs(batch, samples, generator)
                logits = torch.stack([model(inputs).float() for inputs in seen]).mean(0)
            except RuntimeError:
                generator.set_state(drawn)  # it may be called again, with smaller batches
                raise
            return margin(logits, batch.labels).cpu(), trained.task.predict(logits).cpu()

        with progress.stage("score", len(samples)) as shown, in_eval_mode(model), torch.no_grad():
            for margins, guesses in looked_at(samples, answered, size=256, name="score"):
                total.add(margins)
                suggested.add(guesses)
                shown.advance(len(margins))
        flops = count(model, next(samples.batches(2)).inputs).forward
        forward = len(samples) * (self.draws or len(samples.kind.views))
        return Evidence(
            ids=samples.ids,
            labels=samples.labels.cpu(),
            total=total.rows,
            columns={"margin": total.rows},
            suggested=suggested.rows,
            cost=Cost(time.perf_counter() - started, forward, flops * forward).as_stage("score"),
        )

    def _inputs(self, batch: Batch, samples: Samples, generator: torch.Generator) -> list[Tensor]:
        if not self.draws:
            return [view(batch.inputs, name).contiguous() for name in samples.kind.views]
        return [changed(batch.inputs, samples, generator).contiguous() for _ in range(self.draws)]
