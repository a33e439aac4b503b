"""What `doctor` finds, part by part."""

import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice

import torch
from torch import nn

from unchaff.bench.cell import device_of
from unchaff.bench.start import fitting
from unchaff.cli import options, twins
from unchaff.cli.installed import version
from unchaff.cli.reading import reading
from unchaff.cli.words import duration
from unchaff.data import Loaded, load
from unchaff.listed import listed
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


@dataclass(frozen=True)
class Section:
    """One part of what is found: numbers for programs, lines for people."""

    name: str
    facts: Mapping[str, object]
    lines: tuple[str, ...]


def sections(given: options.Network, data: str) -> Iterator[Section]:
    """Yield what is found; each part can be said before the next one is looked at."""
    device = device_of(given.device)
    yield environment(device)
    loaded = load(data, reading(given))
    yield about_data(loaded)
    samples = loaded.train.to(device)
    model = fitting(build(given.model or default_net(samples), samples, streams=Streams(0)), samples)
    yield about_network(given, model, samples)
    yield estimate(given, model, samples)


def environment(device: torch.device) -> Section:
    """Return versions, device and memory."""
    installed = {name: version(name) for name in PACKAGES}
    disk = shutil.disk_usage(".").free
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
        runs_on = f"cuda: {name}, {free / GIB:.1f} of {total / GIB:.1f} GiB free"
    else:
        runs_on = f"{device.type}: {os.cpu_count()} cores, torch uses {torch.get_num_threads()} of them"
    return Section(
        "Environment",
        {
            "versions": {"unchaff": version("unchaff"), "python": platform.python_version(), **installed},
            "system": platform.platform(),
            "device": device.type,
            "memory_bytes": memory(),
            "disk_free_bytes": disk,
        },
        (
            f"unchaff {version('unchaff')}, Python {platform.python_version()}, {platform.platform()}",
            ", ".join(f"{name} {each}" for name, each in installed.items()),
            f"device {runs_on}",
            f"memory {memory() / GIB:.1f} GiB, disk {disk / GIB:.1f} GiB free here",
        ),
    )


def memory() -> int:
    """Return the bytes of main memory, 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def about_data(loaded: Loaded) -> Section:
    """Return what the data look like, and what is odd about them."""
    samples = loaded.train
    counts = torch.bincount(samples.labels.cpu(), minlength=samples.num_classes).tolist()
    per_class = dict(zip(samples.class_names, counts, strict=True))
    lines = [loaded.found, *loaded.notes, *balance(per_class)]
    if loaded.skipped:
        lines.append(f"{len(loaded.skipped)} samples cannot be read and are left out:")
        lines += shortened([f"{one.id}: {one.reason}" for one in loaded.skipped])
    found = twins.find(samples)
    for identical, word in ((True, "identical"), (False, "nearly identical")):
        alike = [one for one in found.twins if one.identical == identical]
        among = f", looked for among the first {found.compared}" if found.compared < len(samples) else ""
        scope = "" if identical else among
        sets = f"{len(alike)} set{'' if len(alike) == 1 else 's'}"
        lines.append(f"{sets} of {word} samples with different labels{scope}{':' if alike else '.'}")
        lines += shortened([said(one, samples) for one in alike])
    facts = {
        "found": loaded.found,
        "notes": loaded.notes,
        "num_samples": len(samples),
        "kind": samples.kind.name,
        "shape": samples.kind.shape,
        "per_class": per_class,
        "skipped": [{"id": one.id, "reason": one.reason} for one in loaded.skipped],
        "twins": [asdict(one) for one in found.twins],
    }
    return Section("Data", facts, tuple(lines))


def balance(per_class: Mapping[str, int]) -> Iterator[str]:
    """Yield how many samples each class has."""
    absent = [name for name, count in per_class.items() if count == 0]
    named = sorted(((name, count) for name, count in per_class.items() if count), key=lambda one: one[1])
    (rare, fewest), (common, most) = named[0], named[-1]
    yield f"per class {fewest} ({rare}) to {most} ({common}) samples"
    if absent:
        yield f"classes without a sample, for which a network keeps a place: {listed(absent, SHOWN)}"
    if most > 10 * fewest:
        yield f"strongly imbalanced ({common} has over 10 times the samples of {rare}): look at macro F1"
    few = [name for name, count in named if count < FEW]
    if few:
        yield f"fewer than {FEW} samples, so nothing of them is left out: {listed(few, SHOWN)}"


def said(one: twins.Twins, samples: Samples) -> str:
    """Return ids and labels of samples that look alike."""
    pairs = zip(one.ids, one.labels, strict=True)
    return ", ".join(f"{id_} is {samples.class_names[label]}" for id_, label in islice(pairs, SHOWN))


def shortened(items: list[str]) -> list[str]:
    """Return the first of a long list, indented, and how many more there are."""
    more = [f"  and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return [f"  {item}" for item in items[:SHOWN]] + more


@dataclass(frozen=True)
class Timing:
    """Seconds per sample of a network."""

    training: float
    forward: float


def about_network(given: options.Network, model: nn.Module, samples: Samples) -> Section:
    """Return what the network is, and where it is read and can be pruned."""
    layers = find_layers(model, next(samples.batches(min(BATCH, len(samples)))).inputs)
    parameters = sum(each.numel() for each in model.parameters())
    name, taps = given.model or default_net(samples), [point.name for point in reading_points(layers)]
    prunable = [layer for layer in layers if not layer.is_output]
    units = sum(layer.units for layer in prunable)
    return Section(
        "Network",
        {"model": name, "parameters": parameters, "taps": taps, "prunable_units": units},
        (
            f"{name}: {parameters:,} parameters",
            f"reads what these layers read: {', '.join(taps)}",
            f"can prune {units} units of {len(prunable)} layers",
        ),
    )


def estimate(given: options.Network, model: nn.Module, samples: Samples) -> Section:
    """Return what two batches took, and what a repair will take."""
    timing, example = timed(model, samples), next(samples.batches(1)).inputs
    full = timing.training * len(samples) * given.epochs
    is_trained = given.weights is not None or reading(given).hub is not None
    held = len(samples) * example[0].numel() * example.element_size() if samples.source.in_memory else 0
    # Weights, gradients, momentum, running mean and a copy; and what a training batch keeps for going back.
    parameters = sum(each.numel() for each in model.parameters())
    working = parameters * 4 * 5 + kept_for_backward(model, samples)
    first = () if is_trained else (f"training first, {given.epochs} epochs: {duration(full)}",)
    return Section(
        "Estimate",
        {
            "training_samples_per_second": 1 / timing.training,
            "scoring_samples_per_second": 1 / timing.forward,
            "training_seconds": None if is_trained else full,
            "repair_seconds": BUDGET * full,
            "data_bytes": held,
            "network_bytes": working,
        },
        (
            f"training {1 / timing.training:,.0f}, scoring {1 / timing.forward:,.0f} samples a second",
            *first,
            f"repair at a budget of {BUDGET} of such a training: {duration(BUDGET * full)}",
            "controls: as long again as the repair for quick, several trainings for all",
            f"memory for data {held / MIB:,.0f} MiB, for the network and a batch {working / MIB:,.0f} MiB",
        ),
    )


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
