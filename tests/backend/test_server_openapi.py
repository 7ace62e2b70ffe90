"""The committed description of the interface is the one that the routes give."""

from __future__ import annotations

import json
from pathlib import Path

from backend.server.openapi import description

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_committed_description_is_current() -> None:
    now = json.loads(json.dumps(description()))
    assert json.loads(COMMITTED.read_text()) == now, "run: python -m backend.server.openapi > docs/openapi.json"


def test_every_reference_leads_somewhere() -> None:
    document = description()
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
    assert "JobRequest" in names
