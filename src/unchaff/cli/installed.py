"""Versions of what is installed."""

from importlib import metadata


def version(name: str) -> str:
    """Return the version of a package, or that it runs from its source."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"
