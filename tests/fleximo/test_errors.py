"""Errors say what to do, notices survive JSON."""

from __future__ import annotations

from fleximo.errors import Cancelled, FleximoError, Notice


def test_the_remedy_is_part_of_what_is_shown():
    error = FleximoError("The photo has 0 people.", code="no_person", remedy="Pass --points.")
    assert str(error) == "The photo has 0 people. Pass --points."
    assert (error.code, error.remedy) == ("no_person", "Pass --points.")
    assert str(FleximoError("Bad.")) == "Bad."


def test_cancelling_is_in_the_family():
    assert isinstance(Cancelled(), FleximoError)
    assert Cancelled().code == "cancelled"


def test_notices_go_through_json():
    notice = Notice("turned", "She looks aside.", "Turn the photo.")
    assert Notice.from_json(notice.to_json()) == notice
    assert Notice.from_json({"code": "a", "message": "b"}) == Notice("a", "b", "")
