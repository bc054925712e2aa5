"""An analyst's room without the sandbox: a mounted dataset that was really signed, and a gateway that answers."""

import hashlib
import json
import socket
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from workbench.analyst.desk import Desk
from workbench.analyst.gateway import Gateway
from workbench.artifact import manifest
from workbench.artifact.admission import admission
from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.artifact.trust import ADMITTERS, Trusted

DICTIONARY = {
    "items": {
        "grade": {
            "label": {"ja": "学年", "en": "Grade"},
            "kind": "integer",
            "role": "quasi_identifier",
            "maximum": 17,
            "minimum": 0,
        },
        "aid": {"label": {"ja": "就学援助", "en": "School aid"}, "kind": "flag", "role": "sensitive"},
        "days": {
            "label": {"ja": "欠席日数", "en": "Days absent"},
            "kind": "integer",
            "role": "other",
            "minimum": 0,
            "maximum": 210,
        },
        "absent": {
            "label": {"ja": "翌年度の長期欠席", "en": "Absent next year"},
            "kind": "flag",
            "role": "sensitive",
        },
    },
    "targets": ["absent"],
}
RECIPE = {
    "schema": "riskflag-recode/1",
    "release": "child-year@1",
    "items": {
        "grade": {"kind": "interval", "edges": [6, 12], "labels": ["就学前", "小学", "中学以上"]},
        "days": {"kind": "interval", "edges": [5, 10], "labels": ["0–4", "5–9", "10+"]},
    },
}


def rows(count, seed):
    rng = np.random.default_rng(seed)
    grade, days, aid = rng.integers(0, 3, count), rng.integers(0, 3, count), rng.random(count) < 0.2
    absent = rng.random(count) < 1 / (1 + np.exp(3.5 - grade * 0.6 - days * 0.7 - aid))
    return pd.DataFrame(
        {
            "grade": np.array(RECIPE["items"]["grade"]["labels"], dtype=object)[grade],
            "aid": np.where(aid, "yes", "no"),
            "days": np.array(RECIPE["items"]["days"]["labels"], dtype=object)[days],
            "absent": np.where(absent, "yes", "no"),
        }
    )


def parquet(frame):
    file = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)
    return file.getvalue().to_pybytes()


def rows_files():
    return {
        "data/train.parquet": parquet(rows(3000, 1)),
        "data/test.parquet": parquet(rows(2000, 2)),
        "dictionary.json": json.dumps(DICTIONARY, ensure_ascii=False).encode(),
        "recipe.public.json": json.dumps(RECIPE, ensure_ascii=False).encode(),
        "report/report.json": b'{"verdict": "pass"}',
        "report/report.html": "<h1>匿名性確認報告書</h1><script>alert(1)</script>".encode(),
    }


@pytest.fixture
def synthetic_files():
    """A release that was not generalised: no recoding, numbers as they are."""
    made = rows(3000, 3)
    made["days"] = made["days"].map({"0–4": 0, "5–9": 1, "10+": 2})
    files = {path: content for path, content in rows_files().items() if path != "recipe.public.json"}
    return {**files, "data/train.parquet": parquet(made), "data/test.parquet": parquet(made)}


class Room:
    """What the sandbox would give: keys, mounts, a gateway."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "keys").mkdir()
        (folder / "datasets").mkdir()
        self.ring = KeyRing(
            folder / "keys", lambda purpose: hashlib.sha256(purpose.encode()).digest(), demonstration=None
        )
        for owner in ADMITTERS:
            self.ring.create(owner)

    @property
    def trusted(self):
        return Trusted.of(self.ring)

    def mount(self, name, version, files, *, protection="anonymised", days=30, signers=ADMITTERS):
        folder = self.folder / "datasets" / f"{name}-{version}"
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        meta = {"protection": protection, "guarantee": {"ja": "5人以上", "en": "k = 5"}}
        sealed = manifest.seal(
            folder, kind="dataset", name=name, version=version, meta=meta, demonstration=None
        )
        now, digest = datetime.now(UTC), "0" * 64
        statement = admission(
            sealed,
            request="R-1",
            purpose="school-support",
            report=digest,
            votes=[{"person": "person:a", "role": "reviewer", "envelope": digest}],
            admitted_at=now,
            valid_until=now + timedelta(days=days),
            policy=digest,
            home="home",
        )
        (folder / manifest.ENVELOPE).write_bytes(
            sign(statement, [self.ring.signer(owner) for owner in signers])
        )
        return folder


class Answering:
    """A gateway in a thread: it keeps what it was asked and answers what it was told."""

    def __init__(self, path):
        self.path, self.asked, self.answers = path, [], {}
        self.raw = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                request = json.loads(stream.readline())
                self.asked.append(request)
                stream.write(self.raw or json.dumps(self._reply(request)).encode() + b"\n")

    def _reply(self, request):
        if request["verb"] not in self.answers:
            return {
                "ok": False,
                "error": {"family": "Refused", "ja": "できません。", "en": "It is not done."},
            }
        return {"ok": True, "result": self.answers[request["verb"]]}

    def close(self):
        self._socket.close()


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path)
    room.mount("child-year", "1", rows_files())
    return room


@pytest.fixture
def gateway(tmp_path):
    answering = Answering(tmp_path / "gateway.sock")
    yield answering
    answering.close()


@pytest.fixture
def desk(room, gateway):
    return Desk(gateway=Gateway(gateway.path), trusted=room.trusted, mounted=room.folder / "datasets")
