"""Skeletons as other programs make them: their names, their trees, their helpers; places of our own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo import DEFAULT_RIG
from fleximo import rotations as rot
from fleximo.kinematics import forward, landmark_positions
from fleximo.rig import FINGERS
from fleximo.rigs import Skeleton

SIDES = ("left", "right")
_JOINTS = DEFAULT_RIG.joint_names


@dataclass(frozen=True)
class Character:
    """A skeleton and the truth about it: the bone of each joint."""

    skeleton: Skeleton
    truth: dict[str, str]


class Body:
    """The places of a body's joints and landmarks at rest, arms lowered by some degrees, fingers a little curled.

    `build` is (degrees more, length of legs, length of arms), laid over what a program's characters have.
    """

    build = (0.0, 1.0, 1.0)

    def __init__(self, arms_down: float = 0.0, curl: float = 0.0, legs: float = 1.0, arms: float = 1.0) -> None:
        arms_down, legs, arms = arms_down + self.build[0], legs * self.build[1], arms * self.build[2]
        offsets = DEFAULT_RIG.rest_offsets.astype(float).copy()
        turns = np.tile(rot.IDENTITY, (1, len(_JOINTS), 1))
        for side, sign in (("left", -1.0), ("right", 1.0)):
            for joint, share in (("knee", legs), ("ankle", legs), ("elbow", arms), ("wrist", arms)):
                offsets[_JOINTS.index(f"{side}_{joint}")] *= share
            down = rot.from_axis_angle([0.0, 0.0, 1.0], sign * np.radians(arms_down))
            turns[0, _JOINTS.index(f"{side}_shoulder")] = down
            bend = rot.from_axis_angle([0.0, 0.0, 1.0], sign * np.radians(curl))
            for finger in FINGERS[:4]:
                for segment in (1, 2, 3):
                    turns[0, _JOINTS.index(f"{side}_{finger}{segment}")] = bend
        rig = DEFAULT_RIG.with_offsets(offsets)
        world, joints = forward(rig, turns, np.array([[0.0, rig.rest_height, 0.0]]))
        self.at = dict(zip(_JOINTS, joints[0]))
        marks = tuple(rig.landmarks)
        self.at |= dict(zip(marks, landmark_positions(rig, world, joints, marks)[0]))

    def between(self, one: str, other: str, share: float) -> np.ndarray:
        return self.at[one] * (1.0 - share) + self.at[other] * share


class Maker:
    """Collects bones; a bone that is a joint's is the truth of that joint."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.bones: list[tuple[str, str, np.ndarray]] = []
        self.truth: dict[str, str] = {}

    def add(self, name: str, parent: str, at: str | np.ndarray) -> str:
        """A bone at a joint, or at a place where it is no joint's."""
        if isinstance(at, str):
            if at in _JOINTS:
                self.truth[at] = name
            at = self.body.at[at]
        self.bones.append((name, parent, np.asarray(at)))
        return name

    def chain(self, parent: str, *bones: tuple[str, str | np.ndarray]) -> str:
        for name, at in bones:
            parent = self.add(name, parent, at)
        return parent

    def made(self, scale: float = 1.0) -> Character:
        names = [name for name, _, _ in self.bones]
        parents = [names.index(parent) if parent else -1 for _, parent, _ in self.bones]
        heads = np.array([place for _, _, place in self.bones]) * scale
        tails = heads + [0.0, 0.03 * scale, 0.0]
        for child, parent in reversed(list(enumerate(parents))):
            if parent >= 0 and np.linalg.norm(heads[child] - heads[parent]) > 0.01 * scale:
                tails[parent] = heads[child]
        skeleton = Skeleton(tuple(names), np.array(parents), heads, tails, np.ones(len(names), bool))
        return Character(skeleton, self.truth)


def smpl() -> Character:
    """SMPL-X as its add-on names it: jaw and eyes beside SMPL-H's joints."""
    make = Maker(Body())
    for joint, parent in zip(_JOINTS, DEFAULT_RIG.parents.tolist()):
        make.add(joint, _JOINTS[parent] if parent >= 0 else "", joint)
    make.add("jaw", "head", make.body.between("head", "nose", 0.4))
    for side in SIDES:
        make.add(f"{side}_eye_smplhf", "head", f"{side}_eye")
    return make.made()


