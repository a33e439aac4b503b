"""Workers of a Ray cluster that learn together: Ray Train starts them, and begins again where one dies."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

from unchaff.engine.passes import UNFINISHED
from unchaff.engine.stage import Place
from unchaff.engine.store import Store
from unchaff.errors import DataError, EngineError, UnchaffError
from unchaff.extras import library

TRIES = 3  # times that learning is begun again after a trainer died
WAITING = 60.0  # seconds that Ray Train waits for what trainers ask for, before it asks again
FAULT = f"{UNFINISHED}/fault.txt"  # what a trainer said is wrong with the data

of_ray = partial(library, extra="ray", without="leave --engine out")


@dataclass(frozen=True)
class Share:
    """What the workers of a stage ask for."""

    workers: int
    cpus: float  # of each
    gpus: float

    @property
    def device(self) -> str:
        """Where each of them computes."""
        return "cuda" if self.gpus else "cpu"


@dataclass(frozen=True)
class Trainers:
    """As many trainers as a share is for, on a cluster that was joined."""

    ray: Any
    share: Share
    patience: float  # seconds to wait for them

    def do(self, work: Callable[[Place], None], store: Store) -> None:
        """Do work in all of them at once.

        Raises:
            UnchaffError: what a trainer said.
            EngineError: trainers died again and again, or never came.
        """
        train = of_ray("ray.train")
        store.drop(FAULT)
        for left in reversed(range(TRIES)):
            try:
                with self._released():
                    self._trainer(train, work, store).fit()
            except (self.ray.exceptions.RayError, train.TrainingFailedError) as error:
                # Ray begins again by itself, but not where a trainer dies while it is being started.
                cause = getattr(error, "controller_failure", None)
                if left and isinstance(cause, self.ray.exceptions.RayActorError):
                    continue
                fault = store.read(FAULT)
                if fault is not None:
                    raise DataError(fault.decode()) from None
                raise EngineError(
                    f"Learning failed on the cluster: {told(error)}. What was done is kept: see to the "
                    "cluster, and go on with --resume."
                ) from error
            else:
                return

    @contextmanager
    def _released(self) -> Iterator[None]:
        """Give back what was reserved for trainers meanwhile.

        Ray does so as soon as nobody uses it, but not where a trainer dies while it is being started: what
        was reserved would be missing until this process ends, and trainers begun again would wait for it.
        """
        before, groups = self._reserved(), of_ray("ray.util.placement_group")
        try:
            yield
        finally:
            for each in self._reserved() - before:
                group = groups.PlacementGroup(self.ray.PlacementGroupID(bytes.fromhex(each)))
                self.ray.util.remove_placement_group(group)

    def _reserved(self) -> set[str]:
        """Return the ids of what this job has reserved; they end with that of the job."""
        job = self.ray.get_runtime_context().get_job_id()
        table = self.ray.util.placement_group_table()
        return {each for each, about in table.items() if each.endswith(job) and about["state"] != "REMOVED"}

    def _trainer(self, train: Any, work: Callable[[Place], None], store: Store) -> Any:  # noqa: ANN401 - untyped
        share, torch_of = self.share, of_ray("ray.train.torch")
        return torch_of.TorchTrainer(
            partial(_train, work=work, store=store),
            scaling_config=train.ScalingConfig(
                num_workers=share.workers,
                use_gpu=bool(share.gpus),
                resources_per_worker={"CPU": share.cpus, **({"GPU": share.gpus} if share.gpus else {})},
            ),
            run_config=train.RunConfig(
                name=f"unchaff-{uuid.uuid4().hex[:8]}",
                **_place_of(store),
                failure_config=train.FailureConfig(
                    max_failures=TRIES, controller_failure_limit=int(self.patience // WAITING)
                ),
            ),
        )


def _place_of(store: Store) -> dict[str, Any]:
    """Return where Ray Train may leave what it needs; stores it does not know it reaches as we do."""
    files, root = store.opened
    place = {"storage_path": f"{root}/{UNFINISHED}"}
    if isinstance(files, LocalFileSystem):
        return place
    return {**place, "storage_filesystem": PyFileSystem(FSSpecHandler(files))}


def _train(work: Callable[[Place], None], store: Store) -> None:
    """Be one of the trainers; what is wrong with the data is left in the store, from where it is said."""
    train, torch_of = of_ray("ray.train"), of_ray("ray.train.torch")
    context, fault = train.get_context(), store.read(FAULT)
    if fault is not None:  # learning was begun again for it, in vain
        raise DataError(fault.decode())
    try:
        work(Place(context.get_world_rank(), context.get_world_size(), torch_of.get_device()))
    except UnchaffError as error:
        store.put(FAULT, str(error).encode())
        raise


def told(error: BaseException) -> str:
    """Return the line in which an error says what it is: below a traceback, else the first whole one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    whole = [line for line in lines if not line.endswith(":")] or lines
    return (lines[-1] if "Traceback" in str(error) else whole[0])[:300].rstrip(".")
