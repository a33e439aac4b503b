"""One file, written aside and then renamed: it is whole, or as it was."""

import os
from pathlib import Path


def put(file: Path, content: bytes) -> None:
    """Write the content; the folder is made, and nothing is left of a write that failed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(content)
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
