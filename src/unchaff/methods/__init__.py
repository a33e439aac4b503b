"""Whole methods, one per file; `METHODS` is the one list of them."""

from collections.abc import Mapping
from types import MappingProxyType

from unchaff.interfaces import Repair
from unchaff.methods.denoise_blocks import DenoiseBlocks
from unchaff.methods.early_stop import EarlyStop
from unchaff.methods.finetune_all import FinetuneAll
from unchaff.methods.gce import Gce
from unchaff.methods.layer_noise import LayerNoise
from unchaff.methods.nothing import Nothing
from unchaff.methods.published import Published
from unchaff.methods.retrain import Retrain, RetrainKept
from unchaff.methods.unlearn import Unlearn
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
        "layer-noise": LayerNoise(),
        "denoise-blocks": DenoiseBlocks(),
    }
)
