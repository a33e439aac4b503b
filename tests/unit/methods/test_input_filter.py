"""Foreign spans are found by distance, taken out, and the network behind the filter stays as it is."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import unchaff
from unchaff.data import from_arrays
from unchaff.data.prepare import AsIs, LogMel
from unchaff.data.sources import in_memory
from unchaff.errors import ConfigError, ModelError, NeedsError
from unchaff.evaluate.spans import auroc_in_inputs, auroc_of_spans, recovered
from unchaff.exports.programs import torch_program
from unchaff.methods.input_filter import InputFilter
from unchaff.nets.build import build
from unchaff.nets.mahalanobis import Moments, gaussian_of, relative
from unchaff.nets.spans import blocks, bridged, closed_up, densest, extent, filled
from unchaff.nets.text import TextCnn
from unchaff.noise.foreign import ForeignSpans
from unchaff.records import Observed, Trained
from unchaff.runs.read import read
from unchaff.samples import Kind, canonical
from unchaff.streams import Streams


def drawn(name, *shape):
    return torch.randn(*shape, generator=Streams(0)(name), dtype=torch.float64)


def smooth_pictures(count):
    """Return waves of one direction and phase each."""
    draw = np.random.default_rng(count)
    y, x = np.mgrid[0:16, 0:16] / 16
    angle, phase = draw.random((2, count, 1, 1)) * 2 * np.pi
    wave = np.sin(4 * (np.cos(angle) * x + np.sin(angle) * y) + phase) / 2 + 0.5
    pixels = np.repeat(wave[:, None], 3, axis=1) * 0.8 + draw.normal(0.1, 0.03, (count, 3, 16, 16))
    return from_arrays((255 * pixels.clip(0, 1)).astype(np.uint8), np.arange(count) % 3)


def voices(count, seed=0):
    """Return clips of one second: a tone of one of two pitches whose loudness swells and fades."""
    draw = np.random.default_rng(seed)
    time = np.arange(8000) / 8000
    pitch = np.where(np.arange(count) % 2, 440, 660)[:, None] * (1 + 0.05 * draw.standard_normal((count, 1)))
    swell = np.sin(np.pi * (time + draw.random((count, 1)))) ** 2 + 0.1
    wave = 0.3 * swell * np.sin(2 * np.pi * pitch * time) + draw.normal(0, 0.005, (count, 8000))
    raw, prepare = torch.from_numpy(wave).float(), LogMel.at(8000, 1.0)
    prepare = prepare.fitted(raw)
    return canonical(
        np.arange(count),
        torch.arange(count) % 2,
        class_names=("low", "high"),
        kind=Kind("audio", tuple(prepare(raw[:1]).shape[1:]), rate=8000),
        source=in_memory(raw, prepare),
    )


@pytest.fixture(scope="module")
def pictures():
    return smooth_pictures(240)


@pytest.fixture(scope="module")
def outcome(pictures):
    model = build("small-cnn", pictures, streams=Streams(0)).eval()
    return unchaff.repair(model, pictures, method=InputFilter(quantile=0.9)), model


def test_the_relative_distance_does_not_mind_invertible_affine_maps():
    usual, away, rows = drawn("a", 400, 5), 2 * drawn("b", 400, 5) + 1, drawn("c", 50, 5)
    mix, shift = drawn("mix", 5, 5), drawn("shift", 5)

    def distances(change):
        one, two = (gaussian_of(change(each), shrinkage=0.0) for each in (usual, away))
        return relative(change(rows), one, two)

    torch.testing.assert_close(distances(lambda each: each @ mix + shift), distances(lambda each: each))


def test_moments_of_pieces_are_those_of_the_whole():
    rows = drawn("rows", 300, 4) + 1e5
    moments = Moments()
    for piece in rows.split(37):
        moments.add(piece)
    found = moments.gaussian(0.0)
    covariance = torch.cov(rows.T, correction=0)
    torch.testing.assert_close(found.mean, rows.mean(0))
    torch.testing.assert_close(
        found.white @ found.white.T, torch.linalg.inv(covariance), rtol=1e-6, atol=1e-6
    )


def test_planted_embeddings_are_found_and_clean_ones_stay():
    usual, background = gaussian_of(drawn("fit", 4000, 16)), gaussian_of(3 * drawn("away", 4000, 16))
    clean, foreign = drawn("clean", 2000, 16), 2.5 * drawn("foreign", 500, 16)
    threshold = relative(drawn("validation", 2000, 16), usual, background).quantile(0.99)
    scores = relative(torch.cat([clean, foreign]), usual, background)
    assert auroc_of_spans(scores, torch.arange(2500) >= 2000) > 0.95
    removed = int((scores[:2000] > threshold).sum()) / 2000
    assert abs(removed - 0.01) < 0.02


def test_a_hole_is_filled_from_around_it_and_words_close_up():
    picture = torch.arange(8.0).repeat(8, 1)[None, None]
    hole = torch.zeros(1, 8, 8, dtype=torch.bool)
    hole[0, 3:5, 3:5] = True
    torch.testing.assert_close(filled(picture, hole), picture, atol=0.9, rtol=0)
    rimmed = picture.clone()
    rimmed[0, 0, 2, 2:6] = 1000.0  # a line of what should have been masked
    assert float(filled(rimmed, hole)[hole[:, None]].max()) < 7
    assert torch.equal(filled(picture, hole)[~hole[:, None]], picture[~hole[:, None]])
    words = torch.tensor([[5, 6, 7, 8, 0]])
    gone = torch.tensor([[False, True, True, False, False]])
    assert closed_up(words, gone, 0).tolist() == [[5, 8, 0, 0, 0]]


def test_a_hole_in_sound_is_bridged_in_a_straight_line():
    ramp = torch.arange(40.0).expand(3, 1, 4, 40).clone()
    mask = torch.zeros(3, 4, 40, dtype=torch.bool)
    mask[0, :, 12:20] = True
    mask[1, :, 33:] = True
    broken = torch.where(mask[:, None], 99.0, ramp)
    broken[0, ..., 20] = 50.0  # the rim: a window saw the hole too
    mended = bridged(broken, mask)
    torch.testing.assert_close(mended[0], ramp[0], atol=2.0, rtol=0)
    assert (mended[1, ..., 32:] == 30.0).all(), "the level before it, to the end of the clip"
    assert torch.equal(mended[2], ramp[2])
    everything = torch.ones(1, 4, 40, dtype=torch.bool)
    assert torch.equal(bridged(ramp[:1], everything), ramp[:1]), "nothing is left to go by"


def test_the_rectangle_with_the_highest_sum_is_found():
    gains = drawn("gains", 7, 9)
    top, end, left, right = densest(gains)
    every = [
        float(gains[a:b, c:d].sum())
        for a in range(7) for b in range(a + 1, 8) for c in range(9) for d in range(c + 1, 10)
    ]  # fmt: skip
    assert float(gains[top:end, left:right].sum()) == pytest.approx(max(every))


@pytest.mark.parametrize(
    ("down", "across"), [((3, 9), (4, 10)), ((0, 6), (10, 16)), ((10, 16), (0, 5)), ((2, 3), (7, 8))]
)
def test_a_span_is_found_to_the_pixel(down, across):
    under = torch.zeros(1, 1, 16, 16)
    under[..., slice(*down), slice(*across)] = 9.0
    seen = functional.max_pool2d(under, 2, 1)[0, 0]  # a window that sees a foreign pixel is foreign
    block = slice(down[0], down[0] + 3), slice(across[0], across[0] + 3)
    assert extent(seen, block, (6, 6)) == (slice(*down), slice(*across))
    assert extent(-seen, block, (6, 6)) == block, "where the pixels say nothing"


def test_a_stretch_is_found_to_the_frame():
    seen = torch.zeros(1, 30)
    seen[0, 7:14] = 5.0  # windows of frames 8 to 13, and their neighbours
    assert extent(seen, (slice(0, 64), slice(9, 12)), (64, 8)) == (slice(0, 64), slice(8, 14))


def test_foreign_patches_are_found_and_the_network_is_as_it_was(outcome):
    repaired, model = outcome
    for (name, before), after in zip(
        model.state_dict().items(), repaired.model.network.state_dict().values(), strict=True
    ):
        assert torch.equal(before, after), name
    planted, test = ForeignSpans(0.5, 0.2), smooth_pictures(60)
    assert auroc_in_inputs(repaired.model, test, planted, streams=Streams(1), grid=4) > 0.85
    noisy, truth = planted(test, streams=Streams(1))
    hit = next(noisy.batches(60)).inputs
    with torch.no_grad():
        cleaned = repaired.model.filter(repaired.model.network, hit)
    is_touched = (cleaned != hit).flatten(1).any(1)
    assert float(is_touched[truth.is_noisy].float().mean()) > 0.7
    assert float(is_touched[~truth.is_noisy].float().mean()) < 0.25


@pytest.mark.parametrize("share", [0.06, 0.25])
def test_foreign_stretches_of_sound_are_found(share):
    model = build("audio-cnn", voices(160), streams=Streams(0)).eval()
    repaired = unchaff.repair(model, voices(160), method=InputFilter(quantile=0.9))
    found = auroc_in_inputs(repaired.model, voices(40, seed=1), ForeignSpans(0.5, share), streams=Streams(1))
    assert found > 0.85


@pytest.mark.parametrize("background", ["strange", "none"])
@pytest.mark.parametrize("kind", ["image", "audio"])
def test_the_cost_grows_with_the_data_as_all_products_that_run_do(kind, background):
    """A few inputs are looked at before, to know the layers; they are not charged."""

    def measured(count):
        samples = smooth_pictures(count) if kind == "image" else voices(count)
        model = build("small-cnn" if kind == "image" else "audio-cnn", samples, streams=Streams(0)).eval()
        method, observed = InputFilter(background=background), Observed(train=samples)
        with FlopCounterMode(display=False) as counter:
            outcome = method(Trained(model=model), observed, streams=Streams(0))
        return np.array([outcome.cost.flops, counter.get_total_flops()])

    charged, run = measured(160) - measured(80)
    assert charged == pytest.approx(run, rel=0.02)


def test_a_run_folder_gives_the_filter_back(outcome, pictures, tmp_path):
    repaired, _ = outcome
    run = repaired.save(tmp_path / "run")
    alone = load_file(run / "preprocess.safetensors")
    assert alone.keys() == repaired.preprocess.state_dict().keys()
    inputs = next(pictures.batches(20)).inputs
    inputs[:10, :, 3:9, 3:9] = torch.rand(10, 3, 6, 6, generator=Streams(0)("patch"))
    with torch.no_grad():
        again = unchaff.load(run)
        assert torch.equal(again(inputs), repaired.model(inputs))
        assert not torch.equal(again(inputs), again.network(inputs))
    with pytest.raises(ModelError, match="filter of inputs"):
        torch_program(read(run), tmp_path / "program.pt2")


def test_words_drawn_from_all_are_taken_out_of_texts_and_one_always_stays():
    draw = np.random.default_rng(0)
    texts = np.zeros((300, 12), dtype=np.int64)
    texts[:, :10] = draw.integers(2, 12, (300, 10))
    texts[::10, 4] = 900 + np.arange(30)
    samples = canonical(
        range(300),
        torch.arange(300) % 3,
        class_names=("a", "b", "c"),
        kind=Kind("text", (12,), pad=0),
        source=in_memory(torch.from_numpy(texts), AsIs()),
    )

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.vectors, self.read = nn.Embedding(1000, 8), nn.Conv1d(8, 16, 3, padding=1)
            self.out = nn.Linear(16, 3)

        def forward(self, words):
            return self.out(self.read(self.vectors(words.long()).transpose(1, 2)).amax(2))

    with Streams(0).forked_global("texts"):
        model = Net().eval()
    found = InputFilter(rounds=12, quantile=0.5)(
        Trained(model=model), Observed(train=samples), streams=Streams(0)
    ).model
    inputs = next(samples.batches(50)).inputs
    cleaned = found.filter(found.network, inputs)
    assert bool((cleaned != inputs).any())
    assert bool(((cleaned != 0).sum(1) >= 1).all())


@pytest.mark.parametrize("background", ["strange", "none"])
@pytest.mark.parametrize("length", [10, 24, 40])
def test_padding_is_no_word_and_changes_nothing(length, background):
    """Texts of six to ten words in rooms of `length`; two foreign words lie far from the usual ones."""
    draw = np.random.default_rng(0)

    def texts(count, *, foreign):
        words, planted = np.zeros((count, length), dtype=np.int64), np.zeros((count, length), dtype=bool)
        for row in range(count):
            size = int(draw.integers(6, 11))
            words[row, :size] = np.minimum(2 + draw.geometric(0.04, size), 101)
            if foreign:
                first = int(draw.integers(0, size - 1))
                words[row, first : first + 2] = draw.integers(150, 200, 2)
                planted[row, first : first + 2] = True
        return torch.from_numpy(words), torch.from_numpy(planted)

    known, _ = texts(400, foreign=False)
    known[::20, 0] = 150 + torch.arange(20)  # the data hold few of the foreign words
    samples = canonical(
        range(400),
        torch.arange(400) % 3,
        class_names=("a", "b", "c"),
        kind=Kind("text", (length,), pad=0),
        source=in_memory(known, AsIs()),
    )
    with Streams(0).forked_global("texts"):
        model = TextCnn(3, vocabulary=200, width=16, filters=8).eval()
    with torch.no_grad():
        model.vectors.weight[150:] += 1.5
    method = InputFilter(background=background)
    found = method(Trained(model=model), Observed(train=samples), streams=Streams(0)).model
    inputs, planted = texts(200, foreign=True)
    scores = found.filter.scores(found.network, inputs)[:, 0]
    assert torch.equal(scores.isnan(), inputs == 0)
    word = inputs != 0
    assert roc_auc_score(planted[word], scores[word]) > 0.95
    mask = found.filter.mask(found.network, inputs)
    found_share = mask[planted].float().mean()
    assert found_share > 0.8
    assert found.filter.mask(found.network, texts(200, foreign=False)[0]).any(1).float().mean() < 0.1


def test_texts_shorter_than_a_block_have_none_of_it():
    scores = torch.tensor([[[1.0, 3.0, torch.nan]]])
    one, two, three = blocks(scores, (1, 2, 3))
    assert one.tolist() == [[[1.0, 3.0, -torch.inf]]]
    assert two.tolist() == [[[2.0, -torch.inf]]]
    assert three.tolist() == [[[-torch.inf]]]


def test_what_has_no_places_is_refused_in_one_sentence():
    table = from_arrays(np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), np.arange(60) % 2)
    trained = Trained(model=build("mlp", table, streams=Streams(0)))
    with pytest.raises(NeedsError, match="pictures, sound or texts"):
        InputFilter()(trained, Observed(train=table), streams=Streams(0))
    flat = smooth_pictures(30)
    with pytest.raises(NeedsError, match="convolutional"):
        InputFilter()(
            Trained(model=build("mlp", flat, streams=Streams(0))), Observed(train=flat), streams=Streams(0)
        )
    with pytest.raises(ConfigError, match="quantile"):
        InputFilter(quantile=1.0)


def test_recovery_is_a_share_of_what_was_lost():
    assert recovered(clean=0.8, hit=0.6, filtered=0.7) == pytest.approx(0.5)
    assert recovered(clean=0.8, hit=0.6, filtered=0.55) == pytest.approx(-0.25)
    assert recovered(clean=0.8, hit=0.8, filtered=0.7) is None
