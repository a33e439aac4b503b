"""A full disk, a folder that may not be written, files that vanish or were cut, a process that dies."""

import errno
import io
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from torch import Tensor

from unchaff import journal
from unchaff.cli import app
from unchaff.data import Options, images, load
from unchaff.data.prepare import Plain
from unchaff.data.sources import on_disk
from unchaff.errors import DataError

NOBODY = 65534


@pytest.fixture
def full(monkeypatch):
    """Return a function: from now on there is no room for files with this in their path."""

    def fill(part):
        write = Path.write_bytes

        def failing(self, content):
            if part not in str(self):
                return write(self, content)
            write(self, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

        monkeypatch.setattr(Path, "write_bytes", failing)

    return fill


def halves(folder):
    """Return what a write that failed may not leave."""
    return [file.name for file in folder.rglob("*") if file.name.startswith(".")]


def test_a_full_disk_under_the_journal(rows, quick, tmp_path, full, refused, monkeypatch):
    words = ("score", rows, *quick, "--out", tmp_path / "run")
    monkeypatch.setattr(journal, "EVERY", 0)
    full("unfinished")
    said = refused(*words)
    assert "could not be written (No space left on device)" in said
    assert "goes on with --resume" in said
    assert halves(tmp_path) == []
    monkeypatch.undo()
    assert app.main([str(word) for word in (*words, "--resume")]) == 0
    assert halves(tmp_path) == []


@pytest.fixture
def score(rows, quick, tmp_path):
    """Return the words of a command."""
    return ("score", rows, *quick, "--out", tmp_path / "run")


def test_a_full_disk_under_the_run_folder(score, tmp_path, full, refused, monkeypatch):
    words = score
    monkeypatch.setattr(journal, "EVERY", 0)
    full("report.html")
    assert "No space left on device" in refused(*words)
    assert halves(tmp_path) == []
    assert [place.name for place in (tmp_path / "run").iterdir()] == ["unfinished"]
    monkeypatch.undo()
    assert app.main([str(word) for word in (*words, "--resume")]) == 0
    assert sorted(place.name for place in tmp_path.iterdir()) == ["run"]


def test_a_full_disk_leaves_the_run_that_was_to_be_replaced(rows, quick, tmp_path, full, refused):
    words = ("score", rows, *quick, "--out", tmp_path / "run")
    assert app.main([str(word) for word in words]) == 0
    held = (tmp_path / "run" / "quality.parquet").read_bytes()
    full("metrics.json")
    refused(*words, "--overwrite")
    assert (tmp_path / "run" / "quality.parquet").read_bytes() == held
    assert sorted(place.name for place in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize("made", ["ids", "quality", "dataset", "cleanlab", "label-studio"])
def test_a_full_disk_under_an_export(run, tmp_path, full, refused, made):
    out = tmp_path / "out"
    out.write_text("what was there")
    full("out")
    said = refused("export", run, "--format", made, "--out", out, "--overwrite")
    assert "it is as it was" in said
    assert out.read_text() == "what was there"
    assert halves(tmp_path) == []


@pytest.fixture
def tiny(tmp_path):
    """Return a disk of 64 KiB; only root may make one."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = shutil.which("mount")
    words = [mount or "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if mount is None or os.geteuid() or subprocess.run(words, check=False, capture_output=True).returncode:  # noqa: S603
        pytest.skip("no disk can be made here")
    yield place
    subprocess.run(["umount", str(place)], check=True)  # noqa: S603, S607


def test_a_real_full_disk(rows, quick, tiny, refused):
    (tiny / "ballast").write_bytes(bytes(50_000))
    said = refused("repair", rows, *quick, "--controls", "none", "--out", tiny / "run")
    assert "No space left on device" in said
    assert halves(tiny) == []
    assert "No space left on device" in refused(
        "inject", rows, "--noise", "symmetric:0.2", "--out", big(tiny)
    )
    assert sorted(place.name for place in tiny.iterdir() if place.suffix == ".parquet") == []


def big(disk: Path) -> Path:
    left = os.statvfs(disk)
    (disk / "more").write_bytes(bytes(max(left.f_bavail * left.f_frsize - 4096, 0)))
    return disk / "noisy.parquet"


@pytest.fixture
def somebody():
    """Return a folder that all may enter, and be somebody who is not root inside of the test."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        is_root = os.geteuid() == 0
        if is_root and not hasattr(os, "setresuid"):
            pytest.skip("root cannot be somebody else here")
        (Path(folder) / "own").mkdir()
        if is_root:
            os.chown(Path(folder) / "own", NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, 0)
        try:
            yield Path(folder) / "own"
        finally:
            if is_root:
                os.setresuid(0, 0, 0)
            for place in Path(folder).rglob("*"):
                place.chmod(0o755)


def test_a_place_that_may_not_be_written(quick, somebody, refused):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.savez(somebody / "data.npz", x=x, y=np.arange(40) % 2)
    (somebody / "closed").mkdir()
    (somebody / "closed").chmod(0o555)
    for out in ("closed/run", "closed/deep/run"):
        said = refused("score", somebody / "data.npz", *quick, "--out", somebody / out)
        assert "There is no permission to write into" in said
    said = refused(
        "inject",
        somebody / "data.npz",
        "--noise",
        "symmetric:0.2",
        "--out",
        somebody / "closed" / "x.parquet",
    )
    assert "No permission to write into" in said
    assert list((somebody / "closed").iterdir()) == []


def test_an_export_into_a_place_that_may_not_be_written(quick, somebody, refused):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.savez(somebody / "data.npz", x=x, y=np.arange(40) % 2)
    assert app.main(["score", str(somebody / "data.npz"), *quick, "--out", str(somebody / "run")]) == 0
    (somebody / "closed").mkdir()
    (somebody / "closed").chmod(0o555)
    said = refused(
        "export", somebody / "run", "--format", "quality", "--out", somebody / "closed" / "q.parquet"
    )
    assert "could not be written (Permission denied)" in said
    assert list((somebody / "closed").iterdir()) == []


def test_a_place_that_becomes_read_only_during_the_run(rows, quick, tmp_path, refused, monkeypatch):
    def closed(self, _):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "write_bytes", closed)
    assert "Read-only file system" in refused("score", rows, *quick, "--out", tmp_path / "run")
    assert halves(tmp_path) == []


def test_data_that_may_only_be_read_are_enough(quick, somebody):
    (somebody / "data").mkdir()
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.savez(somebody / "data" / "data.npz", x=x, y=np.arange(40) % 2)
    (somebody / "data" / "data.npz").chmod(0o444)
    (somebody / "data").chmod(0o555)
    words = ["score", str(somebody / "data" / "data.npz"), *quick, "--out", str(somebody / "run")]
    assert app.main(words) == 0
    assert [place.name for place in (somebody / "data").iterdir()] == ["data.npz"]


def test_a_file_that_vanishes_before_it_is_decoded_is_left_out(pictures, monkeypatch):
    decode = images.decode_all

    def late(*given, **named):
        (pictures / "a" / "0.png").unlink()
        return decode(*given, **named)

    monkeypatch.setattr(images, "decode_all", late)
    (left_out,) = load(str(pictures)).skipped
    assert left_out.id == "a/0.png"
    assert "there is no file" in left_out.reason


@pytest.mark.parametrize(("workers", "what"), [(0, "gone"), (2, "gone"), (0, "cut")])
def test_a_file_that_vanishes_while_the_run_reads_it_is_named(pictures, workers, what):
    samples = load(str(pictures), Options(lazy=True, workers=workers)).train
    file = pictures / "b" / "7.png"
    if what == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:45])
    with pytest.raises(
        DataError, match="could be read when the run began, and cannot be read now: "
    ) as refusal:
        list(samples.batches(4))
    assert "\n" not in str(refusal.value)
    assert what == "cut" or str(file) in str(refusal.value)
    with pytest.raises(DataError, match="cannot be read now"):
        samples.source.raw(np.arange(len(samples)))


