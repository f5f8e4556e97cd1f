"""An endpoint is asked in parallel, again where it fails, and never twice for what it answered; the key stays a secret."""

import email.utils
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import pytest
from conftest import ROOT
from endpoints import ask, last_text, online, serving  # noqa: F401

from moda.data import endpoint as module
from moda.data.answer_cache import Answer, AnswerCache
from moda.data.endpoint import Endpoint, EndpointError


SECRET = "sk-planted-0123456789"
pytestmark = pytest.mark.usefixtures("online")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF", 0.01)
    monkeypatch.delenv("MODA_API_KEY", raising=False)


def echo(body, before):
    return {"text": f"about {last_text(body)}"}


def texts(endpoint, count=6, **options):
    return [answer.text for answer in endpoint.ask_all([ask(f"q{index}") for index in range(count)], **options)]


def test_answers_come_in_order_and_none_is_asked_for_twice(tmp_path):
    def script(body, before):  # the first take longest
        return {**echo(body, before), "delay": 0.2 if last_text(body) == "q0" else 0.0}

    expected = [f"about q{index}" for index in range(40)]
    with serving(script) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path)
        assert texts(endpoint, 40) == expected
        assert sorted(server.asked) == sorted(f"q{index}" for index in range(40))
        assert endpoint.counts == {"asked": 40, "cached": 0, "refused": 0, "tokens_in": 4000, "tokens_out": 400}
        again = Endpoint(server.url, "m", cache=tmp_path)
        answers = list(again.ask_all([ask(f"q{index}") for index in range(40)]))
        assert [answer.text for answer in answers] == expected
        assert all(answer.cached and answer.date for answer in answers)
        assert len(server.bodies) == 40 and again.counts["cached"] == 40 and again.counts["asked"] == 0
        assert again.problem is None


def test_what_an_answer_depends_on_is_asked_anew(tmp_path):
    with serving(echo) as server:
        for model, parameters in (("a", {}), ("b", {}), ("a", {"temperature": 0.5}), ("a", {"max_tokens": None})):
            endpoint = Endpoint(server.url, model, cache=tmp_path / "all.jsonl", **parameters)
            list(endpoint.ask_all([ask("q"), ask("q", seed=1)]))
        assert len(server.bodies) == 8
        assert {body["model"] for body in server.bodies} == {"a", "b"}
        assert server.bodies[0]["temperature"] == 0 and {body["seed"] for body in server.bodies[:2]} == {0, 1}
        assert sum("max_tokens" not in body for body in server.bodies) == 2


def test_the_same_request_twice_in_one_run_is_sent_once(tmp_path):
    with serving(lambda body, before: {**echo(body, before), "delay": 0.1}) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path)
        answers = list(endpoint.ask_all([ask("q")] * 5))
        assert [answer.text for answer in answers] == ["about q"] * 5 and len(server.bodies) == 1
        assert (endpoint.counts["asked"], endpoint.counts["cached"]) == (1, 4)


def test_requests_are_taken_as_they_are_needed(tmp_path):
    taken = []

    def requests():
        for index in range(200):
            taken.append(index)
            yield ask(f"q{index}")

    with serving(echo) as server:
        stream = Endpoint(server.url, "m", cache=tmp_path, parallel=2).ask_all(requests())
        next(stream)
        assert len(taken) <= 2 * module.AHEAD + 1
        stream.close()


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_are_on_their_way_than_allowed(tmp_path, parallel):
    together = threading.Barrier(parallel)

    def script(body, before):  # answers only when as many are there as may be
        together.wait(timeout=20)
        return echo(body, before)

    with serving(script) as server:
        texts(Endpoint(server.url, "m", cache=tmp_path, parallel=parallel), 4 * parallel)
        assert server.most_busy == parallel


def test_requests_per_minute(tmp_path):
    with serving(lambda body, before: {"status": 500, "body": "no"} if before == 0 else echo(body, before)) as server:
        start = time.monotonic()
        texts(Endpoint(server.url, "m", cache=tmp_path, requests_per_minute=1200), 5)
        assert len(server.bodies) == 10  # retries count too
        assert time.monotonic() - start >= 9 * 60 / 1200 - 0.01


