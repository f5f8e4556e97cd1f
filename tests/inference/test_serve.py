"""The chat interface: what clients read, the same sentences together as alone, and a sentence for each bad request."""

import argparse
import base64
import http.server
import json
import re
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import torch
from conftest import make_model, make_picture, make_png, make_processor
from endpoints import online  # noqa: F401
from huggingface_hub import InferenceClient

from generation_moda import generate_sentences
from moda.commands import serve as command
from moda.data.endpoint import Endpoint
from moda.inference.answerer import Answerer


pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")

from moda.inference import serve as serving_module  # noqa: E402
from moda.inference.serve import make_app  # noqa: E402


MODEL, PROCESSOR = make_model(), make_processor()


@contextmanager
def serving(answerer=None, **options):
    answerer = answerer or Answerer(MODEL, PROCESSOR)
    app = make_app(answerer, "moda-tiny", **options)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        server.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.answerer = answerer
        yield server
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def data_url(seed):
    return "data:image/png;base64," + base64.b64encode(make_png(seed)).decode()


def shown(*urls, text=None):
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"role": "user", "content": [*parts, *([{"type": "text", "text": text}] if text else [])]}]


def post(server, body=None, path="/v1/chat/completions", **kwargs):
    return requests.post(server.url + path, json=body, timeout=30, **kwargs)


def ask(server, messages, **fields):
    reply = post(server, {"messages": messages, "max_tokens": 8, **fields})
    assert reply.status_code == 200, reply.text
    return reply.json()


def said(reply):
    return [choice["message"]["content"] for choice in reply["choices"]]


def expected(seed, text=None, **kwargs):
    inputs = PROCESSOR(images=make_picture(seed), text=text)
    return generate_sentences(MODEL, PROCESSOR, dict(inputs), max_new_tokens=8, **kwargs)


class Gate(Answerer):
    """Answers when it is let to."""

    def __init__(self, *args, **kwargs):
        self.open, self.asked, self.arrived, self.broken = threading.Event(), [], 0, False
        super().__init__(*args, **kwargs)

    def ask(self, question):
        future = super().ask(question)
        self.arrived += 1
        return future

    def _answer(self, questions):
        assert self.open.wait(20)
        self.asked.append(len(questions))
        if self.broken:
            raise RuntimeError("out of memory")
        return super()._answer(questions)


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_says_what_the_model_says(server):
    reply = ask(server, shown(data_url(0)), model="moda-tiny", logprobs=True)
    (sentence,), (confidence,) = expected(0, with_confidence=True)
    (choice,) = reply["choices"]
    assert choice["message"] == {"role": "assistant", "content": sentence} and sentence
    assert choice["confidence"] == pytest.approx(confidence, abs=1e-4)
    tokens = choice["logprobs"]["content"]
    assert sum(token["logprob"] for token in tokens) / len(tokens) == pytest.approx(confidence, abs=1e-4)
    assert choice["finish_reason"] == "length" and len(tokens) == 8  # none of them is the end
    prompt = PROCESSOR(images=make_picture(0))["input_ids"].shape[1]
    assert reply["usage"] == {"prompt_tokens": prompt, "completion_tokens": 8, "total_tokens": prompt + 8}
    assert said(ask(server, shown(data_url(0), text="What colour is it?"))) == expected(0, "What colour is it?")
    assert "logprobs" not in json.dumps(ask(server, shown(data_url(0)))).replace('"logprobs": null', "")


def test_sixteen_at_once_say_what_each_says_alone():
    questions = [shown(data_url(seed % 8), text="What colour is it?" if seed % 3 else None) for seed in range(16)]
    with serving() as first:
        alone = [said(ask(first, question)) for question in questions]
        assert first.answerer.batches == 16 and first.answerer.encoded == 8  # a picture that came again was not encoded
    gate = Gate(MODEL, PROCESSOR)
    with serving(gate) as second, ThreadPoolExecutor(16) as pool:
        replies = [pool.submit(ask, second, question) for question in questions]
        until(lambda: gate.arrived == 16)
        gate.open.set()
        together = [said(reply.result()) for reply in replies]
        assert sum(gate.asked) == 16 and len(gate.asked) <= 3 and gate.encoded == 8
    assert together == alone and len({sentence for (sentence,) in alone}) > 4


