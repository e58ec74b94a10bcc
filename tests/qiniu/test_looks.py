"""What an error says was done, where an answer is lost on its way."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from cloudstore import RetryPolicy, Store, TransportError
from cloudstore.testing import Fault, FaultProxy
from cloudstore.testing.qiniu import QiniuSimulator
from tests.qiniu.harness import config_of

ONCE = RetryPolicy(attempts=1)


def test_a_look_at_a_bucket_is_sent_by_post_and_changes_nothing(qiniu: QiniuSimulator) -> None:
    place = urlsplit(qiniu.api_url)
    with FaultProxy(place.hostname or "", place.port or 0) as proxy:
        config = config_of(qiniu, endpoint=proxy.url, retry=ONCE)
        with Store(config) as store:
            store.create_bucket("looked-at")
            proxy.inject(Fault(lose_answer=True))
            with pytest.raises(TransportError) as caught:
                store.get_bucket("looked-at")
    assert caught.value.outcome == "not_applied"
