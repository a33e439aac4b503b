import copy

import pytest
import torch

import unchaff
from unchaff.errors import ModelError, RunFolderError
from unchaff.records import Trained


def noisy_rows(count=400):
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 12, generator=draw)
    right = (inputs[:, 0] > 0).long()
    wrong = torch.rand(count, generator=draw) < 0.2
    return inputs, torch.where(wrong, 1 - right, right)


def network():
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))


def test_repair_takes_a_module_and_a_torch_data_set_and_changes_neither():
    inputs, labels = noisy_rows()
    model = network()
    before = copy.deepcopy(model.state_dict())
    outcome = unchaff.repair(model, torch.utils.data.TensorDataset(inputs, labels))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert outcome.model is not model
    assert len(outcome.quality["id"]) == len(outcome.quality["quality"]) == 400
    assert outcome.cost.flops > 0


def test_more_can_be_said_about_the_network():
    inputs, labels = noisy_rows()
    data = unchaff.from_arrays(inputs.numpy(), labels.numpy())
    model = network()
    trained = Trained(model=model, recipe=unchaff.Recipe(epochs=12), initial=network().state_dict())
    outcome = unchaff.repair(trained, data, method=unchaff.METHODS["finetune-all"])
    whole = unchaff.repair(trained, data, method=unchaff.METHODS["retrain"])
    assert outcome.cost.flops < 0.3 * whole.cost.flops
    assert outcome.quality is None


def test_score_judges_every_sample():
    inputs, labels = noisy_rows()
    split = unchaff.score(network(), unchaff.from_arrays(inputs.numpy(), labels.numpy()))
    assert split.quality.shape == (400,)
    assert 0 <= float(split.quality.min()) <= float(split.quality.max()) <= 1


def test_too_few_outputs_are_refused():
    inputs, labels = noisy_rows()
    data = unchaff.from_arrays(inputs.numpy(), labels.numpy() + (inputs[:, 1] > 0).numpy())
    with pytest.raises(ModelError, match="2 outputs, but the data have 3 classes"):
        unchaff.repair(network(), data)


def test_load_refuses_what_is_no_run_folder(tmp_path):
    with pytest.raises(RunFolderError, match="There is no run folder"):
        unchaff.load(tmp_path / "nothing")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_that_name'"):
        unchaff.nothing_of_that_name  # noqa: B018
