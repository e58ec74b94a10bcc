"""Runs a whole OpenStack Swift in this process: ``swift_process.py FOLDER`` prints ``ready PORT``.

One node, one device, one replica, no memcached, no root. Objects need user xattrs in FOLDER (ext4, xfs,
tmpfs of Linux 6.6); where there are none, Swift's own object server in memory is used. With
``SWIFT_KEYSTONE`` (its URL) and ``SWIFT_KEYSTONE_PASSWORD`` a Keystone says who is who, and there is no
S3; else Swift's own TempAuth does. Run as a script only: it patches the standard library.
"""

from __future__ import annotations

import configparser
import gc
import getpass
import os
import socket
import sys
import time
from array import array
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

SERVERS = ("account", "container", "object")
PARTITIONS = 16
PARTITION_SHIFT = 28
"""32 bits of hash, of which the upper 4 choose one of the partitions."""

SWIFT = """
[swift-hash]
swift_hash_path_prefix = cloudstore
swift_hash_path_suffix = cloudstore
[storage-policy:0]
name = default
default = yes
[swift-constraints]
max_file_size = 5368709122
"""

BACKEND = """
[DEFAULT]
devices = {folder}/devices
mount_check = false
swift_dir = {folder}
workers = 0
user = {user}
log_level = WARNING
log_address = /nonexistent
disable_fallocate = true
fallocate_reserve = 0
recon_cache_path = {folder}/cache
conn_timeout = 10
node_timeout = 30
container_update_timeout = 30
[app:{name}-server]
use = egg:swift#{name}
log_requests = false
"""

PIPELINE = (
    "catch_errors gatekeeper healthcheck cache listing_formats etag-quoter bulk tempurl formpost s3api"
    " tempauth staticweb copy container-quotas account-quotas slo dlo versioned_writes symlink"
    " proxy-server"
)
KEYSTONE_PIPELINE = PIPELINE.replace("s3api tempauth", "authtoken keystoneauth")
PROXY = """
[DEFAULT]
swift_dir = {folder}
workers = 0
user = {user}
log_level = WARNING
log_address = /nonexistent
[pipeline:main]
pipeline = {pipeline}
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
node_timeout = 30
allow_open_expired = true
[filter:cache]
paste.filter_factory = swift_cache:filter_factory
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:etag-quoter]
use = egg:swift#etag_quoter
[filter:bulk]
use = egg:swift#bulk
[filter:tempurl]
use = egg:swift#tempurl
methods = GET HEAD PUT POST DELETE
[filter:formpost]
use = egg:swift#formpost
[filter:s3api]
use = egg:swift#s3api
s3_acl = true
storage_domain = s3.test
location = us-east-1
force_swift_request_proxy_log = false
dns_compliant_bucket_names = true
check_bucket_owner = false
allow_multipart_uploads = true
min_segment_size = 1
auth_pipeline_check = true
[filter:tempauth]
use = egg:swift#tempauth
user_admin_admin = admin .admin .reseller_admin
user_test_tester = key-of-the-tester .admin
user_test_tester2 = testing2 .admin
user_test_tester3 = testing3
user_test2_tester2 = testing2 .admin
storage_url_scheme = http
token_life = {token_life}
[filter:staticweb]
use = egg:swift#staticweb
[filter:copy]
use = egg:swift#copy
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:account-quotas]
use = egg:swift#account_quotas
[filter:slo]
use = egg:swift#slo
min_segment_size = 1
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
"""
KEYSTONE = """
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
username = admin
password = {password}
user_domain_id = default
project_name = admin
project_domain_id = default
# What is revoked is so at once.
token_cache_time = -1
delay_auth_decision = true
service_token_roles_required = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = member
"""


def has_xattrs(folder: Path) -> bool:
    """Whether files in `folder` can carry what Swift stores beside an object."""
    probe = folder / "probe"
    probe.touch()
    set_attribute: Callable[..., None] | None = getattr(os, "setxattr", None)
    try:
        if set_attribute is None:
            return False
        set_attribute(probe, "user.swift.probe", b"x" * 4096)
    except OSError:
        return False
    finally:
        probe.unlink()
    return True


