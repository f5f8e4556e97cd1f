"""OpenAI's chat interface over a model: requests that wait at the same time are answered in one batch."""

import asyncio
import hashlib
import hmac
import json
import math
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from fetching_moda import fetch
from processing_moda import IMAGE_TOKEN

from .answerer import Picture, Question
from .chat import Refusal, read_request
from .describer import prepare


LARGEST_REQUEST = 20 * 2**20  # bytes; a picture grows by a third in a data: URL
SLOWEST_REQUEST = 60  # seconds to arrive in
SLOWEST_PICTURES = 60  # seconds for all of a request
MOST_PICTURES = 16  # in one request, earlier turns included


def make_app(answerer, name, key=None, allow_private=False, queue_size=64):
    """Builds the server.

    Args:
        answerer ([`Answerer`]): Holds the model; closed with the server.
        name (`str`): What the model is called in requests and answers.
        key (`str`, *optional*): What a request's `Authorization: Bearer` has to say; anyone may ask where there is none.
        allow_private (`bool`, *optional*, defaults to `False`): Whether pictures may be fetched from this machine and its
            network.
        queue_size (`int`, *optional*, defaults to 64): Requests taken in at once; others get 503 and `Retry-After`.

    Returns:
        `fastapi.FastAPI`, with `POST /v1/chat/completions`, `GET /v1/models` and `GET /health`.
    """
    pool = ThreadPoolExecutor(8, thread_name_prefix="fetch")
    started, taken = int(time.time()), 0

    @asynccontextmanager
    async def lifespan(app):
        yield
        pool.shutdown(cancel_futures=True)
        answerer.close()

    app = FastAPI(title="MODA", lifespan=lifespan)

    def authorise(request):
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if key and not hmac.compare_digest(given.encode(), key.encode()):
            raise Refusal(
                401, "The API key is missing or wrong; send it as 'Authorization: Bearer KEY'.", "invalid_api_key"
            )

    @app.exception_handler(Refusal)
    async def refused(request, error):
        return _error(error.status, str(error), error.code, error.headers)

    @app.exception_handler(HTTPException)
    async def no_such_path(request, error):
        return _error(
            error.status_code,
            f"{request.method} {request.url.path}: {error.detail}; POST to /v1/chat/completions.",
            headers=error.headers,
        )

    @app.exception_handler(Exception)
    async def failed(request, error):
        return _error(500, f"The model failed with {type(error).__name__}; the server's log says where.")

    @app.get("/health")
    async def health():
        return {"status": "ok", "requests": taken}

    @app.get("/v1/models")
    async def models(request: Request):
        authorise(request)
        return {"object": "list", "data": [{"id": name, "object": "model", "created": started, "owned_by": "moda"}]}

    @app.post("/v1/chat/completions")
    async def chat(request: Request):
        nonlocal taken
        authorise(request)
        if taken >= queue_size:
            message = f"{taken} requests are being answered and no more are taken in; ask again in a moment."
            raise Refusal(503, message, "overloaded", {"Retry-After": "1"})
        taken += 1
        try:
            asked = read_request(await _body(request), name)
            loop = asyncio.get_running_loop()
            question = await loop.run_in_executor(pool, make_question, answerer, asked, allow_private)
            waiting = asyncio.wrap_future(answerer.ask(question))
            while not (await asyncio.wait([waiting], timeout=0.5))[0]:
                if await request.is_disconnected():
                    waiting.cancel()  # what nobody waits for is not computed, if it has not begun
                    raise Refusal(499, "The client has gone.")
            answers = waiting.result()
        finally:
            taken -= 1
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}
        usage = _usage(question, answers)
        if asked.stream:
            with_usage = asked.stream_options is not None and asked.stream_options.include_usage
            return StreamingResponse(
                _events(head, answers, usage if with_usage else None), media_type="text/event-stream"
            )
        choices = [
            {"index": index, "message": {"role": "assistant", "content": answer.text}, **_ending(answer)}
            for index, answer in enumerate(answers)
        ]
        return {**head, "object": "chat.completion", "choices": choices, "usage": usage}

    return app


