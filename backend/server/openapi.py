"""The description of the interface: `python -m backend.server.openapi > docs/openapi.json`.

A test compares that file with what the routes say now.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from backend.server.app import create_app
from backend.server.schemas import job_request
from backend.server.security import OPEN_PATHS

__all__ = ["description"]


def description() -> dict[str, Any]:
    """OpenAPI 3.1 of all routes, with the bodies that are read in pieces and the token that all but two ask for."""
    document = create_app().openapi()
    schemas = document["components"]["schemas"]
    wanted = job_request.json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(wanted.pop("$defs"))
    schemas["JobRequest"] = wanted
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            operation["responses"].pop("422", None)  # 4XX says it
            if path not in OPEN_PATHS:
                operation["security"] = [{"token": []}]
    reference = {"$ref": "#/components/schemas/JobRequest"}
    _add_body(document["paths"]["/v1/jobs/{job}"]["put"], "application/json", reference)
    blob = {"type": "string", "format": "binary"}
    _add_body(document["paths"]["/v1/blobs/{digest}"]["put"], "application/octet-stream", blob)
    return document


def _add_body(operation: dict[str, Any], content_type: str, schema: dict[str, Any]) -> None:
    operation["requestBody"] = {"required": True, "content": {content_type: {"schema": schema}}}


if __name__ == "__main__":
    json.dump(description(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
