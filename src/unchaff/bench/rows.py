"""The results file of a suite: one line of JSON per measurement, only ever added to."""

import base64
import json
import subprocess
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff.errors import DataError
from unchaff.evaluate.metrics import cleaned
from unchaff.runs.manifest import hardware, versions
from unchaff.whole import put

Kind = Literal["method", "detector"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one contender, or one detector, gave on one ground with one seed."""

    key: str  # hash of all that decides the numbers
    setting: str
    name: str
    kind: Kind
    seed: int
    applies: bool = True  # False: makes no sense on this ground, such as an oracle without noise
    scores: Mapping[str, object] | None = None  # on the test set, of a method
    detection: Mapping[str, object] | None = None  # where the truth is known
    more: Mapping[str, float] = field(default_factory=dict)  # other measures, by name
    calibration_error: float | None = None
    noise_rate: float | None = None  # estimated
    kept_share: float | None = None
    kept: str | None = None  # packed: which samples, in canonical order
    seconds: float = 0.0
    flops: float = 0.0
    size: Mapping[str, float] = field(default_factory=dict)  # of the network, as a share of what it was
    share: Mapping[str, float | None] = field(default_factory=dict)  # of one full training
    share_is_estimated: bool = False  # the recipe of that training is not known: the usual one is assumed
    notes: tuple[str, ...] = ()
    made: Mapping[str, object] = field(default_factory=dict)  # when, where and with what

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the test set, as a fraction."""
        value = None if self.scores is None else self.scores.get("accuracy")
        return value if isinstance(value, float) else None

    @property
    def decisions(self) -> NDArray[np.bool_] | None:
        """Which samples are kept, in canonical order.

        Raises:
            DataError: what was written is broken.
        """
        if self.kept is None:
            return None
        number, _, packed = self.kept.partition(":")
        try:
            unpacked = zlib.decompressobj().decompress(base64.b64decode(packed), (int(number) + 7) // 8)
            return np.unpackbits(np.frombuffer(unpacked, dtype=np.uint8), count=int(number)).astype(bool)
        except (ValueError, OverflowError, zlib.error) as error:
            raise DataError(f"The decisions of {self.setting}/{self.name}/{self.seed} are broken.") from error

    def found(self, name: str) -> float | None:
        """Return one number of the detection."""
        value = None if self.detection is None else self.detection.get(name)
        return float(value) if isinstance(value, int | float) else None


NUMBER = (int, float)
# What a line must hold: by name, what stands for a value that is not there, and the types of JSON allowed.
KINDS: Mapping[str, tuple[object, tuple[type, ...]]] = MappingProxyType(
    dict.fromkeys(("key", "setting", "name", "kind"), (None, (str,)))
    | {
        "seed": (None, (int,)),
        "applies": (True, (bool,)),
        "share_is_estimated": (False, (bool,)),
        "kept": (None, (str, NoneType)),
        "notes": ([], (list,)),
    }
    | dict.fromkeys(("scores", "detection"), (None, (dict, NoneType)))
    | {name: ({}, (dict,)) for name in ("size", "share", "made", "more")}
    | dict.fromkeys(("calibration_error", "noise_rate", "kept_share"), (None, (*NUMBER, NoneType)))
    | dict.fromkeys(("seconds", "flops"), (0.0, NUMBER))
)


def packed(kept: NDArray[np.bool_]) -> str:
    """Return decisions as one short word."""
    bits = zlib.compress(np.packbits(kept).tobytes(), 9)
    return f"{len(kept)}:{base64.b64encode(bits).decode()}"


class Results:
    """Rows by key, in a file that grows line by line and survives a stop at any point."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows: dict[str, Row] = {}
        lines = self._lines()
        for number, line in enumerate(lines, start=1):
            row = _parsed(line)
            if row is not None:
                self.rows[row.key] = row
            elif number < len(lines):
                raise DataError(f"Line {number} of {file} is no result. Repair it, or choose another --out.")

    def add(self, row: Row) -> None:
        """Write the row at once, and whole: a line that a stop cut short is overwritten."""
        self.rows[row.key] = row
        lines = self._lines()
        if lines and _parsed(lines[-1]) is None:
            lines.pop()
        text = json.dumps(cleaned(asdict(row)), ensure_ascii=False, allow_nan=False)
        put(self.file, ("\n".join([*lines, text]) + "\n").encode())

    def _lines(self) -> list[str]:
        try:
            return self.file.read_text(encoding="utf-8").splitlines() if self.file.is_file() else []
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.file} cannot be read ({error}). Choose another --out.") from error


def _parsed(line: str) -> Row | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    names = {each.name for each in fields(Row)}
    if not isinstance(values, dict) or values.keys() - names:
        return None
    if any(not isinstance(values.get(name, unsaid), kinds) for name, (unsaid, kinds) in KINDS.items()):
        return None
    return Row(**{**values, "notes": tuple(values.get("notes", ()))}) if _fits(values) else None


def _fits(values: Mapping[str, Any]) -> bool:
    """Whether what is inside of the lists and objects of a line is of the right kind too."""
    return (
        values["kind"] in get_args(Kind)
        and all(isinstance(note, str) for note in values.get("notes", ()))
        and all(isinstance(each, NUMBER) for each in values.get("size", {}).values())
        and all(isinstance(each, NUMBER) for each in values.get("more", {}).values())
        and all(isinstance(each, (*NUMBER, NoneType)) for each in values.get("share", {}).values())
    )


def made(device: torch.device) -> dict[str, object]:
    """Return when, where and with what something was measured."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": versions(),
        "hardware": hardware(device),
    }


@cache
def _commit() -> str | None:
    """Return the commit of the code that runs, marked where it was changed since; None outside a checkout."""
    here = Path(__file__).parent
    command = ("git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
