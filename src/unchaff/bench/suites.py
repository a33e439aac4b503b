"""The published tables: which data, noise, networks and contenders, written out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

from unchaff.bench.ablations import ABLATIONS, EVIDENCE
from unchaff.bench.cell import Cell, Material
from unchaff.bench.summaries import CORPORA, deciding
from unchaff.data import Options
from unchaff.data.load import is_made
from unchaff.errors import DataError

SEEDS = (5, 6, 7)  # of the tables; choices are made on seeds 0 to 4
MANY = tuple(range(5, 13))  # where a row takes seconds
SUMMARIES = "summarization/"  # begins the data of settings about documents
PACK = "PACK"  # in a noise spec: the folder of the data pack


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
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # accuracy each must stay in

    @property
    def summarises(self) -> bool:
        """Whether its data are documents, see summaries.py."""
        return self.data.startswith(SUMMARIES)

    @property
    def ground(self) -> dict[str, object]:
        """What decides the numbers, seeds and contenders apart."""
        apart = {"name", "seeds", "contenders", "detectors", "ranges", "probes"}
        told = {name: value for name, value in asdict(self).items() if name not in apart}
        if self.summarises:
            return {**told, "summaries": deciding(self.data)}
        return {**told, "probes": self.probes} if self.probes else told

    @property
    def sentence(self) -> str:
        """What it is, for the page."""
        if self.summarises:
            return f"{self.data}; foreign sentences, links and code; one summary each, nearest to the mean."
        rows = "" if self.rows is None else f", first {self.rows} rows"
        how = "with augmentation" if self.augment else "without augmentation"
        noise = self.noise.replace(f"{PACK}/", "")
        network = self.model or "the default network"
        return f"{self.data}{rows}; noise {noise}; {network}, {self.epochs} epochs {how}."

    def cell(self, seed: int, place: "Place") -> Cell:
        """Return the same as `unchaff repair` would run.

        Raises:
            DataError: it needs a data pack, and no folder of packs was given.
        """
        data = self.data if is_made(self.data) else str(self._pack(place))
        noise = self.noise.replace(PACK, str(self._pack(place))) if PACK in self.noise else self.noise
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

    def _pack(self, place: "Place") -> Path:
        if place.packs is None:
            raise DataError(
                f"The setting {self.name} needs the data pack {self.data}. "
                "Give --packs FOLDER, a folder with one folder per pack."
            )
        return place.packs / self.data


DETECTORS = ("final-loss", "final-margin", "small-loss-mixture", "published", "readout", "trajectory")
REFERENCES = (*DETECTORS, "confident-learning", "tracin-self-influence")
CONTROLS = ("nothing", "retrain", "early-stop")


def _at(*budgets: float) -> tuple[str, ...]:
    """Return our method and its rivals at equal cost."""
    return tuple(
        f"{name}@{budget:g}" for budget in budgets for name in ("unlearn", "finetune-all", "retrain")
    )


LITERAL = ("published", "published-last-layers", "published-unpruned")  # the code of the paper
PARTS = ("random-subset@0.25", "unlearn-pruned@0.25", "random-pruning@0.25")
WHOLE = (*CONTROLS, "oracle", *_at(0.25, 0.5), *PARTS)

# Mean of seeds 0 to 7, four deviations and a point each way: experiments/smoke/results.jsonl.
DIGITS_RANGES = {
    "nothing": (0.58, 0.83), "oracle": (0.95, 1.0), "retrain-kept": (0.90, 1.0),
    "unlearn@0.25": (0.90, 1.0), "finetune-all@0.25": (0.75, 0.96), "retrain@0.25": (0.84, 0.98),
    "early-stop": (0.80, 0.99),
}  # fmt: skip
CLEAN_RANGES = {"nothing": (0.96, 1.0), "unlearn@0.25": (0.96, 1.0)}

DIGITS = (*CONTROLS, "oracle", "retrain-kept", "published", *_at(0.25), *PARTS)
SMOKE = (
    Setting(
        name="digits-symmetric-40", data="digits", noise="symmetric:0.4", seeds=(0,),
        contenders=DIGITS, detectors=DETECTORS, ranges=DIGITS_RANGES,
    ),
    Setting(
        name="digits-clean", data="digits", seeds=(0,), contenders=("nothing", *_at(0.25)),
        ranges=CLEAN_RANGES,
    ),
)  # fmt: skip


def _cifar(name: str, noise: str, **more: object) -> Setting:
    """Return a setting of 15,000 photographs and the small network."""
    plain: dict[str, object] = {
        "data": "cifar10", "rows": 15_000, "model": "small-cnn", "contenders": WHOLE, "detectors": DETECTORS,
    }  # fmt: skip
    return Setting(name=name, noise=noise, **{**plain, **more})  # type: ignore[arg-type]


HUMAN = f"human:{PACK}/cifar10n.parquet"
BREAST_CANCER = "unchaff.bench.tables:breast_cancer"
SPOILED = "gaussian-published:0.5"  # half of the inputs, as the code of the paper does it
TRAINED_LONGER = {"augment": True, "epochs": 48}
CPU = (
    _cifar(
        "cifar-symmetric-40", "symmetric:0.4", detectors=REFERENCES,
        contenders=(*WHOLE, "unlearn@1", *LITERAL),
    ),
    _cifar("cifar-worse-label", f"{HUMAN}:worse_label"),
    _cifar("cifar-asymmetric-40", "asymmetric:0.4"),
    _cifar("cifar-symmetric-20", "symmetric:0.2"),
    _cifar("cifar-symmetric-60", "symmetric:0.6"),
    _cifar("cifar-symmetric-5", "symmetric:0.05"),
    _cifar("cifar-instance-40", "instance:0.4"),
    _cifar("cifar-aggre-label", f"{HUMAN}:aggre_label"),
    _cifar("cifar-symmetric-40-augmented", "symmetric:0.4", **TRAINED_LONGER),
    _cifar("cifar-worse-label-augmented", f"{HUMAN}:worse_label", **TRAINED_LONGER),
    _cifar("cifar-asymmetric-40-augmented", "asymmetric:0.4", **TRAINED_LONGER),
    _cifar("cifar-clean", "none", contenders=("nothing", *_at(0.25)), detectors=()),
    _cifar("cifar-clean-augmented", "none", contenders=("nothing", *_at(0.25)), detectors=(), augment=True),
    _cifar("cifar-gaussian-published", SPOILED, contenders=(*WHOLE, *LITERAL)),
    _cifar("cifar-gaussian-0.1", "gaussian:0.5:0.1"),
    _cifar("cifar-gaussian-0.2", "gaussian:0.5:0.2"),
    _cifar("cifar-gaussian-0.4", "gaussian:0.5:0.4"),
    _cifar("cifar-gaussian-0.2-symmetric-20", "gaussian:0.5:0.2+symmetric:0.2"),
    Setting(
        name="speech-symmetric-40", data="speech_commands", noise="symmetric:0.4",
        contenders=WHOLE, detectors=DETECTORS,
    ),
    Setting(
        name="speech-gaussian-0dB", data="speech_commands", noise="gaussian:0.5:0",
        contenders=WHOLE, detectors=DETECTORS,
    ),
    Setting(
        name="speech-gaussian-10dB", data="speech_commands", noise="gaussian:0.5:10",
        contenders=WHOLE, detectors=DETECTORS,
    ),
    Setting(
        name="texts-symmetric-30", data="sst2", noise="symmetric:0.3",
        contenders=(*CONTROLS, "oracle", *_at(0.25)),
    ),
    Setting(
        name="table-symmetric-30", data=BREAST_CANCER, noise="symmetric:0.3", epochs=60, seeds=MANY,
        contenders=(*CONTROLS, "oracle", *_at(0.25)), detectors=DETECTORS,
    ),
    Setting(
        name="table-clean", data=BREAST_CANCER, epochs=60, seeds=MANY,
        contenders=("nothing", *_at(0.25)),
    ),
)  # fmt: skip


def _full(name: str, noise: str) -> Setting:
    """Return a setting of all photographs and the network of the paper, trained with augmentation."""
    return Setting(
        name=name, data="cifar10", noise=noise, model="resnet18", epochs=60, augment=True,
        seeds=(5, 6, 7, 8, 9), detectors=DETECTORS,
        contenders=(*CONTROLS, "oracle", *_at(0.15, 0.25), *PARTS),
    )  # fmt: skip


GPU = (
    _full("cifar-full-symmetric-25", "symmetric:0.25"),
    _full("cifar-full-worse-label", f"{HUMAN}:worse_label"),
    _full("cifar-full-symmetric-40", "symmetric:0.4"),
    Setting(
        name="speech-symmetric-40", data="speech_commands", noise="symmetric:0.4", seeds=(5, 6, 7, 8, 9),
        contenders=WHOLE, detectors=DETECTORS,
    ),
)  # fmt: skip

ONE_PART_CHANGED = (
    "nothing",
    *_at(0.25),
    *PARTS,
    *(f"{name}@0.25" for name in ABLATIONS if name not in LITERAL),
)
FEW_CHANGED = ("nothing", *_at(0.25), "unshrunk@0.25", "one-round@0.25")
PIECES = (*DETECTORS, *EVIDENCE)
ABLATED = (
    Setting(
        name="digits-symmetric-40", data="digits", noise="symmetric:0.4", seeds=MANY,
        contenders=(*ONE_PART_CHANGED, *LITERAL), detectors=PIECES,
    ),
    Setting(
        name="digits-gaussian", data="digits", noise="gaussian:0.5", seeds=MANY,
        contenders=(*ONE_PART_CHANGED, *LITERAL), detectors=PIECES,
    ),
    _cifar("cifar-symmetric-40", "symmetric:0.4", contenders=ONE_PART_CHANGED, detectors=PIECES),
    _cifar("cifar-worse-label", f"{HUMAN}:worse_label", contenders=ONE_PART_CHANGED, detectors=PIECES),
    _cifar("cifar-gaussian-published", SPOILED, contenders=ONE_PART_CHANGED, detectors=PIECES),
    _cifar("cifar-symmetric-40-early", "symmetric:0.4", epochs=6, contenders=FEW_CHANGED, detectors=PIECES),
)  # fmt: skip

HARDWARE = tuple(f"hardware:{strength}" for strength in (0.25, 0.5, 1.0, 1.5))
ATTACKS = ("pgd:2:20", "pgd:2:100", "transfer:pgd:2:20", "gaussian:1:0.1")
LEVELS = ("layer-noise-0.1", "layer-noise-0.25", "layer-noise-0.5", "layer-noise-1")
PLAIN = ("nothing", "retrain")
FILTERING = ("nothing", "input-filter")
SPANS = tuple(
    name for share in (0.06, 0.15, 0.25) for name in (f"foreign:1:{share}", f"spans:foreign:1:{share}")
)
# Every method on the noise it was made for; all start from plain training on the labels as they are.
SYSTEMS = (
    _cifar(
        "cifar-instance-30-10k", "instance:0.3", rows=10_000, contenders=("nothing", "retrain", "ssl-plr"),
        detectors=(),
    ),
    _cifar("cifar-symmetric-40", "symmetric:0.4", contenders=(*PLAIN, "turn", "lccn"), detectors=()),
    _cifar("cifar-symmetric-60", "symmetric:0.6", contenders=(*PLAIN, "turn"), detectors=()),
    _cifar("cifar-pair-40", "pair:0.4", contenders=(*PLAIN, "lccn"), detectors=()),
    _cifar("cifar-instance-40", "instance:0.4", contenders=(*PLAIN, "upm", "upm-own"), detectors=()),
    _cifar("cifar-worse-label", f"{HUMAN}:worse_label", contenders=(*PLAIN, "upm", "upm-own"), detectors=()),
    _cifar(
        "cifar-hardware", "none", contenders=("nothing", "denoise-blocks", "denoise-blocks-random"),
        detectors=(), probes=HARDWARE,
    ),
    _cifar("cifar-patches", "none", contenders=FILTERING, detectors=(), probes=SPANS),
    Setting(
        name="speech-frames", data="speech_commands", model="audio-cnn", contenders=FILTERING, probes=SPANS,
    ),
    *(
        Setting(name=f"{pack}-foreign-sentences", data=f"{SUMMARIES}{pack}", contenders=FILTERING)
        for pack in CORPORA
    ),
    _cifar("cifar-attacks", "none", contenders=("nothing", "retrain", *LEVELS), detectors=(), probes=ATTACKS),
)  # fmt: skip

SUITES: Mapping[str, tuple[Setting, ...]] = MappingProxyType(
    {"smoke": SMOKE, "cpu": CPU, "gpu": GPU, "ablations": ABLATED, "systems": SYSTEMS}
)
