"""The suite of the methods of the literature: each on the noise it was made for, beside its plain rivals."""

from unchaff.bench.backbones import Backbone
from unchaff.bench.settings import HUMAN, Setting, photographs
from unchaff.bench.summaries import CORPORA, SUMMARIES

HARDWARE = tuple(f"hardware:{strength}" for strength in (0.25, 0.5, 1.0, 1.5))
ATTACKS = ("pgd:2:20", "pgd:2:100", "transfer:pgd:2:20", "gaussian:1:0.1")
LEVELS = ("layer-noise-0.1", "layer-noise-0.25", "layer-noise-0.5", "layer-noise-1")
RIVALS = ("pgd-training@1", "pgd-training@4")
SPOILT = ("gaussian:1:0.05", "gaussian:1:0.1")
UNLABELLED: dict[str, object] = {
    "backbone": Backbone(),
    "contenders": ("nothing", "turn", "linear-probing", "full-fine-tuning"),
}  # fmt: skip
PLAIN = ("nothing", "retrain")
PAIRED = (
    "nothing",
    "retrain",
    "retrain@2.2",
    "clean-to-noisy",
    "clean-to-noisy-no-decoder",
    "clean-to-noisy-views-only",
)
MISHEARD = "recogniser:0.3"
FILTERING = ("nothing", "input-filter")
SPANS = tuple(
    name for share in (0.06, 0.15, 0.25) for name in (f"foreign:1:{share}", f"spans:foreign:1:{share}")
)
# Every method on the noise it was made for; all start from plain training on the labels as they are.
SYSTEMS = (
    photographs(
        "cifar-instance-30-10k", "instance:0.3", rows=10_000, contenders=("nothing", "retrain", "ssl-plr"),
    ),
    photographs("cifar-symmetric-40", "symmetric:0.4", contenders=(*PLAIN, "lccn")),
    photographs("cifar-pair-40", "pair:0.4", contenders=(*PLAIN, "lccn")),
    photographs("cifar-instance-40", "instance:0.4", contenders=(*PLAIN, "upm", "upm-own")),
    photographs("cifar-worse-label", f"{HUMAN}:worse_label", contenders=(*PLAIN, "upm", "upm-own")),
    photographs(
        "cifar-hardware", "none", contenders=("nothing", "denoise-blocks", "denoise-blocks-random"),
        probes=HARDWARE,
    ),
    photographs(
        "cifar-attacks", "none", contenders=("nothing", "retrain", *LEVELS, *RIVALS),
        probes=ATTACKS,
    ),
    photographs("cifar-unlabelled-symmetric-40", "symmetric:0.4", **UNLABELLED),
    photographs("cifar-unlabelled-symmetric-60", "symmetric:0.6", **UNLABELLED),
    photographs(
        "cifar-five-others", "none", classes=(5, 6, 7, 8, 9),
        backbone=Backbone(classes=(0, 1, 2, 3, 4), noise="symmetric:0.3"),
        contenders=("nothing", "nmtune", "nmtune-linear", "nmtune-plain"), probes=SPOILT,
    ),
    Setting(name="snips", data="slu/snips", contenders=PAIRED, probes=(MISHEARD,)),
    Setting(name="atis", data="slu/atis", contenders=PAIRED, probes=(MISHEARD,)),
    Setting(name="speech-0dB", data="speech_commands", contenders=PAIRED, probes=("gaussian:1:0",)),
    photographs("cifar-patches", "none", contenders=FILTERING, probes=SPANS),
    Setting(
        name="speech-frames", data="speech_commands", model="audio-cnn", contenders=FILTERING, probes=SPANS,
    ),
    *(
        Setting(name=f"{pack}-foreign-sentences", data=f"{SUMMARIES}{pack}", contenders=FILTERING)
        for pack in CORPORA
    ),
)  # fmt: skip
