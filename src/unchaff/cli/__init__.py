"""The command line: parse, call, print. One command per file."""

from unchaff.cli.app import main

__all__ = ["main"]
