"""Where the memory of a device runs out, batches are halved, and it is said once."""

from dataclasses import replace

import pytest
import torch

from unchaff.attribute.margin import Margin
from unchaff.attribute.published import Published
from unchaff.attribute.readout import Readout
from unchaff.errors import ModelError
from unchaff.evaluate.accuracy import logits
from unchaff.nets.looking import looked_at
from unchaff.prune.activations import last_layers, observe_units
from unchaff.samples import Samples
from unchaff.streams import Streams

SAID = "The memory of the device did not hold batches of {} in {!r}: now they are of {}."


def evidence_by(attributor):
    return lambda trained, observed: attributor(trained, observed, streams=Streams(0)).total


def activities(trained, observed):
    layers = last_layers(trained, observed.train, 1.0)
    return torch.cat(list(observe_units(trained, observed.train, layers).layers.values()), dim=1)


LOOKS = {
    "read-out": (evidence_by(Readout(own=1.0)), 256, "score"),
    "margin": (evidence_by(Margin()), 256, "score"),
    "published": (evidence_by(Published()), 256, "score"),
    "predictions": (lambda trained, observed: logits(trained.model, observed.train), 512, "evaluate"),
    "units": (activities, 256, "prune"),
}


@pytest.mark.parametrize("which", LOOKS)
def test_the_result_is_that_of_smaller_batches(which, toy, cramped, heard, monkeypatch):
    look, size, name = LOOKS[which]
    tight = cramped(toy.trained.model, room=70)
    found = look(replace(toy.trained, model=tight), toy.observed)
    assert heard == [SAID.format(size, name, 64)]
    monkeypatch.setattr(Samples, "at_once", lambda _self, _size: 64)
    roomy = cramped(toy.trained.model, room=10_000)
    assert torch.equal(found, look(replace(toy.trained, model=roomy), toy.observed))
    assert max(roomy.seen) == 64
    assert len(heard) == 1


def test_memory_that_runs_out_later_loses_and_repeats_nothing(toy, heard):
    rows = []

    def work(batch):
        if len(rows) >= 300 and len(batch.rows) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        rows.extend(batch.rows.tolist())
        return len(batch.rows)

    sizes = list(looked_at(toy.observed.train, work, size=100, name="score", first=50))
    assert rows == list(range(50, 600))
    assert sizes[:3] == [100, 100, 100]
    assert set(sizes[3:-1]) == {12}
    assert heard == [SAID.format(100, "score", 12)]


def test_what_does_not_hold_one_sample_is_said(toy, cramped):
    with pytest.raises(ModelError, match=r"does not hold one sample in 'evaluate'.*--device cpu"):
        logits(cramped(toy.trained.model, room=0), toy.observed.train)


def test_other_errors_pass_as_they_are(toy):
    def work(_batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        list(looked_at(toy.observed.train, work, size=100, name="score"))