def mixamo() -> Character:
    """An FBX of Mixamo: centimetres, T-pose, an end bone on every chain."""
    make = Maker(Body(curl=4.0, legs=1.1))
    p = "mixamorig:"
    make.chain("", (p + "Hips", "pelvis"), (p + "Spine", "spine1"), (p + "Spine1", "spine2"), (p + "Spine2", "spine3"),
               (p + "Neck", "neck"), (p + "Head", "head"), (p + "HeadTop_End", "head_top"))  # fmt: skip
    for side, word in (("left", p + "Left"), ("right", p + "Right")):
        make.add(word + "Eye", p + "Head", f"{side}_eye")
        hand = make.chain(p + "Spine2", (word + "Shoulder", f"{side}_collar"), (word + "Arm", f"{side}_shoulder"),
                          (word + "ForeArm", f"{side}_elbow"), (word + "Hand", f"{side}_wrist"))  # fmt: skip
        for finger in FINGERS:
            chain = [(f"{word}Hand{finger.capitalize()}{n}", f"{side}_{finger}{n}") for n in (1, 2, 3)]
            make.chain(hand, *chain, (f"{word}Hand{finger.capitalize()}4", f"{side}_{finger}_tip"))
        make.chain(p + "Hips", (word + "UpLeg", f"{side}_hip"), (word + "Leg", f"{side}_knee"),
                   (word + "Foot", f"{side}_ankle"), (word + "ToeBase", f"{side}_foot"),
                   (word + "Toe_End", f"{side}_toe_tip"))  # fmt: skip
    return make.made(100.0)


def unreal() -> Character:
    """The mannequin of Unreal 5: A-pose, five spine bones, palms, twist helpers, IK bones on the floor."""
    make = Maker(Body(arms_down=45.0, curl=8.0, arms=0.95))
    body = make.body
    make.chain("", ("root", np.zeros(3)), ("pelvis", "pelvis"), ("spine_01", "spine1"),
               ("spine_02", body.between("spine1", "spine2", 0.5)), ("spine_03", "spine2"),
               ("spine_04", body.between("spine2", "spine3", 0.5)), ("spine_05", "spine3"), ("neck_01", "neck"),
               ("neck_02", body.between("neck", "head", 0.5)), ("head", "head"))  # fmt: skip
    make.add("ik_foot_root", "root", np.zeros(3))
    make.chain("root", ("ik_hand_root", np.zeros(3)), ("ik_hand_gun", body.at["right_wrist"]))
    make.add("interaction", "root", np.zeros(3))
    make.add("center_of_mass", "root", np.zeros(3))
    for side, s in (("left", "l"), ("right", "r")):
        hand = make.chain("spine_05", (f"clavicle_{s}", f"{side}_collar"), (f"upperarm_{s}", f"{side}_shoulder"),
                          (f"lowerarm_{s}", f"{side}_elbow"), (f"hand_{s}", f"{side}_wrist"))  # fmt: skip
        for finger in FINGERS:
            chain = [(f"{finger}_0{n}_{s}", f"{side}_{finger}{n}") for n in (1, 2, 3)]
            if finger != "thumb":
                palm = body.between(f"{side}_wrist", f"{side}_{finger}1", 0.35)
                chain.insert(0, (f"{finger}_metacarpal_{s}", palm))
            make.chain(hand, *chain)
        make.chain("pelvis", (f"thigh_{s}", f"{side}_hip"), (f"calf_{s}", f"{side}_knee"),
                   (f"foot_{s}", f"{side}_ankle"), (f"ball_{s}", f"{side}_foot"))  # fmt: skip
        for bone, one, other in (("upperarm", "shoulder", "elbow"), ("lowerarm", "elbow", "wrist"),
                                 ("thigh", "hip", "knee"), ("calf", "knee", "ankle")):  # fmt: skip
            for n, share in ((1, 0.3), (2, 0.65)):
                place = body.between(f"{side}_{one}", f"{side}_{other}", share)
                make.add(f"{bone}_twist_0{n}_{s}", f"{bone}_{s}", place)
        make.add(f"ik_foot_{s}", "ik_foot_root", body.at[f"{side}_ankle"])
        make.add(f"ik_hand_{s}", "ik_hand_gun", body.at[f"{side}_wrist"])
    return make.made()