TROUBLE = {
    "busy": {"status": 429, "body": "slow down", "headers": {"Retry-After": "0.05"}},
    "500": {"status": 500, "body": "oops"},
    "503": {"status": 503, "body": ""},
    "529": {"status": 529, "body": "overloaded"},
    "dropped": {"drop": True},
    "late": {"delay": 1.0, "text": "too late"},
    "no JSON": {"body": "<html>Bad gateway</html>"},
    "no choices": {"body": json.dumps({"choices": []})},
    "a list": {"body": "[1]"},
    "wrong choices": {"body": '{"choices": "none"}'},
    "wrong message": {"body": '{"choices": [{"message": 5}]}'},
    "wrong content": {"text": 5},
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_what_passes_is_tried_again(tmp_path, trouble):
    def script(body, before):
        return TROUBLE[trouble] if last_text(body) == "q1" and before < 2 else echo(body, before)

    with serving(script) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path, timeout=0.5 if trouble == "late" else 60)
        assert texts(endpoint, 3) == ["about q0", "about q1", "about q2"]
        assert sorted(server.asked) == ["q0", "q1", "q1", "q1", "q2"]
        assert endpoint.counts["retried"] == 2 and endpoint.counts["failed"] == 0


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for_by_all(tmp_path, form):
    times = {}

    def script(body, before):
        times.setdefault(last_text(body), []).append(time.time())
        if last_text(body) == "q0" and before == 0:
            wait = "0.5" if form == "seconds" else email.utils.formatdate(time.time() + 1.999, usegmt=True)
            return {"status": 429, "body": "slow down", "headers": {"Retry-After": wait}}
        return {**echo(body, before), "delay": 0.2 if last_text(body) == "q1" else 0.0}

    with serving(script) as server:  # q1 is on its way when q0 is told to wait, q2 is not
        endpoint = Endpoint(server.url, "m", cache=tmp_path, parallel=2)
        assert texts(endpoint, 3) == ["about q0", "about q1", "about q2"]
    assert times["q0"][1] - times["q0"][0] >= 0.45 and times["q2"][0] - times["q0"][0] >= 0.45


def test_who_asks_for_too_long_a_wait_has_failed(tmp_path):
    with serving(lambda *_: {"status": 429, "body": "tomorrow", "headers": {"Retry-After": "86400"}}) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path, parallel=1)
        module_wait, module.LONGEST_WAIT = module.LONGEST_WAIT, 0.05
        try:
            [answer] = endpoint.ask_all([ask("q")])
        finally:
            module.LONGEST_WAIT = module_wait
        assert answer.error == "HTTP 429: tomorrow" and len(server.bodies) == 1


def test_a_bad_request_does_not_stop_the_others_and_is_asked_again_next_time(tmp_path):
    bad = {"now": True}

    def script(body, before):
        return {"status": 400, "body": "too\nlong"} if last_text(body) == "q1" and bad["now"] else echo(body, before)

    with serving(script) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path)
        answers = list(endpoint.ask_all([ask(f"q{index}") for index in range(3)]))
        assert [answer.error for answer in answers] == [None, "HTTP 400: too long", None]
        assert not answers[1].refused and endpoint.counts["failed"] == 1
        assert endpoint.problem == (
            f"{endpoint.host} left 1 of 3 requests without an answer (the last: HTTP 400: too long); the others are kept in "
            f"{endpoint.cache}, so run the same again to ask only for the rest."
        )
        bad["now"] = False
        assert texts(endpoint, 3) == ["about q0", "about q1", "about q2"]
        assert len(server.bodies) == 4 and endpoint.problem is None


@pytest.mark.parametrize(
    "reply, why",
    [
        ({"status": 401, "body": f"no such key: {SECRET}"}, "refuses the key .*MODA_API_KEY.*no such key: \\*\\*\\*"),
        ({"status": 403, "body": "go away"}, "does not let this key in .*HTTP 403: go away"),
        ({"status": 404, "body": "no model m"}, "knows no such model .*no model m"),
        ({"status": 402, "body": "credit is used up"}, "asks for payment"),
        ({"status": 429, "body": '{"error": {"code": "insufficient_quota"}}'}, "asks for payment"),
    ],
)
def test_what_no_retry_can_help_stops_at_once(tmp_path, monkeypatch, reply, why):
    monkeypatch.setenv("MODA_API_KEY", SECRET)

    def script(body, before):
        return echo(body, before) if last_text(body) in ("q0", "q1") else reply

    with serving(script) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path, parallel=1)
        with pytest.raises(EndpointError, match=why) as caught:
            texts(endpoint, 50)
        assert len(server.bodies) == 3
        assert "\n" not in str(caught.value) and SECRET not in "".join(traceback.format_exception(caught.value))
        assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
        assert texts(endpoint, 2) == ["about q0", "about q1"] and len(server.bodies) == 3  # what was answered is kept


