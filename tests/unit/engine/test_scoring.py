"""Scoring unit by unit says what scoring in one piece says, and goes on where it was stopped."""

import copy
import json
from contextlib import suppress
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
import torch

from unchaff.attribute.readout import Readout
from unchaff.data import Options, digits, load
from unchaff.data.tables import encoded
from unchaff.engine import Begin, Here, found, score
from unchaff.engine import scoring as module
from unchaff.engine.deciding import Counted, Decision, Rule
from unchaff.engine.finding import are_unique
from unchaff.engine.rows import Held, portion
from unchaff.engine.store import Store
from unchaff.errors import DataError, ModelError, RunFolderError
from unchaff.nets.build import build
from unchaff.partition.keep import spare_classes
from unchaff.partition.latent import latent
from unchaff.partition.transition import Transition
from unchaff.records import Observed, Trained
from unchaff.streams import Streams
from unchaff.whole import parquet


class Watched(Here):
    """Works here, notes which units each stage saw, and is stopped, or does mischief, where it is told to."""

    def __init__(self, stops_in="", after=0, before=None):
        self.seen, self._stops_in, self._after, self._before = {}, stops_in, after, before or {}

    def run(self, stage, units):
        if stage.name in self._before:
            self._before.pop(stage.name)()
        for unit in units:
            if stage.name == self._stops_in and len(self.seen.get(stage.name, ())) == self._after:
                raise KeyboardInterrupt
            self.seen.setdefault(stage.name, []).append(unit.number)
            yield stage(unit)


def quality(folder):
    return pq.read_table(f"{folder}/quality")


def scored(world, out, engine=None, spec=None, **how):
    engine = engine or Here()
    return score(
        found(spec or str(world.folder), world.options, engine), world.trained, str(out), engine, Begin(**how)
    )


def assert_as_in_one_piece(world, out):
    table = quality(out)
    np.testing.assert_array_equal(table["id"].to_numpy(), world.split.ids)
    np.testing.assert_array_equal(table["kept"].to_numpy(), world.split.kept.numpy())
    np.testing.assert_allclose(table["quality"].to_numpy(), world.split.quality.numpy(), atol=1e-5)
    np.testing.assert_array_equal(table["suggested_label"].to_numpy(), world.split.suggested.numpy())
    np.testing.assert_array_equal(table["label"].to_numpy(), world.samples.labels.numpy())


def test_units_say_what_one_piece_says(world, tmp_path):
    told = scored(world, tmp_path / "run")
    assert_as_in_one_piece(world, tmp_path / "run")
    assert (told.samples, told.kept, told.skipped) == (1347, int(world.split.kept.sum()), 0)
    assert told.noise_rate == pytest.approx(world.split.noise_rate, abs=1e-6)
    assert told.reason == world.split.reason
    assert not told.abstained
    assert told.cost.flops > 0
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["quality", "summary.json"]
    features = json.loads(quality(tmp_path / "run").schema.metadata[b"huggingface"])["info"]["features"]
    assert features["suggested_label"]["names"] == list(world.samples.class_names)


def test_samples_that_are_in_memory_are_scored_alike(world, tmp_path):
    rows = Held(world.samples)
    found_here = module.Found(rows, rows.units(), world.options, load("digits"), "digits")
    score(found_here, world.trained, str(tmp_path / "run"), Here())
    assert len(rows.units()) == 9
    assert_as_in_one_piece(world, tmp_path / "run")


def test_a_network_of_numbers_that_are_not_finite_is_named(world, tmp_path):
    model = copy.deepcopy(world.trained.model)
    next(each for each in model.parameters() if each.dim() > 1).data[:] = torch.nan
    broken = replace(world, trained=replace(world.trained, model=model))
    with pytest.raises(ModelError, match="not finite for some of 1347 samples"):
        scored(broken, tmp_path / "run")


