"""A callback for the Trainer of the transformers library, which takes the margins from its own passes."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from unchaff.errors import ConfigError, DataError
from unchaff.extras import library
from unchaff.recording.recorder import Recorder

COLUMN = "sample_id"
LABEL = "sample_label"  # beside the labels, which the Trainer takes out where it smooths them
LABELS = ("labels", "label", "label_ids")

Features = list[Mapping[str, Any]]
Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]


def callback(recorder: Recorder, collate: Collate | None = None) -> Any:  # noqa: ANN401  made at run time
    """Return a callback for `Trainer(callbacks=[it], data_collator=it.collator)`.

    The data set has a column `sample_id`, and `TrainingArguments` leaves columns in
    (`remove_unused_columns=False`); those the network does not take are left out by the collator.

    Args:
        recorder: of one training; with `resume=True` where the Trainer resumes from a checkpoint.
        collate: makes a batch of items; the default of the Trainer without a tokenizer by default.

    Raises:
        ConfigError: transformers is not installed.
    """
    transformers = library("transformers", extra="hub", without="call Recorder.update in a loop of your own")
    kind = type("RecorderCallback", (Events, transformers.TrainerCallback), {})
    return kind(recorder, Collator(collate or transformers.default_data_collator))


@dataclass
class Collator:
    """Makes a batch of items and carries their ids along."""

    collate: Collate
    takes: frozenset[str] | None = None  # columns of the network; None: all are let through
    carries: bool = False  # while it trains

    def __call__(self, items: Features) -> dict[str, Any]:
        """Return a batch; ids and labels are taken out of it before the network runs."""
        kept = [{name: value for name, value in item.items() if self._is_taken(name)} for item in items]
        batch = dict(self.collate(kept))
        if self.carries and all(COLUMN in item for item in items):
            ids = [item[COLUMN] for item in items]
            batch[COLUMN] = ids if isinstance(ids[0], str) else torch.as_tensor(ids)
            label = next((batch[name] for name in LABELS if name in batch), None)
            if label is not None:
                batch[LABEL] = label.clone()
        return batch

    def _is_taken(self, name: str) -> bool:
        if name == COLUMN:
            return False
        return self.takes is None or name in self.takes or name in LABELS


class Events:
    """What happens when; a callback of the Trainer once its base class is put under it."""

    def __init__(self, recorder: Recorder, collator: Collator) -> None:
        self.collator = collator
        self._recorder = recorder
        self._carried: tuple[Any, Tensor] | None = None
        self._hooks: list[RemovableHandle] = []

    def on_init_end(self, args: Any, state: Any, control: Any, **known: Any) -> None:  # noqa: ANN401
        """Look at the settings, and at what the network takes.

        Raises:
            ConfigError: the Trainer would drop the ids.
        """
        if args.remove_unused_columns:
            raise ConfigError(
                f"The Trainer would drop the column {COLUMN}. Give TrainingArguments("
                "remove_unused_columns=False); columns the network does not take are left out all the same."
            )
        parameters = inspect.signature(known["model"].forward).parameters.values()
        named = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
        self.collator.takes = frozenset(named) or None

    def on_train_begin(self, args: Any, state: Any, control: Any, **known: Any) -> None:  # noqa: ANN401
        """Listen to the network, while it trains and no longer."""
        self.on_init_end(args, state, control, **known)
        self.on_train_end(args, state, control)
        self._recorder.discard()  # of a training that broke off
        model = known["model"]
        self._hooks = [
            model.register_forward_pre_hook(self._take_out, with_kwargs=True),
            model.register_forward_hook(self._note),
        ]
        self.collator.carries = True

    def on_train_end(self, args: Any, state: Any, control: Any, **known: Any) -> None:  # noqa: ANN401
        """Leave the network as it was."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self.collator.carries = [], False

    def on_epoch_end(self, args: Any, state: Any, control: Any, **known: Any) -> None:  # noqa: ANN401
        """Write the epoch."""
        self._recorder.end_epoch(math.ceil(state.epoch - 1e-6) - 1)

    def _take_out(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Keep ids and labels back from the network."""
        ids, labels = kwargs.get(COLUMN), kwargs.get(LABEL)
        self._carried = None
        if model.training:
            if ids is None or labels is None:
                raise DataError(
                    f"A batch of the training came without {COLUMN} or labels. Give the data set a column "
                    f"{COLUMN}, and the Trainer data_collator=callback.collator."
                )
            self._carried = ids, labels
        return args, {name: value for name, value in kwargs.items() if name not in (COLUMN, LABEL)}

    def _note(self, model: nn.Module, args: tuple[Any, ...], output: object) -> None:
        """Hand the outputs of a training pass to the recorder."""
        if self._carried is not None:
            ids, labels = self._carried
            self._carried = None
            self._recorder.update(ids, output, labels)
