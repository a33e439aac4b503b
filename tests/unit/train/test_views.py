"""What the network is shown, and the tags of its words."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from unchaff.data.prepare import AsIs
from unchaff.data.sources import in_memory
from unchaff.data.words import Words
from unchaff.nets.adapt import adapted, tags_said
from unchaff.nets.tagger import TextTagger
from unchaff.samples import UNTAGGED, Batch, Kind, Tags, canonical
from unchaff.streams import Streams
from unchaff.train.augment import UNKNOWN
from unchaff.train.loop import fit
from unchaff.train.optimizers import Adam
from unchaff.train.phases import Phase
from unchaff.train.views import tag_loss, views_of


def texts(count=64):
    words = torch.randint(2, 12, (count, 6), generator=torch.Generator().manual_seed(0))
    made = canonical(
        range(count),
        torch.arange(count) % 2,
        class_names=("a", "b"),
        kind=Kind("text", (6,), pad=0),
        source=in_memory(words, Words(tuple("cdefghijkl"), 6)),
    )
    return replace(made, tags=Tags(("O", "B-x", "B-y"), words % 3))  # each word has a tag of its own


def network(samples):
    with Streams(0).forked_global("net"):
        return adapted(TextTagger(2, vocabulary=16, width=8, filters=8), samples)


def drop_first(inputs, tags, _generator):
    none = torch.zeros_like(inputs[:, :1])
    return torch.cat([inputs[:, 1:], none], 1), torch.cat([tags[:, 1:], none + UNTAGGED], 1)


def test_tags_go_with_the_view_they_belong_to():
    samples = texts()
    batch = next(samples.batches(4))
    phase = Phase(steps=1, lr=lambda _: 0.1, views=("plain", drop_first))
    seen = views_of(batch, samples, phase, Streams(0)("augment"), mirrored=torch.zeros(4, dtype=torch.bool))
    inputs, part = seen.part(batch, slice(1, 3))
    assert torch.equal(inputs[:2], batch.inputs[1:3])
    assert torch.equal(part.tags[:2], batch.tags[1:3])
    assert torch.equal(part.tags[2:, :5], batch.tags[1:3, 1:])
    assert (part.tags[2:, 5] == UNTAGGED).all()
    assert part.ids.tolist() == batch.ids[1:3].tolist()


def test_a_worse_view_is_a_worse_copy_of_the_view_before_it():
    samples = texts()
    batch = next(samples.batches(64))
    phase = Phase(steps=1, lr=lambda _: 0.1, views=("weak", drop_first))
    unmirrored = torch.zeros(64, dtype=torch.bool)
    weak, worse = views_of(batch, samples, phase, Streams(0)("augment"), mirrored=unmirrored).inputs
    assert (weak == UNKNOWN).any()
    assert torch.equal(worse[:, :5], weak[:, 1:])


@pytest.mark.parametrize(("heeds", "weights"), [((), (0.5, 0.5)), ((1.0, 0.3), (1.0, 0.3))])
def test_the_loss_of_tags_is_the_mean_over_words_and_the_weighed_sum_over_views(heeds, weights):
    said = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    given = torch.tensor([[0, 1, UNTAGGED], [2, 2, 2], [1, UNTAGGED, UNTAGGED], [UNTAGGED] * 3])
    labels = torch.tensor([0, 1])
    batch = Batch(labels.numpy(), labels.numpy(), said[:2, :, 0], labels, given)
    first = weights[0] * functional.cross_entropy(said[0, :2], given[0, :2])
    first = first + weights[1] * functional.cross_entropy(said[2, :1], given[2, :1])
    second = weights[0] * functional.cross_entropy(said[1], given[1])  # its other view has no words left
    torch.testing.assert_close(tag_loss(said, batch, heeds), torch.stack([first, second]))


def test_whatever_the_loss_of_the_labels_tags_are_learned_beside_it():
    samples = texts()
    phase = Phase(
        steps=150, lr=lambda _: 0.02, batch_size=32, augment=False, optimizer=Adam(),
        loss=lambda outputs, _batch: 0 * outputs.sum(1),
    )  # fmt: skip
    model = fit(network(samples), samples, phase, streams=Streams(0)).model.eval()
    with tags_said(model) as said:
        model(samples.source.raw(samples.ids))
    assert (said[0].argmax(2) == samples.tags.numbers).float().mean() > 0.95


def test_nothing_is_left_on_the_network_when_tags_were_read():
    samples = texts()
    model = network(samples)
    before = len(model._forward_hooks)
    with tags_said(model) as said:
        model(next(samples.batches(2)).inputs)
    assert said[0].shape == (2, 6, 128)
    assert len(model._forward_hooks) == before
    with tags_said(model, asked=False) as said:
        model(next(samples.batches(2)).inputs)
    assert said == []


def test_a_phase_says_how_far_pictures_move():
    slope = torch.arange(32.0).expand(300, 1, 32, 32)  # each pixel says its column
    pictures = canonical(
        range(300),
        torch.arange(300) % 2,
        class_names=("a", "b"),
        kind=Kind("image", (1, 32, 32)),
        source=in_memory(slope, AsIs()),
    )
    batch = next(pictures.batches(300))

    def moved(**options):
        phase = Phase(steps=1, lr=lambda _: 0.1, **options)
        unmirrored = torch.zeros(300, dtype=torch.bool)
        seen = views_of(batch, pictures, phase, Streams(0)("augment"), mirrored=unmirrored)
        return (seen.inputs[0] - batch.inputs)[:, 0, 16, 16].abs().max()

    assert moved(reach=1 / 8) == 2 * moved()
