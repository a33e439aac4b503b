"""Write a run folder: aside first, then renamed, so that nothing half-written is ever seen."""

import html
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from unchaff import progress
from unchaff.errors import RunFolderError
from unchaff.evaluate.metrics import cleaned, metrics
from unchaff.nets.hub import described
from unchaff.prune.drives import Drive, drives
from unchaff.runs.layout import (
    DECISIONS,
    FILTER,
    FORMAT,
    HUB,
    MANIFEST,
    METRICS,
    NETWORK,
    PLAN,
    QUALITY,
    REPORT,
    REQUIRED,
    TRAINING,
    WEIGHTS,
)
from unchaff.runs.manifest import manifest
from unchaff.runs.quality import quality_bytes
from unchaff.runs.read import read
from unchaff.runs.record import Run
from unchaff.runs.told import Told, told
from unchaff.runs.training import training_bytes
from unchaff.runs.unfinished import ASIDE, JOURNAL, REPLACED, is_finished, is_unfinished
from unchaff.runs.weights import to_bytes
from unchaff.samples import Samples

OURS = {*REQUIRED, WEIGHTS, FILTER, NETWORK, TRAINING, REPORT, HUB, JOURNAL, ".DS_Store"}
Page = Callable[[Told, Samples], str]  # (what the files say, the samples to look at) -> HTML


