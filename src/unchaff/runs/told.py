"""What the files of a run folder tell, as records again: all that a page about the run is made from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import nn

from unchaff.bounded import check_columns, is_id, read_table
from unchaff.errors import DataError, RunFolderError
from unchaff.evaluate.accuracy import ClassScore, Scores
from unchaff.evaluate.calibration import Bin, Calibration
from unchaff.evaluate.curves import Curve
from unchaff.evaluate.detection import Detection
from unchaff.evaluate.metrics import Control, Measured
from unchaff.evaluate.reviewed import Others, Review
from unchaff.prune.drives import Drive
from unchaff.records import Cost, Fitted, Hump, Outcome, Partition, PrunedUnit, PrunePlan
from unchaff.runs.layout import MANIFEST, METRICS, PLAN, TRAINING
from unchaff.runs.quality import FIXED
from unchaff.runs.read import AGAIN, RunFolder
from unchaff.samples import Ids

Value = TypeVar("Value")


@dataclass(frozen=True)
class Learned:
    """How the samples of a recorded training were learned."""

    ids: Ids
    margin: NDArray[np.float32]  # mean over the epochs; NaN where never seen
    spread: NDArray[np.float32]  # deviation over the epochs
    epochs: int


@dataclass(frozen=True, kw_only=True)
class Told:
    """One finished repair, or one scoring, without its networks."""

    ids: Ids
    labels: Int[torch.Tensor, " n"]  # as given
    suggested: Int[torch.Tensor, " n"]  # by the evidence, else predicted
    class_names: tuple[str, ...]
    kind: str
    measured: Measured
    outcome: Outcome  # its network is none: it is not needed to tell about it
    drives: tuple[Drive, ...]
    decided: NDArray[np.bool_]  # by a person, and so certain
    learned: Learned | None  # None: the training was not recorded
    notes: tuple[str, ...]
    command: str
    manifest: Mapping[str, Any]


def told(run: RunFolder) -> Told:
    """Read the files of a run.

    Raises:
        RunFolderError: a file is broken, or says something in another way.
    """
    table, manifest = run.quality, run.manifest
    labels, suggested = (
        torch.from_numpy(_array(table, name).copy()) for name in ("label", "suggested_label")
    )
    return Told(
        ids=_ids(table),
        labels=labels.long(),
        suggested=suggested.long(),
        class_names=run.class_names,
        kind=run.kind,
        measured=_said(run, METRICS, _measured, run.metrics),
        outcome=Outcome(
            model=nn.Identity(),
            partition=_said(run, METRICS, _partition, run.metrics, table),
            plan=_said(run, PLAN, _plan, run.plan),
            cost=_said(run, METRICS, _whole_cost, run.metrics["cost"]),
        ),
        drives=_said(run, PLAN, _drives, run.plan, table),
        decided=_decided(table),
        learned=_learned(run),
        notes=_said(run, MANIFEST, lambda told: tuple(map(str, told)), manifest.get("notes", ())),
        command=str(manifest.get("command", "")),
        manifest=manifest,
    )


def _said(run: RunFolder, name: str, reading: Callable[..., Value], *content: object) -> Value:
    try:
        return reading(*content)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"{type(error).__name__}: {error}"
        raise RunFolderError(
            f"{run.path / name} says in another way what is needed ({what}). {AGAIN}"
        ) from error


def _array(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False))


def _ids(table: pa.Table) -> Ids:
    found = _array(table, "id")
    return found.astype(np.str_) if found.dtype == object else found


def _decided(table: pa.Table) -> NDArray[np.bool_]:
    if "decided" not in table.column_names:
        return np.zeros(len(table), dtype=np.bool_)
    return np.asarray(table.column("decided").is_valid(), dtype=np.bool_)


def _measured(metrics: Mapping[str, Any]) -> Measured:
    cost = metrics["cost"]
    return Measured(
        before=_scores(metrics["before"]),
        after=_scores(metrics["after"]),
        measured_on=str(metrics["measured_on"]),
        controls={
            name: Control(_known(_scores(each)), _cost(each["cost"]))
            for name, each in metrics["controls"].items()
        },
        detection=None if metrics["detection"] is None else Detection(**metrics["detection"]),
        calibration=_calibration(metrics["calibration"]),
        curve=_curve(metrics.get("curve")),
        judging=None if cost.get("holdout") is None else _cost(cost["holdout"]),
        full=None if cost.get("full") is None else _cost(cost["full"]),
        full_is_estimated=bool(cost["share_is_estimated"]),
        review=_review(metrics.get("review")),
    )


def _known(value: Value | None) -> Value:
    if value is None:
        raise ValueError("a number is missing")
    return value


def _scores(found: Mapping[str, Any] | None) -> Scores | None:
    if found is None:
        return None
    names = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "n")
    low, high = found["interval"]
    return Scores(
        **{name: found[name] for name in names},
        per_class=tuple(ClassScore(**each) for each in found["per_class"]),
        interval=(low, high),
    )


def _calibration(found: Mapping[str, Any] | None) -> Calibration | None:
    if found is None:
        return None
    return Calibration(error=found["error"], bins=tuple(Bin(**each) for each in found["bins"]))


def _curve(found: Mapping[str, Any] | None) -> Curve | None:
    return None if found is None else Curve(**{name: tuple(map(float, each)) for name, each in found.items()})


def _review(found: Mapping[str, Any] | None) -> Review | None:
    if found is None:
        return None
    others = None if found["others"] is None else Others(**found["others"])
    return Review(**{**found, "others": others})


def _cost(found: Mapping[str, Any]) -> Cost:
    return Cost(float(found["seconds"]), int(found["samples_seen"]), float(found["flops"]))


def _whole_cost(found: Mapping[str, Any]) -> Cost:
    whole = _cost(found)
    stages = {str(name): _cost(stage) for name, stage in found["stages"].items()}
    return Cost(whole.seconds, whole.samples_seen, whole.flops, stages)


def _partition(metrics: Mapping[str, Any], table: pa.Table) -> Partition | None:
    if metrics["abstained"] is None:
        return None
    how = metrics.get("split") or {}
    evidence = [name for name in table.column_names if name not in FIXED]
    return Partition(
        ids=_ids(table),
        quality=_numbers(table, "quality"),
        kept=torch.from_numpy(_array(table, "kept").astype(bool)),
        suggested=None,  # stands beside the labels
        evidence={name: _numbers(table, name) for name in evidence},
        abstained=bool(metrics["abstained"]),
        reason=str(how.get("reason", "")),
        threshold=how.get("threshold"),
        fitted=_fitted(how.get("fitted")),
    )


def _numbers(table: pa.Table, name: str) -> Float[torch.Tensor, " n"]:
    return torch.from_numpy(_array(table, name).astype(np.float32))


def _fitted(found: Mapping[str, Any] | None) -> Fitted | None:
    if found is None:
        return None
    humps = tuple(Hump(**each) for each in found["humps"])
    return Fitted(tuple(map(float, found["edges"])), tuple(map(int, found["counts"])), humps)


def _plan(found: Mapping[str, Any]) -> PrunePlan:
    units = tuple(
        PrunedUnit(each["layer"], each["unit"], float(each["sensitivity"])) for each in found["units"]
    )
    return PrunePlan(units=units, reason=str(found["reason"]))


def _drives(found: Mapping[str, Any], table: pa.Table) -> tuple[Drive, ...]:
    kind = _ids(table).dtype
    return tuple(
        Drive(
            layer=each["layer"],
            unit=int(each["unit"]),
            ids=np.asarray(each["ids"], dtype=kind),
            activations=tuple(map(float, each["activations"])),
            among=int(each["among"]),
        )
        for each in found.get("driven", ())
    )


def _learned(run: RunFolder) -> Learned | None:
    file = run.path / TRAINING
    if not file.is_file():
        return None
    try:
        table = read_table([file])
        kinds = {"id": is_id, "margin": pa.types.is_floating, "spread": pa.types.is_floating}
        check_columns(table, file, kinds)
        epochs = int((table.schema.metadata or {}).get(b"epochs", b"0"))
    except (DataError, OSError, ValueError) as error:
        raise RunFolderError(f"{error} {AGAIN}") from error
    return Learned(_ids(table), _array(table, "margin"), _array(table, "spread"), epochs)
