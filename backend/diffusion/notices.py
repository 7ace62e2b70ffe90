"""What engines that denoise tell their users in the same words.

Knows sentences only.
"""

from __future__ import annotations

from fleximo.errors import Notice

__all__ = ["rendered_alone"]


def rendered_alone(what: str, *, kept: bool) -> Notice:
    """That a part was rendered without the rest of its clip, of whose frames `what` was not `kept` or does not fit."""
    why = "were made of another photo, framing or length" if kept else "were not kept"
    return Notice(
        "rendered_alone",
        f"The frames asked for were rendered as a clip of their own, for the {what} around them {why}.",
        "Render the whole take again if the cuts show.",
    )