def vrm() -> Character:
    """A character of VRoid Studio: hair, skirt and bust chains, eyes; larger head, longer legs."""
    make = Maker(Body(legs=1.15, arms=0.9))
    body, p = make.body, "J_Bip_C_"
    head = make.chain("", ("Root", np.zeros(3)), (p + "Hips", "pelvis"), (p + "Spine", "spine1"),
                      (p + "Chest", "spine2"), (p + "UpperChest", "spine3"), (p + "Neck", "neck"),
                      (p + "Head", "head"))  # fmt: skip
    for n in range(1, 5):
        start = body.at["head_top"] + [0.03 * (n - 2.5), -0.02 * n, -0.08]
        make.chain(head, *((f"J_Sec_Hair{k}_0{n}", start - [0.0, 0.12 * (k - 1), 0.01 * k]) for k in (1, 2, 3, 4)))
    for side, s in (("left", "L"), ("right", "R")):
        sign = 1.0 if side == "left" else -1.0
        make.add(f"J_Adj_{s}_FaceEye", head, f"{side}_eye")
        start = body.at["spine3"] + [0.07 * sign, -0.03, 0.08]
        make.chain(p + "UpperChest", (f"J_Sec_{s}_Bust1", start), (f"J_Sec_{s}_Bust2", start + [0.0, 0.0, 0.05]))
        for where, ahead in (("Back", -0.12), ("Front", 0.12)):
            start = body.at["pelvis"] + [0.12 * sign, 0.0, ahead]
            skirt = ((f"J_Sec_{s}_Skirt{where}{k}_01", start - [0.0, 0.2 * k, 0.0]) for k in range(3))
            make.chain(p + "Hips", *skirt)
        q = f"J_Bip_{s}_"
        hand = make.chain(p + "UpperChest", (q + "Shoulder", f"{side}_collar"), (q + "UpperArm", f"{side}_shoulder"),
                          (q + "LowerArm", f"{side}_elbow"), (q + "Hand", f"{side}_wrist"))  # fmt: skip
        for finger in FINGERS:
            word = {"pinky": "Little"}.get(finger, finger.capitalize())
            make.chain(hand, *((f"{q}{word}{n}", f"{side}_{finger}{n}") for n in (1, 2, 3)))
        make.chain(p + "Hips", (q + "UpperLeg", f"{side}_hip"), (q + "LowerLeg", f"{side}_knee"),
                   (q + "Foot", f"{side}_ankle"), (q + "ToeBase", f"{side}_foot"))  # fmt: skip
    return make.made()


