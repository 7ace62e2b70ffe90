"""The user's own characters: which bone is which joint, and motion from and to them."""

from fleximo.rigs.bridge import Bridge
from fleximo.rigs.families import NEEDED, Family, families
from fleximo.rigs.matching import Match, match_rig
from fleximo.rigs.skeleton import Skeleton

__all__ = ["NEEDED", "Bridge", "Family", "Match", "Skeleton", "families", "match_rig"]
