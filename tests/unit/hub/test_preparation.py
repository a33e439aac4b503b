"""Samples reach the network as the folder's own processor would hand them over."""

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import unchaff
from unchaff.data import Options, from_arrays, load
from unchaff.data.frontends import from_json
from unchaff.errors import ConfigError, DataError, ModelError
from unchaff.streams import Streams

transformers = pytest.importorskip("transformers", reason="needs pip install 'unchaff[hub]'")


def prepared(samples):
    return next(samples.batches(len(samples))).inputs


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("lazy", [False, True])
def test_images_are_those_of_the_image_processor(made, data, kind, lazy):
    folder, place = made(kind), data.image()
    samples = load(place, Options(hub=folder, lazy=lazy, workers=0)).train
    processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    images = [Image.open(f"{place}/{one}") for one in samples.ids]
    theirs = processor(images, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(prepared(samples), theirs, atol=1e-4, rtol=0)
    assert samples.class_names == ("cat", "dog")
    assert samples.source.raw(np.arange(3)).dtype == torch.uint8, "held as bytes"
    assert samples.kind.views == ("plain", "mirror")


def test_arrays_of_pixels_are_brought_to_the_size_of_the_folder(made):
    folder = made("vit")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 24, 20, 3), dtype=np.uint8)
    samples = from_arrays(pixels, [0, 1] * 3, options=Options(hub=folder))
    processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    theirs = processor(list(pixels), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(prepared(samples), theirs, atol=1e-4, rtol=0)
    as_numbers = from_arrays(pixels / 255, [0, 1] * 3, options=Options(hub=folder))
    torch.testing.assert_close(prepared(as_numbers), theirs, atol=1e-4, rtol=0)


def test_arrays_of_sound_are_resampled(made):
    folder = made("wav2vec2")
    waves = np.random.default_rng(0).normal(size=(6, 2000)).astype(np.float32)
    samples = from_arrays(waves, [0, 1] * 3, options=Options(hub=folder, rate=8000))
    assert samples.kind.shape == (4000,)
    assert samples.kind.rate == 16_000


def test_a_folder_may_tell_more_classes_apart_than_the_data_have(made, data):
    folder = made("bert", names=("negative", "neutral", "positive"))
    samples = load(data.text(), Options(hub=folder)).train
    assert samples.class_names == ("negative", "neutral", "positive")
    assert set(samples.labels.tolist()) == {0, 2}
    assert len(unchaff.score(folder, samples).quality) == 48


def test_grey_images_are_given_to_a_network_of_colours(made, tmp_path):
    folder = made("vit")
    for name in ("cat", "dog"):
        (tmp_path / "grey" / name).mkdir(parents=True)
        Image.new("L", (20, 20), 100).save(tmp_path / "grey" / name / "0.png")
    assert load(str(tmp_path / "grey"), Options(hub=folder)).train.kind.shape == (3, 16, 16)


def test_texts_are_those_of_the_tokenizer(made, data):
    folder = made("bert")
    samples = load(data.text(), Options(hub=folder)).train
    parts = samples.kind.layout.unpack(prepared(samples))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    length = parts["input_ids"].shape[1]
    theirs = tokenizer(
        list(samples.texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
    )
    assert set(parts) == set(theirs)
    assert all(torch.equal(parts[name], theirs[name]) for name in parts)
    assert samples.class_names == ("negative", "positive"), "the order of the folder"
    assert samples.labels.tolist() == [1, 0] * 24
    assert torch.equal(samples.kind.mask(prepared(samples)), theirs["attention_mask"].bool())
    assert str(samples.kind).startswith("text (input_ids")


def test_texts_longer_than_the_network_reads_are_cut_and_counted(made, tmp_path):
    rows = "\n".join(f"{'good ' * (40 + row)},{'np'[row % 2]}" for row in range(8))
    (tmp_path / "long.csv").write_text(f"text,label\n{rows}\n")
    loaded = load(str(tmp_path / "long.csv"), Options(hub=made("bert", names=("n", "p"))))
    assert {part.name: part.shape for part in loaded.train.kind.layout.parts}["input_ids"] == (32,)
    assert "8 of 8 texts were cut to 32 tokens." in loaded.notes


def test_training_hides_words_and_nothing_else(made, data):
    samples = load(data.text(), Options(hub=made("bert"))).train
    inputs = prepared(samples)
    before = samples.kind.layout.unpack(inputs)
    after = samples.kind.layout.unpack(samples.augmentation(inputs, Streams(0)("test")))
    changed = before["input_ids"] != after["input_ids"]
    assert 0.02 < float(changed.float().mean()) < 0.2
    assert set(after["input_ids"][changed].tolist()) == {4}, "[MASK]"
    assert not (changed & (before["input_ids"] < 5)).any(), "no mark of the tokenizer"
    assert torch.equal(before["attention_mask"], after["attention_mask"])


@pytest.mark.parametrize("masks", [False, True])
def test_waveforms_are_those_of_the_feature_extractor(made, data, masks):
    folder, place = made("wav2vec2", masks=masks), data.audio(rate=16_000)
    samples = load(place, Options(hub=folder)).train
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = prepared(samples)
    parts = samples.kind.layout.unpack(inputs) if masks else {"input_values": inputs}
    assert samples.kind.rate == 16_000
    for row, one in enumerate(samples.ids[:10]):
        wave, _ = soundfile.read(f"{place}/{one}", dtype="float32")
        time = min(len(wave), parts["input_values"].shape[1])
        theirs = extractor(wave[:time], sampling_rate=16_000, return_tensors="pt")["input_values"][0]
        torch.testing.assert_close(parts["input_values"][row, :time], theirs)
        assert not parts["input_values"][row, time:].any()
        assert not masks or int(parts["attention_mask"][row].sum()) == time


def test_spectrograms_are_those_of_the_feature_extractor(made, data):
    folder, place = made("ast"), data.audio(rate=16_000)
    samples = load(place, Options(hub=folder, seconds=0.2)).train
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    wave, _ = soundfile.read(f"{place}/{samples.ids[0]}", dtype="float32")
    theirs = extractor(wave[:3200], sampling_rate=16_000, return_tensors="pt")["input_values"]
    torch.testing.assert_close(prepared(samples)[:1], theirs)
    assert samples.kind.shape == (32, 16)


@pytest.mark.parametrize("kind", ["wav2vec2", "ast"])
def test_what_is_saved_of_a_preparation_rebuilds_it(made, data, kind):
    loaded = load(data.audio(), Options(hub=made(kind)))
    raw = loaded.train.source.raw(np.arange(4))
    assert torch.equal(from_json(loaded.prepare.to_json())(raw), loaded.prepare(raw))


@pytest.mark.parametrize(("kind", "settings"), [("wav2vec2", {}), ("wav2vec2", {"masks": True}), ("ast", {})])
def test_training_changes_sound_and_keeps_its_form(made, data, kind, settings):
    samples = load(data.audio(), Options(hub=made(kind, **settings))).train
    inputs = prepared(samples)
    changed = samples.augmentation(inputs, Streams(0)("test"))
    assert changed.shape == inputs.shape
    assert changed.dtype == inputs.dtype
    assert (changed != inputs).any(1).float().mean() > 0.5
    if settings:
        before, after = samples.kind.layout.unpack(inputs), samples.kind.layout.unpack(changed)
        assert torch.equal(before["attention_mask"], after["attention_mask"])


def test_test_data_are_prepared_alike(made, data, tmp_path):
    from unchaff.data import load_like

    options = Options(hub=made("bert"))
    loaded = load(data.text(), options)
    (tmp_path / "test.csv").write_text("text,label\ngood,positive\nbad " + "w1 " * 30 + ",negative\n")
    test = load_like(str(tmp_path / "test.csv"), loaded, options)
    assert test.kind.layout == loaded.train.kind.layout
    assert test.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (("good", "bad"), "classes bad, good, but .* tells negative, positive apart"),
        (("0", "2"), "only 2 apart"),
    ],
)
def test_classes_that_differ_are_refused(made, data, names, match):
    with pytest.raises(DataError, match=match):
        load(data.text(names=names), Options(hub=made("bert")))


