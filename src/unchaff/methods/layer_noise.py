"""Train with noise inside the layers, and deploy the network without it."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from unchaff.errors import ConfigError, ModelError, NeedsError
from unchaff.methods.anew import checked_budget, phase_for
from unchaff.methods.beginning import beginning
from unchaff.nets.analogue import noisy
from unchaff.nets.moments import Moments, Propagation, bound, second_order
from unchaff.nets.taps import find_layers
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Batch, Samples
from unchaff.streams import Streams
from unchaff.train.initial import full_cost
from unchaff.train.loop import fit
from unchaff.train.phases import Phase
from unchaff.train.statistics import resettled, settling_cost
from unchaff.train.tutor import Tutor

CLOSED = {"bound": bound, "second-order": second_order}


@dataclass(frozen=True, kw_only=True)
class LayerNoise:
    """A whole training with Gaussian noise on what layers return; the network is used without noise.

    Either the noise is drawn, or its mean and variance are carried through the network and the expected
    loss is minimised in closed form.

    Source: Arous et al., arXiv 2312.08877: noise inside layers, propagated, and the noise-free network
    deployed. No code exists and its formulas were not seen: those here are ours, and so are all defaults.
    """

    sigma: float = 0.25  # deviation of the noise, in those of what the layer returns over the batch
    mode: Literal["sampled", "closed-form"] = "sampled"
    draws: int = 1  # of each sample in a step; for mode sampled
    loss: Literal["bound", "second-order"] = "bound"  # for mode closed-form
    warmup: int = 10  # epochs in which the noise rises in a straight line, half of all at most
    layers: tuple[
        str, ...
    ] = ()  # that are noisy, by name; none: all linear and convolution layers but the last
    settle: bool = True  # measure the statistics of normalisations again without noise
    augment: bool = True
    budget: float = 1.0  # operations of everything, as a share of one full training
    cites: ClassVar[tuple[str, ...]] = ("arous2023may",)
    anew: ClassVar[bool] = True  # it looks at no finished network

    def __post_init__(self) -> None:
        checked_budget(self.budget)
        if not 0 <= self.sigma <= 10:
            raise ConfigError(f"sigma must be in [0, 10], got {self.sigma}. 0 is plain training.")
        if self.draws < 1 or self.warmup < 0:
            raise ConfigError(
                f"draws must be at least 1 and warmup at least 0, got {self.draws} and {self.warmup}."
            )
        if self.mode not in ("sampled", "closed-form") or self.loss not in ("bound", "second-order"):
            raise ConfigError(
                "mode must be sampled or closed-form and loss bound or second-order, got "
                f"{self.mode!r} and {self.loss!r}."
            )

    def _noisy(self, model: nn.Module, example: Tensor) -> tuple[str, ...]:
        """Return the layers that are to be noisy.

        Raises:
            ModelError: a name is not that of a layer that runs.
            NeedsError: the network has no layer but the last.
        """
        found = [layer for layer in find_layers(model, example) if not layer.is_whole]
        unknown = [name for name in self.layers if name not in {layer.name for layer in found}]
        if unknown:
            allowed = ", ".join(layer.name for layer in found)
            raise ModelError(f"{unknown[0]!r} is no layer that runs. Layers: {allowed}.")
        names = self.layers or tuple(layer.name for layer in found if not layer.is_output)
        if not names:
            raise NeedsError("layer-noise needs a layer before the last one, and the network has none.")
        return names

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew."""
        samples, fresh = observed.train, beginning(trained, streams=streams)
        example = next(samples.batches(2)).inputs
        names = self._noisy(trained.model, example)
        streams = streams.fork("layer-noise")
        course = Course(self, generator=streams("noise", samples.device))
        carrier = Sampled if self.mode == "sampled" else ClosedForm
        learner = carrier(fresh, names, course)
        phase = self._phase(trained, samples, learner)
        course.epochs = min(self.warmup, phase.steps / max(1, len(samples) // phase.batch_size) / 2)
        fitted = fit(
            learner, samples, replace(phase, loss=course), streams=streams, name="train", watcher=course
        )
        model, cost = fitted.model.get_submodule("model"), fitted.cost
        if self._settles:
            model, settling = resettled(model, samples, size=phase.batch_size, streams=streams, name="settle")
            cost = cost + settling
        return Outcome(model=model.eval(), cost=cost)

    @property
    def _settles(self) -> bool:
        return self.settle and self.sigma > 0

    def _phase(self, trained: Trained, samples: Samples, learner: nn.Module) -> Phase:
        """Return a whole training by the recipe in as many steps as the budget pays for."""
        settling = settling_cost(trained.model, samples) if self._settles else Cost()
        allowed = self.budget * full_cost(trained, samples).flops - settling.flops
        return phase_for(trained, samples, flops=allowed, learner=learner, augment=self.augment)


class Course(Tutor):
    """How strong the noise is, and what is minimised under it."""

    def __init__(self, method: LayerNoise, *, generator: torch.Generator) -> None:
        super().__init__(generator)
        self._method = method
        self.drawn = generator  # what noise is drawn from
        self.epochs = 0.0  # in which the noise rises

    def __deepcopy__(self, memo: dict[int, Any]) -> "Course":
        """Return itself: the copy of the network that is trained goes by the same course."""
        return self

    @property
    def draws(self) -> int:
        """How often each sample runs through the network in a step."""
        return self._method.draws

    @property
    def strength(self) -> float:
        """Deviation of the noise in this epoch, in those of what the layer returns."""
        return self._method.sigma * min(1.0, (self.epoch + 1) / max(1.0, self.epochs))

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample, in nats: the mean over its draws, or the closed form."""
        if self._method.mode == "closed-form":
            mean, variance = outputs.float().chunk(2, dim=1)
            return CLOSED[self._method.loss](mean, variance, batch.labels)
        labels = batch.labels.repeat(self.draws)
        losses = functional.cross_entropy(outputs.float(), labels, reduction="none")
        return losses.view(self.draws, -1).mean(0)


class Sampled(nn.Module):
    """A network whose layers are noisy; answers for each draw, one below the other."""

    def __init__(self, model: nn.Module, names: tuple[str, ...], course: Course) -> None:
        super().__init__()
        self.model = model
        self._names, self._course = names, course

    def forward(self, inputs: Tensor) -> Tensor:
        shown = torch.cat([inputs] * self._course.draws)
        with noisy(self.model, self._names, self._deviation, self._course.drawn):
            return self.model(shown)

    def _deviation(self, _name: str, output: Tensor) -> Tensor:
        return self._course.strength * output.detach().float().std()


class ClosedForm(nn.Module):
    """A network that answers with the means of its logits and, beside them, their variances."""

    def __init__(self, model: nn.Module, names: tuple[str, ...], course: Course) -> None:
        super().__init__()
        self.model = model
        self._names, self._course = frozenset(names), course

    def forward(self, inputs: Tensor) -> Tensor:
        said = Propagation(self._names, self._course.strength)(self.model, Moments(inputs))
        variance = torch.zeros_like(said.mean) if said.variance is None else said.variance
        return torch.cat([said.mean, variance.to(said.mean.dtype)], dim=1)
