"""What servers that speak S3 share: the configuration of a store on one."""

from __future__ import annotations

from typing import Any

from cloudstore import S3Config, Secret

from .process import ServerProcess

REGION = "us-east-1"


class S3Server(ServerProcess):
    """A server with an S3 API.

    Attributes:
        preset: the one of `S3Config` that is meant for it.
        region: signed with.
        url: where it is, without a path.
        access_key, secret_key: of a user who may do everything.
    """

    preset: str
    region = REGION
    url: str
    access_key: str
    secret_key: str

    def s3_config(self, **changes: Any) -> S3Config:
        """How it is reached by S3, with other options where `changes` has them."""
        options: dict[str, Any] = {
            "access_key": self.access_key,
            "secret_key": Secret(self.secret_key),
            "endpoint": self.url,
            "region": self.region,
            "preset": self.preset,
        }
        return S3Config(**{**options, **changes})
