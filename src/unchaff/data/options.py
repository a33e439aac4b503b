"""How to read data, and what reading it gave."""

from dataclasses import dataclass
from pathlib import Path

from unchaff.data.prepare import Prepare
from unchaff.errors import ConfigError
from unchaff.samples import Augmentation, Samples


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to read data; None means: found out from the data, and said."""

    input_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None  # None: a column named id if its values are unique, else the row number
    group_column: str | None = None  # speaker or patient: never on both sides of a hold-out
    rows: int | None = None  # only the first so many
    strict: bool = False  # unreadable samples are an error, not left out
    lazy: bool | None = None  # decode on access; None: when the decoded data passes 2 GiB
    workers: int = 2  # processes that decode lazy data; 0: this one
    size: tuple[int, int] | None = None  # height and width of images; None: the most common
    rate: int | None = None  # samples per second of audio; None: the most common, at most 16000
    seconds: float | None = None  # length of clips; None: 95 % of the clips fit whole
    length: int | None = None  # words of a text that are read; None: 95 % of the texts fit whole
    augment: Augmentation | None = None  # how training changes a batch; None: as the kind allows
    mean: tuple[float, ...] | None = None  # taken off prepared inputs, per channel or column
    std: tuple[float, ...] | None = None  # divided by
    mirror: bool | None = None  # a mirror image keeps its label; None: for colour images only
    hub: Path | None = None  # Hugging Face model folder that says how its network takes inputs

    def __post_init__(self) -> None:
        given = {"rows": self.rows, "rate": self.rate, "seconds": self.seconds, "length": self.length}
        given |= {"size": None if self.size is None else min(self.size), "std": min(self.std or (1.0,))}
        for name, value in given.items():
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be above 0, got {value}. Leave it out to have it found out.")
        if self.hub is not None:
            own = {"size": self.size, "mean": self.mean, "std": self.std}
            given_too = [name for name, value in own.items() if value is not None]
            if given_too:
                raise ConfigError(
                    f"{given_too[0]} was given, but {self.hub} says how inputs are prepared. Leave it out."
                )
        if self.workers < 0:
            raise ConfigError(f"workers must be 0 or more, got {self.workers}. 0 decodes in this process.")


@dataclass(frozen=True)
class Skipped:
    """A sample that was left out."""

    id: int | str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What `load` found."""

    train: Samples
    test: Samples | None
    prepare: Prepare
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()  # conversions that were made
    found: str = ""  # one sentence: what was detected
