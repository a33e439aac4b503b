"""What `doctor` finds, line by line."""

import os
import platform
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from unchaff.bench.cell import device_of
from unchaff.bench.start import fitting
from unchaff.cli import options, twins
from unchaff.cli.installed import version
from unchaff.cli.reading import reading
from unchaff.data import Loaded, load
from unchaff.nets.build import build, default_net
from unchaff.nets.taps import find_layers, reading_points
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.tasks import CLASSIFICATION

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pyarrow", "safetensors", "pillow", "soundfile")
BATCH = 128
SHOWN = 10  # of a long list
FEW = 10  # samples of a class below which it is kept whole
BUDGET = 0.25  # a repair's default share of one full training
GIB, MIB = 2**30, 2**20


def lines(given: options.Network, data: str) -> Iterator[str]:
    """Yield what is found; each stage is said before the next one starts."""
    device = device_of(given.device)
    yield from environment(device)
    loaded = load(data, reading(given))
    yield from about_data(loaded)
    samples = loaded.train.to(device)
    model = fitting(build(given.model or default_net(samples), samples, streams=Streams(given.seed)), samples)
    yield from about_network(given, model, samples)


def environment(device: torch.device) -> Iterator[str]:
    """Yield versions, device and memory."""
    yield "Environment"
    yield f"  unchaff {version('unchaff')}, Python {platform.python_version()}, {platform.platform()}"
    yield "  " + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
        yield f"  device cuda: {name}, {free / GIB:.1f} of {total / GIB:.1f} GiB free"
    else:
        yield f"  device {device.type}: {os.cpu_count()} cores, {torch.get_num_threads()} threads used"
    yield f"  memory {memory() / GIB:.1f} GiB, disk {shutil.disk_usage('.').free / GIB:.1f} GiB free here"


def memory() -> int:
    """Return the bytes of main memory, 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def about_data(loaded: Loaded) -> Iterator[str]:
    """Yield what the data look like, and what is odd about them."""
    samples = loaded.train
    yield "Data"
    yield f"  {loaded.found}"
    yield from (f"  {note}" for note in loaded.notes)
    yield from balance(samples)
    if loaded.skipped:
        yield f"  {len(loaded.skipped)} samples cannot be read and are left out:"
        yield from shortened([f"{one.id}: {one.reason}" for one in loaded.skipped])
    found = twins.find(samples)
    for identical, word in ((True, "identical"), (False, "nearly identical")):
        alike = [one for one in found.twins if one.identical == identical]
        among = f", looked for among the first {found.compared}" if found.compared < len(samples) else ""
        scope = "" if identical else among
        yield f"  {len(alike)} sets of {word} samples with different labels{scope}" + (":" if alike else ".")
        yield from shortened([said(one, samples) for one in alike])


def balance(samples: Samples) -> Iterator[str]:
    """Yield how many samples each class has."""
    counts = torch.bincount(samples.labels.cpu(), minlength=samples.num_classes).tolist()
    named = sorted(zip(counts, samples.class_names, strict=True), key=lambda one: one[0])
    (fewest, rare), (most, common) = named[0], named[-1]
    yield f"  per class {fewest} ({rare}) to {most} ({common}) samples"
    if most > 10 * max(fewest, 1):
        yield f"  strongly imbalanced ({common} has over 10 times the samples of {rare}): look at macro F1"
    few = [name for count, name in named if count < FEW]
    if few:
        yield f"  fewer than {FEW} samples, so nothing of them is left out: {', '.join(few[:SHOWN])}"


def said(one: twins.Twins, samples: Samples) -> str:
    """Return ids and labels of samples that look alike."""
    pairs = zip(one.ids, one.labels, strict=True)
    return ", ".join(f"{id_} is {samples.class_names[label]}" for id_, label in islice(pairs, SHOWN))


def shortened(items: list[str]) -> list[str]:
    """Return the first of a long list, indented, and how many more there are."""
    more = [f"    and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return [f"    {item}" for item in items[:SHOWN]] + more


@dataclass(frozen=True)
class Timing:
    """Seconds per sample of a network."""

    training: float
    forward: float


def about_network(given: options.Network, model: nn.Module, samples: Samples) -> Iterator[str]:
    """Yield what the network is, where it is read, and what a repair will take."""
    example = next(samples.batches(min(BATCH, len(samples)))).inputs
    layers = find_layers(model, example)
    parameters = sum(each.numel() for each in model.parameters())
    yield "Network"
    yield f"  {given.model or default_net(samples)}: {parameters:,} parameters"
    yield "  reads what these layers read: " + ", ".join(point.name for point in reading_points(layers))
    prunable = [layer for layer in layers if not layer.is_output]
    yield f"  can prune {sum(layer.units for layer in prunable)} units of {len(prunable)} layers"
    timing = timed(model, samples)
    yield f"  training {1 / timing.training:,.0f}, scoring {1 / timing.forward:,.0f} samples a second"
    yield "Estimate"
    full = timing.training * len(samples) * given.epochs
    if given.weights is None and reading(given).hub is None:
        yield f"  training first, {given.epochs} epochs: {duration(full)}"
    yield f"  repair at a budget of {BUDGET} of such a training: {duration(BUDGET * full)}"
    yield "  controls: as long again as the repair for quick, several trainings for all"
    held = len(samples) * example[0].numel() * example.element_size() if samples.source.in_memory else 0
    # Weights, gradients, momentum, running mean and a copy; and what a training batch keeps for going back.
    working = parameters * 4 * 5 + kept_for_backward(model, samples)
    yield f"  memory for data {held / MIB:,.0f} MiB, for the network and a batch {working / MIB:,.0f} MiB"


def timed(model: nn.Module, samples: Samples) -> Timing:
    """Return the time of one warm batch of training and one of scoring; the network is a fresh one."""
    first, second = islice(_cycled(samples), 2)
    model.train()
    for batch in (first, second):
        begun = time.perf_counter()
        loss = CLASSIFICATION.loss(model(batch.inputs), batch.labels).mean()
        loss.backward()
        loss.item()  # waits for the device
        training = (time.perf_counter() - begun) / len(batch.ids)
    model.zero_grad()
    model.eval()
    begun = time.perf_counter()
    with torch.no_grad():
        model(second.inputs).sum().item()
    return Timing(training=training, forward=(time.perf_counter() - begun) / len(second.ids))


def kept_for_backward(model: nn.Module, samples: Samples) -> int:
    """Return the bytes autograd holds between the forward and the backward pass of one batch."""
    batch = next(samples.batches(min(BATCH, len(samples))))
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        CLASSIFICATION.loss(model(batch.inputs), batch.labels).mean()
    return sum(sizes.values())


def _cycled(samples: Samples) -> Iterator[Batch]:
    while True:
        yield from samples.batches(min(BATCH, len(samples)))


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> duration(75), duration(0.4), duration(7300)
    ('1.2 min', '0.4 s', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
