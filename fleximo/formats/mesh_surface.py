"""The surface of a moving body as a net of points, and its five ends: head, hands and feet.

Owns what is told of a mesh of which nothing but its places is known: no faces, no order of vertices. Neighbours are
points that stay together through the clip; distances go along the surface. Knows no joints.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from fleximo.arrays import FloatArray, IntArray
from fleximo.errors import FleximoError

__all__ = ["Surface", "build_surface"]

_KEY_FRAMES = 24
_SAMPLES = 1500  # about 4 cm apart on an adult
_NEIGHBOURS = 8
_PROBES = 40  # points whose mutual distances tell two poses apart
_SOURCES = 48  # from which the mean distance of a point is measured
_HEAD_TO_FEET = (0.8, 1.7)  # over the distance between the hands; 1.1 to 1.2 in people
_LOPSIDED = 0.25  # differences of left and right over their mean; under 0.1 in people
_HEAD_TO_HANDS = (0.4, 0.8)  # over head to feet; 0.6 in people


@dataclass(frozen=True, eq=False)
class Surface:
    """`S` points of a mesh in `F` key frames."""

    frames: IntArray  # (F,) key frames of the clip, as different from each other as can be
    samples: IntArray  # (S,) vertices
    places: FloatArray  # (F,S,3) m
    ends: IntArray  # (5,) samples at the ends: head, hand, hand, foot, foot; sides unknown
    away: FloatArray  # (5,S) m along the surface from each end


def build_surface(vertices: FloatArray) -> Surface:
    """The net of a body's mesh clip (T,N,3) m.

    Raises `FleximoError` (`not_a_body`) if its ends do not lie as those of a person with head, two hands and two feet.
    """
    frames = _key_frames(vertices)
    keyed = vertices[frames].astype(np.float64)
    # Points far apart in any frame are far apart here, also if they touch in others.
    embedded = keyed.transpose(1, 0, 2).reshape(vertices.shape[1], -1) / np.sqrt(len(frames))
    samples = _spread_points(embedded, min(_SAMPLES, len(embedded)))
    places = keyed[:, samples]
    net = _net(embedded[samples], places)
    ends, away = _five_ends(net)
    return Surface(frames, samples, places, ends, away)


def _spread_points(points: FloatArray, count: int) -> IntArray:
    """Numbers of `count` of the `points` (N,D), each the furthest from those before it."""
    points = (points - points.mean(axis=0)).astype(np.float32)
    squares = np.square(points).sum(axis=1)
    picks, distance = [0], np.full(len(points), np.inf, dtype=np.float32)
    for _ in range(count - 1):
        last = picks[-1]
        np.minimum(distance, squares + squares[last] - 2.0 * (points @ points[last]), out=distance)
        picks.append(int(distance.argmax()))
    return np.array(picks)


def _key_frames(vertices: FloatArray) -> IntArray:
    if len(vertices) <= _KEY_FRAMES:
        return np.arange(len(vertices))
    probes = vertices[:, _spread_points(vertices[0], _PROBES)]
    one, other = np.triu_indices(_PROBES, 1)
    pose = np.linalg.norm(probes[:, one] - probes[:, other], axis=-1)
    return np.sort(_spread_points(pose, _KEY_FRAMES))


_Net = list[dict[int, float]]


def _net(embedded: FloatArray, places: FloatArray) -> _Net:
    """Neighbours of each sample and how far (m) they are, at most, in any key frame; the net has one piece."""
    squares = np.square(embedded).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2.0 * embedded @ embedded.T, 0.0)
    np.fill_diagonal(apart, np.inf)
    near = np.argpartition(apart, min(_NEIGHBOURS, len(apart) - 1), axis=1)[:, :_NEIGHBOURS]
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(near.tolist()) for j in row}
    pairs |= _bridges(pairs, apart)
    one, other = np.array(sorted(pairs)).T
    lengths = np.linalg.norm(places[:, one] - places[:, other], axis=-1).max(axis=0)
    net: _Net = [{} for _ in apart]
    for i, j, length in zip(one.tolist(), other.tolist(), lengths.tolist()):
        net[i][j] = net[j][i] = length
    return net


def _bridges(pairs: set[tuple[int, int]], apart: FloatArray) -> set[tuple[int, int]]:
    """The shortest links that make one piece of the net of `pairs`."""
    piece = np.arange(len(apart))

    def merge(i: int, j: int) -> None:
        piece[piece == piece[j]] = piece[i]

    for i, j in pairs:
        if piece[i] != piece[j]:
            merge(i, j)
    links: set[tuple[int, int]] = set()
    while (outside := np.flatnonzero(piece != piece[0])).size:
        inside = np.flatnonzero(piece == piece[0])
        block = apart[np.ix_(inside, outside)]
        row, column = np.unravel_index(int(block.argmin()), block.shape)
        links.add((int(inside[row]), int(outside[column])))
        merge(int(inside[row]), int(outside[column]))
    return links


def _along(net: _Net, source: int) -> FloatArray:
    """(S,) m, distances along the net from `source` (Dijkstra 1959)."""
    distance = np.full(len(net), np.inf)
    distance[source] = 0.0
    queue = [(0.0, source)]
    while queue:
        far, here = heapq.heappop(queue)
        if far > distance[here]:
            continue
        for there, length in net[here].items():
            if far + length < distance[there]:
                distance[there] = far + length
                heapq.heappush(queue, (far + length, there))
    return distance


def _five_ends(net: _Net) -> tuple[IntArray, FloatArray]:
    """The ends of `Surface` and the distances from them.

    The four ends furthest from each other are hands and feet; the head is what lies far from them and from everything
    else. Of the five, the head is nearest to the others in sum and the feet are furthest.
    """
    ends = [int(_along(net, 0).argmax())]
    away = [_along(net, ends[0])]
    for _ in range(3):
        ends.append(int(np.min(away, axis=0).argmax()))
        away.append(_along(net, ends[-1]))
    remote = np.mean([_along(net, source) for source in range(min(_SOURCES, len(net)))], axis=0)
    ends.append(int((remote * np.min(away, axis=0)).argmax()))
    away.append(_along(net, ends[-1]))
    between = np.array(away)[:, ends]
    order = np.argsort(between.sum(axis=1), kind="stable")
    between = between[np.ix_(order, order)]
    to_hands, to_feet, hands = between[0, 1:3], between[0, 3:], max(float(between[1, 2]), 1e-9)
    lopsided = max(float(np.ptp(pair) / max(pair.mean(), 1e-9)) for pair in (to_hands, to_feet, between[1:3, 3:]))
    if not (
        lopsided < _LOPSIDED
        and _HEAD_TO_FEET[0] < to_feet.mean() / hands < _HEAD_TO_FEET[1]
        and _HEAD_TO_HANDS[0] < to_hands.mean() / to_feet.mean() < _HEAD_TO_HANDS[1]
    ):
        raise FleximoError(
            "Head, hands and feet cannot be told apart in this mesh.",
            code="not_a_body",
            remedy="Give your SMPL model file (--model), or put the joints beside the mesh as a .npy of the same name.",
        )
    return np.array(ends)[order], np.array(away)[order]
