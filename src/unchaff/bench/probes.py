"""How right a network is where more than clean inputs is asked of it: noisy, attacked, on noisy hardware."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from unchaff import noise as noises
from unchaff.data.prepare import Pixels as Prepared
from unchaff.data.prepare import Prepare
from unchaff.errors import ConfigError
from unchaff.evaluate.accuracy import score
from unchaff.evaluate.attacks import Attack, Pixels, score_under
from unchaff.evaluate.hardware import score_on_hardware
from unchaff.evaluate.spans import auroc_in_inputs
from unchaff.evaluate.tagging import score_tags
from unchaff.nets.filtering import Filtered
from unchaff.noise.foreign import ForeignSpans
from unchaff.samples import Samples
from unchaff.streams import Streams

ATTACK, HARDWARE, SPANS = "pgd", "hardware", "spans"
TAG_F1 = "tag F1"
ATTACKED = 1000  # test samples: every one costs as many passes as the attack has steps


@dataclass(frozen=True, kw_only=True)
class Probing:
    """What all networks of a ground are probed with."""

    test: Samples  # with right labels
    prepare: Prepare  # that made its inputs of raw ones
    start: nn.Module  # the network as it came
    streams: Streams  # of all that is drawn: the same for all networks of a seed

    @cached_property
    def _planted(self) -> dict[str, Samples]:
        return {}

    def spoiled(self, name: str) -> Samples:
        """Return the test samples with this noise in their inputs, planted when first asked for.

        Raises:
            ConfigError: it is no noise.
        """
        if name not in self._planted:
            noise = noises.parse(name)
            if noise is None:
                raise ConfigError(
                    f"There is no probe {name!r}. Allowed: pgd:8:20, hardware:0.5, or noise of inputs."
                )
            self._planted[name] = noise(self.test, streams=self.streams)[0]
        return self._planted[name]


def applies(name: str, model: nn.Module) -> bool:
    """Whether a probe says anything of this network: spans are found by a filter only."""
    return not name.startswith(f"{SPANS}:") or isinstance(model, Filtered)


def probed(name: str, model: nn.Module, by: Probing) -> float:
    """Return the accuracy of a network under a probe.

    Args:
        name: `pgd:EPSILON:STEPS`, with the bound in 255ths of the pixels' range, and `transfer:` before it
            for one made against the network as it came; `hardware:STRENGTH`, in deviations of what each layer
            returns; `spans:` before noise of foreign spans for the AUROC of those, where there is a filter;
            else noise of the inputs, as `inject` takes it.
        model: not modified.
        by: data and what is drawn.

    Raises:
        ConfigError: the name is none of these.
    """
    kind, _, rest = name.removeprefix("transfer:").partition(":")
    if kind == ATTACK:
        against = by.start if name.startswith("transfer:") else model
        attack = _attack(name, rest, by.prepare)
        some = by.test.at(by.streams.subset("attacked", by.test.ids, min(ATTACKED, len(by.test))))
        return score_under(attack, model, some, streams=by.streams, source=against).accuracy
    if kind == HARDWARE:
        strength = _numbers(name, rest, 1)[0]
        return score_on_hardware(model, by.test, (strength,), streams=by.streams)[strength].accuracy
    if kind == SPANS:
        return _found(name, rest, model, by)
    return score(model, by.spoiled(name)).accuracy


def _found(name: str, rest: str, model: nn.Module, by: Probing) -> float:
    planted = noises.parse(rest)
    if not isinstance(planted, ForeignSpans) or not isinstance(model, Filtered):
        raise ConfigError(f"The probe {name!r} is for a network with a filter. Write spans:foreign:1:0.25.")
    return auroc_in_inputs(model, by.test, planted, streams=by.streams)


def tagged(names: Sequence[str], model: nn.Module, by: Probing) -> dict[str, float]:
    """Return the F1 of the tags of words, clean and under each noise of inputs; nothing where there are none.

    Arguments as for `probed`.
    """
    if by.test.tags is None:
        return {}
    tests = {TAG_F1: by.test, **{f"{name} {TAG_F1}": by.spoiled(name) for name in names}}
    return {name: score_tags(model, test).f1 for name, test in tests.items()}


def _attack(name: str, rest: str, prepare: Prepare) -> Attack:
    epsilon, steps = _numbers(name, rest, 2)
    if not isinstance(prepare, Prepared):
        raise ConfigError(f"The probe {name!r} is for pictures, and these inputs are none. Leave it out.")
    pixels = Pixels(mean=prepare.mean or (0.0,), std=prepare.std or (1.0,))
    step = max(epsilon / 4, 2.5 * epsilon / steps)
    return Attack(epsilon=epsilon / 255, step=step / 255, steps=int(steps), pixels=pixels)


def _numbers(name: str, rest: str, count: int) -> list[float]:
    parts = rest.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise ConfigError(f"The probe {name!r} takes {count} numbers. Write pgd:8:20 or hardware:0.5.")
    return numbers
