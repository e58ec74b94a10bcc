"""Buckets in another region than the configured one: found out once, on AWS only."""

from __future__ import annotations

import pytest

from cloudstore import (
    AuthenticationError,
    ObjectNotFoundError,
    S3Config,
    Secret,
    Store,
    UnexpectedResponseError,
)
from tests.s3.scripted import Asked, Say, ScriptedServer
from tests.s3.test_answers import error, store_on
from tests.servers.ministack_server import Ministack

HERE = "us-east-1"
THERE = "eu-central-1"
NAMED = {"x-amz-bucket-region": THERE}
MALFORMED = error("AuthorizationHeaderMalformed", Region=THERE)
ILLEGAL = error("IllegalLocationConstraintException")


def signed_for(asked: Asked) -> str:
    return asked.headers["authorization"].split("/")[2]


def elsewhere(answer: Say) -> ScriptedServer:
    """A service whose bucket is in `THERE`; `answer` says so to whoever signs for another region."""

    def script(asked: Asked) -> Say:
        if signed_for(asked) == THERE:
            return Say(200, b"data", {"etag": '"e"'})
        return answer

    return ScriptedServer(script)


def regions(server: ScriptedServer) -> list[tuple[str, str]]:
    return [(asked.method, signed_for(asked)) for asked in server.asked]


@pytest.mark.parametrize(
    "answer",
    [
        Say(301, error("PermanentRedirect"), NAMED),
        Say(301, "", NAMED),
        Say(307, error("TemporaryRedirect"), NAMED),
        Say(400, MALFORMED),
        Say(400, ILLEGAL, NAMED),
    ],
    ids=["301", "301_without_a_body", "307", "malformed", "illegal"],
)
def test_region_is_found_out_once(answer: Say) -> None:
    with elsewhere(answer) as server, store_on(server) as store:
        assert store.get_object("bucket", "k").read() == b"data"
        store.create_object("bucket", "k", b"x")
        store.delete_object("bucket", "k")
        assert regions(server) == [("GET", HERE), ("GET", THERE), ("PUT", THERE), ("DELETE", THERE)]
        assert server.asked[2].body == b"x"


@pytest.mark.parametrize("status", [301, 400])
def test_head_says_it_without_a_body(status: int) -> None:
    with elsewhere(Say(status, "", NAMED)) as server, store_on(server) as store:
        assert store.head_object("bucket", "k").etag == "e"
        assert regions(server) == [("HEAD", HERE), ("HEAD", THERE)]


def test_answer_that_does_not_name_the_region_makes_us_ask_for_it() -> None:
    def script(asked: Asked) -> Say:
        if signed_for(asked) == THERE:
            return Say(200, b"data")
        return Say(301, "", NAMED) if asked.method == "HEAD" else Say(400, ILLEGAL)

    with ScriptedServer(script) as server, store_on(server) as store:
        assert store.get_object("bucket", "k").read() == b"data"
        assert regions(server) == [("GET", HERE), ("HEAD", HERE), ("GET", THERE)]


def test_each_bucket_has_its_own() -> None:
    def script(asked: Asked) -> Say:
        if asked.path.startswith("/there") and signed_for(asked) != THERE:
            return Say(301, "", NAMED)
        return Say(200, b"data")

    with ScriptedServer(script) as server, store_on(server) as store:
        store.get_object("there", "k").close()
        store.get_object("here", "k").close()
        store.get_object("there", "k").close()
        assert [signed_for(asked) for asked in server.asked] == [HERE, THERE, HERE, THERE]


def test_bucket_that_moves_again_is_found_again() -> None:
    home = [THERE]

    def script(asked: Asked) -> Say:
        if signed_for(asked) == home[0]:
            return Say(200, b"data")
        return Say(301, "", {"x-amz-bucket-region": home[0]})

    with ScriptedServer(script) as server, store_on(server) as store:
        store.get_object("bucket", "k").close()
        home[0] = "ap-south-1"
        store.get_object("bucket", "k").close()
        assert [signed_for(asked) for asked in server.asked] == [HERE, THERE, THERE, "ap-south-1"]


@pytest.mark.parametrize("named", [{}, {"x-amz-bucket-region": HERE}], ids=["unnamed", "same"])
def test_redirect_to_nowhere_ends(named: dict[str, str]) -> None:
    answer = Say(301, error("PermanentRedirect"), named)
    with ScriptedServer(lambda _: answer) as server, store_on(server) as store:
        with pytest.raises(UnexpectedResponseError):
            store.get_object("bucket", "k")
        assert len(server.asked) == 2


def test_redirect_in_a_circle_ends() -> None:
    def script(asked: Asked) -> Say:
        other = THERE if signed_for(asked) == HERE else HERE
        return Say(301, "", {"x-amz-bucket-region": other})

    with ScriptedServer(script) as server:
        with store_on(server) as store, pytest.raises(UnexpectedResponseError, match="circle"):
            store.get_object("bucket", "k")
        assert len(server.asked) == 2


def test_other_services_are_not_followed_anywhere() -> None:
    with elsewhere(Say(400, MALFORMED)) as server, store_on(server, "minio") as store:
        with pytest.raises(AuthenticationError):
            store.get_object("bucket", "k")
        assert len(server.asked) == 1


def test_host_of_a_virtual_bucket_follows_its_region() -> None:
    driver = S3Config(access_key="a", secret_key=Secret("b")).create_driver()
    assert driver._place("bucket", THERE).host == "bucket.s3.eu-central-1.amazonaws.com"


def test_missing_object_elsewhere_is_missing() -> None:
    def script(asked: Asked) -> Say:
        return Say(301, "", NAMED) if signed_for(asked) == HERE else Say(404, error("NoSuchKey"))

    with ScriptedServer(script) as server, store_on(server) as store:
        assert store.object_exists("bucket", "k") is False
        with pytest.raises(ObjectNotFoundError):
            store.get_object("bucket", "k")


@pytest.mark.parametrize("named", ["evil.example/", "a@evil.example", "x" * 65, "é", "a\tb", "a.b"])
@pytest.mark.parametrize("where", ["header", "body"])
def test_what_is_no_name_of_a_region_is_not_followed(named: str, where: str) -> None:
    headers = {"x-amz-bucket-region": named} if where == "header" else {}
    answer = Say(400, error("AuthorizationHeaderMalformed", Region=named), headers)
    with elsewhere(answer) as server, store_on(server) as store:
        with pytest.raises(UnexpectedResponseError):
            store.get_object("bucket", "k")
        assert {signed_for(asked) for asked in server.asked} == {HERE}


def test_real_service_tells_where_a_bucket_is(ministack: Ministack) -> None:
    def store_in(region: str) -> Store:
        return Store(ministack.s3_config(region=region))

    with store_in(THERE) as there, store_in(HERE) as here:
        there.create_bucket("there-and-not-here")
        try:
            here.create_object("there-and-not-here", "k", b"data")
            assert there.get_object("there-and-not-here", "k").read() == b"data"
            assert here.get_bucket("there-and-not-here").region == THERE
        finally:
            there.delete_bucket("there-and-not-here", force=True)
