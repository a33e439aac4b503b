"""Where the stages of a run happen when its data are too many for one process: here, or on a Ray cluster."""

from unchaff.engine.begun import Begin
from unchaff.engine.finding import found
from unchaff.engine.ray import Ray
from unchaff.engine.repairing import Plan, Repaired, repair
from unchaff.engine.scoring import Scored, score
from unchaff.engine.stage import Engine, Here

__all__ = ["Begin", "Engine", "Here", "Plan", "Ray", "Repaired", "Scored", "found", "repair", "score"]
