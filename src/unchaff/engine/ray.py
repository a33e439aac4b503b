"""Stages on a Ray cluster: Ray Data schedules, streams and retries; each unit is treated as it is here."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import ModuleType, TracebackType
from typing import Any, Generic

import torch

from unchaff.engine.stage import Piece, Place, Result, Stage
from unchaff.engine.store import Store
from unchaff.engine.trainers import Share, Trainers, of_ray, told
from unchaff.engine.units import Unit
from unchaff.errors import ConfigError, EngineError, UnchaffError

READING = 0.5  # CPUs that a task of reading asks for beside workers, which leave it as much at least:
# else both would wait for each other for ever
LEAST, STEP = 20, 5  # hundredths of a CPU that a worker asks for at least, and between two sizes
LOOKS = 1.0  # seconds between two looks at what the cluster has


@dataclass
class Ray:
    """A Ray cluster: the one joined already, or one that is started here for as long as it is used.

    A few workers hold the network; tasks beside them read and decode. Results come in the order of the
    units and do not depend on how many workers there are. Use it in a `with` block, which ends what it
    started.
    """

    address: str | None = None  # of a cluster this machine is part of, mostly auto; None: one is started here
    scorers: int | None = None  # workers that hold the network; None: one per GPU, or one per CPU but one
    trainers: int | None = None  # workers that learn together; None: as many
    device: str = "auto"  # of the workers; auto: GPUs where the cluster has any
    patience: float = 300.0  # seconds to wait for nodes that are needed
    silence: float = 900.0  # seconds without any progress after which a stage has failed
    _ray: Any = field(default=None, init=False, repr=False)
    _owns: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, asked in (("scorers", self.scorers), ("trainers", self.trainers)):
            if asked is not None and asked < 1:
                raise ConfigError(f"{name} must be 1 or more, got {asked}. Leave it out for one a device.")
        if self.patience <= 0 or self.silence <= 0:
            raise ConfigError(
                f"patience and silence must be above 0, got {self.patience} and {self.silence}."
            )

    def __enter__(self) -> "Ray":
        """Connect, or start.

        Raises:
            NeedsError: Ray is not installed.
            EngineError: the cluster cannot be reached.
        """
        ray = of_ray("ray")
        of_ray("ray.data")
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
        self._owns = not ray.is_initialized()
        where = {"include_dashboard": False} if self.address is None else {"address": self.address}
        try:
            if self._owns:
                ray.init(**where, **quiet)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise EngineError(
                f"Ray cannot be reached at {self.address or 'this machine'}: {told(error)}. "
                "Start one with `ray start --head`, or leave --ray-address out."
            ) from error
        self._ray = ray
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cluster; one that was started here ends, one that was joined before stays joined."""
        if self._owns:
            self._ray.shutdown()
        self._ray = None

    @property
    def _joined(self) -> Any:  # noqa: ANN401 - Ray has no types
        if self._ray is None:
            raise EngineError("Not connected. Use the engine in a block: `with Ray() as engine: ...`.")
        return self._ray

    def run(self, stage: Stage[Piece, Result], units: Sequence[Unit]) -> Iterator[Result]:
        """Yield the result of each unit, in the order of the units.

        Raises:
            UnchaffError: what a worker said of its unit.
            EngineError: nodes never came, workers died again and again, or nothing moves any more.
        """
        if not units:
            return
        ray, share = self._joined, self._share(self.scorers, on_device=stage.on_device)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        context.wait_for_min_actors_s = self.patience
        context.execution_no_progress_timeout_s = self.silence
        read, look = _Box(ray.put(stage.read)), _Box(ray.put(stage.look))  # held here while the stage runs
        rows = ray.data.from_items([{"unit": _Box(unit)} for unit in units], override_num_blocks=len(units))
        if stage.on_device:
            rows = rows.map(partial(_read, held=read), num_cpus=READING)
            pool = ray.data.ActorPoolStrategy(size=min(share.workers, len(units)))
            asked = {"num_cpus": share.cpus, "num_gpus": share.gpus or None}
            rows = rows.map(_Looks, fn_constructor_args=(look, share.device), compute=pool, **asked)
        else:
            rows = rows.map(partial(_both, read=read, look=look), num_cpus=1)
        try:
            for row in rows.iter_rows():
                result = row["result"].content
                if isinstance(result, UnchaffError):
                    raise result
                yield result
        except ray.data.exceptions.ExecutionTimeoutError as error:
            raise EngineError(
                f"The stage {stage.name!r} made no progress: no unit was finished for {self.silence:g} s. "
                "What was done is kept: see to the cluster, or give --ray-silence more seconds where a unit "
                "takes longer, and go on with --resume."
            ) from error
        except ray.exceptions.RayError as error:
            raise EngineError(
                f"The stage {stage.name!r} failed on the cluster: {told(error)}. What was done is "
                "kept: see to the cluster, and go on with --resume."
            ) from error

    def together(self, work: Callable[[Place], None], store: Store) -> None:
        """Do work in all trainers at once, which can speak to each other by torch.distributed.

        Where one of them dies, all begin the work again.

        Raises:
            UnchaffError: what a trainer said.
            EngineError: trainers died again and again, or never came.
        """
        share = self._share(self.trainers, on_device=True)
        Trainers(self._joined, share, self.patience).do(work, store)

    def _share(self, asked: int | None, *, on_device: bool) -> Share:
        """Return how many workers there are and what each asks for, once the cluster has it.

        Raises:
            EngineError: it has not, after all patience.
        """
        began = time.monotonic()
        while True:
            nodes = [node["Resources"] for node in self._joined.nodes() if node["Alive"]]
            cpus, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
            wants_gpus = on_device and (self.device == "cuda" or (self.device == "auto" and gpus > 0))
            workers = asked or max(1, int(gpus) if wants_gpus else int(cpus) - 1)
            each = largest([node.get("CPU", 0.0) for node in nodes], workers)
            if each and (gpus >= workers or not wants_gpus):
                return Share(workers, each, 1.0 if wants_gpus else 0.0)
            if time.monotonic() - began >= self.patience:
                also = f" and {workers} GPUs" if wants_gpus else ""
                need = f"{workers * LEAST / 100 + READING:g} CPUs{also}"
                raise EngineError(
                    f"{workers} workers need {need}, and after {self.patience:g} s the cluster has {cpus:g} "
                    f"CPUs and {gpus:g} GPUs. Wait longer for its nodes with --ray-patience, or give fewer "
                    "--scorers or --trainers."
                )
            time.sleep(min(LOOKS, self.patience))