def test_without_noise_everything_is_kept(world, tmp_path):
    clean = digits()[0]
    (tmp_path / "clean.parquet").write_bytes(parquet(encoded(clean, {})))
    split = Transition()(Readout()(world.trained, Observed(train=clean), streams=Streams(0)))
    told = scored(world, tmp_path / "run", spec=str(tmp_path / "clean.parquet"))
    assert split.abstained
    assert told.abstained
    assert told.reason == split.reason
    assert told.kept == told.samples
    np.testing.assert_allclose(quality(tmp_path / "run")["quality"].to_numpy(), split.quality, atol=1e-5)


@pytest.mark.parametrize(
    ("stage", "after"), [("sums", 0), ("sums", 4), ("score", 5), ("noise", 2), ("split", 7)]
)
def test_a_stopped_run_goes_on_and_nothing_is_lost_or_there_twice(world, tmp_path, monkeypatch, stage, after):
    monkeypatch.setattr(module, "EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        scored(world, tmp_path / "run", Watched(stage, after))
    with pytest.raises(RunFolderError, match="--resume"):
        scored(world, tmp_path / "run")
    engine = Watched()
    scored(world, tmp_path / "run", engine, resume=True)
    done = {"sums": after if stage == "sums" else 9, "score": after if stage == "score" else 0}
    done["score"] = 9 if stage in ("noise", "split") else done["score"]
    for name, already in done.items():
        assert engine.seen.get(name, []) == list(range(already, 9)), name
    assert_as_in_one_piece(world, tmp_path / "run")


def test_a_finished_run_is_told_again_and_not_done_again(world, tmp_path):
    first = scored(world, tmp_path / "run")
    engine = Watched()
    again = scored(world, tmp_path / "run", engine, resume=True)
    assert again.kept == first.kept
    assert again.cost.flops == first.cost.flops
    assert "score" not in engine.seen
    with pytest.raises(RunFolderError, match="finished"):
        scored(world, tmp_path / "run")
    with pytest.raises(RunFolderError, match="rows was 1347 and is 449"):
        scored(world, tmp_path / "run", spec=str(world.folder / "train-0.parquet"), resume=True)
    scored(world, tmp_path / "run", spec=str(world.folder / "train-0.parquet"), overwrite=True)
    assert len(quality(tmp_path / "run")) == 449


def test_what_is_no_run_is_neither_mixed_with_nor_deleted(world, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("all of it")
    with pytest.raises(RunFolderError, match="something else"):
        scored(world, tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "thesis.tex").read_text() == "all of it"


def test_what_a_stopped_deletion_has_left_is_never_taken_for_a_part_of_the_next_run(world, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        scored(world, run, Watched("score", 3))
    (run / "unfinished" / "settings.json").unlink()
    engine = Watched()
    scored(world, run, engine)
    assert engine.seen["sums"] == [*range(9)], "sums of nobody knows which network"
    (run / "summary.json").unlink()
    with pytest.raises(RunFolderError, match=r"holds quality, and no run they belong to.*--overwrite"):
        scored(world, run, resume=True)
    assert len(quality(run)) == 1347
    dropped, usual = [], Store.drop
    with patch.object(Store, "drop", lambda store, name: (dropped.append(name), usual(store, name))):
        scored(world, run, overwrite=True)
    assert dropped[:2] == ["summary.json", "unfinished/settings.json"], (
        "what says that the rest belongs together"
    )
    assert_as_in_one_piece(world, run)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_other_data_of_as_many_rows_do_not_go_on_with_a_run(tmp_path, kind):
    def written(shift):
        rows = np.arange(300)
        columns = {f"x{k}": rows % (k + 2) + shift for k in range(4)}
        table = pa.table({**columns, "label": rows % 2})
        if kind == "parquet":
            pq.write_table(table, tmp_path / "table.parquet")
        else:
            csv.write_csv(table, tmp_path / "table.csv")
        return found(str(tmp_path / f"table.{kind}"), Options(), Here())

    trained = Trained(model=build("mlp", written(0).example, streams=Streams(0)).eval())
    score(written(0), trained, str(tmp_path / "run"), Here())
    score(written(0), trained, str(tmp_path / "run"), Here(), Begin(resume=True))
    with pytest.raises(RunFolderError, match="other settings: data"):
        score(written(1), trained, str(tmp_path / "run"), Here(), Begin(resume=True))


def test_another_network_does_not_go_on_with_a_run(world, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        scored(world, tmp_path / "run", Watched("score", 3))
    changed = {name: each + 1 for name, each in world.trained.model.state_dict().items()}
    monkeypatch.setattr(world.trained.model, "state_dict", lambda: changed)
    with pytest.raises(RunFolderError, match="network_sha256"):
        scored(world, tmp_path / "run", resume=True)


class Counting(Held):
    """Samples that count how often a unit of them is read."""

    reads = []  # noqa: RUF012 - emptied by each test

    def read(self, unit):
        self.reads.append(unit.number)
        return super().read(unit)


def counted(world, out, engine=None):
    rows = Counting(world.samples)
    rows.reads.clear()
    found_here = module.Found(rows, rows.units(), world.options, load("digits"), "digits")
    told = score(found_here, world.trained, str(out), engine or Here())
    assert_as_in_one_piece(world, out)
    return rows.reads, told


def test_rows_are_read_once_where_what_layers_read_may_be_left_in_the_folder(world, tmp_path, monkeypatch):
    reads, told = counted(world, tmp_path / "once")
    assert reads == [*range(9)]
    monkeypatch.setattr(module, "LEFT", 1_000)
    again, told_again = counted(world, tmp_path / "twice")
    assert again == [*range(9), *range(9)]
    assert told_again.cost.samples_seen == 2 * told.cost.samples_seen
    assert told_again.cost.flops > told.cost.flops
    once, twice = (quality(tmp_path / name).select(["id", "kept", "quality"]) for name in ("once", "twice"))
    assert once.equals(twice)


def test_what_layers_read_is_read_anew_where_it_was_spoiled_and_gone_when_it_is_done(world, tmp_path):
    folder = tmp_path / "run" / "unfinished" / "reads-1"

    def spoil():
        content = bytearray((folder / "00004").read_bytes())
        content[500] ^= 0xFF
        (folder / "00004").write_bytes(bytes(content))
        (folder / "00007").unlink()

    left = []
    engine = Watched(before={"score": spoil, "noise": lambda: left.append(folder.exists())})
    reads, _ = counted(world, tmp_path / "run", engine)
    assert reads == [*range(9), 4, 7]
    assert left == [False]


@pytest.mark.parametrize("before", ["noise", "count", "split"])
def test_a_broken_shard_is_made_anew(world, tmp_path, before):
    def spoil():
        shard = tmp_path / "run" / "unfinished" / "evidence-1" / "00004"
        content = bytearray(shard.read_bytes())
        content[500] ^= 0xFF
        shard.write_bytes(bytes(content))

    engine = Watched(before={before: spoil})
    scored(world, tmp_path / "run", engine)
    assert engine.seen["score"] == [*range(9), 4]
    assert_as_in_one_piece(world, tmp_path / "run")


def test_a_broken_table_is_named_in_one_sentence(world, tmp_path):
    for place in range(3):
        (tmp_path / f"train-{place}.parquet").write_bytes(
            (world.folder / f"train-{place}.parquet").read_bytes()
        )
    content = bytearray((tmp_path / "train-1.parquet").read_bytes())
    content[2000:12000] = bytes(10_000)
    (tmp_path / "train-1.parquet").write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"train-1\.parquet"):
        scored(world, tmp_path / "run", spec=str(tmp_path))


@pytest.mark.parametrize("stops_in", ["", "score"])
def test_rows_that_cannot_be_used_are_left_out_and_named(world, tmp_path, stops_in):
    table = encoded(world.samples, {})
    labels, images = table["label"].to_pylist(), table["image"].to_pylist()
    labels[3] = None
    labels[150:300] = [None] * 150  # a whole unit
    images[7] = {"bytes": b"no picture", "path": None}
    broken = table.set_column(
        table.column_names.index("label"), table.schema.field("label"), pa.array(labels)
    )
    place = table.column_names.index("image")
    broken = broken.set_column(
        place, table.schema.field("image"), pa.array(images, table.schema.field("image").type)
    )
    (tmp_path / "broken.parquet").write_bytes(parquet(broken.replace_schema_metadata(table.schema.metadata)))
    with suppress(KeyboardInterrupt):
        scored(world, tmp_path / "run", Watched(stops_in, 4), str(tmp_path / "broken.parquet"))
    told = scored(world, tmp_path / "run", spec=str(tmp_path / "broken.parquet"), resume=True)
    usable = load(str(tmp_path / "broken.parquet")).train
    assert told.skipped == 152
    assert told.samples == len(usable) == 1347 - 152
    assert any("not a readable image" in note for note in told.notes)
    assert len(told.notes) <= module.NAMED
    np.testing.assert_array_equal(quality(tmp_path / "run")["id"].to_numpy(), usable.ids)


def columns_of(tmp_path, world, **changes):
    table = encoded(world.samples, {})
    for name, values in changes.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values))
    kept = {} if "label" in changes else table.schema.metadata
    (tmp_path / "table.parquet").write_bytes(parquet(table.replace_schema_metadata(kept)))
    return str(tmp_path / "table.parquet")


def test_names_of_classes_are_those_of_all_rows(world, tmp_path):
    order = np.argsort(-world.samples.labels.numpy(), kind="stable")
    names = np.array([f"digit {label}" for label in world.samples.labels.tolist()])[order]
    found_here = found(columns_of(tmp_path, world, label=names.tolist()), world.options, Here())
    assert found_here.example.class_names == tuple(f"digit {label}" for label in range(10))
    unit = found_here.units[-1]
    portion = found_here.rows.few().read(unit)
    given = [found_here.example.class_names[label] for label in portion.samples.labels.tolist()]
    assert given == names[unit.start : unit.start + unit.rows].tolist()


@pytest.mark.parametrize("carried", [[f"digit {label}" for label in range(3, 12)], ["digit 9", "digit 8"]])
def test_texts_that_are_not_all_among_the_names_a_table_carries_are_names_of_their_own(
    world, tmp_path, monkeypatch, carried
):
    """The rows at the front are: they are of class 9."""
    monkeypatch.setattr("unchaff.engine.finding.SETTLED_ON", 100)
    order = np.argsort(-world.samples.labels.numpy(), kind="stable")
    names = np.array([f"digit {label}" for label in world.samples.labels.tolist()])[order]
    path = columns_of(tmp_path, world, label=names.tolist())
    feature = {"label": {"_type": "ClassLabel", "names": carried}}
    said = {"huggingface": json.dumps({"info": {"features": feature}})}
    (tmp_path / "table.parquet").write_bytes(parquet(pq.read_table(path).replace_schema_metadata(said)))
    on_a_cluster = found(path, world.options, Here()).example.class_names
    assert on_a_cluster == tuple(f"digit {label}" for label in range(10))
    assert on_a_cluster == load(path, world.options).train.class_names


@pytest.mark.parametrize("carried", [None, [f"digit {label}" for label in range(10)]])
def test_rows_at_the_front_may_all_be_of_one_class(world, tmp_path, monkeypatch, carried):
    monkeypatch.setattr("unchaff.engine.finding.SETTLED_ON", 100)
    path = columns_of(tmp_path, world, label=np.sort(world.samples.labels.numpy()))
    if carried is not None:
        said = {"huggingface": json.dumps({"info": {"features": {"label": {"names": carried}}}})}
        (tmp_path / "table.parquet").write_bytes(parquet(pq.read_table(path).replace_schema_metadata(said)))
    example = found(path, world.options, Here()).example
    assert len(example) == 100
    assert example.labels.unique().tolist() == [0]
    assert example.class_names == (tuple(carried) if carried else tuple(map(str, range(10))))
    path = columns_of(tmp_path, world, label=np.full(1347, 3))
    with pytest.raises(DataError, match="All usable samples are of one class, 3"):
        found(path, world.options, Here())


def test_ids_that_occur_twice_are_found_wherever_they_are(world, tmp_path, monkeypatch):
    ids = np.arange(1347) * 7
    spec = columns_of(tmp_path, world, id=ids)
    engine = Here()
    units = found(spec, world.options, engine).units
    for at_once in (20_000_000, 200):
        monkeypatch.setattr("unchaff.engine.finding.IDS_AT_ONCE", at_once)
        assert are_unique("id", units, engine, is_asked=True)
    assert found(spec, world.options, engine).rows.read(units[2]).samples.ids[0] == ids[units[2].start]
    ids[1200] = ids[4]
    spec = columns_of(tmp_path, world, id=ids)
    assert not are_unique("id", units, engine, is_asked=True)
    assert found(spec, world.options, engine).rows.read(units[2]).samples.ids[0] == units[2].start
    with pytest.raises(DataError, match="not unique"):
        found(spec, replace(world.options, id_column="id"), engine)
    spec = columns_of(tmp_path, world, id=[None, *range(1346)])
    assert found(spec, world.options, engine).rows.read(units[2]).samples.ids[0] == units[2].start
    with pytest.raises(DataError, match="empty values"):
        found(spec, replace(world.options, id_column="id"), engine)


def test_a_large_row_group_is_read_piece_by_piece_and_its_writer_told(world, tmp_path, monkeypatch):
    spec, one = columns_of(tmp_path, world), Here()
    rows = found(spec, world.options, one)
    assert "Row groups hold up to 1,347 rows; written with row_group_size=150" in rows.said
    monkeypatch.setattr("unchaff.engine.finding.MANY", 9)
    assert "row_group_size" not in found(spec, world.options, one).said
    file = pq.ParquetFile(spec)
    whole = sum(file.read_row_group(0).column(name).nbytes for name in ("image", "label"))
    monkeypatch.setenv("UNCHAFF_MAX_TABLE_BYTES", str(whole // 2))
    last = portion(rows.units[-1], ["image", "label"])
    assert last.column("label").to_pylist() == world.samples.labels[-last.num_rows :].tolist()


def test_a_class_of_which_hardly_any_is_kept_keeps_its_best():
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (4000,), generator=draw)
    labels[:7] = 4  # a class of a few
    quality = torch.rand(4000, generator=draw) * torch.tensor([1.0, 0.5, 0.6, 1.0, 0.1])[labels]
    rule = Rule(Transition(), latent([torch.randn(50, 5, generator=draw)], labels[:50]).model, 5)
    kept = quality > rule.rule.threshold
    bins = torch.bincount(labels * 1000 + (quality.double() * 1000).long(), minlength=5000).view(5, 1000)
    counted = Counted(
        rule.rule.tally(quality), torch.bincount(labels), torch.bincount(labels[kept], minlength=5), bins
    )
    decision = Decision.of(rule, counted, tuple("abcde"))
    found_here = kept | ((quality.double() * 1000).long() >= decision.lowest[labels])
    exact = spare_classes(kept, quality, labels)
    assert bool((found_here | ~exact).all()), "all that one piece keeps"
    assert int((found_here & ~exact).sum()) <= 4, "and of the bin at the edge the rest"
    assert not torch.equal(exact, kept)


def test_a_store_elsewhere_holds_a_run_too(world):
    place = "memory://scored/run"
    scored(world, place)
    store = Store(place)
    assert store.names() == ["quality", "summary.json"]
    tables = [
        pq.read_table(pa.BufferReader(store.read(f"quality/{name}"))) for name in store.names("quality")
    ]
    np.testing.assert_array_equal(pa.concat_tables(tables)["kept"].to_numpy(), world.split.kept.numpy())


def test_tables_elsewhere_are_read(world, tmp_path):
    place = Store("memory://tables")
    for file in sorted(world.folder.iterdir()):
        place.put(file.name, file.read_bytes())
    scored(world, tmp_path / "run", spec="memory://tables")
    assert_as_in_one_piece(world, tmp_path / "run")
    with pytest.raises(DataError, match=r"no \.parquet file"):
        scored(world, tmp_path / "other", spec="memory://nothing")