def test_an_endpoint_that_goes_down_and_comes_back(tmp_path):
    with serving(echo) as server:
        port = server.server_port
        endpoint = Endpoint(server.url, "m", cache=tmp_path, retries=1, parallel=4)
        texts(endpoint, 10)
    requests = [ask(f"q{index}") for index in range(15, 200)] + [ask(f"q{index}") for index in range(10)]
    answers = list(endpoint.ask_all(requests))
    assert [answer.text for answer in answers[-10:]] == [f"about q{index}" for index in range(10)]
    assert sum(bool(answer.error) for answer in answers) == 185
    assert 8 <= endpoint.counts["failed"] <= 12 < sum("not asked" in (answer.error or "") for answer in answers)
    assert "left 185 of 195 requests without an answer (the last: no connection (" in endpoint.problem
    with serving(echo, port) as server:
        assert not any(answer.error for answer in endpoint.ask_all(requests))
        assert len(server.bodies) == 185


def test_an_endpoint_that_takes_nothing_is_soon_left_alone(tmp_path):
    with serving(lambda *_: {"status": 400, "body": "this model takes no pictures"}) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path, parallel=2)
        answers = list(endpoint.ask_all([ask(f"q{index}") for index in range(100)]))
        assert 8 <= len(server.bodies) <= 9 and all(answer.error for answer in answers)
        assert (
            "100 of 100 requests without an answer (the last: HTTP 400: this model takes no pictures)"
            in endpoint.problem
        )


def test_failures_that_answers_lie_between_stop_nothing(tmp_path):
    def script(body, before):
        return echo(body, before) if int(last_text(body)[1:]) % 4 == 3 else {"status": 400, "body": "no"}

    with serving(script) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path, parallel=1)
        assert sum(bool(text) for text in texts(endpoint, 40)) == 10 and len(server.bodies) == 40


REFUSED = [
    {"text": "I'm sorry, but I can't help with that."},
    {"text": "I can’t judge people."},
    {"text": "As an AI, I do not see."},
    {"text": ""},
    {"text": None},
    {"text": "The sh", "finish_reason": "content_filter"},
    {"text": None, "message": {"refusal": "That is not allowed."}},
    {"status": 400, "body": '{"error": {"code": "content_filter"}}'},
]


@pytest.mark.parametrize("reply", REFUSED)
def test_refusals_are_told_from_failures_and_not_asked_again(tmp_path, reply):
    with serving(lambda *_: reply) as server:
        for _ in range(2):
            endpoint = Endpoint(server.url, "m", cache=tmp_path)
            [answer] = endpoint.ask_all([ask("q")])
            assert answer.refused and answer.error is None
            assert endpoint.counts["refused"] == 1 and endpoint.counts["failed"] == 0
        assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "reply", [{"text": "", "finish_reason": "length"}, {"text": "I cannot recommend it more."[2:]}, {"text": "{}"}]
)
def test_what_is_no_refusal(tmp_path, reply):
    with serving(lambda *_: reply) as server:
        [answer] = Endpoint(server.url, "m", cache=tmp_path).ask_all([ask("q")])
        assert not answer.refused and answer.text == reply["text"]


ASKER = """
import sys
sys.path.insert(0, sys.argv[3])
from moda.data.endpoint import Endpoint
endpoint = Endpoint(sys.argv[1], "m", cache=sys.argv[2], parallel=2)
requests = [{"messages": [{"role": "user", "content": f"q{index}"}]} for index in range(30)]
print([answer.text for answer in endpoint.ask_all(requests)])
"""


def test_a_killed_run_goes_on_from_its_cache(tmp_path):
    answered = threading.Event()

    def script(body, before):
        if len(server.bodies) > 12:
            answered.set()
            time.sleep(0.5)
        return echo(body, before)

    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_DEBUG": "1", "MODA_API_KEY": SECRET}
    with serving(script) as server:
        command = [sys.executable, "-c", ASKER, server.url, str(tmp_path), str(ROOT)]
        process = subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert answered.wait(60)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        [file] = tmp_path.glob("*.jsonl")
        kept = [json.loads(line)["answer"]["text"] for line in file.read_text().splitlines()]
        assert 9 <= len(kept) < 30
        with open(file, "ab") as torn:
            torn.write(b'{"key": "abc", "answer": {"te')  # as a machine that lost its power leaves it
        server.script, before = echo, len(server.bodies)
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
        assert done.stdout.strip() == str([f"about q{index}" for index in range(30)]), done.stderr
        assert sorted(server.asked[before:]) == sorted({f"q{index}" for index in range(30)} - {t[6:] for t in kept})
        assert SECRET not in done.stdout + done.stderr
        # The torn line harms none of those written behind it.
        list(Endpoint(server.url, "m", cache=tmp_path).ask_all([ask(f"q{index}") for index in range(30)]))
        assert len(server.bodies) == before + 30 - len(kept)


