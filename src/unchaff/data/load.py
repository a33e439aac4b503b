"""A spec -> Samples, and one sentence about what was found."""

import re
from dataclasses import replace
from pathlib import Path

from unchaff.data.assemble import Assembled, assemble, check_alike
from unchaff.data.delimited import is_delimited, list_delimited
from unchaff.data.digits import digits
from unchaff.data.factory import call_factory
from unchaff.data.folder import list_folder
from unchaff.data.listing import Listing
from unchaff.data.npz import list_npz
from unchaff.data.options import OF_COLUMNS, OF_FILES, OF_VALUES, Loaded, Options
from unchaff.data.parquet import list_parquet, split_files
from unchaff.data.sources import prepare_of
from unchaff.errors import DataError
from unchaff.samples import Samples

DEFAULTS = Options()
ALLOWED = (
    "a folder of class folders, a .parquet file or a folder with train.parquet, "
    ".npz, .csv, .tsv, digits, or pkg.module:factory"
)
VALIDATION = ("val", "valid", "validation", "dev")  # parts that are called otherwise than test
FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def load(spec: str, options: Options = DEFAULTS) -> Loaded:
    """Read a data set.

    Args:
        spec: a path, `digits`, or `pkg.module:factory`.
        options: which columns, how many rows, which size; found out by default.

    Raises:
        DataError: nothing there, nothing readable, or nothing to learn from.
        ConfigError: an option does not apply to data of this form or kind.
    """
    if is_made(spec):
        return _made(spec, options)
    train, test = _listings(_existing(spec), options)
    made = assemble(train, options)
    loaded = Loaded(
        train=made.samples,
        test=None,
        prepare=made.prepare,
        skipped=made.skipped,
        notes=made.notes,
        found=f"{_summary(made.samples)} from {train.found}",
    )
    if test is None:
        other = _validation_of(Path(spec).expanduser())
        beside = "" if other is None else f"; {other} beside it is not read: name it with --test"
        return replace(loaded, found=f"{loaded.found}{beside}.")
    second = assemble(test, replace(options, rows=None), like=loaded)
    return _with_test(loaded, second)


def listed(spec: str, options: Options = DEFAULTS) -> Listing:
    """Return the training part of files before anything of it is decoded.

    Raises:
        DataError: nothing there, or the columns do not fit.
        ConfigError: an option does not apply to data of this form.
    """
    return _listings(_existing(spec), options)[0]


def load_like(spec: str, loaded: Loaded, options: Options = DEFAULTS) -> Samples:
    """Read a test or reference set with the classes, shape and preparation of `loaded`.

    Raises:
        DataError: as `load`, or the classes or shapes differ.
    """
    if is_made(spec):
        # Of a pair, its test part: the other may be what was trained on. The options are meant for that one.
        found = _made(spec, options, checks=False)
        samples = found.train if found.test is None else found.test
        if samples.class_names != loaded.train.class_names:
            raise DataError(f"{spec} has other classes than the training data. Give data that match.")
        check_alike(samples, loaded.train)
        return samples
    path = _existing(spec)
    parts = split_files(path, "test") if path.is_dir() else []
    first, second = (list_parquet(parts, options), None) if parts else _listings(path, options, prefer="test")
    return assemble(second or first, options, like=loaded).samples


def is_made(spec: str) -> bool:
    """Return whether code makes the data: ours the digits, or a function of the user."""
    return spec == "digits" or is_factory(spec)


def is_factory(spec: str) -> bool:
    """Whether a spec names code to run."""
    return bool(FACTORY.fullmatch(spec)) and not spec.startswith("hub:") and not Path(spec).exists()


def _existing(spec: str) -> Path:
    path = Path(spec).expanduser()
    if spec.startswith("hub:"):
        raise DataError(
            f"{spec} is not fetched here. Save it with datasets: to_parquet('train.parquet'), and give that."
        )
    try:
        found = path.exists()
    except OSError as error:
        raise DataError(f"{spec} cannot be reached: {error.strerror}.") from error
    if not found:
        raise DataError(f"{spec} does not exist. Give {ALLOWED}.")
    return path


