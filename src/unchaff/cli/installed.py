"""Versions of what is installed."""


def version(name: str) -> str:
    """Return the version of a package, or that it runs from its source."""
    from importlib import metadata  # it takes a quarter of the start-up, and few commands ask

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"