def test_two_at_once_share_what_is_answered(tmp_path):
    queued, release, answers = threading.Event(), threading.Event(), []

    def script(body, before):
        assert last_text(body) != "slow" or release.wait(20)
        return echo(body, before)

    def requests():
        yield ask("slow")
        yield ask("q")
        queued.set()

    with serving(script) as server:
        other = Endpoint(server.url, "m", cache=tmp_path, parallel=1)
        thread = threading.Thread(target=lambda: answers.extend(other.ask_all(requests())))
        thread.start()
        assert queued.wait(20)  # q waits behind slow, and is answered to someone else meanwhile
        list(Endpoint(server.url, "m", cache=tmp_path).ask_all([ask("q")]))
        release.set()
        thread.join(20)
        assert [answer.text for answer in answers] == ["about slow", "about q"]
        assert sorted(server.asked) == ["q", "slow"] and other.counts["cached"] == 1


def test_a_line_that_another_process_is_writing(tmp_path):
    file = tmp_path / "answers.jsonl"
    reader, writer = AnswerCache(file), AnswerCache(tmp_path / "other.jsonl")
    writer.add("key", "m", Answer(text="navy", date="2026-01-01"))
    line = writer.file.read_bytes()
    for part, known in ((line[:20], False), (line[20:], True)):
        with open(file, "ab") as growing:
            growing.write(part)
        assert (reader.get("key") is not None) == known
    assert reader.get("key") == Answer(text="navy", date="2026-01-01", cached=True)


def test_the_key_is_written_nowhere(tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setenv("MODA_API_KEY", f" {SECRET}\n")
    caplog.set_level(logging.DEBUG)

    def script(body, before):  # a server that repeats what it should not
        key = server.headers[0]["authorization"]
        return {"text": f"You said {key}"} if last_text(body) != "q1" else {"status": 422, "body": f"not with {key}"}

    with serving(script) as server:
        endpoint = Endpoint(server.url, "m", cache=tmp_path)
        answers = list(endpoint.ask_all([ask("q0"), ask("q1")]))
        assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
    said = capfd.readouterr()
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "You said Bearer ***" in written and answers[1].error == "HTTP 422: not with Bearer ***"
    everything = written + caplog.text + said.out + said.err + repr(answers) + repr(endpoint) + str(endpoint.problem)
    assert SECRET not in everything


def test_without_a_key_the_hub_token_is_not_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    with serving(echo) as server:
        texts(Endpoint(server.url, "m", cache=tmp_path), 1)
        assert "hf_planted" not in str(server.headers)
        texts(Endpoint(server.url, "m", cache=tmp_path, key_from="HF_TOKEN"), 2)
        assert server.headers[-1]["authorization"] == "Bearer hf_planted"


def test_offline_is_said(tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with serving(echo) as server, pytest.raises(EndpointError, match="HF_HUB_OFFLINE keeps 127.0.0.1"):
        reset = getattr(huggingface_hub, "close_session", None) or huggingface_hub.utils.reset_sessions
        reset()
        texts(Endpoint(server.url, "m", cache=tmp_path), 3)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "", "https://", f"me:{SECRET}@host/v1"])
def test_no_url(tmp_path, url):
    with pytest.raises(ValueError, match="give one like http://localhost:8000/v1") as caught:
        Endpoint(url, "m", cache=tmp_path)
    assert SECRET not in str(caught.value)


def test_secrets_in_the_wrong_place(tmp_path, monkeypatch):
    with pytest.raises(
        ValueError, match="holds a user, a password or a query; put the key into MODA_API_KEY"
    ) as caught:
        Endpoint(f"https://me:{SECRET}@host/v1", "m", cache=tmp_path)
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("MODA_API_KEY", f"{SECRET} \n and more")
    with pytest.raises(ValueError, match="MODA_API_KEY holds white space") as caught:
        Endpoint("https://host/v1", "m", cache=tmp_path)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("number", [{"parallel": 0}, {"retries": -1}, {"requests_per_minute": 0}])
def test_numbers_that_are_too_small(tmp_path, number):
    with pytest.raises(ValueError, match="give at least 1, 0 and more than 0"):
        Endpoint("http://host/v1", "m", cache=tmp_path, **number)


def test_an_answer_in_parts(tmp_path):
    with serving(lambda *_: {"text": [{"type": "text", "text": "navy "}, {"type": "text", "text": "blue"}]}) as server:
        assert texts(Endpoint(server.url, "m", cache=tmp_path), 1) == ["navy blue"]


def test_a_cache_that_cant_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="can't be written"):
        Endpoint("http://host/v1", "m", cache=tmp_path / "file" / "answers")