def test_a_conversation_with_several_pictures(server):
    first = shown(data_url(0), data_url(1), text="What colour is it?")
    (answer,) = said(ask(server, first))
    turns = [*first, {"role": "assistant", "content": answer}, {"role": "user", "content": "Describe the product."}]
    (second,) = said(ask(server, turns))
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "What colour is it?"}]
    plain = [{"role": "user", "content": content}, *turns[1:]]
    text = PROCESSOR.apply_chat_template(plain, tokenize=False)
    inputs = PROCESSOR(images=[make_picture(0), make_picture(1)], text=text)
    assert [second] == generate_sentences(MODEL, PROCESSOR, dict(inputs), max_new_tokens=8)
    assert said(ask(server, [{"role": "user", "content": "What colour is it?"}])) != [answer]  # and without any picture


def test_stop_n_and_length(server):
    (whole,) = said(ask(server, shown(data_url(3))))
    stop = whole[len(whole) // 2 :][:2]
    reply = ask(server, shown(data_url(3)), stop=stop, n=2)
    assert said(reply) == [whole[: whole.index(stop)].strip()] * 2
    assert reply["choices"][1]["finish_reason"] == "stop" and reply["choices"][1]["index"] == 1
    short = ask(server, shown(data_url(3)), max_tokens=None, max_completion_tokens=3)
    assert short["usage"]["completion_tokens"] == 3 and whole.startswith(said(short)[0])
    assert ask(server, shown(data_url(3)), max_tokens=10**6)["usage"]["completion_tokens"] <= 256  # the server's limit


def test_sampling_follows_its_seed(server):
    draw = {"temperature": 1.5, "n": 3}
    first, again, other = (said(ask(server, shown(data_url(0)), seed=seed, **draw)) for seed in (1, 1, 2))
    assert first == again != other and len(set(first)) == 3
    state = torch.get_rng_state()
    ask(server, shown(data_url(0)), temperature=1.0)
    assert torch.equal(state, torch.get_rng_state())


def test_clients_read_it(server, online, monkeypatch, tmp_path):  # noqa: F811
    client = InferenceClient(base_url=server.url + "/v1", api_key="none")
    reply = client.chat_completion(shown(data_url(0)), max_tokens=8, temperature=0)
    assert [reply.choices[0].message.content] == expected(0)
    chunks = list(client.chat_completion(shown(data_url(0)), max_tokens=8, stream=True))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert [text] == expected(0) and chunks[-1].choices[0].finish_reason == "length"
    endpoint = Endpoint(server.url + "/v1", "moda-tiny", cache=tmp_path / "answers.jsonl", max_tokens=8)
    answers = list(endpoint.ask_all([{"messages": shown(data_url(seed))} for seed in range(5)]))
    assert [[answer.text] for answer in answers] == [expected(seed) for seed in range(5)]
    assert endpoint.counts["asked"] == 5 and endpoint.counts["tokens_out"] == 40 and endpoint.problem is None


def test_openai_s_own_client_reads_it(server):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=server.url + "/v1", api_key="none") as client:
        assert [model.id for model in client.models.list()] == ["moda-tiny"]
        asked = {"model": "moda-tiny", "messages": shown(data_url(0)), "max_tokens": 8, "logprobs": True}
        reply = client.chat.completions.create(**asked)
        assert [reply.choices[0].message.content] == expected(0) and len(reply.choices[0].logprobs.content) == 8
        stream = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert [text] == expected(0) and chunks[-1].usage.completion_tokens == 8
        with pytest.raises(openai.NotFoundError, match="There is no model 'gpt-4o' here; ask for 'moda-tiny'"):
            client.chat.completions.create(model="gpt-4o", messages=shown(data_url(0)))


def test_the_page_s_python_runs(server, online, monkeypatch, tmp_path, capsys):  # noqa: F811
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    (tmp_path / "picture.png").write_bytes(make_png(0))
    monkeypatch.chdir(tmp_path)
    assert "http://127.0.0.1:8000" in code
    exec(code.replace("http://127.0.0.1:8000", server.url), {})
    (sentence,) = generate_sentences(MODEL, PROCESSOR, dict(PROCESSOR(images=make_picture(0))))
    assert capsys.readouterr().out == f"{sentence} 48\n"