async def _body(request):
    """Reads a request's body, as long as it is neither too large nor too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_REQUEST):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_REQUEST:
                    message = (
                        f"The request has more than {LARGEST_REQUEST:,} bytes; send smaller pictures, or their URLs."
                    )
                    raise Refusal(413, message)
    except TimeoutError:
        raise Refusal(408, f"The request did not arrive within {SLOWEST_REQUEST} seconds; send it again.") from None
    return bytes(body)


def make_question(answerer, asked, allow_private=False):
    """Fetches and decodes a request's pictures and turns its messages into tokens.

    Within a message pictures come first, as they did in training, and one without text asks the model's own prompt.

    Args:
        answerer ([`Answerer`]): Whose processor and kept pictures are used.
        asked ([`ChatRequest`]): The request.
        allow_private (`bool`, *optional*, defaults to `False`): Whether any address may be fetched.

    Returns:
        [`Question`]

    Raises:
        [`Refusal`]: If a picture can't be had, or all of it is too long for the model.
    """
    processor, messages, pictures = answerer.processor, [], []
    deadline = time.monotonic() + SLOWEST_PICTURES
    for turn in asked.messages:
        urls = [part.image_url.url for part in turn.content if part.type == "image_url"]
        texts = [part.text for part in turn.content if part.type == "text"]
        if len(pictures) + len(urls) > MOST_PICTURES:
            raise Refusal(
                400, f"The request has more than {MOST_PICTURES} pictures; send fewer, or an earlier turn's no more."
            )
        for url in urls:
            label, left = f"Picture {len(pictures) + 1}", deadline - time.monotonic()
            if left <= 0:
                message = (
                    f"The request's pictures took longer than {SLOWEST_PICTURES} seconds; send fewer, or data: URLs."
                )
                raise Refusal(400, message, "invalid_image")
            try:
                file = fetch(url, label, allow_private, math.ceil(left))
                digest = hashlib.sha256(file).digest()
                features = answerer.recall(digest)
                pixels = prepare(processor, file, name=label) if features is None else None
            except (ValueError, OSError) as error:
                raise Refusal(400, str(error), "invalid_image") from None
            pictures.append(Picture(digest, pixels, features))
        texts = texts if any(map(str.strip, texts)) or turn.role != "user" else [processor.default_prompt]
        # Whole, since its parts may make up what none of them is; no template need know what a text can't say.
        text = "".join(texts).replace(IMAGE_TOKEN, f"< {IMAGE_TOKEN[1:-1]} >")
        content = [{"type": "image"} for _ in urls] + [{"type": "text", "text": text}]
        messages.append({"role": turn.role, "content": content})
    sampled = {"temperature": asked.temperature or 0.0, "top_p": asked.top_p or 1.0, "seed": asked.seed}
    longest = asked.max_completion_tokens or asked.max_tokens
    try:
        return Question(
            answerer.encode(messages, len(pictures)),
            pictures,
            max_new_tokens=longest,
            stop=asked.stop or [],
            n=asked.n or 1,
            logprobs=bool(asked.logprobs),
            **sampled,
        )
    except ValueError as error:
        raise Refusal(400, str(error), "context_length_exceeded") from None


def _usage(question, answers):
    prompt, completion = len(question.input_ids), sum(answer.tokens for answer in answers)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _ending(answer):
    """What stands beside a choice's text."""
    if answer.logprobs is None:
        return {"finish_reason": answer.finish_reason, "logprobs": None}
    content = [
        {
            "token": token,
            "logprob": value,
            "bytes": None if "\ufffd" in token else list(token.encode()),
            "top_logprobs": [],
        }
        for token, value in answer.logprobs
    ]
    return {
        "finish_reason": answer.finish_reason,
        "logprobs": {"content": content, "refusal": None},
        "confidence": answer.confidence,
    }


async def _events(head, answers, usage):
    """Server-sent events: each sentence in one piece, since it was written in a batch with others."""
    head = {**head, "object": "chat.completion.chunk"}
    for index, answer in enumerate(answers):
        ending = _ending(answer)
        last = {"index": index, "delta": {}, "finish_reason": ending.pop("finish_reason")}
        delta = {"role": "assistant", "content": answer.text}
        yield _event({**head, "choices": [{"index": index, "delta": delta, "finish_reason": None, **ending}]})
        yield _event({**head, "choices": [last]})
    if usage is not None:
        yield _event({**head, "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _event(content):
    return f"data: {json.dumps(content)}\n\n"


def _error(status, message, code=None, headers=None):
    kind = "invalid_request_error" if status < 500 else "server_error"
    content = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return JSONResponse(content, status_code=status, headers=headers)