def test_a_command_whose_file_vanishes_ends_with_a_sentence(pictures, quick, tmp_path, refused, monkeypatch):
    measured = torch.optim.SGD.step

    def step(self, *given, **named):
        (pictures / "b" / "7.png").unlink(missing_ok=True)
        return measured(self, *given, **named)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    said = refused("score", pictures, *quick, "--lazy", "--out", tmp_path / "run")
    assert "7.png. Give it back; a run that was given --out goes on with --resume." in said
    assert halves(tmp_path) == []


@dataclass(frozen=True)
class Deadly:
    """Items whose decoding kills the process it runs in."""

    main: int

    def __len__(self) -> int:
        return 40

    def __getitem__(self, row: int) -> Tensor:
        if row == 13 and os.getpid() != self.main:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.zeros(2)


def test_a_process_that_dies_while_it_decodes_is_named():
    source = on_disk(Deadly(os.getpid()), Plain(), workers=2)
    with pytest.raises(
        DataError, match=r"A worker process that decodes inputs died \(killed by SIGKILL\).*memory"
    ):
        list(source.read([np.arange(start, start + 4) for start in range(0, 40, 4)]))


def test_a_command_whose_process_dies_ends_with_a_sentence(pictures, quick, tmp_path, refused, monkeypatch):
    for row in range(300):  # the first batch needs no process
        shutil.copy(pictures / "a" / "0.png", pictures / "ab"[row % 2] / f"copy{row}.png")
    decode, main = images.decode, os.getpid()

    def deadly(data, shape):
        if os.getpid() != main:
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(data, shape)

    monkeypatch.setattr(images, "decode", deadly)
    said = refused("score", pictures, *quick, "--lazy", "--out", tmp_path / "run")
    assert "A worker process that decodes inputs died (killed by SIGKILL)" in said


