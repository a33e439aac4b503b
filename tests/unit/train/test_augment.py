from dataclasses import replace

import pytest
import torch

from unchaff.data.dataset import from_dataset
from unchaff.data.factory import Named
from unchaff.errors import ConfigError
from unchaff.samples import Kind
from unchaff.train.augment import augment, changed, view

PHOTO = Kind("image", (3, 32, 32), views=("plain", "mirror"))
DIGIT = Kind("image", (3, 32, 32))
SOUND = Kind("audio", (1, 40, 50), rate=16000)


def generator():
    return torch.Generator().manual_seed(0)


def batch(kind, count=40):
    return torch.rand(count, *kind.shape, generator=generator())


ROW = Kind("tabular", (5,))
KINDS = {"photo": PHOTO, "digit": DIGIT, "sound": SOUND}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_shape_range_and_repeatability(kind):
    inputs = batch(kind)
    before = inputs.clone()
    first, second = augment(inputs, kind, generator()), augment(inputs, kind, generator())
    assert torch.equal(first, second)
    assert first.shape == inputs.shape
    assert inputs.min() <= first.min()
    assert first.max() <= inputs.max()
    assert torch.equal(inputs, before), "the batch that came in was changed"


def test_tiny_pictures_stay_as_they_are():
    kind = Kind("image", (1, 8, 8))
    assert torch.equal(augment(batch(kind), kind, generator()), batch(kind))


@pytest.mark.parametrize(("reach", "pixels"), [(1 / 16, 2), (1 / 8, 4), (1 / 100, 1)])
def test_a_crop_moves_by_its_reach_at_most(reach, pixels):
    slope = torch.arange(32.0).expand(1000, 3, 32, 32)  # each pixel says its column
    moved = augment(slope, DIGIT, generator(), reach=reach)[:, 0, 16, 16] - 16
    assert set(moved.tolist()) == set(range(-pixels, pixels + 1))


@pytest.mark.parametrize("shape", [(1, 128, 16), (1, 256, 16), (1, 16, 128)])
@pytest.mark.parametrize("reach", [1 / 16, 1 / 8])
def test_narrow_pictures_move_too(shape, reach):
    """Before, a picture eight times as tall as wide ended in an error about padding."""
    kind = Kind("image", shape)
    inputs = batch(kind)
    moved = augment(inputs, kind, generator(), reach=reach)
    assert moved.shape == inputs.shape
    assert not torch.equal(moved, inputs)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_columns_move_by_a_tenth_of_their_deviation(scale):
    inputs = scale * batch(ROW, 1000) + 5
    moved = augment(inputs, ROW, generator())
    assert torch.equal(moved, augment(inputs, ROW, generator()))
    change = (moved - inputs) / inputs.std(0)
    assert torch.allclose(change.std(0), torch.full((5,), 0.1), atol=0.01)
    assert change.mean(0).abs().max() < 0.02
    assert torch.equal(inputs, scale * batch(ROW, 1000) + 5), "the batch that came in was changed"


def test_the_user_says_how_a_batch_changes():
    """Instead of what the kind allows, everywhere: in training, in the look for disputes, in margins."""
    samples = from_dataset([(torch.rand(3, 32, 32), label % 2) for label in range(8)])
    samples = replace(samples, augmentation=lambda inputs, _: inputs + 1)
    inputs = next(samples.batches(8)).inputs
    assert torch.equal(changed(inputs, samples, generator()), inputs + 1)


def ramp(kind):
    """Return inputs that rise from left to right, so that a mirror image falls."""
    return torch.arange(kind.shape[-1]).float().expand(200, *kind.shape).contiguous()


def slopes(inputs):
    middle = inputs.shape[-1] // 2
    return (inputs[:, 0, 12, middle + 8] - inputs[:, 0, 12, middle - 8]).sign()


