"""`manifest.json`: enough to replay a run, and to tell whether a replay had the same inputs."""

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from unchaff.data.load import is_made
from unchaff.evaluate.metrics import cleaned
from unchaff.runs.layout import DATA_PATH, FORMAT
from unchaff.runs.record import Run
from unchaff.runs.weights import to_bytes
from unchaff.samples import Samples

CHUNK = 512  # samples read at once


def manifest(run: Run, *, drawing: float = 0.0) -> dict[str, object]:
    """Return the content of `manifest.json`; `drawing`: seconds spent for the report alone."""
    cost = run.outcome.cost
    return cleaned(
        {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": run.command,
            "seed": run.seed,
            "config": plain(run.config),
            DATA_PATH: _whole_path(run.config.get("data")),
            "versions": versions(),
            "data": hashes(run.samples),
            "weights": {
                "before_sha256": sha256(to_bytes(run.trained.model.state_dict())),
                "after_sha256": None
                if not run.measured.is_of_repair
                else sha256(to_bytes(run.outcome.model.state_dict())),
            },
            "recipe": None if run.trained.recipe is None else asdict(run.trained.recipe),
            "hardware": hardware(run.samples.device),
            "seconds": {
                "all": cost.seconds,
                **{f"stage {name}": stage.seconds for name, stage in cost.stages.items()},
                **({} if run.measured.judging is None else {"hold-out": run.measured.judging.seconds}),
                **{f"control {name}": each.cost.seconds for name, each in run.measured.controls.items()},
                "report": drawing,  # no part of the repair
            },
            "notes": [*dict.fromkeys((*run.notes, *run.outcome.notes))],
        }
    )


def _whole_path(data: object) -> str | None:
    """Return where the data lie, from anywhere; None where they are no file or folder."""
    if not isinstance(data, str) or not data or is_made(data):
        return None
    path = Path(data).expanduser()
    return str(path.resolve()) if path.exists() else None


def versions() -> dict[str, str]:
    """Return the versions that decide the numbers."""
    try:
        own = metadata.version("unchaff")
    except metadata.PackageNotFoundError:
        own = "from source"
    return {
        "unchaff": own,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def hardware(device: torch.device) -> dict[str, object]:
    """Return what the run ran on."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "system": f"{platform.system()} {platform.machine()}",
    }


def hashes(samples: Samples) -> dict[str, object]:
    """Return what identifies the data; inputs decoded on access are not read again for it."""
    labels = hashlib.sha256("\n".join(map(str, samples.ids.tolist())).encode())
    labels.update(samples.labels.cpu().numpy().astype("<i8").tobytes())
    return {
        "num_samples": len(samples),
        "kind": str(samples.kind),
        "ids_and_labels_sha256": labels.hexdigest(),
        "inputs_sha256": _inputs_hash(samples) if samples.source.in_memory else None,
    }


def sha256(content: bytes) -> str:
    """Return the hash as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _inputs_hash(samples: Samples) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(samples), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(samples)))
        digest.update(samples.source.raw(rows).cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def plain(config: Mapping[str, object]) -> dict[str, object]:
    """Return settings as JSON holds them."""
    return {key: _plain_value(value) for key, value in config.items()}


def _plain_value(value: object) -> object:
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_plain_value(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
