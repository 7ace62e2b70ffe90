"""A person survives JSON, and a file cannot blow up the memory."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest

from fleximo.errors import FleximoError, Notice
from fleximo.layouts import WHOLEBODY_128
from fleximo.person import Person


def make_person(size: tuple[int, int] = (57, 101)) -> Person:
    rng = np.random.default_rng(0)
    return Person(
        points_px=rng.uniform(0, 50, (128, 2)),
        confidence=rng.uniform(0, 1, 128),
        photo_size=size,
        mask=rng.uniform(size=(size[1], size[0])) > 0.5,
        body_m=rng.normal(size=(18, 3)),
        bone_lengths_m={"left_upper_arm": 0.28123, "neck": 0.1},
        yaw_degrees=12.5,
        stature_m=1.8,
        lens_degrees=60.0,
        notices=(Notice("turned", "a", "b"),),
    )


def test_json_round_trip():
    person = make_person()
    again = Person.from_json(json.loads(json.dumps(person.to_json())))
    np.testing.assert_array_equal(again.mask, person.mask)
    np.testing.assert_allclose(again.points_px, person.points_px, atol=6e-4)
    np.testing.assert_allclose(again.confidence, person.confidence, atol=6e-5)
    np.testing.assert_allclose(again.body_m, person.body_m, atol=6e-6)
    assert again.to_json() == person.to_json()
    assert (again.lens_degrees, again.stature_m, again.notices) == (60.0, 1.8, person.notices)
    assert dict(again.bone_lengths_m) == dict(person.bone_lengths_m)


def test_points_by_name_and_the_torso_as_unit():
    points = np.zeros((128, 2))
    for name, place in {"neck": (50, 20), "left_hip": (60, 120), "right_hip": (40, 120)}.items():
        points[WHOLEBODY_128.index(name)] = place
    person = Person(points, np.ones(128), (100, 200), np.zeros((200, 100), bool))
    assert person.torso_px == pytest.approx(100.0)
    assert person.point("left_hip").tolist() == [60.0, 120.0]
    assert not person.has_depth
    assert make_person().has_depth


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mask": np.zeros((57, 101), bool)}, "Person.mask has the shape"),
        ({"points_px": np.zeros((18, 2))}, "Person.points_px has the shape"),
        ({"points_px": np.full((128, 2), np.nan)}, "not finite"),
    ],
)
def test_wrong_persons_are_explained(fields: dict[str, object], message: str):
    good = {"points_px": np.zeros((128, 2)), "confidence": np.zeros(128), "photo_size": (57, 101),
            "mask": np.zeros((101, 57), bool)}  # fmt: skip
    with pytest.raises(FleximoError, match=message):
        Person(**{**good, **fields})


def _changed(**changes: object) -> dict[str, object]:
    return {**make_person().to_json(), **changes}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "person file cannot be read"),
        (_changed(points_px=[[1, 2]]), "Person.points_px has the shape"),
        (_changed(photo_size=[20000, 20000]), "at most 100 million"),
        (_changed(photo_size=[58, 101]), "mask has"),
        (_changed(mask_bits="%%%"), "person file cannot be read|mask"),
        (_changed(mask_bits=base64.b64encode(zlib.compress(bytes(10**7))).decode()), "mask has"),
        (_changed(warnings=[3]), "person file cannot be read"),
    ],
)
def test_documents_that_are_no_person(document: dict[str, object], message: str):
    with pytest.raises(FleximoError, match=message):
        Person.from_json(document)
