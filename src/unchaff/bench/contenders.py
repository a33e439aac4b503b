"""A name such as `unlearn@0.25` -> what it runs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from unchaff.bench.ablations import ABLATIONS
from unchaff.bench.oracle import KnownSplit, Oracle, Unjudged
from unchaff.bench.rivals import FullFineTuning, LinearProbing, PgdTraining
from unchaff.errors import ConfigError, NeedsError
from unchaff.interfaces import Repair
from unchaff.methods import METHODS
from unchaff.methods.clean_to_noisy import CleanToNoisy
from unchaff.methods.confident_learning import CleanAndRetrain
from unchaff.methods.denoise_blocks import DenoiseBlocks
from unchaff.methods.early_stop import EarlyStop
from unchaff.methods.finetune_all import FinetuneAll
from unchaff.methods.layer_noise import LayerNoise
from unchaff.methods.neggrad import NegGradPlus
from unchaff.methods.nmtune import NmTune
from unchaff.methods.out_of_fold import ConfidentLearning
from unchaff.methods.retrain import Retrain
from unchaff.methods.scrub import Scrub
from unchaff.methods.unlearn import Unlearn
from unchaff.methods.upm import Upm
from unchaff.prune.random import Random
from unchaff.records import Truth

RANDOM_PRUNING = "random-pruning"
# Variants that only a comparison needs, beside all of METHODS.
VARIANTS: Mapping[str, Repair] = MappingProxyType(
    {
        RANDOM_PRUNING: Unlearn(prune=Random()),
        # What `compare` runs under the plain name: all are shown the same changes of their inputs.
        "early-stop-augmented": EarlyStop(augment=True),
        "scrub-augmented": Scrub(augment=True),
        "neggrad-plus-augmented": NegGradPlus(augment=True),
        "confident-learning-augmented": CleanAndRetrain(detector=ConfidentLearning(augment=True)),
        "upm-own": Upm(own=True, budget=2.0),
        "denoise-blocks-random": DenoiseBlocks(placement="random"),
        "pgd-training": PgdTraining(),
        "linear-probing": LinearProbing(),
        "full-fine-tuning": FullFineTuning(),
        "nmtune-linear": NmTune(hidden=0.0, consistency=0.0, covariance=0.0, rank=0.0),
        "nmtune-plain": NmTune(consistency=0.0, covariance=0.0, rank=0.0),
        "clean-to-noisy-no-decoder": CleanToNoisy(restore=0.0),
        "clean-to-noisy-views-only": CleanToNoisy(restore=0.0, align=0.0),
        **{f"layer-noise-{sigma:g}": LayerNoise(sigma=sigma) for sigma in (0.1, 0.25, 0.5, 1.0)},
    }
)
KNOWN: Mapping[str, Repair] = MappingProxyType({**METHODS, **VARIANTS, **ABLATIONS})
ORACLE = "oracle"
FORGETS = ("ssd", "scrub", "neggrad-plus", "sap")  # each also as NAME-oracle, given the true split
WITH_TRUTH = MappingProxyType({f"{name}-{ORACLE}": METHODS[name] for name in FORGETS})
KNOWING = MappingProxyType(
    {**WITH_TRUTH}
    | {f"{name}-{ORACLE}-augmented": KNOWN[f"{name}-augmented"] for name in ("scrub", "neggrad-plus")}
)
RANDOM_SUBSET = "random-subset"  # as many as our method keeps, drawn by chance, at equal cost


def split(name: str) -> tuple[str, float | None]:
    """Return the name and the budget of `NAME@BUDGET`.

    >>> split("unlearn@0.25")
    ('unlearn', 0.25)
    """
    plain, at, budget = name.partition("@")
    try:
        return plain, float(budget) if at else None
    except ValueError:
        raise ConfigError(f"A contender is NAME or NAME@BUDGET (unlearn@0.25), got {name!r}.") from None


def with_budget(name: str, method: Repair, budget: float | None) -> Repair:
    """Return the method with this budget, where it takes one."""
    if budget is None:
        return method
    if not hasattr(method, "budget"):
        raise ConfigError(f"The method {name} takes no budget. Leave it out.")
    return replace(method, budget=budget)  # type: ignore[type-var]


def contender(
    name: str, *, truth: Truth | None = None, kept_share: Callable[[str], float | None] = lambda _: None
) -> Repair:
    """Return what a name stands for.

    Args:
        name: one of `KNOWN`, `oracle`, `scrub-oracle` and the like, or `random-subset`; with `@BUDGET` or
            without.
        truth: for the oracles; where nothing is noisy there are none.
        kept_share: what another contender of the same ground kept; for the random subset.

    Raises:
        ConfigError: unknown name, or a budget for what takes none.
        NeedsError: it makes no sense here.
    """
    plain, budget = split(name)
    if plain == ORACLE or plain in KNOWING:
        return _knowing(plain, budget, truth)
    if plain == RANDOM_SUBSET:
        share = kept_share(name.replace(plain, "unlearn"))
        if share is None or share >= 1:
            raise NeedsError("It draws as many samples as the repair kept, and nothing was left out here.")
        return FinetuneAll(budget=budget or Unlearn().budget, share=share)
    if plain not in KNOWN:
        allowed = ", ".join((*KNOWN, ORACLE, *KNOWING, RANDOM_SUBSET))
        raise ConfigError(f"There is no contender {plain!r}. Allowed: {allowed}.")
    return with_budget(plain, KNOWN[plain], budget)


def _knowing(plain: str, budget: float | None, truth: Truth | None) -> Repair:
    """Return a contender that is given the truth."""
    if plain in KNOWING and budget is not None:
        raise ConfigError(f"The contender {plain} takes no budget. Leave it out.")
    if truth is None or not bool(truth.is_noisy.any()):
        raise NeedsError(
            "It is given which samples are bad, and nothing is known to be bad here. "
            "Plant noise with --noise, or give --truth."
        )
    if plain == ORACLE:
        return Oracle(truth=truth, training=Retrain(budget=budget or 1.0))
    return replace(KNOWING[plain], attribute=Unjudged(), partition=KnownSplit(truth=truth))  # type: ignore[type-var]


def identity(name: str) -> str:
    """Return all that decides what a contender does: its name and every setting."""
    plain, budget = split(name)
    if plain in KNOWN:
        return repr(with_budget(plain, KNOWN[plain], budget))
    if plain in KNOWING:
        return f"{name} {KNOWING[plain]!r}"
    return f"{name} {Retrain()!r}" if plain == ORACLE else f"{name} {FinetuneAll()!r} {Unlearn()!r}"
