"""The JSON Schema of the rule file, for editors.

Floor 2. Generated from `schema.py`, so it cannot part from what the reader
accepts. `python -m proxy.rules.jsonschema` writes it to standard output; a
test holds docs/rules.schema.json to it.
"""

from __future__ import annotations

import json
import sys

from proxy.rules.condition_shapes import ALTERNATIVE_SCHEMA, CONDITION_SCHEMA, MATCHER_SCHEMA
from proxy.rules.schema import FILE_RECORD
from proxy.rules.shapes import Schema


def rules_schema() -> Schema:
    """The whole schema (JSON Schema 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Larder rules.yaml",
        "description": "The rule file of Larder, a transparent caching reverse proxy for APIs.",
        **FILE_RECORD.schema(),
        "$defs": {
            "matcher": MATCHER_SCHEMA,
            "alternative": ALTERNATIVE_SCHEMA,
            "condition": CONDITION_SCHEMA,
        },
    }


def rules_schema_text() -> str:
    """The schema as the file in docs/ has it."""
    return json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(rules_schema_text())
