"""A callback for the Trainer of Lightning."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from unchaff.errors import DataError
from unchaff.extras import library
from unchaff.recording.recorder import Recorder

HOMES = ("lightning.pytorch", "pytorch_lightning")  # one library under two names

Told = tuple[Any, Any, Any]  # ids, logits, labels


def usual(outputs: Any, batch: Any) -> Told:  # noqa: ANN401  what a user's module gives
    """Return ids, logits and labels of a batch with the keys `sample_id` and `labels`.

    The training step returns a mapping with `loss` and `logits`.

    Raises:
        DataError: one of the two is of another form.
    """
    if not (isinstance(outputs, Mapping) and "logits" in outputs):
        raise DataError(
            "The training step returned no logits. Return {'loss': loss, 'logits': logits}, or give the "
            "callback tell=function(outputs, batch) -> (ids, logits, labels)."
        )
    if not (isinstance(batch, Mapping) and {"sample_id", "labels"} <= set(batch)):
        raise DataError(
            "The batch is no mapping with sample_id and labels. Give the callback "
            "tell=function(outputs, batch) -> (ids, logits, labels)."
        )
    return batch["sample_id"], outputs["logits"], batch["labels"]


def callback(recorder: Recorder, tell: Callable[[Any, Any], Told] = usual) -> Any:  # noqa: ANN401  made at run time
    """Return a callback for `Trainer(callbacks=[it])`.

    Args:
        recorder: of one training; with `resume=True` where the Trainer goes on from a checkpoint.
        tell: (what the training step returned, batch) -> (ids, logits, labels).

    Raises:
        ConfigError: Lightning is not installed.
    """
    home = next((name for name in HOMES if name in sys.modules), HOMES[0])
    lightning = library(home, extra="lightning", without="call Recorder.update in a loop of your own")
    return type("RecorderCallback", (Events, lightning.Callback), {})(recorder, tell)


class Events:
    """What happens when; a callback of Lightning once its base class is put under it."""

    def __init__(self, recorder: Recorder, tell: Callable[[Any, Any], Told]) -> None:
        self._recorder, self._tell = recorder, tell

    def on_train_start(self, trainer: Any, module: Any) -> None:  # noqa: ANN401
        """Forget what a training that broke off has left."""
        self._recorder.discard()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:  # noqa: ANN401
        """Note what came of a batch."""
        self._recorder.update(*self._tell(outputs, batch))

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:  # noqa: ANN401
        """Write the epoch."""
        self._recorder.end_epoch(trainer.current_epoch)
