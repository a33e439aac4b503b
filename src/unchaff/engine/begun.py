"""The folder of a run on a cluster: empty, begun with the same settings, or finished."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from unchaff.engine.finding import Found
from unchaff.engine.passes import QUALITY, UNFINISHED
from unchaff.engine.store import Store
from unchaff.errors import RunFolderError
from unchaff.journal import difference
from unchaff.records import Trained
from unchaff.runs.manifest import plain, sha256
from unchaff.runs.weights import to_bytes

SUMMARY = "summary.json"  # written last: a run without it is not finished
MODEL = "model.safetensors"  # of the repaired network
SETTINGS = f"{UNFINISHED}/settings.json"
OURS = {SUMMARY, UNFINISHED, QUALITY, MODEL}


@dataclass(frozen=True, kw_only=True)
class Begin:
    """What to do with what lies in the folder of a run."""

    resume: bool = False  # go on with it
    overwrite: bool = False  # delete it


ANEW = Begin()


def begin(store: Store, settings: dict[str, object], how: Begin) -> dict[str, Any] | None:
    """Make the folder ready, or return the result of the run that is finished in it.

    Raises:
        RunFolderError: it holds something else, or a run with other settings.
    """
    settings, there = json.loads(json.dumps(settings)), store.names()
    if there and not set(there) <= OURS:
        raise RunFolderError(f"{store.place} holds something else than such a run. Choose another --out.")
    if how.overwrite and not how.resume:
        for name in (SUMMARY, SETTINGS, *there):  # first what says that the rest belongs together
            store.drop(name)
        there = []
    finished, begun = store.read(SUMMARY), store.read(SETTINGS)
    if finished is not None:
        return _finished(store, json.loads(finished), settings, how)
    if begun is None:
        _cleared(store, there)
        store.put(SETTINGS, json.dumps(settings).encode())
        return None
    if not how.resume:
        raise RunFolderError(
            f"{store.place} holds an unfinished run. Go on with --resume, begin anew with --overwrite, or "
            "choose another --out."
        )
    differing = difference(json.loads(begun), settings)
    if differing:
        raise RunFolderError(
            f"The unfinished run in {store.place} differs in its settings: {differing}. Give back what it "
            "began with, or --overwrite to begin anew."
        )
    return None


def _cleared(store: Store, there: list[str]) -> None:
    """Delete what an attempt left that was stopped before it wrote down its settings."""
    if set(there) - {UNFINISHED}:
        raise RunFolderError(
            f"{store.place} holds {', '.join(there)}, and no run they belong to. Begin anew with "
            "--overwrite, which deletes them, or choose another --out."
        )
    store.drop(UNFINISHED)


def _finished(store: Store, said: dict[str, Any], settings: dict[str, Any], how: Begin) -> dict[str, Any]:
    if not how.resume:
        raise RunFolderError(
            f"{store.place} holds a finished run. Choose another --out, or --overwrite to replace it."
        )
    differing = difference(said["settings"], settings)
    if differing:
        raise RunFolderError(
            f"The finished run in {store.place} had other settings: {differing}. Choose another --out, or "
            "--overwrite to replace it."
        )
    result: dict[str, Any] = said["result"]
    return result


def settings_of(found: Found, trained: Trained) -> dict[str, object]:
    """Return what a run depends on."""
    return {
        "rows": found.count,
        "units_sha256": sha256(repr(found.units).encode()),
        "data": found.identity,
        "classes": list(found.example.class_names),
        "options": plain(asdict(found.options)),
        "network_sha256": sha256(to_bytes(trained.model.state_dict())),
    }
