import numpy as np
import pytest
import torch

from unchaff.data.prepare import Pixels
from unchaff.data.sources import in_memory, on_disk
from unchaff.errors import NoiseError
from unchaff.noise.inputs import GaussianInputs, GaussianPublished
from unchaff.samples import Kind, canonical
from unchaff.streams import Streams


def raw(samples):
    return samples.source.raw(np.arange(len(samples)))


def read(samples):
    return torch.cat([batch.inputs for batch in samples.batches(64)])


@pytest.mark.parametrize(("level", "wanted"), [(None, 0.0), (10.0, 10.0), (-6.0, -6.0)])
def test_sound_gets_the_asked_ratio_of_powers(clips, level, wanted):
    noisy, truth = GaussianInputs(0.5, level)(clips, streams=Streams(0))
    hit = truth.is_noisy
    assert int(hit.sum()) == 20
    clean, added = raw(clips)[hit].double(), (raw(noisy) - raw(clips))[hit].double()
    ratio = 10 * torch.log10(clean.square().sum(1) / added.square().sum(1))
    assert (ratio - wanted).abs().max() < 1.5  # a clip has 300 draws, so about 0.35 dB of spread
    assert abs(float(ratio.mean()) - wanted) < 0.3


def test_silence_at_the_end_of_a_clip_stays_silent(clips):
    noisy, truth = GaussianInputs(1.0)(clips, streams=Streams(0))
    assert truth.is_noisy.all()
    assert not raw(noisy)[:, 301:].any()


def test_pictures_stay_bytes_and_get_the_asked_deviation():
    grey = canonical(
        range(30),
        torch.arange(30) % 2,
        class_names=("a", "b"),
        kind=Kind("image", (1, 20, 20)),
        source=in_memory(torch.full((30, 1, 20, 20), 128, dtype=torch.uint8), Pixels()),
    )
    noisy, _ = GaussianInputs(1.0, 0.1)(grey, streams=Streams(0))
    assert raw(noisy).dtype == torch.uint8
    assert abs(float(raw(noisy).float().std()) / 255 - 0.1) < 0.003


def test_each_column_of_a_table_gets_noise_of_its_own_deviation(table):
    noisy, _ = GaussianInputs(1.0)(table, streams=Streams(0))
    added = (raw(noisy) - raw(table)).double().std(0) / raw(table).double().std(0)
    assert ((added > 0.75) & (added < 1.25)).all(), added


def test_only_the_hit_samples_differ(pictures):
    clean = pictures()
    noisy, truth = GaussianInputs(0.25)(clean, streams=Streams(0))
    changed = (raw(noisy) != raw(clean)).flatten(1).any(1)
    assert torch.equal(changed, truth.is_noisy)
    assert torch.equal(noisy.labels, clean.labels)


def test_sound_noise_is_the_same_at_every_access_and_in_any_batch(pictures):
    noisy, _ = GaussianInputs(0.5)(pictures(), streams=Streams(0))
    whole = read(noisy)
    assert torch.equal(whole, read(noisy))
    backwards = torch.cat([b.inputs for b in noisy.batches(7, order=torch.arange(200).flip(0))])
    assert torch.equal(whole, backwards.flip(0))


def test_decoded_on_access_it_is_the_same_noise(pictures):
    clean = pictures()

    class Items:
        def __len__(self):
            return 200

        def __getitem__(self, row):
            return raw(clean)[row]

    lazy = canonical(
        clean.ids,
        clean.labels,
        class_names=clean.class_names,
        kind=clean.kind,
        source=on_disk(Items(), Pixels(), workers=0),
    )
    held, decoded = (GaussianInputs(0.5)(one, streams=Streams(4))[0] for one in (clean, lazy))
    assert torch.equal(read(held), read(decoded))


def test_a_selection_keeps_the_noise_of_its_samples(pictures):
    noisy, _ = GaussianInputs(0.5)(pictures(), streams=Streams(0))
    rows = np.arange(3, 200, 7)
    assert torch.equal(raw(noisy.at(rows)), raw(noisy)[rows])


def test_published_noise_is_drawn_anew_at_every_access(pictures):
    clean = pictures()
    noisy, truth = GaussianPublished(0.5)(clean, streams=Streams(0))
    first, second = read(noisy), read(noisy)
    differs = (first != second).flatten(1).any(1)
    assert torch.equal(differs, truth.is_noisy)


def normalised(samples, moments_of):
    """Return what a network sees that begins by normalising with the moments of these pixels."""
    plain = raw(moments_of).double() / 255
    mean, std = plain.mean((0, 2, 3), keepdim=True), plain.std((0, 2, 3), correction=0, keepdim=True)
    return (read(samples).double() - mean) / std


def test_after_normalisation_published_noise_lies_in_0_to_1_mostly_at_its_ends(pictures):
    clean = pictures()
    noisy, truth = GaussianPublished(0.5)(clean, streams=Streams(0))
    spoiled = normalised(noisy, clean)[truth.is_noisy]
    assert spoiled.min() > -1e-5
    assert spoiled.max() < 1 + 1e-5
    at_an_end = (spoiled < 1e-5) | (spoiled > 1 - 1e-5)
    assert 0.85 < float(at_an_end.double().mean()) < 0.96  # 91 % by specs M.2


def test_the_smallest_pixel_tells_published_noise_without_any_network(pictures):
    clean = pictures()
    noisy, truth = GaussianPublished(0.5)(clean, streams=Streams(0))
    told = normalised(noisy, clean).flatten(1).amin(1) > -1e-5
    assert torch.equal(told, truth.is_noisy)


def test_published_noise_is_for_images_only(table):
    with pytest.raises(NoiseError, match=r"for images, the data are tabular 3. Use gaussian"):
        GaussianPublished(0.5)(table, streams=Streams(0))
