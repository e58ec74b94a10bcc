"""ministack (PyPI): S3 with IAM, which verifies signatures for real once a key of IAM's is used.

Its root key is never checked, so a user is made whose key is. Conditions on writes are atomic, and
checksums verified. It takes parts under 5 MiB and out of order, which AWS refuses.
"""

from __future__ import annotations

import http.client
import json
import sys
from importlib import import_module

from .process import free_port
from .s3_server import S3Server

ATTEMPTS = 5
"""Somebody else may take the port between our looking and the server's binding."""
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


class Ministack(S3Server):
    """The server; `url` is of S3 and everything else."""

    preset = "aws"

    def __init__(self) -> None:
        super().__init__()
        for _ in range(ATTEMPTS):
            self._port = free_port()
            self.url = f"http://127.0.0.1:{self._port}"
            self.launch(
                [sys.executable, "-W", "ignore", "-m", "ministack"],
                {
                    "GATEWAY_PORT": str(self._port),
                    "BIND_HOST": "127.0.0.1",
                    "SERVICES": "s3,iam,sts",
                    "AUTH": "true",
                    "LOG_LEVEL": "WARNING",
                },
            )
            if self.wait_until_ready():
                break
        else:
            raise AssertionError(f"ministack does not start:\n{self.log.read_text()}")
        self.access_key, self.secret_key = self._make_user()

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _make_user(self) -> tuple[str, str]:
        iam = (
            import_module("boto3.session")
            .Session()
            .client(
                "iam",
                endpoint_url=self.url,
                region_name=self.region,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
        )
        try:
            iam.create_user(UserName="tester")
            iam.put_user_policy(
                UserName="tester", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING)
            )
            key = iam.create_access_key(UserName="tester")["AccessKey"]
        finally:
            iam.close()
        return key["AccessKeyId"], key["SecretAccessKey"]