def check_writable(folder: Path, *, overwrite: bool = False) -> None:
    """Find out before the long work whether the run folder can be written after it.

    Raises:
        RunFolderError: if the place is taken, is no folder of ours, or may not be written.
    """
    folder = folder.expanduser().resolve()
    if folder.exists():
        _check_replaceable(folder, overwrite=overwrite)
    parent = next(each for each in folder.parents if each.exists())
    if not parent.is_dir():
        raise RunFolderError(
            f"{parent} is a file, so {folder} cannot be a folder in it. Choose another --out."
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RunFolderError(f"There is no permission to write into {parent}. Choose another --out.")


def check_export(file: Path, run: Path, *, overwrite: bool, option: str = "--out") -> None:
    """Refuse a file that must not be written over: any of the run, or one that exists, unless that is wanted.

    Args:
        file: to be written.
        run: folder of the run that it is made from.
        overwrite: whether a file may be replaced.
        option: that named it.

    Raises:
        RunFolderError: it must not.
    """
    if not file.exists():
        return
    if file.resolve().is_relative_to(run.expanduser().resolve()):
        raise RunFolderError(f"{file} is part of the run itself. Choose another {option}.")
    if not overwrite:
        raise RunFolderError(f"{file} exists. Choose another {option}, or give --overwrite.")


def write(folder: Path, run: Run, page: Page, *, overwrite: bool = False) -> Path:
    """Write all files of a run, or none.

    Args:
        folder: where; its parents are made. A folder with something in it is refused.
        run: what to write.
        page: makes `report.html` from the other files and the samples, so that it can be made again.
        overwrite: replace an earlier run folder, once the new one is complete.

    Returns:
        The folder.

    Raises:
        RunFolderError: if the place is taken, is no folder of ours, or cannot be written.
    """
    target = folder.expanduser().resolve()
    check_writable(target, overwrite=overwrite)
    aside = target.parent / ASIDE.format(target.name, uuid.uuid4().hex[:8])
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
        for name, content in contents(run).items():
            (aside / name).parent.mkdir(exist_ok=True)
            (aside / name).write_bytes(content)
        (aside / REPORT).write_bytes(_drawn(page, aside, run.samples).encode())
        _put_in_place(aside, target)
    except OSError as error:
        raise RunFolderError(f"{folder} could not be written ({error}). Nothing was left there.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def contents(run: Run) -> dict[str, bytes]:
    """Return the files of a run folder by name, all but the report."""
    started = time.perf_counter()
    driven = _driven(run)
    replay = manifest(run, drawing=time.perf_counter() - started)
    plan, record = run.outcome.plan, run.trained.record
    files = {
        QUALITY: quality_bytes(run),
        PLAN: _json(
            {
                "reason": "" if plan is None else plan.reason,
                "units": [] if plan is None else [asdict(unit) for unit in plan.units],
                "driven": [{**asdict(drive), "ids": drive.ids.tolist()} for drive in driven],
            }
        ),
        METRICS: _json(metrics(run.measured, run.outcome)),
        MANIFEST: _json(replay),
        **({} if record is None else {TRAINING: training_bytes(record)}),
        **{f"{HUB}/{name}": content for name, content in run.beside.items()},
    }
    if run.decided is not None:
        files[DECISIONS] = run.decided
    return {**_model_files(run), **files} if run.measured.is_of_repair else files


def _driven(run: Run) -> tuple[Drive, ...]:
    """Return what the pruned units responded to; a fault in finding it must not cost the results."""
    plan = run.outcome.plan
    try:
        return () if plan is None else drives(run.trained, run.samples, plan)
    except Exception as error:  # noqa: BLE001  as below
        progress.say(f"What the pruned units responded to is not told ({type(error).__name__}: {error}).")
        return ()


def _drawn(page: Page, folder: Path, samples: Samples) -> str:
    """Return the page; a fault in drawing it must not cost the results of the run."""
    try:
        return page(told(read(folder)), samples)
    except Exception as error:  # noqa: BLE001  whatever it is, the other files are worth more
        said = (
            f"The report could not be drawn ({type(error).__name__}: {error}); all other files are whole. "
            "To try again: unchaff report."
        )
        progress.say(said)
        return f"<!doctype html><title>unchaff</title><p>{html.escape(said)}</p>\n"


def _model_files(run: Run) -> dict[str, bytes]:
    filtering = run.outcome.preprocess
    files = {WEIGHTS: to_bytes(run.outcome.model.state_dict()), NETWORK: _json(rebuild(run))}
    files |= {f"{HUB}/{name}": content for name, content in described(run.outcome.model).items()}
    if filtering is not None:
        files[FILTER] = to_bytes(filtering.state_dict())
    return files


def rebuild(run: Run) -> dict[str, object]:
    """Return the content of `model.json`: how to build the network again."""
    plan, kind, model = run.outcome.plan, run.samples.kind, run.outcome.model
    return {
        "format": FORMAT,
        "model": run.model,
        "class_names": list(run.samples.class_names),
        "input": {"kind": kind.name, "shape": list(kind.shape), "views": list(kind.views), "rate": kind.rate},
        "frontend": dict(run.frontend),
        "preprocess": None if run.outcome.preprocess is None else repr(run.outcome.preprocess),
        "pruned_units": {} if plan is None else plan.by_layer(),
        "modifications": list(run.outcome.modifications),
        **({"hub": type(model).__name__} if described(model) else {}),
    }


def _json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(cleaned(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _check_replaceable(folder: Path, *, overwrite: bool) -> None:
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; a run is written into a folder. Choose another --out.")
    if not any(folder.iterdir()) or is_unfinished(folder):
        return
    if not overwrite:
        raise RunFolderError(
            f"{folder} is not empty. Choose another --out, or give --overwrite to replace it."
        )
    if not is_finished(folder):
        raise RunFolderError(
            f"{folder} holds something else than a run, and is not deleted. Choose another --out."
        )
    names = sorted(each.name for each in folder.iterdir() if not each.name.startswith(DECISIONS))
    others = [name for name in names if name not in OURS]
    if others:
        raise RunFolderError(
            f"{folder} holds what is not of the run ({', '.join(others[:5])}), and is not replaced. Choose "
            "another --out, or move that away."
        )
    if (folder / DECISIONS).exists():
        raise RunFolderError(
            f"{folder} holds what a person decided ({DECISIONS}), and is not replaced. Choose another --out, "
            "or move that file away."
        )


def _put_in_place(aside: Path, target: Path) -> None:
    """Rename; an earlier folder is moved off first, put back if that fails, and deleted last."""
    if not target.exists():
        aside.rename(target)
        return
    old = target.parent / f"{aside.name}{REPLACED}"
    target.rename(old)
    try:
        aside.rename(target)
    except BaseException:
        with suppress(OSError):
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
