"""Where the stages of a run happen when its data are too many for one process: here, or on a Ray cluster."""

from unchaff.engine.finding import found
from unchaff.engine.ray import Ray
from unchaff.engine.scoring import Scored, score
from unchaff.engine.stage import Engine, Here

__all__ = ["Engine", "Here", "Ray", "Scored", "found", "score"]
