"""Runs OpenStack Keystone in this process: ``keystone_process.py FOLDER`` prints ``ready PORT PORT``.

Both ports are of the same Keystone; tokens that the second gives live for `SHORT_SECONDS`. SQLite,
fernet tokens, no memcached, no message queue. Run as a script only.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

PASSWORD_VARIABLE = "KEYSTONE_PASSWORD"
REGION = "RegionOne"
SHORT_SECONDS = 2

CONFIGURATION = """
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/fernet_tokens
[fernet_receipts]
key_repository = {folder}/fernet_receipts
[credential]
key_repository = {folder}/credential
[cache]
# Each look at a token would be hundreds of queries.
enabled = true
backend = dogpile.cache.memory
[revoke]
caching = false
[identity]
# Slow on purpose, elsewhere.
password_hash_rounds = 4
"""


class Server(ThreadingMixIn, WSGIServer):
    """One thread a connection; ends with its parent."""

    daemon_threads = True
    request_queue_size = 128
    parent = os.getppid()

    def server_bind(self) -> None:
        """Without asking what 127.0.0.1 is called, as `HTTPServer` does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]
        self.setup_environ()

    def service_actions(self) -> None:
        if os.getppid() != self.parent:
            os._exit(0)


class Handler(WSGIRequestHandler):
    """Says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


def make_keys(folder: Path) -> None:
    """Of fernet, for tokens, for receipts (of who has half signed in) and for stored credentials."""
    keys = import_module("keystone.common.fernet_utils").FernetUtils
    for group in ("fernet_tokens", "fernet_receipts", "credential"):
        (folder / group).mkdir(mode=0o700)
        made = keys(str(folder / group), 3, group)
        made.initialize_key_repository()


def make_tables() -> None:
    """As the models have them: the migrations, which end there as well, take some seconds."""
    sql = import_module("keystone.common.sql")
    with sql.session_for_write() as session:
        sql.ModelBase.metadata.create_all(session.connection())


def bootstrap(made: Any, url: str) -> None:
    """What ``keystone-manage bootstrap`` does: an administrator, roles, the catalogue's first entry."""
    made.admin_username = made.project_name = made.admin_role_name = "admin"
    made.admin_password = os.environ[PASSWORD_VARIABLE]
    made.service_name, made.region_id = "keystone", REGION
    made.public_url = made.internal_url = made.admin_url = f"{url}/v3"
    made.bootstrap()


def main(folder: Path) -> None:
    """Serves until it is ended."""
    file = folder / "keystone.conf"
    file.write_text(CONFIGURATION.format(folder=folder))
    make_keys(folder)
    import_module("keystone.server").configure(config_files=[str(file)])
    bootstrapper = import_module("keystone.cmd.bootstrap").Bootstrapper()  # loads the models as well
    make_tables()
    ours, short = (Server(("127.0.0.1", 0), Handler) for _ in range(2))
    bootstrap(bootstrapper, f"http://127.0.0.1:{ours.server_port}")
    # What `initialize_application` does once the models are loaded, which must not happen twice.
    application = import_module("keystone.server.flask.application").application_factory("public")
    app = import_module("keystone.server.flask.core").setup_app_middleware(application)
    import_module("keystone.common.sql").cleanup()  # its connections would not survive the fork
    parent, port = os.getpid(), ours.server_port
    if os.fork() == 0:
        ours, ours.parent = short, parent
        import_module("keystone.conf").CONF.set_override("expiration", SHORT_SECONDS, "token")
    else:
        print(f"ready {port} {short.server_port}", flush=True)
    ours.set_app(app)
    ours.serve_forever(0.1)


if __name__ == "__main__":
    main(Path(sys.argv.pop()))  # Keystone reads the arguments that are left
