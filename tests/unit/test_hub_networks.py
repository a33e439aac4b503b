"""Networks of the transformers library, built small and with random weights; nothing is fetched."""

import pytest
import torch
from torch.utils.data import Dataset

import unchaff
from unchaff.nets.adapt import adapted
from unchaff.nets.taps import find_layers
from unchaff.records import Trained

transformers = pytest.importorskip("transformers", reason="needs pip install 'unchaff[hub]'")

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


class Sentences(Dataset):
    """Sequences of different length, in which the word 5 or 6 says the class; a fifth are labelled wrong."""

    def __init__(self, count=120):
        draw = torch.Generator().manual_seed(0)
        self.items = []
        for row in range(count):
            words = torch.randint(10, 50, (int(torch.randint(4, 9, (1,), generator=draw)),), generator=draw)
            words[0] = 5 + row % 2
            label = row % 2 ^ int(row % 5 == 0)
            self.items.append({"input_ids": words, "attention_mask": torch.ones_like(words), "labels": label})

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        return self.items[row]


class Pictures(Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, row):
        draw = torch.Generator().manual_seed(row)
        return {"pixel_values": torch.randn(3, 16, 16, generator=draw) + row % 2, "labels": row % 2}


def bert():
    config = transformers.BertConfig(vocab_size=60, max_position_embeddings=16, num_labels=2, **SMALL)
    return transformers.BertForSequenceClassification(config)


def vit():
    config = transformers.ViTConfig(image_size=16, patch_size=8, num_labels=2, **SMALL)
    return transformers.ViTForImageClassification(config)


@pytest.fixture(params=[(bert, Sentences), (vit, Pictures)], ids=["bert", "vit"])
def case(request):
    make, data = request.param
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(), data()


def test_a_network_of_transformers_is_repaired_and_stays_one(case):
    model, data = case
    before = {name: each.clone() for name, each in model.state_dict().items()}
    outcome = unchaff.repair(Trained(model=model, pretrained=True), data)
    assert type(outcome.model) is type(model)
    assert not outcome.model._forward_pre_hooks
    assert len(outcome.quality["id"]) == len(data)
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())


def test_attention_and_mlp_projections_are_found(case):
    model, data = case
    samples = unchaff.from_dataset(data)
    layers = find_layers(adapted(model, samples), next(samples.batches(2)).inputs)
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    assert {layer.name for layer in layers} >= set(linear), "query, key, value, output and both of the MLP"
    assert all(layer.by_sample for layer in layers)


def test_layers_to_read_can_be_named(case):
    model, data = case
    split = unchaff.score(model, data, taps=["classifier"])
    assert len(split.quality) == len(data)
