"""Errors a user can cause and repair: what came, what is allowed, what to do."""


class UnchaffError(ValueError):
    """Base of all errors raised on purpose; the command line prints it as one sentence."""


class DataError(UnchaffError):
    """The data cannot be read, or cannot be learned from."""


class ModelError(UnchaffError):
    """The network, or its weights, cannot be used."""


class NoiseError(UnchaffError):
    """The noise asked for cannot be planted."""


class ConfigError(UnchaffError):
    """A setting is outside what is allowed."""


class NeedsError(ConfigError):
    """A method needs something that these data, this network or this installation do not have."""


class RunFolderError(UnchaffError):
    """The run folder cannot be written or read."""


class WriteError(UnchaffError):
    """A file cannot be written."""


class EngineError(UnchaffError):
    """The cluster that work runs on is not there, has not what is needed, or has failed."""


class TrainingError(UnchaffError):
    """Training cannot go on."""


class Unfinished(Exception):  # noqa: N818  no error: the user asked for it
    """A run was interrupted, and can go on; says how."""


def not_finite(which: str) -> ModelError:
    """Return the error about layers that say numbers that are not finite; `which` is such as "3 of 10"."""
    return ModelError(
        f"What the network's layers say is not finite for {which} samples. "
        "Check the inputs with `unchaff doctor`, and the weights."
    )
