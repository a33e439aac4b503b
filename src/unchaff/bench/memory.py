"""The suite `memory`: data larger than what may be held are made, scored by a new process, and deleted."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

from unchaff.bench.lines import key_of
from unchaff.bench.rows import made
from unchaff.errors import ConfigError, DataError
from unchaff.runs.layout import METRICS
from unchaff.runs.weights import to_bytes
from unchaff.shards import Scratch
from unchaff.streams import Streams
from unchaff.whole import put

CLASSES = 10
EVERY = 0.2  # seconds between two looks at the memory of a process
PROC = Path("/proc")
GROUP = 100  # pictures in a row group of a table
GB = 10**9


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """Pictures of a size, in files or in a table, and what scoring them may take."""

    name: str
    kind: Literal["folder", "parquet"]
    size: int  # bytes
    side: int = 512  # pixels
    limit: int = 2 * GB  # bytes of all processes together; pages that they share count once

    @property
    def count(self) -> int:
        """How many pictures that is."""
        return -(-self.size // (3 * self.side**2))

    @property
    def key(self) -> str:
        """A hash of all that decides what is measured."""
        return key_of(asdict(self))


BULKS = (
    Bulk(name="folder-10GB", kind="folder", size=10 * GB),
    Bulk(name="parquet-4GB", kind="parquet", size=4 * GB),  # under 2 GiB it would be read into memory
)


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What scoring took."""

    key: str
    setting: str
    command: str
    rows: int
    size: int  # bytes of the data
    seconds: float  # of the whole command
    rows_per_second: float
    peak: int  # bytes in use by all processes together at one time; shared pages count once
    peak_resident: int  # the same with shared pages counted in each process
    limit: int
    auroc: float | None  # of the planted noise
    made: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        peak, limit = (f"{each / GB:.2f} GB" for each in (self.peak, self.limit))
        return (
            f"{self.setting}: {self.rows} rows, {self.size / GB:.1f} GB, in {self.seconds:.0f} s "
            f"({self.rows_per_second:.1f} rows a second); peak {peak} resident, limit {limit} "
            f"({self.peak_resident / GB:.2f} GB if pages that processes share are counted in each)"
        )


def patches(num_classes: int, input_shape: tuple[int, ...]) -> nn.Sequential:
    """Return a network of one layer of patches, cheap on large pictures: the suite weighs the reading."""
    side = min(16, *input_shape[1:])
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 32, side, side),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, num_classes),
    )


def weighed(bulk: Bulk) -> Weighed:
    """Make the data in the folder for temporary files, score them, and delete them.

    Raises:
        ConfigError: no Linux, whose /proc says what processes hold, or no room.
        DataError: scoring failed.
    """
    scratch = Scratch()
    free = shutil.disk_usage(scratch.path).free
    needed = bulk.size * (1.1 if bulk.kind == "folder" else 2.1)  # a table is laid out once more
    if not (PROC / "self" / "smaps_rollup").exists():
        raise ConfigError("The suite memory reads /proc of Linux. Run it there.")
    if free < needed:
        raise ConfigError(
            f"{bulk.name} needs {needed / GB:.1f} GB in {scratch.path.parent}, where {free / GB:.1f} GB are "
            "free. Name another folder in TMPDIR."
        )
    data, weights, run = (scratch.path / name for name in ("data", "weights.safetensors", "run"))
    made_of = _folder if bulk.kind == "folder" else _table
    data = made_of(data, bulk)
    with Streams(0).forked_global("memory"):
        put(weights, to_bytes(patches(CLASSES, (3, bulk.side, bulk.side)).state_dict()))
    words = ["score", str(data), "--model", f"{__name__}:patches", "--weights", str(weights)]
    words += ["--noise", "symmetric:0.2", "--device", "cpu", "--out", str(run)]
    begun = time.monotonic()
    peak, resident = _peak([sys.executable, "-m", "unchaff", *words], scratch.path / "said")
    seconds = time.monotonic() - begun
    found = json.loads((run / METRICS).read_text())["detection"]
    return Weighed(
        key=bulk.key,
        setting=bulk.name,
        command=" ".join(("unchaff", *words)).replace(str(scratch.path), "TMP"),
        rows=bulk.count,
        size=sum(each.stat().st_size for each in _files(data)),
        seconds=round(seconds, 1),
        rows_per_second=round(bulk.count / seconds, 2),
        peak=peak,
        peak_resident=resident,
        limit=bulk.limit,
        auroc=None if found is None else found["auroc"],
        made=made(torch.device("cpu")),
    )


def _files(data: Path) -> Iterator[Path]:
    return (each for each in ([data] if data.is_file() else data.rglob("*")) if each.is_file())


def _pictures(bulk: Bulk) -> Iterator[tuple[int, bytes]]:
    """Yield class and file of noisy pictures in the colour of their class."""
    draw = Streams(0)("memory")
    tints = torch.randint(0, 60, (CLASSES, 1, 1, 3), generator=draw, dtype=torch.uint8)
    for number in range(bulk.count):
        noise = torch.randint(0, 196, (bulk.side, bulk.side, 3), generator=draw, dtype=torch.uint8)
        buffer = BytesIO()
        Image.fromarray((noise + tints[number % CLASSES]).numpy()).save(buffer, "BMP")
        yield number % CLASSES, buffer.getvalue()


def _folder(place: Path, bulk: Bulk) -> Path:
    for number, (label, content) in enumerate(_pictures(bulk)):
        folder = place / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:07d}.bmp").write_bytes(content)
    return place


def _table(place: Path, bulk: Bulk) -> Path:
    file = place.with_suffix(".parquet")
    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", cell), ("label", pa.int64())])
    with pq.ParquetWriter(file, schema, compression="none") as writer:
        pictures = _pictures(bulk)
        while group := list(islice(pictures, GROUP)):
            cells = pa.array([{"bytes": content, "path": None} for _, content in group], cell)
            writer.write_table(pa.table([cells, pa.array([label for label, _ in group])], schema=schema))
    return file


def _peak(words: Sequence[str], said: Path) -> tuple[int, int]:
    """Run a command and return the most memory its processes held together: proportional, and resident."""
    with said.open("wb") as out:
        running = subprocess.Popen(words, stdout=out, stderr=out)  # noqa: S603
    try:
        peak = resident = 0
        while running.poll() is None:
            pids = [running.pid, *below(running.pid)]
            peak, resident = max(peak, held_by(pids, "Pss:")), max(resident, held_by(pids, "Rss:"))
            time.sleep(EVERY)
    finally:
        running.kill()
        running.wait()
    if running.returncode:
        raise DataError(f"Scoring ended with {running.returncode}: {said.read_text()[-300:].strip()}")
    return peak, resident


def below(pid: int) -> Iterator[int]:
    """Yield the processes that this one started, and theirs."""
    for file in (PROC / str(pid) / "task").glob("*/children"):
        for child in map(int, _text(file).split()):
            yield child
            yield from below(child)


def held_by(pids: Sequence[int], name: str) -> int:
    """Return the bytes that processes hold together: Pss counts pages that they share once, Rss in each."""
    lines = (line for pid in pids for line in _text(PROC / str(pid) / "smaps_rollup").splitlines())
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # it ended in the meantime
        return ""
