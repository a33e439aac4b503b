"""Detectors of other people's libraries (extra `baselines`), as a reference."""

import copy
import time
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from unchaff import progress
from unchaff.evaluate.accuracy import logits
from unchaff.extras import library
from unchaff.methods.finetune import fresh_copy
from unchaff.nets.flops import count
from unchaff.nets.taps import find_layers
from unchaff.records import Cost, Evidence, Observed, Partition, Trained
from unchaff.streams import Streams
from unchaff.train.initial import train_by

_library = partial(library, extra="baselines", without="leave this detector out")


@dataclass(frozen=True, kw_only=True)
class ConfidentLearning:
    """cleanlab's confident learning on probabilities of networks that did not see the sample.

    Costs a training per fold. Source: Northcutt et al., arXiv 1911.00068; cleanlab.
    """

    folds: int = 3

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Score each sample by the held-out probability of its label; higher is more trustworthy."""
        rank, found = _library("cleanlab.rank"), _library("cleanlab.filter")
        samples, labels = observed.train, observed.train.labels.cpu()
        fold = (streams.per_id("folds", samples.ids) * self.folds).astype(np.int64)
        probabilities = torch.zeros(len(samples), samples.num_classes)
        cost = Cost()
        for number in range(self.folds):
            inside, outside = samples.at(np.flatnonzero(fold == number)), np.flatnonzero(fold != number)
            here = streams.fork(f"fold {number}")
            fitted = train_by(
                trained.recipe_for(len(samples)),
                fresh_copy(trained.model, streams=here),
                samples.at(outside),
                streams=here,
                name=f"fold {number + 1}",
            )
            said = logits(fitted.model, inside)[:, : samples.num_classes].float().softmax(1)
            probabilities[torch.from_numpy(fold == number)] = said.cpu()
            cost = cost + fitted.cost
        given, held_out = labels.numpy(), probabilities.numpy()
        total = rank.get_label_quality_scores(given, held_out)
        wrong = found.find_label_issues(given, held_out, n_jobs=1)
        return Evidence(
            ids=samples.ids,
            labels=labels,
            total=torch.from_numpy(total).float(),
            columns={"held_out_probability": torch.from_numpy(total).float(), "fit": _as_float(~wrong)},
            suggested=probabilities.argmax(1),
            cost=cost,
        )

    @staticmethod
    def split(evidence: Evidence) -> Partition:
        """Keep what the library calls no issue."""
        return Partition(
            ids=evidence.ids,
            quality=evidence.total.clamp(0, 1),
            kept=evidence.columns["fit"] > 0,
            suggested=evidence.suggested,
            evidence=evidence.columns,
            reason="What cleanlab calls no label issue.",
        )


@dataclass(frozen=True, kw_only=True)
class TracIn:
    """captum's TracInCP self-influence over the layers, of the finished network alone; slow.

    A wrong label is its own best explanation, so high self-influence is suspicious. Checkpoints along
    the training would make it the published form; a finished network comes without them.

    Source: Pruthi et al., arXiv 2002.08484; captum.
    """

    batch_size: int = 64

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Evidence:
        """Score every training sample; higher is more trustworthy."""
        influence = _library("captum.influence")
        started, samples = time.perf_counter(), observed.train
        labels = samples.labels.cpu()
        example = next(samples.batches(2)).inputs
        model = copy.deepcopy(trained.model).eval().requires_grad_(requires_grad=True)  # captum sets it
        layers = [layer.name for layer in find_layers(model, example)]
        parts = []
        with progress.stage("self-influence", len(samples)) as shown, streams.forked_global("tracin"):
            for batch in samples.batches(self.batch_size):
                pair = torch.utils.data.TensorDataset(batch.inputs, batch.labels)
                tracer = influence.TracInCP(
                    model,
                    pair,
                    checkpoints=[""],
                    checkpoints_load_func=lambda *_: 1.0,
                    layers=layers,
                    loss_fn=nn.CrossEntropyLoss(reduction="sum"),
                    batch_size=self.batch_size,
                    sample_wise_grads_per_batch=True,
                )
                with warnings.catch_warnings(action="ignore"):  # it says that inputs need no gradient
                    parts.append(tracer.self_influence().detach().cpu())
                shown.advance(len(batch.rows))
        total = -torch.cat(parts).float()
        flops = count(trained.model, example).training * len(samples)
        cost = Cost(time.perf_counter() - started, len(samples), flops)
        return Evidence(
            ids=samples.ids, labels=labels, total=total, columns={"self_influence": -total},
            cost=cost.as_stage("self-influence"),
        )  # fmt: skip


def _as_float(mask: object) -> Tensor:
    return torch.from_numpy(np.asarray(mask, dtype=np.float32))
