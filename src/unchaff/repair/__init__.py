"""Whole methods, one per file; `METHODS` is the one list of them."""

from collections.abc import Mapping
from types import MappingProxyType

from unchaff.interfaces import Repair
from unchaff.repair.finetune_all import FinetuneAll
from unchaff.repair.nothing import Nothing
from unchaff.repair.published import Published
from unchaff.repair.retrain import Retrain, RetrainKept
from unchaff.repair.unlearn import Unlearn

METHODS: Mapping[str, Repair] = MappingProxyType(
    {
        "unlearn": Unlearn(),
        "published": Published(),
        "nothing": Nothing(),
        "retrain": Retrain(),
        "retrain-kept": RetrainKept(),
        "finetune-all": FinetuneAll(),
    }
)