BAD = [
    ({}, "messages: Field required"),
    ({"messages": []}, "messages is []"),
    ({"messages": [{"role": "tool", "content": "x"}]}, 'messages.0.role is "tool"'),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content.0 is"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "end with what the user asks"),
    ({"messages": shown("/etc/hostname")}, 'url is "/etc/hostname"'),
    ({"messages": shown("file:///etc/hostname")}, 'url is "file:///etc/hostname"'),
    ({"messages": shown("data:image/png;base64,AAAA")}, "Picture 1 can't be read as a picture"),
    ({"messages": shown(data_url(0), "data:,")}, "Picture 2 can't be read as a picture"),
    ({"messages": shown("http://127.0.0.1:1/shirt.png")}, "Picture 1"),
    ({"messages": shown("http://169.254.169.254/latest/meta-data")}, "Picture 1"),
    ({"messages": shown(*[data_url(0)] * 17)}, "more than 16 pictures"),
    ({"messages": shown(data_url(0), text="red " * 400)}, "positions of the model's 256; leave out earlier turns"),
    ({"messages": shown(data_url(0), text="red " * 2000)}, "characters are too many for the model's 256 positions"),
    (
        {"messages": shown(data_url(0)), "temperature": 1e-40},
        "temperature is 1e-40; give 0, which is greedy, or 0.01 to 2",
    ),
    ({"messages": shown(data_url(0)), "temperature": 3}, "temperature is 3: Input should be less than or equal to 2"),
    ({"messages": shown(data_url(0)), "max_tokens": 0}, "max_tokens is 0"),
    ({"messages": shown(data_url(0)), "n": 1000}, "n is 1000"),
    ({"messages": shown(data_url(0)), "tools": [{"type": "function"}]}, "which a MODA can't do; leave it out"),
    ({"messages": shown(data_url(0)), "response_format": {"type": "json_object"}}, "response_format is"),
]


@pytest.mark.parametrize("body, sentence", BAD, ids=[sentence for _, sentence in BAD])
def test_a_bad_request_is_told_why(server, body, sentence):
    reply = post(server, body)
    error = reply.json()["error"]
    assert reply.status_code == 400 and sentence in error["message"] and error["type"] == "invalid_request_error"
    assert "\n" not in error["message"] and len(error["message"]) < 400


def test_other_refusals(server, monkeypatch):
    for body, sentence in ((b"{", "Invalid JSON"), (b"[1]", "The request's body is [1]")):
        reply = post(server, data=body)
        assert reply.status_code == 400 and sentence in reply.json()["error"]["message"]
    assert post(server, {}, "/v1/embeddings").json()["error"]["message"].endswith("POST to /v1/chat/completions.")
    assert requests.get(server.url + "/v1/chat/completions", timeout=30).status_code == 405
    monkeypatch.setattr(serving_module, "LARGEST_REQUEST", 1000)
    assert post(server, {"messages": shown(data_url(0))}).status_code == 413
    chunked = requests.post(server.url + "/v1/chat/completions", data=iter([b"x" * 600] * 3), timeout=30)
    assert chunked.status_code == 413
    assert requests.get(server.url + "/health", timeout=30).json() == {"status": "ok", "requests": 0}


def test_pictures_by_address(serve, tmp_path):
    (tmp_path / "shirt.png").write_bytes(make_png(0))
    question = shown(serve(tmp_path) + "/shirt.png")
    with serving(allow_private=True) as server:
        assert said(ask(server, question)) == expected(0)
    with serving() as server:
        assert post(server, {"messages": question}).status_code == 400


