"""Where each piece's pixels come from in one frame: coarse grids of source positions, all pieces at once.

Knows maps and boxes; neither samples nor composites.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo.arrays import BoolArray, FloatArray, IntArray
from fleximo.easing import smoothstep
from fleximo.puppet.bones import BONES, carry
from fleximo.puppet.layers import Picture, Piece
from fleximo.puppet.pose import Poses

__all__ = ["CELL", "Placed", "boxes", "place", "place_flat"]

CELL = 8  # px between grid nodes; node k of a box lies at its edge + CELL * k - CELL / 2


@dataclass(frozen=True, eq=False)
class Placed:
    """One texture in one frame."""

    texture: Picture  # (h,w,4) RGBA, colours multiplied by alpha
    box: tuple[int, int, int, int]  # x0, y0, x1, y1 canvas px
    grid: FloatArray  # (rows,columns,2) float32 px of the texture, pixel centres at whole numbers


def boxes(pieces: list[Piece], poses: Poses, size: tuple[int, int]) -> IntArray:
    """(T,P,4) int32 target boxes x0, y0, x1, y1 on the canvas; empty where the piece is out of the picture."""
    frames = len(poses.forward)
    found = np.zeros((frames, len(pieces), 4), np.int32)
    for p, piece in enumerate(pieces):
        moved = [carry(poses.forward[:, piece.bone, None], piece.outline[None])]
        for (_, other, _), near in zip(piece.links, piece.near_link):
            if near.any():
                moved.append(carry(poses.forward[:, other, None], piece.outline[None, near]))
        corners = np.concatenate(moved, axis=1)
        low, high = corners.min(axis=1), corners.max(axis=1)
        room = 2.0 + (0.08 * (high - low) if len(piece.links) > 2 else 0.0)  # cloth that stretches after two arms
        low = np.clip(np.floor(low - room), -1e6, 1e6)
        high = np.clip(np.ceil(high + room) + 1, -1e6, 1e6)
        found[:, p, :2] = np.clip(low, 0, size)
        found[:, p, 2:] = np.clip(high, 0, size)
    return found


def place_flat(texture: Picture, x0: int, y0: int) -> Placed:
    """A texture laid on the canvas as it is; it must lie inside."""
    height, width = texture.shape[:2]
    columns = np.arange((width + CELL - 1) // CELL + 2, dtype=np.float32) * CELL - (CELL + 1) / 2
    rows = np.arange((height + CELL - 1) // CELL + 2, dtype=np.float32) * CELL - (CELL + 1) / 2
    grid = np.stack(np.meshgrid(columns, rows), axis=-1)
    return Placed(texture, (x0, y0, x0 + width, y0 + height), grid)


def place(pieces: list[Piece], order: list[int], frame_boxes: IntArray, poses: Poses, frame: int) -> dict[int, Placed]:
    """The pieces `order` in frame `frame` by index, without those out of the picture."""
    visible = [p for p in order if (frame_boxes[p, 2:] > frame_boxes[p, :2]).all()]
    if not visible:
        return {}
    nodes, counts, shapes = _nodes(frame_boxes, visible)
    of = np.repeat(np.arange(len(visible)), counts)
    source = _blend(pieces, visible, nodes, of, poses, frame)
    _bulge(pieces, visible, source, counts, poses.face_shift[frame])
    origins = np.array([pieces[p].origin for p in visible], dtype=np.float64) + 0.5
    source = (source - origins[of]).astype(np.float32)
    placed, start = {}, 0
    for p, count, shape in zip(visible, counts, shapes):
        x0, y0, x1, y1 = frame_boxes[p].tolist()
        placed[p] = Placed(pieces[p].texture, (x0, y0, x1, y1), source[start : start + count].reshape(*shape, 2))
        start += count
    return placed


def _nodes(frame_boxes: IntArray, visible: list[int]) -> tuple[FloatArray, list[int], list[tuple[int, int]]]:
    points, counts, shapes = [], [], []
    for p in visible:
        x0, y0, x1, y1 = frame_boxes[p]
        columns = x0 - CELL / 2 + CELL * np.arange((x1 - x0 + CELL - 1) // CELL + 2)
        rows = y0 - CELL / 2 + CELL * np.arange((y1 - y0 + CELL - 1) // CELL + 2)
        grid = np.empty((len(rows), len(columns), 2))
        grid[..., 0], grid[..., 1] = columns, rows[:, None]
        points.append(grid.reshape(-1, 2))
        counts.append(grid.shape[0] * grid.shape[1])
        shapes.append((len(rows), len(columns)))
    return np.concatenate(points), counts, shapes


def _blend(
    pieces: list[Piece], visible: list[int], nodes: FloatArray, of: FloatArray, poses: Poses, frame: int
) -> FloatArray:
    """(N,2) source positions: each node by its piece's bone, blended with the neighbours' across the links."""
    maps = poses.inverse[frame]
    own = np.array([pieces[p].bone for p in visible])
    source = carry(maps[own][of], nodes)
    starts = np.searchsorted(of, np.arange(len(visible)))
    counts = np.bincount(of, minlength=len(visible))
    pairs = [(i, *link) for i, p in enumerate(visible) for link in pieces[p].links]
    if not pairs:
        return source
    table = np.array(pairs, dtype=int)
    sizes = counts[table[:, 0]]
    index = np.arange(sizes.sum()) + np.repeat(starts[table[:, 0]] - np.cumsum(sizes) + sizes, sizes)
    pair = np.repeat(np.arange(len(table)), sizes)
    share = _shares(poses.links[frame][table[:, 1]], table[:, 3] == 1, pair, nodes[index])
    active = share > 1e-4
    index, pair, share = index[active], pair[active], share[active]
    step = carry(maps[table[pair, 2]], nodes[index]) - source[index]
    for axis in (0, 1):
        source[:, axis] += np.bincount(index, weights=share * step[:, axis], minlength=len(source))
    return source


def _shares(links: FloatArray, outward: BoolArray, pair: IntArray, nodes: FloatArray) -> FloatArray:
    """(N,) how far each node goes with the bone beyond its link; `links` (P,7) as in `Poses`, `pair` (N,) 0..P-1."""
    x, y = nodes[:, 0], nodes[:, 1]
    row = links.T[:, pair]
    share = smoothstep(row[0] * x + row[1] * y + row[2])
    share = np.where(outward[pair], share, 1.0 - share) * row[3]
    distance = np.sqrt((x - row[4]) ** 2 + (y - row[5]) ** 2) * row[6]
    return np.asarray(share * (1.0 - smoothstep((distance - 1.0) / 0.8)))


def _bulge(pieces: list[Piece], visible: list[int], source: FloatArray, counts: list[int], shift: FloatArray) -> None:
    """Moves the middle of the face against the head's outline, in place."""
    heads = [i for i, p in enumerate(visible) if pieces[p].bone == BONES.index("head")]
    if not heads or abs(shift[2]) + abs(shift[3]) < 0.05:
        return
    start = sum(counts[: heads[0]])
    part = source[start : start + counts[heads[0]]]
    distance = np.linalg.norm(part - shift[:2], axis=-1, keepdims=True) / shift[4]
    part -= shift[2:4] * (1.0 - smoothstep((distance - 0.6) / 0.4))
