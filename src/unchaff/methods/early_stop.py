"""Train again and keep the epoch that did best on noisy validation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from unchaff.copies import copied
from unchaff.errors import ConfigError
from unchaff.methods.beginning import beginning
from unchaff.methods.validation import validation_of
from unchaff.nets.flops import count
from unchaff.nets.hooks import in_eval_mode
from unchaff.records import Cost, Observed, Outcome, Trained
from unchaff.samples import Rows, Samples
from unchaff.streams import Streams
from unchaff.train.initial import train_by, with_recipe


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """A whole training on all given labels, of which the best epoch is kept.

    Best on the reference, or else on noisy validation: the hold-out, or a tenth of the training samples
    that is then not learned from. The whole training is paid for, since its best epoch is known only
    afterwards.

    Source: the usual control; wrong labels are learned last (Arpit et al., arXiv 1706.05394).
    """

    augment: bool = False
    validation: float = 0.1  # share of the samples to choose on where there is no hold-out
    cites: ClassVar[tuple[str, ...]] = ("arpit2017closer",)
    anew: ClassVar[bool] = True  # it looks at no finished network
    chooses: ClassVar[bool] = True  # on samples known to be right, where there are some

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise ConfigError(f"validation must be in (0, 1), got {self.validation}. For a tenth pass 0.1.")

    def __call__(self, trained: Trained, observed: Observed, *, streams: Streams) -> Outcome:
        """Train anew and choose."""
        train, (validation, called) = observed.train, validation_of(observed)
        trained = with_recipe(trained, train)
        if validation is None:
            rows = streams.subset("early stop", train.ids, max(1, round(self.validation * len(train))))
            validation = train.at(rows)
            train = train.select(np.delete(train.ids, rows))
        recipe = trained.recipe_for(len(train))
        best = Best(trained, validation)
        fitted = train_by(
            replace(recipe, augment=self.augment),
            beginning(trained, streams=streams),
            train,
            streams=streams.fork("early stop"),
            name="train",
            watcher=best,
        )
        note = f"Epoch {best.epoch} of {best.epochs} was the best on {called} ({best.accuracy:.1%})."
        return Outcome(model=(best.model or fitted.model).eval(), cost=fitted.cost + best.cost, notes=(note,))


class Best:
    """Keeps a copy of the network at its best on some samples; the first of equals."""

    def __init__(self, trained: Trained, samples: Samples) -> None:
        self._task, self._samples, self._plain = trained.task, samples, trained.model
        self.epochs, self.epoch, self.accuracy = 0, 0, -1.0
        self.model: nn.Module | None = None
        self.cost = Cost()  # its seconds are in those of the training

    def state(self) -> dict[str, Tensor]:
        """Return the best network so far, and how good it was."""
        known = [self.epochs, self.epoch, self.accuracy, self.cost.samples_seen, self.cost.flops]
        kept = {} if self.model is None else self.model.state_dict()
        return {
            "known": torch.tensor(known, dtype=torch.float64),
            **{f"best.{n}": t for n, t in kept.items()},
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from such a state."""
        epochs, epoch, accuracy, seen, flops = state["known"].tolist()
        self.epochs, self.epoch, self.accuracy = int(epochs), int(epoch), accuracy
        self.cost = Cost(samples_seen=int(seen), flops=flops).as_stage("validation") if seen else Cost()
        best = {name.removeprefix("best."): each for name, each in state.items() if name != "known"}
        self.model = copied(self._plain) if best else None
        if self.model is not None:
            self.model.load_state_dict(best)

    def begin_epoch(self) -> None:
        """Nothing to do."""

    def see(self, rows: Rows, logits: Tensor, labels: Tensor) -> None:
        """Nothing to do."""

    def end_epoch(self, model: nn.Module) -> None:
        """Measure the network, and keep it if none was better."""
        self.epochs += 1
        right, forward = 0, 0.0
        with in_eval_mode(model), torch.no_grad():
            for batch in self._samples.batches(self._samples.at_once(512)):
                forward = forward or count(model, batch.inputs).forward
                right += int((self._task.predict(model(batch.inputs)) == batch.labels).sum())
        accuracy = right / len(self._samples)
        if accuracy > self.accuracy:
            self.epoch, self.accuracy, self.model = self.epochs, accuracy, copied(model)
            self.model.zero_grad(set_to_none=True)
        seen = len(self._samples)
        self.cost = self.cost + Cost(samples_seen=seen, flops=seen * forward).as_stage("validation")
