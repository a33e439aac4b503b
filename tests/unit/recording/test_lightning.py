"""The callback of Lightning: with a stand-in everywhere, with the library where it is installed."""

import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from unchaff.errors import ConfigError, DataError
from unchaff.recording import lightning
from unchaff.recording.recorder import Recorder
from unchaff.recording.shards import read


@pytest.fixture
def stand_in(monkeypatch):
    library = ModuleType("pytorch_lightning")
    library.Callback = type("Callback", (), {"state_key": "of the library"})
    monkeypatch.setitem(sys.modules, "pytorch_lightning", library)
    monkeypatch.setattr(lightning, "HOMES", ("pytorch_lightning",))


def batch_of(rows):
    rows = torch.as_tensor(rows)
    return {"x": rows[:, None].float() * torch.ones(2), "labels": rows % 2, "sample_id": rows + 50}


@pytest.mark.usefixtures("stand_in")
def test_what_the_training_step_returned_is_noted(tmp_path):
    it = lightning.callback(Recorder(tmp_path / "r"))
    assert it.state_key == "of the library"
    for epoch in (0, 1):
        logits = torch.tensor([[1.0, 3.0], [5.0, 1.0]])
        it.on_train_batch_end(None, None, {"loss": 0, "logits": logits}, batch_of([1, 2]), 0)
        it.on_train_epoch_end(SimpleNamespace(current_epoch=epoch), None)
    shards = list(read(tmp_path / "r"))
    assert [(shard.epoch, shard.ids.tolist(), shard.margins.tolist()) for shard in shards] == [
        (0, [51, 52], [2.0, 4.0]),
        (1, [51, 52], [2.0, 4.0]),
    ]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("outputs", "batch", "message"),
    [
        (torch.zeros(()), batch_of([1]), "returned no logits"),
        ({"logits": torch.zeros(1, 2)}, (torch.zeros(1), torch.zeros(1)), "no mapping with sample_id"),
    ],
)
def test_a_step_of_another_form_is_told_what_to_do(tmp_path, outputs, batch, message):
    it = lightning.callback(Recorder(tmp_path / "r"))
    with pytest.raises(DataError, match=message):
        it.on_train_batch_end(None, None, outputs, batch, 0)


@pytest.mark.usefixtures("stand_in")
def test_a_function_tells_where_things_are(tmp_path):
    it = lightning.callback(Recorder(tmp_path / "r"), lambda out, batch: (batch[1], out[0], batch[0]))
    it.on_train_batch_end(None, None, [torch.tensor([[0.0, 2.0]])], [torch.tensor([1]), ["one"]], 0)
    it.on_train_epoch_end(SimpleNamespace(current_epoch=4), None)
    (shard,) = read(tmp_path / "r")
    assert (shard.epoch, shard.ids.tolist(), shard.margins.tolist()) == (4, ["one"], [2.0])


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setattr(lightning, "HOMES", ("no_lightning_here",))
    with pytest.raises(ConfigError, match=r"unchaff\[lightning\]"):
        lightning.callback(Recorder(tmp_path / "r"))


@pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="lightning is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_real_trainer(tmp_path):
    import lightning.pytorch as real

    class Module(real.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

        def training_step(self, batch, _):
            logits = self.layer(batch["x"])
            return {"loss": torch.nn.functional.cross_entropy(logits, batch["labels"]), "logits": logits}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    batches = torch.utils.data.DataLoader(list(range(10)), batch_size=4, collate_fn=batch_of)
    trainer = real.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        callbacks=[lightning.callback(Recorder(tmp_path / "r"))],
    )  # fmt: skip
    trainer.fit(Module(), batches)
    shards = list(read(tmp_path / "r"))
    assert [(shard.epoch, shard.ids.tolist()) for shard in shards] == [
        (0, list(range(50, 60))),
        (1, list(range(50, 60))),
    ]