def _listings(path: Path, options: Options, *, prefer: str = "train") -> tuple[Listing, Listing | None]:
    try:
        if path.is_dir():
            return _listings_of_folder(path, options, prefer)
        return _listings_of_file(path, options)
    except PermissionError as error:
        raise DataError(
            f"No permission to read {error.filename or path}. Change it, or give another path."
        ) from error


def _listings_of_folder(path: Path, options: Options, prefer: str) -> tuple[Listing, Listing | None]:
    whole = replace(options, rows=None)
    shards, test_shards = split_files(path, "train"), split_files(path, "test")
    if shards:
        return list_parquet(shards, options), list_parquet(test_shards, whole) if test_shards else None
    options.refuse(OF_COLUMNS, f"{path} is a folder of class folders, which has no columns")
    if _is_part(path / "train"):
        test = list_folder(path / "test", whole) if (path / "test").is_dir() else None
        return list_folder(path / "train", options), test
    if prefer == "test" and _is_part(path / "test"):
        return list_folder(path / "test", options), None
    return list_folder(path, options), None


def _listings_of_file(path: Path, options: Options) -> tuple[Listing, Listing | None]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return list_parquet([path], options), None
    if is_delimited(path):
        return list_delimited(path, options), None
    if suffix == ".npz":
        options.refuse(OF_COLUMNS, f"{path} is a NumPy archive, which has no columns")
        return list_npz(path, options)
    raise DataError(f"{path} is of no known kind. Give {ALLOWED}.")


def _validation_of(path: Path) -> Path | None:
    """Return the validation part that lies beside the training part of a folder."""
    if split_files(path, "train"):
        parts = (split_files(path, name) for name in VALIDATION)
        return next((files[0] for files in parts if len(files) == 1), None)
    if not _is_part(path / "train"):
        return None
    folders = (each for each in sorted(path.iterdir()) if each.name.lower() in VALIDATION)
    return next((each for each in folders if _is_part(each)), None)


def _is_part(folder: Path) -> bool:
    """Whether a folder holds class folders; one of files may be a class that is called train or test."""
    return folder.is_dir() and any(each.is_dir() for each in folder.iterdir())


def _summary(samples: Samples) -> str:
    where = "" if samples.source.in_memory else ", decoded on access,"
    return f"{len(samples)} samples ({samples.kind}){where} of {samples.num_classes} classes"


def _with_test(loaded: Loaded, test: Assembled) -> Loaded:
    return replace(
        loaded,
        test=test.samples,
        skipped=loaded.skipped + test.skipped,
        notes=loaded.notes + tuple(f"Test part: {note}" for note in test.notes),
        found=f"{loaded.found}; a test part of {len(test.samples)}.",
    )


def _made(spec: str, options: Options, *, checks: bool = True) -> Loaded:
    """Return samples that come from no file of the user's; `checks`: that all options apply to them."""
    if spec != "digits":
        train, test, skipped = call_factory(spec, options, checks=checks)
        made = _of_samples(train, test, options=options, found=f"what {spec} returned")
        return replace(made, skipped=skipped)
    if options.hub is not None:
        raise DataError(f"digits are not for {options.hub}. Give a network of our own, or other data.")
    if checks:
        options.refuse((*OF_FILES, *OF_VALUES), "the digits are built in, read and prepared already")
    return _of_samples(*digits(), options=options, found="scikit-learn's digits (ids: positions there)")


def _of_samples(train: Samples, test: Samples | None, *, options: Options, found: str) -> Loaded:
    if options.rows is not None:
        train = train.select(train.ids[: options.rows])
    if options.augment is not None:
        train = replace(train, augmentation=options.augment)
    prepare = prepare_of(train.source)
    parts = "" if test is None else f"; a test part of {len(test)}"
    return Loaded(train=train, test=test, prepare=prepare, found=f"{_summary(train)} from {found}{parts}.")
