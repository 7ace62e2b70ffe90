"""A person cut from a photo, moved by a 2D track: where each of her textures goes in every frame.

The draft engine cuts the puppet and composites frames; Blender's viewport draws the same textures while posing.
"""

from fleximo.puppet.hands import paint_hand
from fleximo.puppet.layers import Piece, Puppet, Shadow
from fleximo.puppet.sequence import PaintHand, Sequence
from fleximo.puppet.warp import CELL, Placed

__all__ = ["CELL", "PaintHand", "Piece", "Placed", "Puppet", "Sequence", "Shadow", "paint_hand"]
