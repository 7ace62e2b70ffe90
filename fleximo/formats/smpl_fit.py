"""A mesh clip and the model that made it -> the pose of every frame, by least squares on all vertices.

Owns the solver: shape shared by the clip, rotations and place per frame. Knows no files, no rigs and no order of
vertices but the model's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray, IntArray
from fleximo.formats.smpl_model import SmplModel

__all__ = ["MeshFit", "fit_model"]

_SHAPE_FRAMES = 12  # spread over the clip; the shape is the same in all
_SHAPE_ROUNDS = 12
_SHAPE_SETTLED_M = 2e-5
_POSE_ROUNDS = 4  # each: pose blend shapes of the last pose taken off, then rotations anew
_STEPS = 4  # Gauss-Newton steps of a round
_CHUNK_FRAMES = 64  # bounds the memory: about 1.5 MB per frame


@dataclass(frozen=True)
class MeshFit:
    """What `fit_model` found."""

    rotations: FloatArray  # (T,24,4) local unit quaternions wxyz
    pelvis: FloatArray  # (T,3) m
    rest_joints: FloatArray  # (24,3) m, of the found shape
    joints: FloatArray  # (T,24,3) m
    error_m: FloatArray  # (T,) root mean square distance of the mesh's vertices from the model's


def fit_model(model: SmplModel, vertices: FloatArray) -> MeshFit:
    """Poses `model` so that it matches the mesh clip `vertices` (T,N,3) m; the shape is found too.

    A linearly skinned vertex is linear in the rotation matrices of all joints, so the normal equations of a frame are
    of the size of the skeleton whatever the number of vertices: one product with the mesh, a first guess in closed
    form, then a few Gauss-Newton steps. Pose blend shapes are taken off in turn with them. The mesh's vertex order
    must be the model's; `error_m` tells if it was not.
    """
    spread = np.unique(np.linspace(0, len(vertices) - 1, _SHAPE_FRAMES).round().astype(int))
    betas = _fit_shape(model, vertices[spread].astype(np.float64))
    skin = _Skin(model, betas)
    parts = [
        _fit_frames(skin, vertices[start : start + _CHUNK_FRAMES].astype(np.float64))
        for start in range(0, len(vertices), _CHUNK_FRAMES)
    ]
    world, pelvis, error = (np.concatenate(kind) for kind in zip(*parts))
    return _as_fit(skin, world, pelvis, error)


class _Skin:
    """The model in one shape, as the linear map from rotation matrices to vertices.

    vertex_i = pelvis + sum over joints j of R_j a_ij, R_j the world rotations: a_ij is the vertex' place at joint j
    times its weight, plus the bones to the children of j times the weight that hangs on them.
    """

    def __init__(self, model: SmplModel, betas: FloatArray) -> None:
        self.model = model
        self.rest = model.v_template + model.shapedirs[..., : len(betas)] @ betas
        self.rest_joints = model.j_regressor @ self.rest
        self.map = _linear_map(model, self.rest, self.rest_joints)  # (N, 3J)
        self.map_mean = self.map.mean(axis=0)
        self.centred = self.map - self.map_mean
        self.normal = self.centred.T @ self.centred


def _linear_map(model: SmplModel, places: FloatArray, joints: FloatArray) -> FloatArray:
    """(N, 3J) the a_ij of `_Skin`; linear in (`places`, `joints`), so it also maps shape components."""
    a = model.weights[:, :, None] * (places[:, None] - joints)
    for child, parent in enumerate(model.parents.tolist()):
        if child:
            a[:, parent] += model.hanging[:, child, None] * (joints[child] - joints[parent])
    return a.reshape(len(places), -1)


def _fit_shape(model: SmplModel, vertices: FloatArray) -> FloatArray:
    """Shape coefficients (B,) of the clip: rotations and shape by turns until the mesh no longer moves."""
    count = model.shapedirs.shape[-1]
    betas = np.zeros(count)
    if count == 0:
        return betas
    joint_shapes = np.einsum("jn,ncb->bjc", model.j_regressor, model.shapedirs)
    columns = np.stack([_linear_map(model, model.shapedirs[..., b], joint_shapes[b]) for b in range(count)])
    columns -= columns.mean(axis=1, keepdims=True)
    for _ in range(_SHAPE_ROUNDS):
        skin = _Skin(model, betas)
        world, _, _ = _fit_frames(skin, vertices)
        step = _shape_step(skin, columns, world, vertices - _pose_blend(model, world))
        betas = betas + step
        if np.abs(model.shapedirs @ step).max() < _SHAPE_SETTLED_M:
            break
    return betas


def _shape_step(skin: _Skin, columns: FloatArray, world: FloatArray, rigid: FloatArray) -> FloatArray:
    """The Gauss-Newton step (B,) of the shape; the rotations are eliminated, for they move along with it.

    `columns` (B,N,3J): the centred linear maps of the shape components; `rigid` (T,N,3) m.
    """
    count = len(columns)
    stacked = _stacked(world)
    left = rigid - rigid.mean(axis=1, keepdims=True) - skin.centred @ stacked
    normal, right = 1e-9 * np.eye(count), np.zeros(count)
    for turns, hessian, frame, place in zip(world, _hessian(skin, world), left, stacked):
        moved = columns @ place  # (B,N,3)
        mixed = _torque(turns, skin.centred.T @ moved).reshape(count, -1)
        pull = _torque(turns, skin.centred.T @ frame).ravel()
        normal += np.tensordot(moved, moved, ((1, 2), (1, 2))) - mixed @ np.linalg.solve(hessian, mixed.T)
        right += np.tensordot(moved, frame, 2) - mixed @ np.linalg.solve(hessian, pull)
    return np.linalg.solve(normal, right)


def _stacked(world: FloatArray) -> FloatArray:
    """(T,3J,3) from world rotation matrices (T,J,3,3): what the linear map is multiplied with."""
    return np.swapaxes(world, -1, -2).reshape(len(world), -1, 3)


def _fit_frames(skin: _Skin, vertices: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """World rotation matrices (T,J,3,3), pelvis (T,3) m and error (T,) m of some frames (T,N,3)."""
    joints = len(skin.model.parents)
    ridge = 1e-9 * np.trace(skin.normal) / len(skin.normal) * np.eye(len(skin.normal))
    free = np.linalg.solve(skin.normal + ridge, np.swapaxes(_moments(skin, vertices), 0, 1).reshape(3 * joints, -1))
    free = np.swapaxes(free.reshape(3 * joints, len(vertices), 3), 0, 1)
    world = _nearest_rotations(np.swapaxes(free.reshape(len(vertices), joints, 3, 3), -1, -2))
    rigid = vertices
    for _ in range(_POSE_ROUNDS):
        rigid = vertices - _pose_blend(skin.model, world)
        moments = _moments(skin, rigid)
        for _ in range(_STEPS):
            world = _gauss_newton_step(skin, world, moments)
        if not skin.model.posedirs.shape[-1]:
            break
    rigid = vertices - _pose_blend(skin.model, world)
    stacked = _stacked(world)
    pelvis = rigid.mean(axis=1) - skin.map_mean @ stacked
    residual = rigid - pelvis[:, None] - skin.map @ stacked
    return world, pelvis, np.sqrt(np.square(residual).sum(axis=-1).mean(axis=-1))


def _moments(skin: _Skin, vertices: FloatArray) -> FloatArray:
    """(T,3J,3) products of the linear map with the mesh: all that the rotations need to know of it."""
    return np.asarray(skin.centred.T @ vertices)


def _gauss_newton_step(skin: _Skin, world: FloatArray, moments: FloatArray) -> FloatArray:
    """`world` (T,J,3,3) turned by the least-squares step, each joint about the world's axes."""
    frames, joints = world.shape[:2]
    gradient = _torque(world, moments - skin.normal @ _stacked(world)).reshape(frames, 3 * joints, 1)
    step = np.linalg.solve(_hessian(skin, world), gradient).reshape(frames, joints, 3)
    return np.asarray(rot.to_matrix(rot.from_rotation_vector(step)) @ world)


