"""A network with denoising blocks is saved, loaded and exported; what cannot be is refused by name."""

import json

import numpy as np
import pytest
import torch

import unchaff
from unchaff.cli import app
from unchaff.data import from_arrays
from unchaff.errors import ModelError, RunFolderError
from unchaff.exports.model_folder import model_folder
from unchaff.exports.programs import torch_program
from unchaff.methods.denoise_blocks import DenoiseBlocks
from unchaff.nets.build import build
from unchaff.nets.denoising import BLOCKS, DRAWING
from unchaff.runs.read import read
from unchaff.streams import Streams


@pytest.fixture(scope="module")
def pictures():
    labels = np.arange(90) % 3
    noise = np.random.default_rng(0).normal(size=(90, 1, 8, 8))
    return from_arrays(
        np.clip(0.2 + 0.3 * labels[:, None, None, None] + 0.1 * noise, 0, 1).astype(np.float32), labels
    )


@pytest.fixture(scope="module")
def saved(pictures, tmp_path_factory):
    """Return the outcome of each kind, and its run folder."""
    folder, network = tmp_path_factory.mktemp("blocks"), build("small-cnn", pictures, streams=Streams(0))
    made = {}
    for draws in (False, True):
        method = DenoiseBlocks(epochs=1, draws=draws, share=0.05)
        outcome = unchaff.repair(network, pictures, method=method)
        made[draws] = outcome, outcome.save(folder / str(draws)), network
    return made


def inputs():
    return torch.rand(5, 1, 8, 8, generator=Streams(1)("inputs"))


def test_it_comes_back_by_itself_or_with_the_plain_network(saved):
    outcome, run, network = saved[False]
    assert json.loads((run / "model.json").read_text())["modifications"] == [BLOCKS]
    again = unchaff.load(run)
    assert sum(each.numel() for each in again.parameters()) > sum(
        each.numel() for each in network.parameters()
    )
    torch.testing.assert_close(again(inputs()), outcome.model(inputs()))
    torch.testing.assert_close(unchaff.load(run, model=network)(inputs()), outcome.model(inputs()))


def test_blocks_that_draw_come_back_drawing(saved):
    outcome, run, _ = saved[True]
    assert outcome.modifications == (DRAWING,)
    again = unchaff.load(run)
    assert not torch.equal(again(inputs()), again(inputs()))
    for name, each in outcome.model.state_dict().items():
        assert torch.equal(each, again.state_dict()[name])


@pytest.mark.filterwarnings("ignore")  # of the exporters of torch
@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_its_program_answers_as_it_does(saved, tmp_path, kind):
    if kind == "onnx":
        pytest.importorskip("onnxscript", reason="needs the extra onnx")
    outcome, run, _ = saved[False]
    file = tmp_path / "program"
    assert app.main(["export", str(run), "--format", kind, "--out", str(file)]) == 0
    if kind == "torch":
        program = torch.export.load(str(file)).module()
        torch.testing.assert_close(program(inputs()), outcome.model(inputs()), rtol=1e-5, atol=1e-5)


def test_what_no_program_or_folder_can_hold_is_refused(saved, tmp_path):
    with pytest.raises(ModelError, match="blocks that draw"):
        torch_program(read(saved[True][1]), tmp_path / "program")
    run = read(saved[False][1])
    run.model["hub"] = "Bert"
    with pytest.raises(RunFolderError, match=r"its own has not \(denoising blocks\)"):
        model_folder(run, tmp_path / "folder")


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("1.0.block.code.0.weight", (10**9, 0), "The weights do not fit"),
        ("nothing.block.scale", (), "The weights do not fit"),
    ],
)
def test_a_folder_that_was_meddled_with_takes_no_memory(saved, tmp_path, name, shape, said):
    import safetensors.torch

    for file in saved[False][1].iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    state = safetensors.torch.load_file(tmp_path / "model.safetensors")
    state["1.0.block.scale"] = torch.ones(())
    safetensors.torch.save_file({**state, name: torch.zeros(shape)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=said):
        unchaff.load(tmp_path)
