"""Samples that look alike and are labelled differently."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unchaff.filled import Filled
from unchaff.samples import Samples

SIDE = 8  # inputs are compared after pooling each axis to this length
NEAR = 0.05  # distance of near-duplicates, as a share of the distance of two random samples
COMPARED = 5000  # samples compared pair by pair


@dataclass(frozen=True)
class Twins:
    """Samples that are the same, or nearly, with more than one label among them."""

    ids: tuple[int | str, ...]
    labels: tuple[int, ...]
    identical: bool


@dataclass(frozen=True)
class Found:
    """All of them, and how far was looked."""

    twins: tuple[Twins, ...]
    compared: int  # samples that were compared for near-duplicates; all were for identical ones


def find(samples: Samples) -> Found:
    """Return groups of identical, and pairs of nearly identical samples with different labels."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    pooled = Filled(min(len(samples), COMPARED))
    for batch in samples.batches(samples.at_once(256)):
        inputs = batch.inputs.detach().float().cpu()
        for row, one in zip(batch.rows.tolist(), inputs.numpy(), strict=True):
            groups[hashlib.blake2b(np.ascontiguousarray(one).tobytes(), digest_size=16).digest()].append(row)
        if pooled.count < COMPARED:
            pooled.add(_pooled(inputs)[: COMPARED - pooled.count])
    same = [_twins(samples, rows, identical=True) for rows in groups.values() if _disagree(samples, rows)]
    first_of = {row: rows[0] for rows in groups.values() for row in rows}
    table = pooled.rows
    near = [
        _twins(samples, [left, right], identical=False)
        for left, right in _near_pairs(table)
        if first_of[left] != first_of[right] and _disagree(samples, [left, right])
    ]
    return Found(twins=tuple(same + near), compared=len(table))


def _pooled(inputs: Tensor) -> Tensor:
    if inputs.ndim == 4:
        height, width = (min(SIDE, side) for side in inputs.shape[-2:])
        inputs = functional.adaptive_avg_pool2d(inputs, (height, width))
    return inputs.flatten(1)


def _near_pairs(table: Tensor) -> list[tuple[int, int]]:
    """Return pairs of rows that lie closer than `NEAR` of the distance of two random rows."""
    if len(table) < 2:
        return []
    table = table - table.mean(dim=0)
    limit = NEAR * float((2 * table.square().sum(dim=1).mean()).sqrt())
    found = []
    for start in range(0, len(table), 1024):
        # The exact distance, not by a matrix product, which is too coarse for what is nearly the same.
        distance = torch.cdist(
            table[start : start + 1024], table, compute_mode="donot_use_mm_for_euclid_dist"
        )
        for left, right in (distance <= limit).nonzero().tolist():
            if start + left < right:
                found.append((start + left, right))
    return found


def _disagree(samples: Samples, rows: list[int]) -> bool:
    return len(rows) > 1 and len(set(samples.labels[rows].tolist())) > 1


def _twins(samples: Samples, rows: list[int], *, identical: bool) -> Twins:
    return Twins(tuple(samples.ids[rows].tolist()), tuple(samples.labels[rows].tolist()), identical)
