"""Bold changes: what they leave alone, and that they are drawn from the generator they get."""

from dataclasses import replace

import pytest
import torch

from unchaff.data.factory import augmentation
from unchaff.errors import NeedsError
from unchaff.methods.divide_lite import DivideLite
from unchaff.methods.ssl_plr import SslPlr
from unchaff.methods.turn import Turn
from unchaff.records import Observed
from unchaff.samples import Kind
from unchaff.streams import Streams
from unchaff.train.strong import can_change, strongly


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def inputs_of(kind):
    if kind.pad is not None:
        words = torch.arange(2, 2 + 40 * kind.shape[0]).reshape(40, *kind.shape)
        return words.masked_fill(torch.arange(kind.shape[0]) >= 15, kind.pad)
    return torch.randn(40, *kind.shape, generator=drawn(7))


KINDS = [
    Kind("image", (3, 32, 32), views=("plain", "mirror")), Kind("image", (1, 8, 8)),
    Kind("audio", (1, 40, 60), rate=8000), Kind("text", (20,), pad=0), Kind("tabular", (12,)),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.name}-{kind.shape[-1]}")
def test_every_kind_is_changed_and_keeps_its_form(kind, toy):
    samples, before = replace(toy.observed.train, kind=kind), inputs_of(kind)
    given = before.clone()
    made = strongly(given, samples, drawn())
    assert torch.equal(given, before), "the batch itself stays"
    assert made.shape == before.shape
    assert made.dtype == before.dtype
    assert torch.equal(made, strongly(before, samples, drawn()))
    assert not torch.equal(made, strongly(before, samples, drawn(1)))
    different = (made != before).flatten(1).any(1)
    assert different.float().mean() > 0.9


@pytest.mark.parametrize(
    "kind", [KINDS[0], KINDS[1], KINDS[-1]], ids=lambda kind: f"{kind.name}-{kind.shape[-1]}"
)
def test_the_scale_of_the_inputs_does_not_matter(kind, toy):
    samples, inputs = replace(toy.observed.train, kind=kind), inputs_of(kind)
    scaled = strongly(0.25 * inputs, samples, drawn())
    assert torch.allclose(scaled, 0.25 * strongly(inputs, samples, drawn()), atol=1e-5)


def test_padding_stays_padding(toy):
    kind = Kind("text", (20,), pad=0)
    made = strongly(inputs_of(kind), replace(toy.observed.train, kind=kind), drawn())
    assert (made[:, 15:] == 0).all()
    assert (made[:, :15] == 1).float().mean() == pytest.approx(0.3, abs=0.06)


def test_a_crop_shows_a_part_of_the_picture_and_mirrors_only_where_that_is_allowed(toy):
    # Brightness rises to the right, so that its slope tells the size of the crop and its sign the mirror.
    ramp = torch.linspace(-1, 1, 32).expand(200, 1, 32, 32).contiguous()
    for views, mirrored in ((("plain",), 0.0), (("plain", "mirror"), 0.5)):
        kind = Kind("image", (1, 32, 32), views=views)
        made = strongly(ramp, replace(toy.observed.train, kind=kind), drawn())
        steps = made.diff(dim=-1).flatten(1).median(1).values
        assert (steps < 0).float().mean() == pytest.approx(mirrored, abs=0.1)
        share = steps.abs() / ramp.diff(dim=-1)[0, 0, 0, 0]
        assert share.min() > 0.4 * 0.5, "no side is shorter than the root of three tenths, in low contrast"
        assert share.median() < 1


def test_what_the_user_says_goes_for_bold_views_too(toy):
    samples = replace(toy.observed.train, augmentation=lambda inputs, _: inputs + 1)
    inputs = next(samples.batches(4)).inputs
    assert torch.equal(strongly(inputs, samples, drawn()), inputs + 1)


def test_where_the_user_wants_no_changes_there_are_no_two_views(toy):
    samples = toy.observed.train
    assert can_change(samples)
    assert can_change(replace(samples, augmentation=lambda inputs, _: inputs + 1))
    assert can_change(replace(samples, augmentation=augmentation("unchaff.train.strong:strongly")))
    assert not can_change(replace(samples, augmentation=augmentation("none")))
    assert not can_change(replace(samples, kind=Kind("packed", (1, 8, 8))))


@pytest.mark.parametrize("method", [DivideLite(), SslPlr(), Turn()], ids=repr)
def test_methods_that_need_two_views_say_so_where_the_user_wants_no_changes(method, toy):
    observed = Observed(train=replace(toy.observed.train, augmentation=augmentation("none")))
    with pytest.raises(NeedsError, match="needs two views of a sample"):
        method(toy.trained, observed, streams=Streams(0))
