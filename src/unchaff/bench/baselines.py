"""Detectors of other people's libraries (extra `baselines`), as a reference."""

import time
import warnings
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from unchaff import progress
from unchaff.copies import copied
from unchaff.extras import library
from unchaff.nets.flops import count
from unchaff.nets.taps import find_layers
from unchaff.records import Cost, Evidence, Observed, Trained
from unchaff.streams import Streams

_library = partial(library, extra="baselines", without="leave this detector out")


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
        model = copied(trained.model).eval().requires_grad_(requires_grad=True)  # captum sets it
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
