"""The log's key: 32 bytes in a file only its owner reads."""

import stat
from pathlib import Path

from workbench.errors import Unprotected, Untrusted
from workbench.home import Home, create_once

AUDIT_KEY = "audit.key"
SIZE = 32


def audit_key(home: Home) -> bytes:
    """
    The key of the home's log, made on first use.

    Raises Untrusted when a log exists and its key is gone (a new key would bless a new history), and
    Unprotected when others may read the key.
    """
    path = home.keys / AUDIT_KEY
    if not path.exists():
        if (home.audit / "head.json").exists():
            raise key_lost(path)
        create_once(path, home.entropy("audit key", size=SIZE))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Unprotected(
            ja=f"{path.name} を他の利用者が読めます。chmod 600 で所有者だけが読めるようにしてください。",
            en=f"Others may read {path.name}; make it readable by its owner only (chmod 600).",
        )
    key = path.read_bytes()
    if len(key) != SIZE:
        raise key_lost(path)
    return key


def key_lost(path: Path) -> Untrusted:
    return Untrusted(
        ja=f"監査ログはありますが、その鍵（{path.name}）が失われたか壊れています。バックアップから鍵を戻してください。",
        en=f"There is an audit log, but its key ({path.name}) is lost or damaged; restore the key from a backup.",
    )
