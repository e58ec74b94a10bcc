"""Answers that are errors: what they mean, how often and when they are asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from cloudstore import (
    AuthenticationError,
    CloudStoreError,
    NotFoundError,
    ObjectNotFoundError,
    PartialFailureError,
    PermissionDeniedError,
    RateLimitedError,
    Store,
    TransferConfig,
    TransportError,
    UnavailableError,
    UnexpectedResponseError,
)
from tests.faults.s3.conftest import Answer
from tests.faults.stage import ATTEMPTS, Stage
from tests.faults.vendors import PART
from tests.s3.scripted import Asked, Say
from tests.s3.test_answers import COMPLETED, CREATED, error

ID = {"x-amz-request-id": "R1"}
OK = Say(headers={"etag": '"e"'})
LARGE = bytes(PART * 3)
IN_PARTS = TransferConfig(part_size=PART, multipart_threshold=PART)
Call = Callable[[Store, Stage], object]


def get(store: Store, stage: Stage) -> object:
    return store.get_object(stage.bucket, stage.key)


def put(store: Store, stage: Stage) -> object:
    return store.create_object(stage.bucket, stage.key, b"data")


def delete(store: Store, stage: Stage) -> object:
    store.delete_object(stage.bucket, stage.key)
    return None


def copy(store: Store, stage: Stage) -> object:
    return store.copy_object(stage.bucket, stage.key, stage.bucket, "copy")


def begin(store: Store, stage: Stage) -> object:
    return store.create_multipart_upload(stage.bucket, stage.key)


def complete(store: Store, stage: Stage) -> object:
    upload = store.create_multipart_upload(stage.bucket, stage.key)
    upload.upload_part(1, b"data")
    return upload.complete()


def in_parts(script: Callable[[Asked], Say]) -> Callable[[Asked], Say]:
    """A multipart upload that goes well up to its completion."""

    def answer(asked: Asked) -> Say:
        if asked.query.startswith("uploads"):
            return Say(body=CREATED)
        if asked.query.startswith("partNumber"):
            return OK
        return script(asked)

    return answer


OPERATIONS: Mapping[Call, str] = {
    get: "get_object",
    put: "create_object",
    delete: "delete_object",
    copy: "copy_object",
    begin: "create_multipart_upload",
    complete: "complete_multipart",
}

# --- which are asked again ------------------------------------------------------------------------

TRANSIENT = [
    (Say(500, error("InternalError"), ID), UnavailableError, "unknown", "InternalError"),
    (Say(503, "", ID), UnavailableError, "unknown", None),
    (Say(502, "<html>Bad Gateway</html>", ID), UnavailableError, "unknown", None),
    (Say(503, error("SlowDown"), ID), RateLimitedError, "not_applied", "SlowDown"),
    (Say(429, "", ID), RateLimitedError, "not_applied", None),
]


@pytest.mark.parametrize("call", [get, put, delete])
@pytest.mark.parametrize(
    ("said", "kind", "outcome", "code"), TRANSIENT, ids=["500", "503", "502", "slow_down", "429"]
)
def test_trouble_of_the_service(
    answer: Answer,
    call: Call,
    said: Say,
    kind: type[CloudStoreError],
    outcome: str,
    code: str | None,
) -> None:
    """Asked again as often as the policy says, over the same connection, and told in full."""
    stage = answer(lambda _: said)
    facts = {"status": said.status, "code": code, "request_id": "R1", "retryable": True}
    with stage.fails(
        kind,
        OPERATIONS[call],
        outcome="not_applied" if call is get else outcome,
        attempts=ATTEMPTS,
        **facts,
    ):
        call(stage.store(), stage)
    assert len(stage.requests) == ATTEMPTS
    assert stage.proxy.counts.connections == 1


@pytest.mark.parametrize("call", [get, put, delete])
def test_trouble_that_passes(answer: Answer, call: Call) -> None:
    stage = answer([Say(500, error("InternalError")), Say(503, error("SlowDown")), OK])
    call(stage.store(), stage)
    assert (len(stage.requests), stage.retries) == (3, 2)


def test_success_after_a_failure_that_may_have_worked_is_a_success(answer: Answer) -> None:
    stage = answer([Say(500, error("InternalError")), Say(204)])
    delete(stage.store(), stage)
    assert stage.asked() == ["DELETE", "DELETE"]


# --- 200 with an error ----------------------------------------------------------------------------


def test_copy_that_fails_after_its_status(answer: Answer) -> None:
    stage = answer(lambda _: Say(200, error("InternalError"), ID))
    with stage.fails(
        UnavailableError,
        "copy_object",
        status=200,
        code="InternalError",
        request_id="R1",
        outcome="unknown",
        attempts=ATTEMPTS,
    ):
        copy(stage.store(), stage)
    assert len(stage.requests) == ATTEMPTS


def test_copy_that_is_refused_after_its_status(answer: Answer) -> None:
    stage = answer(lambda _: Say(200, error("AccessDenied"), ID))
    with stage.fails(
        PermissionDeniedError, "copy_object", status=200, outcome="not_applied", attempts=1
    ):
        copy(stage.store(), stage)


def test_completion_that_fails_after_its_status(answer: Answer) -> None:
    """It is tried again, then looked whether it worked; then nothing is left behind."""

    def script(asked: Asked) -> Say:
        if asked.method == "POST":
            return Say(200, f"\n  {error('InternalError')}", ID)
        return Say(404, headers=ID) if asked.method == "HEAD" else Say(204)

    stage = answer(in_parts(script))
    store = stage.store(transfer=IN_PARTS)
    with stage.fails(
        UnavailableError, "create_object", status=200, outcome="unknown", attempts=ATTEMPTS
    ):
        store.create_object(stage.bucket, stage.key, LARGE)
    assert stage.asked() == ["POST", *["PUT"] * 3, *["POST"] * ATTEMPTS, "HEAD", "DELETE"]


def test_completion_that_works_the_second_time(answer: Answer) -> None:
    completions = iter([error("SlowDown"), COMPLETED.format("&quot;e-3&quot;")])
    stage = answer(in_parts(lambda _: Say(body=next(completions))))
    made = stage.store(transfer=IN_PARTS).create_object(stage.bucket, stage.key, LARGE)
    assert made.etag == "e-3"


def test_deletion_of_many_of_which_one_fails(answer: Answer) -> None:
    rows = "<Error><Key>b</Key><Code>SlowDown</Code><Message>words</Message></Error>"
    stage = answer(lambda _: Say(body=f"<DeleteResult>{rows}</DeleteResult>"))
    with stage.fails(
        PartialFailureError, "delete_objects", key=None, outcome="unknown", attempts=1
    ) as caught:
        stage.store().delete_objects(stage.bucket, ["a", "b"])
    assert isinstance(caught.value, PartialFailureError)
    [failed] = caught.value.results.values()
    assert isinstance(failed, RateLimitedError)
    assert (failed.operation, failed.bucket, failed.key) == ("delete_objects", stage.bucket, "b")
    assert (failed.vendor, failed.code, failed.outcome) == ("s3", "SlowDown", "not_applied")


# --- bodies of errors -----------------------------------------------------------------------------

STRANGE = {
    "empty": b"",
    "html": b"<html><body>Forbidden</body></html>",
    "no XML": b"<Error><Code>AccessDenied</Code>",
    "not closed": b"<?xml version='1.0'?><Error><Code>AccessDenied",
    "no text": bytes(range(128, 256)),
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Error><Code>&a;</Code></Error>',
    "another root": b"<Other><Code>AccessDenied</Code></Other>",
    "no code": b"<Error><Message>words</Message></Error>",
    "oversized": b"<Error><Code>" + b"x" * 400_000 + b"</Code></Error>",
    "oversized page": b"<html>" + b"x" * 2_000_000,
}


@pytest.mark.parametrize("call", [get, put])
@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE)
def test_body_that_says_nothing_leaves_the_status(answer: Answer, call: Call, body: bytes) -> None:
    stage = answer(lambda _: Say(403, body, ID))
    with stage.fails(
        PermissionDeniedError,
        OPERATIONS[call],
        status=403,
        code=None,
        request_id="R1",
        outcome="not_applied",
        attempts=1,
    ) as caught:
        call(stage.store(), stage)
    assert len(str(caught.value)) < 2000


def test_code_that_nobody_knows(answer: Answer) -> None:
    stage = answer(lambda _: Say(400, error("Unheard", "words" * 1000), ID))
    with stage.fails(
        UnexpectedResponseError, "create_object", status=400, code="Unheard", attempts=1
    ) as caught:
        put(stage.store(), stage)
    assert len(caught.value.message) <= 500


def test_what_the_service_repeats_of_the_request_is_not_shown(answer: Answer) -> None:
    def script(asked: Asked) -> Say:
        signature = asked.headers["authorization"]  # with it, all that it was made of
        more = {"StringToSign": signature, "SignatureProvided": signature, "HostId": "h"}
        return Say(403, error("SignatureDoesNotMatch", **more), ID)

    stage = answer(script)
    with pytest.raises(CloudStoreError) as caught:
        put(stage.store(), stage)
    assert caught.value.code == "SignatureDoesNotMatch"
    stage.check_no_secret(caught.value)


@pytest.mark.parametrize("call", [get, put])
def test_body_that_breaks_off_is_asked_for_again(answer: Answer, call: Call) -> None:
    body = error("AccessDenied")
    cut = Say(403, body[:40], {"content-length": str(len(body)), "connection": "close", **ID})
    stage = answer([cut, Say(403, body, ID)])
    with stage.fails(PermissionDeniedError, OPERATIONS[call], code="AccessDenied", attempts=2):
        call(stage.store(), stage)
    assert [sent.connection for sent in stage.requests] == [1, 2]


# --- successes that say nothing -------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "<html>", "<!DOCTYPE x><a/>", "words"])
@pytest.mark.parametrize("call", [copy, begin, complete])
def test_success_that_makes_no_sense_may_be_one(answer: Answer, call: Call, body: str) -> None:
    """Of a completion an empty body is enough: some services say no more."""

    def script(asked: Asked) -> Say:
        if call is complete:
            return in_parts(lambda _: Say(200, body, ID))(asked)
        return Say(200, body, ID)

    stage = answer(script)
    if call is complete and not body:
        complete(stage.store(), stage)
        return
    with stage.fails(
        UnexpectedResponseError,
        OPERATIONS[call],
        outcome="unknown",
        status=200,
        request_id="R1",
        attempts=1,
    ):
        call(stage.store(), stage)


def test_listing_that_makes_no_sense_was_only_read(answer: Answer) -> None:
    stage = answer(lambda _: Say(200, "<html>", ID))
    with stage.fails(
        UnexpectedResponseError,
        "get_all_objects",
        key=None,
        outcome="not_applied",
        status=200,
        request_id="R1",
    ):
        stage.store().get_all_objects(stage.bucket)


@pytest.mark.parametrize(
    "said",
    [
        Say(206, b"abcd", {"content-range": "bytes 2-5/9", **ID}),
        Say(206, b"abcd", ID),
        Say(200, b"abcd", ID),
    ],
)
def test_answer_with_other_bytes_than_asked_for(answer: Answer, said: Say) -> None:
    stage = answer(lambda _: said)
    with stage.fails(
        UnexpectedResponseError,
        "get_object",
        outcome="not_applied",
        status=said.status,
        request_id="R1",
    ):
        stage.store().get_object(stage.bucket, stage.key, start=1, end=5)


# --- from the real server -------------------------------------------------------------------------


def test_missing_object(stage: Stage) -> None:
    with stage.fails(
        ObjectNotFoundError,
        "get_object",
        status=404,
        code="NoSuchKey",
        attempts=1,
        outcome="not_applied",
    ) as caught:
        get(stage.store(), stage)
    assert caught.value.request_id
    assert isinstance(caught.value, NotFoundError)


def test_nobody_who_is_known(stage: Stage) -> None:
    store = stage.store()
    unknown = {"access_key": "AKIA" + "0" * 16}
    with stage.fails(AuthenticationError, "create_object", status=403, attempts=1) as caught:
        put(stage.store(config=unknown), stage)
    assert caught.value.code == "InvalidAccessKeyId"
    assert caught.value.request_id
    assert not store.object_exists(stage.bucket, stage.key)


def test_transport_errors_have_no_words_of_the_service(stage: Stage) -> None:
    stage.proxy.close()
    with stage.fails(
        TransportError, "create_object", status=None, code=None, request_id=None, outcome="not_applied"
    ):
        put(stage.store(), stage)
