"""A real Trainer on a small network with random weights; nothing is fetched."""

import pytest
import torch

from unchaff.errors import ConfigError, DataError
from unchaff.recording import huggingface
from unchaff.recording.recorder import Recorder
from unchaff.recording.shards import read
from unchaff.tasks import margin

transformers = pytest.importorskip("transformers", reason="needs pip install 'unchaff[hub]'")
pytest.importorskip("accelerate", reason="the Trainer needs it")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of the libraries


class Sentences(torch.utils.data.Dataset):
    """Three words, no two rows alike; ids that are no positions, and a column of no use."""

    def __init__(self, count=21, column="sample_id"):
        self.count, self.column = count, column

    def __len__(self):
        return self.count

    def __getitem__(self, row):
        words = [5 + row % 3, 9, 10 + row % 7]
        return {"input_ids": words, "labels": row % 3, "length": 3, self.column: 1000 + row}


@pytest.fixture
def trainer(tmp_path):
    """Return a function that makes a Trainer with our callback."""

    def make(recorder, data=None, **settings):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            config = transformers.BertConfig(
                vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                intermediate_size=16, max_position_embeddings=8, num_labels=3,
            )  # fmt: skip
            model = transformers.BertForSequenceClassification(config)
        it = huggingface.callback(recorder)
        settings = {"remove_unused_columns": False, "num_train_epochs": 2, "save_strategy": "no", **settings}
        arguments = transformers.TrainingArguments(
            tmp_path / "out", per_device_train_batch_size=4, learning_rate=1e-2, use_cpu=True,
            report_to="none", disable_tqdm=True, **settings,
        )  # fmt: skip
        return transformers.Trainer(
            model, arguments, train_dataset=data or Sentences(), eval_dataset=Sentences(6), callbacks=[it],
            data_collator=it.collator,
        )  # fmt: skip

    return make


def margins_in(folder):
    """Return the margin of each id, by epoch."""
    return {
        shard.epoch: dict(zip(shard.ids.tolist(), shard.margins.tolist(), strict=True))
        for shard in read(folder)
    }


def test_the_margins_are_those_of_the_passes_it_trains_by(tmp_path, trainer):
    ours = trainer(Recorder(tmp_path / "r"), eval_strategy="epoch", label_smoothing_factor=0.1)
    items = [Sentences()[row] for row in range(21)]
    rows = {tuple(item["input_ids"]): item for item in items}
    seen, names = [], set()

    def look(model, _, kwargs, output):
        names.update(kwargs)
        if model.training:
            shown = [rows[tuple(words)] for words in kwargs["input_ids"].tolist()]
            own = margin(output["logits"].detach(), torch.tensor([item["labels"] for item in shown]))
            seen.extend(zip([item["sample_id"] for item in shown], own.tolist(), strict=True))

    ours.model.register_forward_hook(look, with_kwargs=True)
    ours.evaluate()
    ours.train()
    ours.evaluate()
    assert len(seen) == 42, "a second pass was made"
    assert margins_in(tmp_path / "r") == {0: dict(seen[:21]), 1: dict(seen[21:])}
    assert not names & {"length", "sample_id", "sample_label"}, "the network was given what it does not take"
    assert not ours.model._forward_pre_hooks, "the network keeps a hook"


def test_a_resumed_training_goes_on_with_its_record(tmp_path, trainer):
    trainer(Recorder(tmp_path / "r"), num_train_epochs=1, save_strategy="epoch").train()
    first = margins_in(tmp_path / "r")
    trainer(Recorder(tmp_path / "r", resume=True)).train(resume_from_checkpoint=True)
    both = margins_in(tmp_path / "r")
    assert sorted(both) == [0, 1]
    assert both[0] == first[0]
    assert sorted(both[1]) == list(range(1000, 1021))


def test_ids_that_do_not_arrive(tmp_path, trainer):
    with pytest.raises(ConfigError, match="remove_unused_columns=False"):
        trainer(Recorder(tmp_path / "r"), remove_unused_columns=True)
    with pytest.raises(DataError, match="came without sample_id"):
        trainer(Recorder(tmp_path / "r"), Sentences(column="number")).train()
    assert not (tmp_path / "r").exists()


def test_ids_of_text():
    collator = huggingface.Collator(transformers.default_data_collator, carries=True)
    batch = collator([{"x": 1.0, "label": 2, "sample_id": "a"}, {"x": 2.0, "label": 0, "sample_id": "b"}])
    assert batch["sample_id"] == ["a", "b"]
    assert batch["sample_label"].tolist() == [2, 0]
