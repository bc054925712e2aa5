"""Where requests, votes and admitted bundles are kept. Only `workflow` writes here."""

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, String, Table, UniqueConstraint

from workbench.state import metadata

requests = Table(
    "release_requests",
    metadata,
    # A number is never given twice, even when a request that held it was undone.
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("protection", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("author", String(64), nullable=False),
    Column("why", String, nullable=False),
    Column("state", String(16), nullable=False),
    # Which of the bundles handed in for this request is the one in question; a return brings another.
    Column("attempt", Integer, nullable=False),
    Column("report", String(64)),
    Column("verdict", String(8)),
    Column("manifest", String(64)),
    Column("policy", String(64)),
    Column("admitted_at", String(40)),
    Column("valid_until", String(40)),
    sqlite_autoincrement=True,
)

votes = Table(
    "release_votes",
    metadata,
    Column("request", Integer, ForeignKey("release_requests.number"), primary_key=True),
    Column("person", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("vote", String(8), nullable=False),
    Column("report", String(64), nullable=False),
    Column("cast_at", String(40), nullable=False),
    Column("comment", String, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
)

shelves = Table(
    "release_shelves",
    metadata,
    Column("manifest", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("protection", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("request", Integer, ForeignKey("release_requests.number"), nullable=False),
    Column("report", String(64), nullable=False),
    Column("admitted_at", String(40), nullable=False),
    Column("valid_until", String(40), nullable=False),
    Column("revoked_at", String(40)),
    Column("revoked_why", String),
    UniqueConstraint("kind", "name", "version"),
)
