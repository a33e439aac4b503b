"""A ground of a suite: data, noise, and a network trained on them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from unchaff.bench.backbones import Backbone
from unchaff.bench.cell import Cell, Material
from unchaff.bench.summaries import SUMMARIES, deciding
from unchaff.data import Options
from unchaff.data.load import is_made
from unchaff.errors import DataError

SEEDS = (5, 6, 7)  # of the tables; choices are made on seeds 0 to 4
MANY = tuple(range(5, 13))  # where a row takes seconds
PACK = "PACK"  # in a noise spec: the folder of the data pack
HUMAN = f"human:{PACK}/cifar10n.parquet"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a suite finds its data, keeps its networks, and computes."""

    packs: Path | None = None
    networks: Path
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Data, noise, and a network trained on them: the ground contenders are compared on."""

    name: str
    data: str  # digits, pkg.module:factory, or the name of a pack's folder
    noise: str = "none"
    rows: int | None = None  # only the first so many
    model: str | None = None  # None: what suits the data
    epochs: int = 24
    augment: bool = False  # in the training that is to be repaired
    seeds: tuple[int, ...] = SEEDS
    contenders: tuple[str, ...] = ()  # NAME or NAME@BUDGET
    detectors: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()  # beyond clean inputs: see probes.py
    classes: tuple[int, ...] = ()  # of the data, the others left out; none: all
    backbone: Backbone | None = None  # the network learned this first; None: the labels, by heart
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # accuracy each must stay in

    @property
    def summarises(self) -> bool:
        """Whether its data are documents, see summaries.py."""
        return self.data.startswith(SUMMARIES)

    @property
    def ground(self) -> dict[str, object]:
        """What decides the numbers, seeds and contenders apart."""
        apart = {"name", "seeds", "contenders", "detectors", "ranges"}
        since = ("probes", "classes", "backbone")  # told where given: rows made before they were known stay
        told = {
            name: value
            for name, value in asdict(self).items()
            if name not in apart and (value or name not in since)
        }
        return {**told, "summaries": deciding(self.data)} if self.summarises else told

    @property
    def sentence(self) -> str:
        """What it is, for the page."""
        if self.summarises:
            return f"{self.data}; foreign sentences, links and code; one summary each, nearest to the mean."
        rows = "" if self.rows is None else f", first {self.rows} rows"
        how = "with augmentation" if self.augment else "without augmentation"
        noise = self.noise.replace(f"{PACK}/", "")
        network = self.model or "the default network"
        if self.backbone is not None:
            what = f", classes {', '.join(map(str, self.classes))}" if self.classes else ""
            return f"{self.data}{rows}{what}; noise {noise}; {network}. {self.backbone.sentence}"
        return f"{self.data}{rows}; noise {noise}; {network}, {self.epochs} epochs {how}."

    def cell(self, seed: int, place: "Place") -> Cell:
        """Return the same as `unchaff repair` would run.

        Raises:
            DataError: it needs a data pack, and no folder of packs was given.
        """
        data = self.data if is_made(self.data) else str(self.pack(place))
        noise = self.noise.replace(PACK, str(self.pack(place))) if PACK in self.noise else self.noise
        return Cell(
            data=data,
            options=Options(rows=self.rows),
            noise=noise,
            model=self.model,
            epochs=self.epochs,
            augment=self.augment,
            device=place.device,
            seed=seed,
        )

    def check(self, seed: int, material: Material) -> None:
        """See to it that the data are those of the rows that are there; published data do not change."""

    def pack(self, place: "Place") -> Path:
        """Return the folder of its data pack.

        Raises:
            DataError: no folder of packs was given.
        """
        if place.packs is None:
            raise DataError(
                f"The setting {self.name} needs the data pack {self.data}. "
                "Give --packs FOLDER, a folder with one folder per pack."
            )
        return place.packs / self.data


def photographs(name: str, noise: str, **more: object) -> Setting:
    """Return a setting of 15,000 photographs and the small network."""
    plain: dict[str, object] = {"data": "cifar10", "rows": 15_000, "model": "small-cnn"}
    return Setting(name=name, noise=noise, **{**plain, **more})  # type: ignore[arg-type]
