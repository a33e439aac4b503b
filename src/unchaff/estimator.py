"""A classifier in the manner of scikit-learn: trained on noisy labels, and repaired, in one fit."""

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from unchaff.bench.start import fitting
from unchaff.data import Options, from_arrays
from unchaff.errors import ConfigError
from unchaff.interfaces import checked
from unchaff.methods.unlearn import Unlearn
from unchaff.nets.adapt import bare, logits_of
from unchaff.nets.build import build
from unchaff.records import Observed, Outcome, Recipe, Trained
from unchaff.samples import Samples
from unchaff.streams import Streams
from unchaff.train.initial import train_initial

BATCH = 1024
EXPECTED_FAILED_CHECKS: Mapping[str, str] = MappingProxyType(
    {"check_estimators_overwrite_params": "it compares modules by a hash, in which equal ones differ"}
)  # of scikit-learn's check_estimator, where a module is passed in


class RepairedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Trains a network on rows of numbers with the labels as they are, and repairs it.

    Args:
        network: None for a multi-layer perceptron that fits the data; a module that maps rows to logits;
            or a function (columns, classes) -> module. It is given standardised columns.
        method: how to repair; `Unlearn()` by default.
        epochs: of the training before the repair.
        is_trained: the module was trained on these rows as they are; it is not trained again, and is given
            them so.
        seed: same seed, same machine: same result.

    After `fit`: `classes_`, `n_features_in_`, `outcome_` (with `outcome_.quality`, a column per piece of
    evidence), `model_`, `kept_` (bool, one per row of X).
    """

    def __init__(
        self,
        network: Any = None,  # noqa: ANN401  scikit-learn sets anything, and expects it to be kept
        *,
        method: Any = None,  # noqa: ANN401
        epochs: Any = 24,  # noqa: ANN401
        is_trained: Any = False,  # noqa: ANN401
        seed: Any = 0,  # noqa: ANN401
    ) -> None:
        self.network = network
        self.method = method
        self.epochs = epochs
        self.is_trained = is_trained
        self.seed = seed

    def fit(self, X: Any, y: Any) -> "RepairedClassifier":  # noqa: N803, ANN401  names and types of others
        """Train on all rows, then find what can be trusted and learn again from it.

        Raises:
            ValueError: the rows or labels cannot be used; all our errors are of this kind.
        """
        self._check_settings()
        rows, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ConfigError(f"Classifier cannot be trained on one class only, {self.classes_[0]!r}.")
        names = [str(name) for name in self.classes_]
        options = Options() if self.is_trained else _standardising(rows)
        samples = from_arrays(rows, numbers, class_names=names, options=options)
        streams = Streams(self.seed)
        trained = self._trained(samples, streams=streams)
        repairing = Unlearn() if self.method is None else self.method
        outcome = repairing(trained, Observed(train=samples), streams=streams)
        self.outcome_: Outcome = replace(outcome, model=bare(outcome.model))
        self.model_ = self.outcome_.model
        split = outcome.partition
        self.kept_ = np.zeros(len(rows), dtype=bool)  # rows that were left out stay so
        self.kept_[samples.ids] = True
        if split is not None:
            self.kept_[split.ids] = split.kept.numpy()
        self._prepare = samples.source.held.prepare  # type: ignore[attr-defined]
        return self

    def _check_settings(self) -> None:
        """Refuse what the constructor keeps as it came.

        Raises:
            ConfigError: a setting is of another kind than it has to be, or outside what is allowed.
        """
        for name, least, default in (("epochs", 1, 24), ("seed", None, 0)):
            given = getattr(self, name)
            is_whole = isinstance(given, Integral) and not isinstance(given, bool)
            if not is_whole or (least is not None and given < least):
                allowed = "" if least is None else f"{least} or more, "
                raise ConfigError(
                    f"{name} must be a whole number, {allowed}got {given!r}. Leave it out for {default}."
                )
        if not (self.network is None or isinstance(self.network, nn.Module) or callable(self.network)):
            raise ConfigError(
                f"network must be None, a torch.nn.Module or a function (columns, classes) -> module, got "
                f"{self.network!r}. Leave it out for a multi-layer perceptron."
            )
        if self.network is None and self.is_trained:
            raise ConfigError("is_trained is True, but there is no network. Give the one that was trained.")
        if self.method is not None:
            checked(self.method)

    def _trained(self, samples: Samples, *, streams: Streams) -> Trained:
        model = self._built(samples, streams=streams)
        if self.is_trained:
            return Trained(model=model)
        recipe = replace(Recipe.usual(model, len(samples)), epochs=self.epochs)
        return train_initial(model, samples, recipe, streams=streams)

    def _built(self, samples: Samples, *, streams: Streams) -> nn.Module:
        if self.network is None:
            return build("mlp", samples, streams=streams)
        with streams.forked_global("init"):  # for modules that draw their weights when they first run
            is_made = isinstance(self.network, nn.Module)
            made = self.network if is_made else self.network(samples.kind.shape[0], samples.num_classes)
            return fitting(made, samples)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803, ANN401
        """Return the probability of each class (n, classes), in the order of `classes_`."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        parts = []
        with torch.no_grad():
            for start in range(0, len(rows), BATCH):
                inputs = self._prepare(torch.from_numpy(rows[start : start + BATCH].astype(np.float32)))
                logits = logits_of(self.model_(inputs))[:, : len(self.classes_)]
                parts.append(torch.softmax(logits.double(), dim=1).numpy())
        return np.concatenate(parts)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803, ANN401
        """Return the most likely class of each row."""
        likely = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likely]


def _standardising(rows: NDArray[np.float64]) -> Options:
    """Return options that take off the mean of each column and divide by its deviation."""
    deviation = rows.std(axis=0)
    std = np.where(deviation > 0, deviation, 1.0)
    return Options(mean=tuple(rows.mean(axis=0).tolist()), std=tuple(std.tolist()))
