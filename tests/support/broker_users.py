"""A broker with the users of docs/security/redis.acl."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.support.servers import ValkeyServer, run_valkey
from tests.support.source_tree import ROOT

ACL_FILE = ROOT / "docs" / "security" / "redis.acl"

PASSWORDS = {
    "worker": "worker-secret-1",
    "client": "client-secret-2",
    "webhooks": "webhooks-secret-8",
    "metrics": "metrics-secret-9",
    "flower": "flower-secret-10",
    "scaler": "scaler-secret-6",
}
"""Role -> password of the user ocrfarm-ROLE."""


@contextmanager
def run_acl_broker(folder: Path) -> Iterator[ValkeyServer]:
    """Run a broker whose ACL file is docs/security/redis.acl, with one more user who may do all."""
    users = ACL_FILE.read_text(encoding="utf-8")
    for role, password in PASSWORDS.items():
        users = users.replace(f"{role.upper()}_SHA256", hashlib.sha256(password.encode()).hexdigest())
    (folder / "users.acl").write_text(f"{users}user admin on >admin ~* &* +@all\n", encoding="utf-8")
    with run_valkey(folder, folder / "users.acl") as server:
        yield server


def broker_url(server: ValkeyServer, role: str) -> str:
    """Return the broker's URL with the name and the password of a role's user."""
    return server.url.replace("redis://", f"redis://ocrfarm-{role}:{PASSWORDS[role]}@")


def refused_commands(server: ValkeyServer) -> list[object]:
    """Return what the server has refused to its users."""
    with redis.Redis.from_url(server.url, username="admin", password="admin", decode_responses=True) as admin:
        found: list[object] = admin.execute_command("ACL", "LOG")
    return found
