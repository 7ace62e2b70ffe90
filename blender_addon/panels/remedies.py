"""What can be done about a photo that is hard to use, as buttons: one for each code of the photo gate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["REMEDIES", "draw_remedies"]

_OTHER = ("fleximo.set_reference", "Another Photo", 0)
_PLACE = ("fleximo.place_points", "Place Points", 0)
_FROM_LEFT = tuple(("fleximo.detect_pose", f"{n}. from Left", n) for n in (1, 2, 3))  # the number is whom to choose
# The codes of what is found in a photo, and of what keeps one from being used.
REMEDIES = {
    "several_people": _FROM_LEFT,
    "limb_out_of_frame": (_PLACE, _OTHER),
    "upper_body_only": (_OTHER,),
    "turned": (_OTHER,),
    "back_view": (_OTHER,),
    "arm_overlaps_torso": (_PLACE, _OTHER),
    "small_person": (_OTHER,),
    "not_upright": (_OTHER,),
    "no_person": (_PLACE, _OTHER),
    "no_body": (_OTHER,),
    "no_such_person": _FROM_LEFT,
    "unreadable_photo": (_OTHER,),
    "photo_too_large": (_OTHER,),
    "photo_gone": (_OTHER,),
    "invalid_points": (_PLACE,),
    "detector_unavailable": (_PLACE,),
}


def draw_remedies(layout: Any, codes: Iterable[str]) -> None:
    """A button for each remedy of `codes`; the same one once."""
    wanted = dict.fromkeys(remedy for code in codes for remedy in REMEDIES.get(code, ()))
    if wanted:
        row = layout.row(align=True)
        for operator, text, person in wanted:
            button = row.operator(operator, text=text)
            if person:
                button.choose = person