def test_only_kinds_that_allow_it_are_mirrored():
    assert (slopes(augment(ramp(PHOTO), PHOTO, generator())) < 0).float().mean() == pytest.approx(
        0.5, abs=0.12
    )
    assert (slopes(augment(ramp(DIGIT), DIGIT, generator())) > 0).all()
    moved = augment(ramp(SOUND), SOUND, generator())
    assert (slopes(moved) >= 0).float().mean() > 0.7, (
        "a masked span may hide the slope; a mirror would turn it"
    )


def test_a_smaller_side_shows_the_whole_picture_smaller():
    inputs = torch.arange(32.0).expand(40, 3, 32, 32).contiguous()
    inputs = inputs + inputs.transpose(2, 3)
    full, small = (augment(inputs, PHOTO, generator(), side=side) for side in (None, 24))
    assert small.shape == (40, 3, 24, 24)
    torch.testing.assert_close(small.mean((2, 3)), full.mean((2, 3)), atol=0.5, rtol=0)
    assert small.min() >= inputs.min()
    assert small.max() <= inputs.max()


def test_a_smaller_picture_keeps_its_proportions():
    wide = Kind("image", (3, 24, 64))
    assert augment(batch(wide), wide, generator(), side=48).shape == (40, 3, 18, 48)


def test_samples_of_a_batch_are_changed_differently():
    same = batch(DIGIT, 1).expand(20, -1, -1, -1).contiguous()
    changed = augment(same, DIGIT, generator())
    assert len({tuple(each.flatten().tolist()) for each in changed}) > 10


def test_sound_moves_in_time_without_wrapping_round():
    changed = augment(ramp(SOUND), SOUND, generator())
    inside = changed[:, 0, 12]
    steps = inside.diff(dim=1)
    assert (steps.abs() <= 1).float().mean() > 0.9, "a jump from end to start would be a wrap"


def test_the_mirror_view_is_its_own_inverse():
    inputs = batch(PHOTO)
    assert torch.equal(view(inputs, "plain"), inputs)
    assert not torch.equal(view(inputs, "mirror"), inputs)
    assert torch.equal(view(view(inputs, "mirror"), "mirror"), inputs)


def test_who_is_mirrored_can_be_said():
    which = torch.arange(200) % 3 == 0
    falls = slopes(augment(ramp(PHOTO), PHOTO, generator(), mirrored=which)) < 0
    assert torch.equal(falls, which)
    assert (slopes(augment(ramp(DIGIT), DIGIT, generator(), mirrored=which)) > 0).all()


def fails(_inputs, _generator):
    raise KeyError("gone")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (fails, "raised KeyError: 'gone'. Correct it"),
        (lambda inputs: inputs, r"raised TypeError: .*it takes \(batch, generator\)"),
        (lambda inputs, _: inputs[:1], r"returned float32 of shape \(1, 3, 32, 32\) on cpu for a batch of"),
        (
            lambda inputs, _: inputs[..., :9],
            r"returned float32 of shape \(8, 3, 32, 9\) on cpu for a batch of float32 of shape",
        ),
        (lambda inputs, _: inputs.double(), "returned float64 of shape"),
        (lambda _inputs, _: None, "returned NoneType for a batch of"),
        (lambda inputs, _: inputs * float("nan"), "returned NaN or infinite values. Return finite numbers"),
        (lambda inputs, _: inputs.fill_(float("inf")), "returned NaN or infinite values"),
    ],
)
def test_a_function_that_returns_no_batch_like_the_one_it_got_is_named(function, said):
    function.__qualname__ = "mine"
    samples = from_dataset([(torch.rand(3, 32, 32), label % 2) for label in range(8)])
    samples = replace(samples, augmentation=function)
    with pytest.raises(ConfigError, match=f"The augmentation mine {said}"):
        changed(next(samples.batches(8)).inputs, samples, generator())


def test_a_function_that_was_named_is_called_so():
    samples = from_dataset([(torch.rand(3, 32, 32), label % 2) for label in range(8)])
    samples = replace(samples, augmentation=Named("mynet:mine", fails))
    with pytest.raises(ConfigError, match="The augmentation mynet:mine raised"):
        changed(next(samples.batches(8)).inputs, samples, generator())
