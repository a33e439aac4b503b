"""The published tables: which data, noise, networks and contenders, written out."""

from collections.abc import Mapping
from types import MappingProxyType

from unchaff.bench.ablations import ABLATIONS, EVIDENCE
from unchaff.bench.settings import HUMAN, MANY, Setting, photographs
from unchaff.bench.systems import SYSTEMS

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
WHOLE = (*CONTROLS, "oracle", *_at(0.25, 0.5), *PARTS)  # every control: hours a setting
CORE = ("nothing", *_at(0.25), "unlearn@0.5")
REFERRED = (*CORE, "early-stop", "oracle")
ON_ALL = ("nothing", "unlearn@0.25", "finetune-all@0.25")
TWICE = (*ON_ALL, "unlearn@0.5", "finetune-all@0.5", "oracle")
BESIDE_PAPER = (*ON_ALL, "published")

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
    return photographs(name, noise, **{"contenders": CORE, "detectors": DETECTORS, **more})


BREAST_CANCER = "unchaff.bench.tables:breast_cancer"
SPOILED = "gaussian-published:0.5"  # half of the inputs, as the code of the paper does it
TRAINED_LONGER = {"augment": True, "epochs": 48, "contenders": (*ON_ALL, "early-stop")}
CPU = (
    _cifar(
        "cifar-symmetric-40", "symmetric:0.4", detectors=REFERENCES,
        contenders=(*WHOLE, "unlearn@1", *LITERAL),
    ),
    _cifar("cifar-worse-label", f"{HUMAN}:worse_label", contenders=REFERRED),
    _cifar("cifar-asymmetric-40", "asymmetric:0.4", contenders=REFERRED),
    _cifar("cifar-symmetric-20", "symmetric:0.2"),
    _cifar("cifar-symmetric-60", "symmetric:0.6"),
    _cifar("cifar-symmetric-5", "symmetric:0.05"),
    _cifar("cifar-instance-40", "instance:0.4"),
    _cifar("cifar-aggre-label", f"{HUMAN}:aggre_label"),
    _cifar("cifar-symmetric-40-augmented", "symmetric:0.4", **TRAINED_LONGER),
    _cifar("cifar-worse-label-augmented", f"{HUMAN}:worse_label", **TRAINED_LONGER),
    _cifar("cifar-asymmetric-40-augmented", "asymmetric:0.4", **TRAINED_LONGER),
    _cifar("cifar-clean", "none", contenders=("nothing", *_at(0.25)), detectors=()),
    _cifar("cifar-clean-augmented", "none", contenders=ON_ALL, detectors=(), augment=True),
    _cifar(
        "cifar-gaussian-published", SPOILED,
        contenders=(*TWICE, *LITERAL),
    ),
    _cifar("cifar-gaussian-0.1", "gaussian:0.5:0.1", contenders=BESIDE_PAPER),
    _cifar("cifar-gaussian-0.2", "gaussian:0.5:0.2", contenders=BESIDE_PAPER),
    _cifar("cifar-gaussian-0.4", "gaussian:0.5:0.4", contenders=BESIDE_PAPER),
    _cifar(
        "cifar-gaussian-0.2-symmetric-20", "gaussian:0.5:0.2+symmetric:0.2",
        contenders=BESIDE_PAPER,
    ),
    Setting(
        name="speech-symmetric-40", data="speech_commands", noise="symmetric:0.4",
        contenders=(*CORE, "oracle"), detectors=DETECTORS,
    ),
    Setting(
        name="speech-gaussian-0dB", data="speech_commands", noise="gaussian:0.5:0",
        contenders=TWICE, detectors=DETECTORS,
    ),
    Setting(
        name="speech-gaussian-10dB", data="speech_commands", noise="gaussian:0.5:10",
        contenders=ON_ALL, detectors=DETECTORS,
    ),
    Setting(
        name="texts-symmetric-30", data="sst2", noise="symmetric:0.3",
        contenders=("nothing", *_at(0.25), "oracle"),
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
SPARSER = [name for name in ABLATIONS if ("prun" in name or "smaller" in name) and name not in LITERAL]
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
    _cifar("cifar-worse-label", f"{HUMAN}:worse_label", contenders=FEW_CHANGED, detectors=PIECES),
    _cifar(
        "cifar-gaussian-published", SPOILED, detectors=PIECES,
        contenders=("nothing", *_at(0.25), *PARTS, *(f"{name}@0.25" for name in SPARSER)),
    ),
    _cifar("cifar-symmetric-40-early", "symmetric:0.4", epochs=6, contenders=FEW_CHANGED, detectors=PIECES),
)  # fmt: skip

SUITES: Mapping[str, tuple[Setting, ...]] = MappingProxyType(
    {"smoke": SMOKE, "cpu": CPU, "gpu": GPU, "ablations": ABLATED, "systems": SYSTEMS}
)