def test_classes_are_matched_by_place_where_the_folder_names_none(made, data):
    loaded = load(data.text(), Options(hub=made("bert", names=("LABEL_0", "LABEL_1"))))
    assert loaded.train.class_names == ("Negative", "Positive")
    assert any("does not name its outputs" in note for note in loaded.notes)
    with pytest.raises(DataError, match="tells 3 classes apart, without names"):
        load(data.text(), Options(hub=made("bert", names=("LABEL_0", "LABEL_1", "LABEL_2"))))


def test_numbers_count_the_outputs(made, data):
    samples = load(data.text(names=("1", "0")), Options(hub=made("bert"))).train
    assert samples.class_names == ("negative", "positive")
    assert samples.labels.tolist() == [1, 0] * 24


def test_names_that_are_numbers_are_matched_as_names(made, data):
    samples = load(data.image(names=("2", "1")), Options(hub=made("vit", names=("2", "1")))).train
    assert samples.class_names == ("2", "1")
    assert [one[0] for one in samples.ids] == [samples.class_names[label] for label in samples.labels]


def test_data_of_another_kind_are_refused(made, data):
    with pytest.raises(DataError, match="classifies texts, and the data are of kind image"):
        load(data.image(), Options(hub=made("bert")))
    with pytest.raises(DataError, match="digits are not for"):
        load("digits", Options(hub=made("vit")))


def test_settings_the_folder_makes_are_not_to_be_given(made, data):
    with pytest.raises(ConfigError, match=r"size was given, but .* says how inputs are prepared"):
        Options(hub=made("vit"), size=(8, 8))
    with pytest.raises(ConfigError, match="hears 16000 samples per second"):
        load(data.audio(), Options(hub=made("ast"), rate=8000))
    with pytest.raises(DataError, match="reads at most 32 tokens"):
        load(data.text(), Options(hub=made("bert"), length=64))


def test_images_without_one_size_are_refused(made, data):
    folder = made("vit")
    file = folder / "preprocessor_config.json"
    file.write_text(file.read_text().replace('{"height": 16, "width": 16}', '{"shortest_edge": 16}'))
    with pytest.raises(ModelError, match="does not bring images to one size"):
        load(data.image(), Options(hub=folder))