def whole_table() -> bytes:
    buffer = io.BytesIO()
    columns = {
        "a": np.arange(9000.0),
        "text": [f"word {row}" for row in range(9000)],
        "label": np.arange(9000) % 2,
    }
    pq.write_table(pa.table(columns), buffer, row_group_size=3000)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "cut",
    [
        lambda whole: whole[:-4],
        lambda whole: whole[:-300],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:4],
        lambda _: b"",
        lambda whole: whole[:5000] + whole[5100:],
    ],
    ids=["mark", "footer", "half", "head", "empty", "a hole"],
)
def test_a_table_that_was_cut_is_refused(tmp_path, refused, quick, cut):
    (tmp_path / "data.parquet").write_bytes(cut(whole_table()))
    said = refused("score", tmp_path / "data.parquet", *quick, "--out", tmp_path / "run")
    assert "data.parquet cannot be read as Parquet" in said
    assert sorted(place.name for place in tmp_path.iterdir()) == ["data.parquet"]


def sound(kind: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.sin(np.arange(8000) / 9) * 0.4, 8000, format=kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("spoil", ["start", "middle", "noise"])
def test_a_sound_that_was_cut_is_left_out_or_short(tmp_path, kind, spoil):
    whole = sound(kind)
    spoilt = {"start": whole[:20], "middle": whole[: len(whole) // 2], "noise": bytes(range(256)) * 9}[spoil]
    for name, content in (("a/1", whole), ("b/1", whole), ("b/2", spoilt)):
        file = tmp_path / f"{name}.{kind.lower()}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    loaded = load(str(tmp_path), Options(seconds=1.0))
    left_out = [one.id for one in loaded.skipped]
    assert left_out in ([f"b/2.{kind.lower()}"], [])
    assert len(loaded.train) + len(left_out) == 3
    assert spoil == "middle" or left_out
