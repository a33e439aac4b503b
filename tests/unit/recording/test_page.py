"""The lines of docs/recorder.md are run as they stand there."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import torch

import unchaff

PAGE = Path(__file__).parents[3] / "docs" / "recorder.md"


def test_the_lines_of_the_page(tmp_path, monkeypatch):
    (code,) = re.findall(r"<!-- five lines -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    numbered = [line for line in code.splitlines() if re.search(r"# \d", line)]
    assert len(numbered) <= 5
    assert all("record" in line for line in numbered)
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(400, 8, generator=draw)
    labels = (inputs[:, 0] > 0).long() ^ (torch.rand(400, generator=draw) < 0.3)
    ids = torch.arange(400)
    torch.manual_seed(0)  # of the network
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    known = {
        "torch": torch,
        "unchaff": unchaff,
        "epochs": 4,
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        "loader": torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(ids, inputs, labels), batch_size=32, shuffle=True, generator=draw
        ),
        "train": unchaff.from_arrays(inputs.numpy(), labels.numpy()),
    }
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(PAGE), "exec"), known)  # noqa: S102  our own page
    files = sorted((tmp_path / "record").iterdir())
    assert [pq.read_table(file).num_rows for file in files] == [400] * 4
    assert isinstance(known["outcome"], unchaff.Outcome)
    assert "recorded_margin" in known["outcome"].quality
