"""What layers say of the given label when the sample itself is left out."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from unchaff.attribute.chunks import Chunk
from unchaff.attribute.inputs import Reader
from unchaff.attribute.observe import Walk
from unchaff.attribute.passes import added, noted
from unchaff.attribute.ridge import Ridge, Sums, flops_per_sample
from unchaff.records import Cost, Evidence, Observed, Trained
from unchaff.streams import Streams
from unchaff.tasks import margin

OPINION = "opinion_"  # begins the names of columns with one number per class
WALKS = 2  # to fit, and to score
UNDISPUTED = 0.1  # clear disagreement under which there is no evidence of wrong labels


@dataclass(frozen=True, kw_only=True)
class Readout:
    """Leave-one-out ridge read-out of the given label from pooled activations of early layers.

    A finished network has memorised its wrong labels in its late layers; its early layers still
    disagree with them. Of texts and columns the inputs themselves are read (`attribute.inputs`).
    Costs one forward pass per view and a small solve.

    Source: ours. Class margin of the leave-one-out prediction (Cook, 1977, for the formula);
    `own` adds the network's own log-probability, useful once it was repaired for a while.
    """

    depth: float = 0.5  # share of the reading points, from the input on; 1: all
    penalty: float = 0.3  # ridge, relative to the unit variance of a feature; of inputs it is chosen
    own: float = 0.0  # weight of the network's own log-probability of the given label, in deviations
    units: bool = False  # also return the attribution per feature

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Score every training sample; higher is more trustworthy."""
        return self.of(self.walk(trained, observed))

    def walk(
        self,
        trained: Trained,
        observed: Observed,
        *,
        name: str = "score",
        views: tuple[str, ...] | None = None,
        reader: Reader | None = None,
    ) -> Walk:
        """Return the walk over the training samples this read-out needs; other attributors may share it.

        `reader` is of inputs, where they are read; one is made for these samples by default.
        """
        return Walk(
            trained.model, observed.train, self.depth,
            name=name, views=views, hears=self.own > 0, taps=trained.taps, pretrained=trained.pretrained,
            reader=reader,
        )  # fmt: skip

    def of(self, walk: Walk) -> Evidence:
        """Score from a walk that other attributors share; it is walked `WALKS` times."""
        return self.scored(walk, self.fitted(walk))

    def fitted(self, walk: Walk) -> Ridge:
        """Return the regression of the given labels on what the layers read."""
        sums = Sums(walk.samples.num_classes)
        with walk.timed():
            added(walk, sums, lambda chunk: sums.add(chunk.features, chunk.labels))
            return sums.solve(None if walk.reads_inputs else self.penalty)

    def scored(self, walk: Walk, ridge: Ridge, *, left_out: bool = True) -> Evidence:
        """Score by a fitted regression; `left_out`: the samples were in it and are taken out again."""
        samples = walk.samples
        with walk.timed():
            said = noted(walk, partial(self.said, ridge, left_out=left_out))
        numbers = said.numbers
        columns = {"readout": numbers["readout"]}
        total = z_score(columns["readout"])
        if self.own:
            columns["own_log_probability"] = numbers["own_log_probability"]
            total = total + self.own * z_score(columns["own_log_probability"])
        labels = samples.labels.cpu()
        guess, clear = numbers["suggested"], numbers["confidence"]
        spent = Cost(flops=flops_per_sample(*ridge.weights.shape) * len(samples)).as_stage(walk.name)
        return Evidence(
            ids=samples.ids,
            labels=labels,
            total=total,
            columns=columns,
            opinions={name: said.rows[f"{OPINION}{name}"] for name in self._opinions},
            suggested=guess,
            confidence=clear,
            disagreement=clear_disagreement(guess, clear, labels) if self.own else None,
            units={"read": said.rows["units"]} if self.units else {},
            cost=walk.bill() + spent,
        )

    @property
    def _opinions(self) -> tuple[str, ...]:
        return ("readout", "network") if self.own else ("readout",)

    def said(self, ridge: Ridge, chunk: Chunk, *, left_out: bool = True) -> dict[str, Tensor]:
        """Return all that is noted of each sample of a chunk, as `scored` takes it."""
        labels = chunk.labels.cpu()
        said = ridge.leave_one_out(chunk.features, labels) if left_out else ridge.predict(chunk.features)
        columns = {"readout": margin(said, labels), f"{OPINION}readout": said.float()}
        together = said.clamp(0.5 / said.shape[1], 1).log()
        if self.own and chunk.log_probs is not None:
            log_probs = chunk.log_probs.double().cpu()
            columns[f"{OPINION}network"] = log_probs.float()
            columns["own_log_probability"] = log_probs.gather(1, labels[:, None]).squeeze(1).float()
            together = together + self.own * log_probs
        top = together.topk(2, dim=1)
        columns["suggested"] = top.indices[:, 0]
        columns["confidence"] = (top.values[:, 0] - top.values[:, 1]).float()
        if self.units:
            columns["units"] = ridge.attribution(chunk.features, labels).float()
        return columns


def z_score(values: Tensor) -> Tensor:
    """Return values in deviations from their mean; zeros where all are alike."""
    wide = values.double()
    deviation = wide.std(correction=0)
    centred = wide - wide.mean()
    return (centred / deviation if float(deviation) > 1e-12 else torch.zeros_like(wide)).float()


def clear_disagreement(suggested: Tensor, confidence: Tensor, labels: Tensor) -> float:
    """Return the share of given labels that are not the suggested one, among the clearer half."""
    clear = confidence >= confidence.median()
    return int((suggested[clear] != labels[clear]).sum()) / max(1, int(clear.sum()))