def mpfb() -> Character:
    """The default rig of MPFB: limbs in two bones, five spine and three neck bones, palms, all toes, no ball."""
    make = Maker(Body(arms_down=48.0, curl=6.0))
    body = make.body
    make.chain("", ("root", "pelvis"), ("spine05", "spine1"), ("spine04", body.between("spine1", "spine2", 0.5)),
               ("spine03", "spine2"), ("spine02", body.between("spine2", "spine3", 0.5)), ("spine01", "spine3"),
               ("neck01", "neck"), ("neck02", body.between("neck", "head", 0.4)),
               ("neck03", body.between("neck", "head", 0.7)), ("head", "head"))  # fmt: skip
    jaw = make.add("jaw", "head", body.between("head", "nose", 0.3))
    make.add("tongue00", jaw, body.between("head", "nose", 0.6))
    for side, s in (("left", "L"), ("right", "R")):
        make.chain("head", (f"special05.{s}", body.between("head", f"{side}_eye", 0.7)), (f"eye.{s}", f"{side}_eye"))
        make.add(f"breast.{s}", "spine02", body.at["spine2"] + [0.0, 0.05, 0.05])
        wrist = make.chain(
            "spine01", (f"clavicle.{s}", f"{side}_collar"),
            (f"shoulder01.{s}", body.between(f"{side}_collar", f"{side}_shoulder", 0.6)),
            (f"upperarm01.{s}", f"{side}_shoulder"),
            (f"upperarm02.{s}", body.between(f"{side}_shoulder", f"{side}_elbow", 0.5)),
            (f"lowerarm01.{s}", f"{side}_elbow"),
            (f"lowerarm02.{s}", body.between(f"{side}_elbow", f"{side}_wrist", 0.5)), (f"wrist.{s}", f"{side}_wrist"),
        )  # fmt: skip
        for number, finger in enumerate(("thumb", "index", "middle", "ring", "pinky"), 1):
            chain = [(f"finger{number}-{n}.{s}", f"{side}_{finger}{n}") for n in (1, 2, 3)]
            if finger != "thumb":
                palm = body.between(f"{side}_wrist", f"{side}_{finger}1", 0.25)
                chain.insert(0, (f"metacarpal{number - 1}.{s}", palm))
            make.chain(wrist, *chain)
        foot = make.chain(
            "root", (f"pelvis.{s}", body.at["pelvis"]), (f"upperleg01.{s}", f"{side}_hip"),
            (f"upperleg02.{s}", body.between(f"{side}_hip", f"{side}_knee", 0.5)),
            (f"lowerleg01.{s}", f"{side}_knee"),
            (f"lowerleg02.{s}", body.between(f"{side}_knee", f"{side}_ankle", 0.5)), (f"foot.{s}", f"{side}_ankle"),
        )  # fmt: skip
        for toe in range(1, 6):
            start = body.at[f"{side}_foot"] + [(0.03 - 0.015 * toe) * (1.0 if side == "left" else -1.0), 0.0, 0.0]
            make.chain(foot, *((f"toe{toe}-{n}.{s}", start + [0.0, 0.0, 0.02 * n]) for n in (1, 2)))
    return make.made()


def rigify() -> Character:
    """Rigify's human metarig: a second neck bone, palms of which the first carries the thumb, heels, pelvis bones."""
    make = Maker(Body(arms_down=38.0, curl=10.0))
    body = make.body
    make.chain("", ("spine", "pelvis"), ("spine.001", "spine1"), ("spine.002", "spine2"), ("spine.003", "spine3"),
               ("spine.004", "neck"), ("spine.005", body.between("neck", "head", 0.5)),
               ("spine.006", "head"))  # fmt: skip
    face = make.add("face", "spine.006", body.at["head"])
    make.chain(face, ("nose", body.between("nose", "head_top", 0.3)), ("nose.001", body.at["nose"]))
    for side, s in (("left", "L"), ("right", "R")):
        make.add(f"eye.{s}", face, f"{side}_eye")
        make.chain(face, (f"ear.{s}", f"{side}_ear"), (f"ear.{s}.001", body.at[f"{side}_ear"] + [0.0, 0.02, 0.0]))
        make.add(f"pelvis.{s}", "spine", body.at["pelvis"])
        make.add(f"breast.{s}", "spine.003", body.at["spine3"] + [0.0, 0.0, 0.08])
        hand = make.chain("spine.003", (f"shoulder.{s}", f"{side}_collar"), (f"upper_arm.{s}", f"{side}_shoulder"),
                          (f"forearm.{s}", f"{side}_elbow"), (f"hand.{s}", f"{side}_wrist"))  # fmt: skip
        for n, finger in enumerate(("index", "middle", "ring", "pinky"), 1):
            palm = make.add(f"palm.0{n}.{s}", hand, body.between(f"{side}_wrist", f"{side}_{finger}1", 0.35))
            make.chain(palm, *((f"f_{finger}.0{k}.{s}", f"{side}_{finger}{k}") for k in (1, 2, 3)))
        make.chain(f"palm.01.{s}", *((f"thumb.0{k}.{s}", f"{side}_thumb{k}") for k in (1, 2, 3)))
        make.chain("spine", (f"thigh.{s}", f"{side}_hip"), (f"shin.{s}", f"{side}_knee"),
                   (f"foot.{s}", f"{side}_ankle"), (f"toe.{s}", f"{side}_foot"))  # fmt: skip
        make.add(f"heel.02.{s}", f"foot.{s}", f"{side}_heel")
    return make.made()


CHARACTERS = {
    "SMPL": smpl,
    "Mixamo": mixamo,
    "Unreal": unreal,
    "VRM": vrm,
    "MPFB": mpfb,
    "Rigify": rigify,
}
