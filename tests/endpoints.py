"""Servers that speak the protocol of OpenAI's chat completions, for the tests of those who ask them."""

import http.server
import json
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress

import huggingface_hub
import pytest


class ScriptedServer(http.server.ThreadingHTTPServer):
    """Answers as a script says, and notes what it is asked.

    Args:
        script (`Callable[[dict, int], dict]`): Gets the body of a request and how often the same one came before. Returns
            what to do: `text`, `finish_reason` and `usage` of a completion, or `body` of anything else; `status`, `headers`;
            `delay` in seconds; `drop` to hang up.
        port (`int`, *optional*): Defaults to a free one.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.script, self.lock = script, threading.Lock()
        self.bodies, self.headers, self.seen, self.busy, self.most_busy = [], [], Counter(), 0, 0
        self.url, self.connections = f"http://127.0.0.1:{self.server_port}/v1", []

    def get_request(self):
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def hang_up(self):
        """Ends also what a client keeps open for its next request, as the end of a process would."""
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def asked(self):
        """The last text of each request, in the order of their coming."""
        return [last_text(body) for body in self.bodies]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: in two, each answer would wait 40 ms for an acknowledgement

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        same = json.dumps(body)
        with server.lock:
            server.bodies.append(body)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            before = server.seen[same]
            server.seen[same] += 1
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        reply = server.script(body, before)
        time.sleep(reply.get("delay", 0))
        with server.lock:
            server.busy -= 1
        if reply.get("drop"):
            self.close_connection = True
            return
        self.answer(reply)

    def answer(self, reply):
        message = {"role": "assistant", "content": reply.get("text"), **reply.get("message", {})}
        completion = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "scripted",
            "choices": [{"index": 0, "message": message, "finish_reason": reply.get("finish_reason", "stop")}],
            "usage": reply.get("usage", {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}),
        }
        content = reply["body"].encode() if "body" in reply else json.dumps(completion).encode()
        try:
            self.send_response(reply.get("status", 200))
            for name, value in reply.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # the client did not wait
            self.close_connection = True

    def log_message(self, *args):
        pass


@contextmanager
def serving(script, port=0):
    """Runs a [`ScriptedServer`] in a thread."""
    server = ScriptedServer(script, port)
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    try:
        yield server
    finally:
        server.hang_up()


def last_text(body):
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def ask(text, **parameters):
    return {"messages": [{"role": "user", "content": text}], **parameters}


@pytest.fixture
def online(monkeypatch):
    """Lets this process's huggingface_hub speak to 127.0.0.1, which the tests otherwise keep off every network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    reset = getattr(huggingface_hub, "close_session", None) or huggingface_hub.utils.reset_sessions
    reset()
    yield
    reset()


CHAT = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n{% endfor %}assistant:"
)


def save_tiny_llava(folder):
    """A LLaVA of a few thousand random weights, with its processor, as `transformers serve` opens it."""
    import torch
    from conftest import TINY_CLIP, TINY_LLAMA, make_tokenizer
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.model_max_length = 4096
    config = LlavaConfig(
        vision_config=dict(TINY_CLIP),
        text_config={**TINY_LLAMA, "max_position_embeddings": 4096},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default",
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 1, 2
    model.save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=CHAT,
    ).save_pretrained(folder)
    return folder
