"""How much a file may ask for, in one place; each limit can be raised in the environment.

A few bytes can claim any amount of memory. What asks for more than this is refused before it is unpacked.
"""

import os
from dataclasses import dataclass

from unchaff.errors import ConfigError

GIB = 2**30


@dataclass(frozen=True)
class Limit:
    """The most of something, unless the environment says otherwise."""

    variable: str  # of the environment
    usual: int

    @property
    def value(self) -> int:
        """What holds now.

        Raises:
            ConfigError: the environment holds no whole number above 0.
        """
        said = os.environ.get(self.variable)
        if said is None:
            return self.usual
        if not (said.isascii() and said.isdigit() and int(said)):
            raise ConfigError(f"{self.variable} must be a whole number above 0, got {said!r}.")
        return int(said)

    def __str__(self) -> str:
        return f"{self.value:,} allowed by {self.variable}"


def _half_of_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 8 * GIB


# Of one image: 300 MB once decoded in colour. Pillow refuses twice as many whatever is set here.
PIXELS = Limit("UNCHAFF_MAX_PIXELS", 89_000_000)
# Of one sound: a day on tape is no sample with one label; an hour of 16 kHz is 230 MB.
SECONDS = Limit("UNCHAFF_MAX_SECONDS", 3600)
# Of one sound, channels counted: 512 MB once decoded, so 46 minutes of 48 kHz mono.
SOUND_VALUES = Limit("UNCHAFF_MAX_SOUND_VALUES", 2**27)
# Of one image or sound as it lies on disk; it is read whole.
FILE_BYTES = Limit("UNCHAFF_MAX_FILE_BYTES", GIB)
# Of one text: three times the longest novel. Splitting it into words takes some 30 times its size.
CHARACTERS = Limit("UNCHAFF_MAX_CHARACTERS", 10_000_000)
# Of all that is unpacked from one table or archive and held at once: half of what the computer has.
TABLE_BYTES = Limit("UNCHAFF_MAX_TABLE_BYTES", _half_of_memory())
# A noise transition holds a number for each pair of classes: 0.8 GB.
CLASSES = Limit("UNCHAFF_MAX_CLASSES", 10_000)
# Of an id or a group: the longest path of Linux. All take the room of the longest.
ID_CHARACTERS = Limit("UNCHAFF_MAX_ID_CHARACTERS", 4096)