def _torque(world: FloatArray, moments: FloatArray) -> FloatArray:
    """(...,J,3) how `moments` (...,3J,3) of a residual with the linear map turn the joints (J,3,3 or T,J,3,3)."""
    blocks = world @ moments.reshape(*moments.shape[:-2], -1, 3, 3)
    return np.stack([blocks[..., i, j] - blocks[..., j, i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=-1)


def _hessian(skin: _Skin, world: FloatArray) -> FloatArray:
    """(T,3J,3J) normal equations of the joints' turns about the world's axes."""
    frames, joints = world.shape[:2]
    blocks = skin.normal.reshape(joints, 3, joints, 3).transpose(0, 2, 1, 3)
    turned = world[:, :, None] @ blocks @ np.swapaxes(world, -1, -2)[:, None]
    trace = np.trace(turned, axis1=-2, axis2=-1)
    hessian = trace[..., None, None] * np.eye(3) - np.swapaxes(turned, -1, -2)
    hessian = hessian.transpose(0, 1, 3, 2, 4).reshape(frames, 3 * joints, 3 * joints)
    ridge = 1e-9 * np.trace(skin.normal) / (3 * joints)
    return np.asarray(hessian + ridge * np.eye(3 * joints))


def _pose_blend(model: SmplModel, world: FloatArray) -> FloatArray:
    """(T,N,3) m that the model's pose blend shapes add to the posed mesh; 0 where it has none."""
    if not model.posedirs.shape[-1]:
        return np.zeros((1, 1, 3))
    local = _local(world, model.parents)
    features = (local[:, 1:] - np.eye(3)).reshape(len(world), -1)
    blends = (features.astype(np.float32) @ model.posedirs.reshape(-1, features.shape[1]).T).reshape(len(world), -1, 3)
    frames = (model.weights.astype(np.float32) @ world.reshape(*world.shape[:2], 9).astype(np.float32)).reshape(
        *blends.shape, 3
    )
    return np.asarray(np.einsum("tnij,tnj->tni", frames, blends), dtype=np.float64)


def _local(world: FloatArray, parents: IntArray) -> FloatArray:
    """Local rotation matrices of world ones, (T,J,3,3) both."""
    local = np.swapaxes(world[:, parents], -1, -2) @ world
    local[:, 0] = world[:, 0]
    return np.asarray(local)


def _nearest_rotations(matrices: FloatArray) -> FloatArray:
    """The rotation matrices nearest to `matrices` (...,3,3)."""
    u, _, vt = np.linalg.svd(matrices)
    vt[..., 2, :] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return np.asarray(u @ vt)


def _as_fit(skin: _Skin, world: FloatArray, pelvis: FloatArray, error: FloatArray) -> MeshFit:
    joints = np.repeat(pelvis[:, None], len(skin.rest_joints), axis=1)
    for child, parent in enumerate(skin.model.parents.tolist()):
        if child:
            bone = skin.rest_joints[child] - skin.rest_joints[parent]
            joints[:, child] = joints[:, parent] + world[:, parent] @ bone
    rotations = rot.continuous(rot.from_matrix(_local(world, skin.model.parents)))
    return MeshFit(rotations, pelvis, skin.rest_joints, joints, error)