def largest(nodes: Sequence[float], workers: int) -> float:
    """Return the CPUs that each of several workers can have, at most one; 0 where they cannot all be placed.

    Args:
        nodes: CPUs of each node; one of them has to keep what reading needs.
        workers: of one size, each on one node.
    """
    rooms = sorted(round(100 * cpus) for cpus in nodes)  # in hundredths, of which sums are exact
    rooms[-1:] = [max(0, room - round(100 * READING)) for room in rooms[-1:]]
    for size in range(100, LEAST - 1, -STEP):
        if sum(room // size for room in rooms) >= workers:
            return size / 100
    return 0.0


@dataclass(frozen=True)
class _Box(Generic[Result]):
    """Anything, on its way through a table: Ray would make an array of what looks like one."""

    content: Result


@lru_cache(maxsize=2)
def _fetched(held: Any) -> Any:  # noqa: ANN401 - a reference to anything
    """Return what a reference stands for; a process that reads unit after unit fetches it once."""
    ray: ModuleType = of_ray("ray")
    return ray.get(held)


def _read(row: dict[str, Any], held: _Box[Any]) -> dict[str, Any]:
    """Read a unit; what is wrong with it goes on as its result."""
    try:
        return {"piece": _Box(_fetched(held.content)(row["unit"].content))}
    except UnchaffError as error:
        return {"piece": _Box(error)}


def _both(row: dict[str, Any], read: _Box[Any], look: _Box[Any]) -> dict[str, Any]:
    """Read a unit and look at it, in one task."""
    return _looked(_read(row, read), _fetched(look.content))


class _Looks:
    """A worker: it holds the network and looks at one piece after the other."""

    def __init__(self, held: _Box[Any], device: str) -> None:
        self._look = _fetched(held.content).placed(torch.device(device))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a piece."""
        return _looked(row, self._look)


def _looked(row: dict[str, Any], look: Callable[[Any], object]) -> dict[str, Any]:
    piece = row["piece"].content
    try:
        return {"result": _Box(piece if isinstance(piece, UnchaffError) else look(piece))}
    except UnchaffError as error:
        return {"result": _Box(error)}
