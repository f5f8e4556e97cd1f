"""What a request to OpenAI's chat interface may say, and the sentences for what it may not."""

import json
from typing import Annotated, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError


ANY_MODEL = ("", "dummy")  # what clients send that were told no name, huggingface_hub's InferenceClient among them
# What would change the answer and no MODA can do, with the values that ask for nothing.
REFUSED = (
    "tools",
    "functions",
    "response_format",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
)
COLDEST = 0.01  # the least temperature above 0: scores divided by less overflow
ASKS_FOR_NOTHING = (None, 0, [], {}, {"type": "text"})


class Refusal(Exception):
    """A request that is not answered; becomes OpenAI's error object."""

    def __init__(self, status, message, code=None, headers=None):
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class Address(BaseModel):
    url: Annotated[str, Field(pattern=r"^(?i:https?://|data:)")]


class ImagePart(BaseModel):
    type: Literal["image_url"]
    image_url: Annotated[Address, BeforeValidator(lambda given: {"url": given} if isinstance(given, str) else given)]


Part = Annotated[Union[TextPart, ImagePart], Field(discriminator="type")]


def _as_parts(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[Part], BeforeValidator(_as_parts)]


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """What is read of OpenAI's request; other fields stay in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    messages: Annotated[list[Message], Field(min_length=1)]
    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    stop: (
        Annotated[
            list[Annotated[str, Field(min_length=1)]],
            Field(max_length=4),
            BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
        ]
        | None
    ) = None
    logprobs: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


def read_request(body, name):
    """Checks a request's body.

    Args:
        body (`bytes`): JSON.
        name (`str`): Of the model that is served.

    Returns:
        [`ChatRequest`]

    Raises:
        [`Refusal`]: In a sentence, if anything is wrong with it.
    """
    try:
        asked = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "The request's body"
        given = "" if first["type"] in ("missing", "json_invalid") else f" is {_short(first['input'])}:"
        message = f"{where}{given or ':'} {first['msg']}; OpenAI's reference of chat completions has its form."
        raise Refusal(400, message) from None
    for field in REFUSED:
        if (asked.model_extra or {}).get(field) not in ASKS_FOR_NOTHING:
            raise Refusal(400, f"{field} is {_short(asked.model_extra[field])}, which a MODA can't do; leave it out.")
    if asked.model not in (None, name, *ANY_MODEL):
        raise Refusal(404, f"There is no model {asked.model!r} here; ask for {name!r}.", "model_not_found")
    if 0 < (asked.temperature or 0) < COLDEST:
        raise Refusal(400, f"temperature is {asked.temperature:g}; give 0, which is greedy, or {COLDEST} to 2.")
    if asked.messages[-1].role == "assistant":
        raise Refusal(400, "The last message is the assistant's; end with what the user asks.")
    if any(part.type == "image_url" for turn in asked.messages if turn.role == "assistant" for part in turn.content):
        raise Refusal(400, "A message of the assistant holds a picture; put pictures into the user's.")
    return asked


def _short(value):
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
