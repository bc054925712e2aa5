"""The closed shapes of what is signed: an unknown key is refused, never skipped."""

from typing import Any

from workbench.errors import Untrusted

SCHEMA_ID = "workbench-bundle/1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
ADMISSION_TYPE = "workbench:admission/v1"
REVOCATIONS_TYPE = "workbench:revocations/v1"

Schema = dict[str, Any]


def text(pattern: str) -> Schema:
    """A string that is the pattern and nothing more ('$' alone would let a final line feed pass)."""
    return {"type": "string", "pattern": f"^{pattern}(?![\\s\\S])"}


DIGEST = text("[0-9a-f]{64}")
TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 2000}
NAME = text("[a-z0-9][a-z0-9_-]{0,63}")
VERSION = text("(0|[1-9][0-9]{0,5})(\\.(0|[1-9][0-9]{0,5})){0,2}")
TIME = text("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?Z")


def closed(**properties: Schema) -> Schema:
    """An object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def mapping(keys: Schema, values: Schema, *, most: int) -> Schema:
    """An object from any key of one shape to values of one shape."""
    return {"type": "object", "propertyNames": keys, "additionalProperties": values, "maxProperties": most}


def statement(predicate_type: str, predicate: Schema) -> Schema:
    """An in-toto statement (v1) about one subject."""
    subject = closed(name=TEXT, digest=closed(sha256=DIGEST))
    return closed(
        _type={"const": STATEMENT_TYPE},
        subject={"type": "array", "items": subject, "minItems": 1, "maxItems": 1},
        predicateType={"const": predicate_type},
        predicate=predicate,
    )


MANIFEST_SCHEMA = closed(
    schema={"const": SCHEMA_ID},
    kind=NAME,
    name=NAME,
    version=VERSION,
    demonstration={"type": ["string", "null"], "minLength": 1, "maxLength": 100},
    meta={"type": "object"},
    files=mapping(
        {"maxLength": 800},
        closed(sha256=DIGEST, size={"type": "integer", "minimum": 0}),
        most=2000,
    )
    | {"minProperties": 1},
)

ADMISSION_SCHEMA = statement(
    ADMISSION_TYPE,
    closed(
        request=TEXT,
        kind=NAME,
        name=NAME,
        version=VERSION,
        purpose=TEXT,
        report=DIGEST,
        votes={
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": closed(person=TEXT, role=TEXT, envelope=DIGEST),
        },
        admitted_at=TIME,
        valid_until=TIME,
        policy=DIGEST,
        home=TEXT,
    ),
)

REVOCATIONS_SCHEMA = statement(
    REVOCATIONS_TYPE,
    closed(
        home=TEXT,
        sequence={"type": "integer", "minimum": 0},
        issued_at=TIME,
        valid_until=TIME,
        revoked=mapping(DIGEST, closed(reason=TEXT, revoked_at=TIME), most=100_000),
    ),
)


ENVELOPE_SCHEMA = closed(
    payload={"type": "string"},
    payloadType={"const": PAYLOAD_TYPE},
    signatures={
        "type": "array",
        "maxItems": 20,
        "items": closed(keyid=DIGEST, sig=text("[A-Za-z0-9+/]{86}==")),
    },
)

PUBLIC_KEY = DIGEST
TRUST_SCHEMA = closed(
    schema={"const": "workbench-trust/1"},
    demonstration={"type": ["string", "null"], "minLength": 1, "maxLength": 100},
    keys=mapping(text("(role|person):[a-z0-9][a-z0-9_-]{0,63}"), PUBLIC_KEY, most=1000),
)

SEEN_SCHEMA = closed(
    schema={"const": "workbench-revocations-seen/1"},
    sequence={"type": "integer", "minimum": 0},
    digest=DIGEST,
    revoked={"type": "array", "items": DIGEST},
)


def expect_schema(value: Any, schema: Schema, *, name: str) -> None:
    """Raise Untrusted, naming the place but no value, unless `value` has the shape."""
    from jsonschema import Draft202012Validator

    error = next(Draft202012Validator(schema).iter_errors(value), None)
    if error is not None:
        place = "/".join(ascii(str(part))[1:-1][:60] for part in error.absolute_path) or "(top)"
        raise Untrusted(
            ja=f"{name} の {place} が決められた形ではありません（規則 {error.validator}）。作成元から受け取り直してください。",
            en=f"{name} does not have the fixed shape at {place} (rule {error.validator}); obtain it again from its source.",
        )
