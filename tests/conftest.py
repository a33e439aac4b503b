"""What every test runs under."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from unchaff import progress
from unchaff.data.prepare import Pixels
from unchaff.data.sources import in_memory
from unchaff.records import Observed, Recipe, Trained, Truth
from unchaff.samples import Kind, Samples, canonical
from unchaff.streams import Streams
from unchaff.train.initial import train_by
from unchaff.train.recorder import Recorder

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

torch.set_num_threads(1)  # far faster on tiny tensors, and steady on a busy machine


@pytest.fixture(autouse=True)
def _same_draws() -> Iterator[None]:
    """Torch draws the same in a test whatever ran before it, and nothing that it draws is seen after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data packs, or a skip that says how to name one."""
    folder = Path(os.environ.get("UNCHAFF_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data packs in {folder}; name their folder in UNCHAFF_DATA")
    return folder


@pytest.fixture
def ends_within() -> Iterator[Callable[[int], None]]:
    """A function that sets how many seconds a test may take: what hangs is a failure."""

    def end(*_: object) -> None:
        raise TimeoutError("the test did not end in time")

    before = signal.signal(signal.SIGALRM, end)
    yield signal.alarm
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Toy:
    """A small network trained on small pictures, three in ten of which carry a wrong label."""

    trained: Trained
    observed: Observed
    truth: Truth
    clean: Samples  # the same samples with their right labels
    test: Samples


def toy_pictures(count: int, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Return bytes (count, 1, 8, 8), each a noisy copy of the picture of its class, and the classes."""
    generator = torch.Generator().manual_seed(count)
    prototypes = torch.rand(classes, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(count) % classes
    noise = torch.randn(count, 1, 8, 8, generator=generator)
    return ((prototypes[labels] * 0.5 + 0.25 + 0.25 * noise).clamp(0, 1) * 255).byte(), labels


def toy_samples(inputs: Tensor, labels: Tensor) -> Samples:
    return canonical(
        range(100, 100 + len(labels)),
        labels,
        class_names=("a", "b", "c", "d"),
        kind=Kind("image", (1, 8, 8)),
        source=in_memory(inputs, Pixels()),
    )


def toy_network() -> nn.Sequential:
    """Return two normalised convolutions, a hidden linear layer and the output."""
    with Streams(0).forked_global("toy"):
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
            nn.Sequential(nn.Conv2d(6, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
            nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()),
            nn.Linear(128, 24),
            nn.ReLU(),
            nn.Linear(24, 4),
        )


def toy_trained(samples: Samples, epochs: int) -> Trained:
    plain, recorder = toy_network(), Recorder(samples.ids)
    recipe = Recipe(epochs=epochs, batch_size=30, lr=0.05)
    fitted = train_by(recipe, plain, samples, streams=Streams(1), watcher=recorder)
    return Trained(
        model=fitted.model.eval(),
        recipe=recipe,
        initial={name: tensor.clone() for name, tensor in plain.state_dict().items()},
        record=recorder.record(),
        cost=fitted.cost,
    )


@pytest.fixture(scope="session")
def toy() -> Toy:
    inputs, labels = toy_pictures(600)
    clean = toy_samples(inputs, labels)
    is_noisy = torch.from_numpy(Streams(0).per_id("toy", clean.ids).argsort().argsort() < 180)
    noisy = clean.relabel(torch.where(is_noisy, (labels + 1 + torch.arange(600) // 7 % 3) % 4, labels))
    return Toy(
        trained=toy_trained(noisy, epochs=11),
        observed=Observed(train=noisy),
        truth=Truth(ids=clean.ids, true_label=labels, is_noisy=is_noisy),
        clean=clean,
        test=toy_samples(*toy_pictures(120)),
    )


@pytest.fixture(scope="session")
def clean_toy(toy: Toy) -> Toy:
    """The same without wrong labels, and trained for fewer epochs."""
    return replace(toy, trained=toy_trained(toy.clean, epochs=6), observed=Observed(train=toy.clean))


class Cramped(nn.Module):
    """A network whose device holds so many samples at once, and no more."""

    def __init__(self, inner: nn.Module, room: int) -> None:
        super().__init__()
        self.inner, self.room, self.seen = inner, room, []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append(len(inputs))
        for layer in self.inner:
            inputs = layer(inputs)
            if layer is self.inner[1] and len(inputs) > self.room:  # some layers have run already
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return inputs


@pytest.fixture
def cramped() -> type[Cramped]:
    return Cramped


class Heard(progress.Silent):
    """What was said while something ran."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, text: str) -> None:
        self.sentences.append(text)


@pytest.fixture
def heard() -> Iterator[list[str]]:
    listener = Heard()
    with progress.shown_by(listener):
        yield listener.sentences


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A real browser without a window, or a skip that says what is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright (extra dev) is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on the PATH")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()