def test_all_pictures_of_a_request_share_its_time(monkeypatch):
    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(0.6)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(make_png(0))

        def log_message(self, *args):
            pass

    monkeypatch.setattr(serving_module, "SLOWEST_PICTURES", 1)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as slow, serving(allow_private=True) as server:
        threading.Thread(target=slow.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{slow.server_port}/"
        reply = post(server, {"messages": shown(url, url, url)})
        slow.shutdown()
    assert reply.status_code == 400 and "pictures took longer than 1 seconds" in reply.json()["error"]["message"]


def test_the_key():
    with serving(key="secret") as server:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer sécret".encode()}):
            reply = post(server, {"messages": shown(data_url(0))}, headers=headers)
            assert reply.status_code == 401 and reply.json()["error"]["code"] == "invalid_api_key"
            assert requests.get(server.url + "/v1/models", headers=headers, timeout=30).status_code == 401
        assert post(server, {"messages": []}, headers={"Authorization": "Bearer secret"}).status_code == 400
        assert requests.get(server.url + "/health", timeout=30).status_code == 200


def test_what_is_too_much_comes_back_later_and_batches_are_bounded():
    gate = Gate(MODEL, PROCESSOR, batch_size=3)
    with serving(gate, queue_size=8) as server, ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(ask, server, shown(data_url(seed))) for seed in range(8)]
        until(lambda: requests.get(server.url + "/health", timeout=30).json()["requests"] == 8)
        refused = post(server, {"messages": shown(data_url(0))})
        assert refused.status_code == 503 and int(refused.headers["Retry-After"]) >= 1
        until(lambda: gate.arrived == 8)
        gate.open.set()
        assert [said(reply.result()) for reply in replies] == [expected(seed) for seed in range(8)]
        assert sum(gate.asked) == 8 and max(gate.asked) == 3


def test_who_has_gone_is_not_answered():
    gate = Gate(MODEL, PROCESSOR, batch_size=1)
    with serving(gate) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, server, shown(data_url(0)))
        until(lambda: gate.arrived == 1)
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.post(server.url + "/v1/chat/completions", json={"messages": shown(data_url(1))}, timeout=0.5)
        until(lambda: requests.get(server.url + "/health", timeout=30).json()["requests"] == 1)
        gate.open.set()
        assert said(first.result()) == expected(0)
    assert gate.asked == [1]


def test_a_failing_batch_is_told_and_the_next_goes_on():
    gate = Gate(MODEL, PROCESSOR)
    gate.open.set()
    with serving(gate) as server:
        gate.broken = True
        reply = post(server, {"messages": shown(data_url(0))})
        assert reply.status_code == 500 and "RuntimeError" in reply.json()["error"]["message"]
        gate.broken = False
        assert said(ask(server, shown(data_url(0)))) == expected(0)


def test_closing_answers_what_waits():
    gate = Gate(MODEL, PROCESSOR)
    with serving(gate) as server, ThreadPoolExecutor(3) as pool:
        replies = [pool.submit(ask, server, shown(data_url(seed))) for seed in range(3)]
        until(lambda: gate.arrived == 3)
        server.should_exit = True
        gate.open.set()
        assert [said(reply.result()) for reply in replies] == [expected(seed) for seed in range(3)]
    with pytest.raises(RuntimeError, match="shutting down"):
        gate.ask(None)


def options(*arguments):
    commands = argparse.ArgumentParser().add_subparsers()
    command.register(commands)
    plain = ["--dtype", "float32", "--quantize", "none"]
    return commands.choices["serve"].parse_args([*plain, *map(str, arguments)])


def test_the_command_says_what_keeps_it_from_serving(repository, monkeypatch, capsys):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"Nothing could listen at 0.0.0.0:{port}; choose another --port"):
            command.run(options(repository, "--host", "0.0.0.0", "--port", port))
        assert "set MODA_API_KEY" in capsys.readouterr().err
        monkeypatch.setenv("MODA_API_KEY", "secret")
        with pytest.raises(OSError, match="Nothing could listen"):
            command.run(options(repository, "--host", "0.0.0.0", "--port", port))
        shown = capsys.readouterr().err
        assert "MODA_API_KEY" not in shown and "moda-tiny answers at" in shown and str(repository.parent) not in shown
    with pytest.raises(SystemExit):
        options(repository, "--batch-size", 0)
    assert "argument --batch-size: '0' is no number of at least 1" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ValueError, match=r"needs uvicorn, which is not installed; pip install 'moda\[serve\]'"):
        command.run(options(repository))