def write_configuration(folder: Path) -> None:
    """Everything that does not depend on the ports."""
    for name in ("devices/d1", "cache"):
        (folder / name).mkdir(parents=True)
    keystone = os.environ.get("SWIFT_KEYSTONE")
    values = {
        "folder": folder,
        "user": getpass.getuser(),
        "pipeline": KEYSTONE_PIPELINE if keystone else PIPELINE,
        "token_life": os.environ.get("SWIFT_TOKEN_LIFE", "86400"),
    }
    (folder / "swift.conf").write_text(SWIFT)
    (folder / "container-sync-realms.conf").write_text("")
    proxy = PROXY.format(**values)
    if keystone:
        proxy += KEYSTONE.format(url=keystone, password=os.environ["SWIFT_KEYSTONE_PASSWORD"])
    (folder / "proxy-server.conf").write_text(proxy)
    for name in SERVERS:
        (folder / f"{name}-server.conf").write_text(BACKEND.format(name=name, **values))


def write_ring(folder: Path, name: str, port: int) -> None:
    """The ring of one device, which `swift-ring-builder` would take a second to make."""
    device: dict[str, Any] = {"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port}
    device |= {"device": "d1", "weight": 1.0, "meta": ""}
    device |= {"replication_ip": "127.0.0.1", "replication_port": port}
    ring = import_module("swift.common.ring").RingData
    ring([array("H", [0] * PARTITIONS)], [device], PARTITION_SHIFT).save(
        str(folder / f"{name}.ring.gz")
    )


def object_server(folder: Path) -> Any:
    """The object server's WSGI application."""
    if has_xattrs(folder):
        return import_module("swift.obj.server").ObjectController(settings(folder, "object"))

    class Controller(import_module("swift.obj.mem_server").ObjectController):  # type: ignore[misc]
        """The one in memory, which has no file to put the expirer's later work into."""

        def async_update(self, op: str, account: str, *rest: Any, **options: Any) -> None:
            if op != "DELETE" or not account.startswith(".expiring"):
                super().async_update(op, account, *rest, **options)

    return Controller(settings(folder, "object"))


def settings(folder: Path, name: str) -> dict[str, str]:
    """A backend's configuration as `paste` would hand it over."""
    parser = configparser.RawConfigParser()
    parser.read(folder / f"{name}-server.conf")
    return {**dict(parser.items("DEFAULT")), **dict(parser.items(f"app:{name}-server"))}


def main(folder: Path) -> None:
    """Serves until it is ended."""
    eventlet = import_module("eventlet")
    eventlet.monkey_patch()
    os.environ["SWIFT_DIR"] = str(folder)
    write_configuration(folder)
    utils = import_module("swift.common.utils")
    if utils.set_swift_dir(str(folder)):
        import_module("swift.common.constraints").reload_constraints()
        import_module("swift.common.storage_policy").reload_storage_policies()
    utils.validate_hash_conf()
    wsgi = import_module("swift.common.wsgi")

    def listen() -> Any:
        found = eventlet.listen(("127.0.0.1", 0), backlog=1024)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def serve(listener: Any, app: Any) -> None:
        eventlet.spawn(
            import_module("eventlet.wsgi").server,
            listener,
            app,
            utils.NullLogger(),
            protocol=wsgi.SwiftHttpProtocol,
            max_size=1024,
            debug=False,
            keepalive=60,
        )

    backends = {name: listen() for name in SERVERS}
    for name, listener in backends.items():
        write_ring(folder, name, listener.getsockname()[1])
    serve(
        backends["account"],
        import_module("swift.account.server").AccountController(settings(folder, "account")),
    )
    serve(
        backends["container"],
        import_module("swift.container.server").ContainerController(settings(folder, "container")),
    )
    serve(backends["object"], object_server(folder))
    proxy = listen()
    serve(proxy, wsgi.loadapp(str(folder / "proxy-server.conf"), global_conf={}))
    # What was loaded stays: it need not be looked through again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    print(f"ready {proxy.getsockname()[1]}", flush=True)
    while True:
        eventlet.sleep(time.monotonic())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
