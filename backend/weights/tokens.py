"""The hub's token: from the environment or the preferences, for the hub's host alone.

It is never printed, logged or put on a command line. Knows no requests.
"""

from __future__ import annotations

import os
from pathlib import Path

from fleximo.data_folder import data_folder
from fleximo.errors import FleximoError
from fleximo.files import write_atomic
from fleximo.system import make_private_folder

__all__ = ["hub_tokens", "save_token", "token_file"]

_HOST = "huggingface.co"
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def token_file() -> Path:
    """Where the preferences keep the token, readable by this user alone."""
    return data_folder() / "hub_token"


def hub_tokens() -> dict[str, str]:
    """The token by the host that it is for; empty where there is none."""
    for variable in _VARIABLES:
        if os.environ.get(variable, "").strip():
            return {_HOST: _checked(os.environ[variable], f"${variable}")}
    try:
        kept = token_file().read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return {}
    return {_HOST: _checked(kept, str(token_file()))} if kept.strip() else {}


def save_token(token: str) -> Path:
    """Keeps `token` in the preferences (an empty one is forgotten); returns the file."""
    path = token_file()
    if token.strip():
        make_private_folder(path.parent)
        write_atomic(path, _checked(token, "what was given").encode(), private=True)
    else:
        path.unlink(missing_ok=True)
    return path


def _checked(token: str, where: str) -> str:
    """The token without the white space around it; what could break out of a header is refused, and not shown."""
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise FleximoError(f"The token in {where} holds characters that no token has.", code="bad_token")
    return token
