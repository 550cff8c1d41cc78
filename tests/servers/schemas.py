"""Check the requests to and answers from the emulated Synapse against Synapse's public API description.

The description is ``src/spec/openapispecification.json`` of the npm package ``@sage-bionetworks/synapse-client``
0.0.13 (Apache-2.0); it is not kept here but read from the file that ``DECNEF_SYNAPSE_SPEC`` names.  Its schemas are
open, so that plain validation lets a misspelt property pass; here unknown properties, nulls and statuses that are
not documented are refused as well.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.servers.local import Exchange

VARIABLE = "DECNEF_SYNAPSE_SPEC"
SHA256 = "2bd6422f2ffbd46db10e9faca0ad783443b812ae3e7ed68735b2cfb3efca7014"
MISSING = (
    f"{VARIABLE} names no file: fetch @sage-bionetworks/synapse-client 0.0.13 with 'npm pack', "
    "and set it to the unpacked src/spec/openapispecification.json"
)
_HERE = "urn:synapse"
_ERRORS = "org.sagebionetworks.repo.model"
_REFUSALS = frozenset({400, 401, 403, 404, 429, 503})  # those the server's source gives for these calls


class SchemaError(AssertionError):
    """A request or an answer that Synapse's public description does not allow."""


@dataclass(frozen=True)
class Specification:
    """The description, as read."""

    document: Mapping[str, Any]

    @cached_property
    def registry(self) -> Registry[Any]:
        """The schemas, ready to be referred to."""
        described = DRAFT4.create_resource(self.document)
        found: Registry[Any] = Registry().with_resource(_HERE, described).crawl()
        return found

    @classmethod
    def read(cls) -> "Specification | None":
        """Read the file that the environment names, ``None`` where it names none; another version is refused."""
        place = os.environ.get(VARIABLE)
        if not place:
            return None
        return _read(Path(place))

    def check(self, exchange: Exchange) -> None:
        """Raise an error that lists all problems, if the description does not allow a request or an answer."""
        problems = list(self.problems(exchange))
        if problems:
            raise SchemaError(f"{exchange.method} {exchange.path} {exchange.status}: {'; '.join(problems)}")

    def problems(self, exchange: Exchange) -> Iterator[str]:
        """List what is wrong with an exchange."""
        operation = self._operation(exchange)
        if operation is None:
            yield "this call is not documented"
            return
        if "requestBody" in operation and exchange.status < 400:
            asked = _content(operation["requestBody"])
            yield from (f"request: {text}" for text in self.wrong(asked, json.loads(exchange.body)))
        schema = self._answer(operation, exchange)
        yield from (
            ["this status is not documented"] if schema is None else self.wrong(schema, exchange.answer)
        )

    def wrong(self, schema: Mapping[str, Any], value: object) -> Iterator[str]:
        """List what is wrong with a value."""
        whole = Draft4Validator({"$ref": _HERE + schema["$ref"]}, registry=self.registry)
        yield from (error.message for error in whole.iter_errors(value))
        yield from self._unknown(schema, value, "$")

    def _operation(self, exchange: Exchange) -> Mapping[str, Any] | None:
        """Find the call by its path; of several templates the one with the fewest blanks."""
        fitting = [path for path in self.document["paths"] if re.fullmatch(_pattern(path), exchange.path)]
        for path in sorted(fitting, key=lambda path: path.count("{")):
            found: Mapping[str, Any] | None = self.document["paths"][path].get(exchange.method.lower())
            if found:
                return found
        return None

    def _answer(self, operation: Mapping[str, Any], exchange: Exchange) -> Mapping[str, Any] | None:
        """Return the schema of the answer; successes are documented for each call, refusals only once."""
        documented = operation["responses"].get(str(exchange.status))
        if documented:
            return _content(documented)
        if exchange.status not in _REFUSALS:
            return None
        typed = isinstance(exchange.answer, dict) and "concreteType" in exchange.answer
        return {
            "$ref": f"#/components/schemas/{_ERRORS}.{'ErrorResponse' if typed else 'OAuthErrorResponse'}"
        }

    def _unknown(self, schema: Mapping[str, Any], value: object, place: str) -> Iterator[str]:
        """List nulls and unknown properties, wherever they are."""
        schema = self._resolved(schema, value)
        if value is None:
            yield f"{place} is null"
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._unknown(schema.get("items", {}), item, f"{place}[{index}]")
        elif isinstance(value, dict):
            for name, item in value.items():
                yield from self._property(schema, name, item, f"{place}.{name}")

    def _property(self, schema: Mapping[str, Any], name: str, value: object, place: str) -> Iterator[str]:
        known = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
        yield from [f"{place} is unknown"] if known is None else self._unknown(known, value, place)

    def _resolved(self, schema: Mapping[str, Any], value: object) -> Mapping[str, Any]:
        """Follow references, and the ``concreteType`` that selects one of several classes."""
        schemas: Mapping[str, Mapping[str, Any]] = self.document["components"]["schemas"]
        if "$ref" in schema:
            return self._resolved(schemas[schema["$ref"].rpartition("/")[2]], value)
        if "discriminator" in schema and isinstance(value, dict):
            return schemas.get(str(value.get("concreteType")), schema)
        return schema


@cache
def _read(place: Path) -> Specification:
    content = place.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SchemaError(f"'{place}' is not the description that was asked for. {MISSING}.")
    return Specification(json.loads(content))


@cache
def _pattern(path: str) -> str:
    return re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))


def _content(part: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = part["content"]["application/json"]["schema"]
    return schema
