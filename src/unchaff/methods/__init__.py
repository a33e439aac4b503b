"""Whole methods, one per file; `METHODS` is the one list of them."""

from collections.abc import Mapping
from types import MappingProxyType

from unchaff.interfaces import Repair
from unchaff.methods.clean_to_noisy import CleanToNoisy
from unchaff.methods.co_teaching import CoTeaching
from unchaff.methods.confident_learning import CleanAndRetrain
from unchaff.methods.denoise_blocks import DenoiseBlocks
from unchaff.methods.divide_lite import DivideLite
from unchaff.methods.early_stop import EarlyStop
from unchaff.methods.elr import Elr
from unchaff.methods.ema import Ema
from unchaff.methods.finetune_all import FinetuneAll
from unchaff.methods.forward import Forward
from unchaff.methods.gce import Gce
from unchaff.methods.input_filter import InputFilter
from unchaff.methods.layer_noise import LayerNoise
from unchaff.methods.lccn import Lccn
from unchaff.methods.neggrad import NegGradPlus
from unchaff.methods.nmtune import NmTune
from unchaff.methods.nothing import Nothing
from unchaff.methods.published import Published
from unchaff.methods.retrain import Retrain, RetrainKept
from unchaff.methods.sap import Sap
from unchaff.methods.sce import Sce
from unchaff.methods.scrub import Scrub
from unchaff.methods.small_loss import SmallLoss
from unchaff.methods.sop import Sop
from unchaff.methods.ssd import Ssd
from unchaff.methods.ssl_plr import SslPlr
from unchaff.methods.turn import Turn
from unchaff.methods.unlearn import Unlearn
from unchaff.methods.upm import Upm
from unchaff.prune.sensitivity import Sensitivity

METHODS: Mapping[str, Repair] = MappingProxyType(
    {
        "unlearn": Unlearn(),
        "unlearn-pruned": Unlearn(prune=Sensitivity()),
        "published": Published(),
        "nothing": Nothing(),
        "retrain": Retrain(),
        "retrain-kept": RetrainKept(),
        "early-stop": EarlyStop(),
        "finetune-all": FinetuneAll(),
        "gce": Gce(),
        "nmtune": NmTune(),
        "sce": Sce(),
        "forward": Forward(),
        "elr": Elr(),
        "sop": Sop(),
        "ema": Ema(),
        "co-teaching": CoTeaching(),
        "small-loss": SmallLoss(),
        "lccn": Lccn(),
        "upm": Upm(),
        "ssl-plr": SslPlr(),
        "turn": Turn(),
        "ssd": Ssd(),
        "scrub": Scrub(),
        "neggrad-plus": NegGradPlus(),
        "sap": Sap(),
        "confident-learning": CleanAndRetrain(),
        "divide-lite": DivideLite(),
        "layer-noise": LayerNoise(),
        "denoise-blocks": DenoiseBlocks(),
        "clean-to-noisy": CleanToNoisy(),
        "input-filter": InputFilter(),
    }
)
