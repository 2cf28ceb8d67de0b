"""The second turn: what we send back of a recorded answer is the recorded answer, signatures in place.

In both ways of clients: one sends back everything that it got, to a server that remembers nothing; the other drops every field
that OpenAI does not have, and the server remembers. And where a recorded request holds an earlier turn, the same history in
OpenAI's form becomes the contents that were recorded.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pollux.translate import chat
from pollux.translate.profiles import profile
from pollux.wire.gemini.generate import encode_request
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import finding, folding, playing, shared
from tests.recorded import plain_reading
from tests.recorded.test_answers import RECORDED, replies_of

shared.needed()

Json = dict[str, Any]

ANSWER = playing.Played(b'{"candidates":[{"content":{"parts":[{"text":"Good."}]},"finishReason":"STOP"}]}')


def reading_of(file: str) -> plain_reading.Candidate:
    """Read the first candidate of a recording."""
    return plain_reading.read(replies_of(file)).candidates.get(0, plain_reading.Candidate())


CARRIED = sorted(
    file
    for file in RECORDED
    if (reading_of(file).calls or reading_of(file).signatures or reading_of(file).has_traces)
    and plain_reading.read(replies_of(file)).has_end
)
"""Recordings whose turn is more than a text."""


def model_of(file: str) -> str:
    """Choose a family that takes the turn as it was recorded: one that requires signatures only if the calls have them."""
    calls = reading_of(file).calls
    return "gemini-2.5-flash" if calls and "signature" not in calls[0] else "gemini-3.6-flash"


def spelled(parts: list[Json]) -> list[Json]:
    """Spell native parts by their meaning: texts joined with their signatures, calls without ids, empty arguments as none."""
    plain = []
    for part in folding.joined(parts):
        if "functionCall" in part:
            call = part["functionCall"]
            part = part | {"functionCall": {"name": call["name"], "args": call.get("args") or {}}}
        if part.get("text") != "" or part.get("signatures"):
            plain.append(part)
    return plain


async def told(app: Any, file: str) -> Json:
    """Ask, with the recording as the upstream's answer, and give the assistant's message."""
    request = {"model": model_of(file), "messages": [{"role": "user", "content": "Hello"}], "stream": RECORDED[file]}
    answer = await playing.ask(app, "POST", "/v1/chat/completions", request)
    assert answer.status == 200, answer.body
    whole = folding.fold(answer.messages[:-1]) if RECORDED[file] else answer.json
    message: Json = whole["choices"][0]["message"]
    return message


def upstream(file: str) -> playing.FakeHttp:
    """Make an upstream that answers the first question with the recording, and every later one with a text."""
    replies = replies_of(file)
    first = playing.as_stream(replies, file) if RECORDED[file] else playing.Played(msgspec.json.encode(replies[0]))
    http = playing.FakeHttp(lambda _request: first if len(http.sent) == 1 else ANSWER)
    return http


def without_unknown_fields(message: Json) -> Json:
    """Keep of an assistant's message what OpenAI's has."""
    known: Json = {"role": "assistant", "content": message["content"]}
    if "tool_calls" in message:
        known["tool_calls"] = [{key: call[key] for key in ("id", "type", "function")} for call in message["tool_calls"]]
    return known


async def second_turn(app: Any, http: playing.FakeHttp, file: str, message: Json, key: str = playing.KEY) -> list[Json]:
    """Send an assistant's message back, with results for its calls, and give the native parts of its turn."""
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "{}"} for call in message.get("tool_calls", [])]
    messages = [{"role": "user", "content": "Hello"}, message, *(results or [{"role": "user", "content": "Go on."}])]
    request = {"model": model_of(file), "messages": messages}
    answer = await playing.ask(app, "POST", "/v1/chat/completions", request, {"authorization": f"Bearer {key}"})
    assert answer.status == 200, answer.body
    body = http.sent[-1].body
    assert isinstance(body, bytes)
    contents = msgspec.json.decode(body)["contents"]
    return [part for content in contents if content["role"] == "model" for part in content["parts"]]


@pytest.mark.parametrize("file", CARRIED, ids=str)
async def test_a_client_that_sends_everything_back_restores_the_turn(file: str, tmp_path: Path) -> None:
    """From `extra_content` alone, on a server that remembers nothing, the turn goes back as it was recorded."""
    http = upstream(file)
    message = await told(playing.server(http, data_dir=str(tmp_path / "first")), file)
    sent = await second_turn(playing.server(http, data_dir=str(tmp_path / "another")), http, file, message)

    assert spelled(sent) == spelled(reading_of(file).parts)


@pytest.mark.parametrize("file", CARRIED, ids=str)
async def test_a_client_that_drops_every_unknown_field_gets_the_turn_restored(file: str, tmp_path: Path) -> None:
    """From what the server remembers, the turn goes back as it was recorded; pictures are not remembered."""
    http = upstream(file)
    app = playing.server(http, data_dir=str(tmp_path))
    message = await told(app, file)
    sent = await second_turn(app, http, file, without_unknown_fields(message))

    assert spelled(sent) == spelled([part for part in reading_of(file).parts if not is_picture(part)])


def is_picture(part: Json) -> bool:
    """Say whether a native part is a picture."""
    return "image/" in part.get("inlineData", {}).get("mimeType", "")


SIGNED_CALLS = [file for file in CARRIED if any("signature" in call for call in reading_of(file).calls)]


@pytest.mark.parametrize("file", SIGNED_CALLS[::10], ids=str)
async def test_another_worker_restores_a_call_and_another_caller_does_not(file: str, tmp_path: Path) -> None:
    """A second server on the same folder has the turn as soon as the answer is told; with another key it has nothing."""
    http = upstream(file)
    message = without_unknown_fields(await told(playing.server(http, data_dir=str(tmp_path)), file))
    worker = playing.server(http, data_dir=str(tmp_path))
    restored = await second_turn(worker, http, file, message)
    of_another = await second_turn(worker, http, file, message, key="another-callers-key-for-tests")
    signatures = {part["thoughtSignature"] for part in reading_of(file).parts if "thoughtSignature" in part}

    assert signatures & {part.get("thoughtSignature") for part in restored}
    assert not signatures & {part.get("thoughtSignature") for part in of_another}
    assert [part["functionCall"]["name"] for part in of_another if "functionCall" in part] == [
        call["name"] for call in reading_of(file).calls
    ]


def has_other_media(contents: list[Json]) -> bool:
    """Say whether a history holds media that chat messages do not carry yet: anything but pictures in results."""
    for content in contents:
        for part in content["parts"]:
            if part.keys() & {"inlineData", "inline_data", "fileData"}:
                return True
            inner = part.get("functionResponse", {}).get("parts", [])
            if any(not one.get("inlineData", {}).get("mimeType", "").startswith("image/") for one in inner):
                return True
    return False


HISTORIES = {
    entry["file"]: contents
    for entry in shared.index("gemini-native")
    if "tool-result-in-request" in entry["tags"]
    and not has_other_media(contents := shared.recording("gemini-native", entry["file"])["request"]["contents"])
}
"""Recorded requests in which functions were called, and their contents."""


def as_messages(contents: list[Json]) -> list[Json]:
    """Say recorded contents as a client would that got them from us and sent everything back."""
    messages: list[Json] = []
    waiting: list[str] = []
    for content in contents:
        if content["role"] == "model":
            message = as_answer(content["parts"], f"call_{len(messages)}")
            waiting = [call["id"] for call in message.get("tool_calls", [])]
            messages.append(message)
            continue
        for part in content["parts"]:
            if "text" in part:
                messages.append({"role": "user", "content": part["text"]})
            else:
                messages.append(as_result(part["functionResponse"], waiting.pop(0)))
    return messages


def as_answer(parts: list[Json], prefix: str) -> Json:
    """Say a turn of the model in OpenAI's form."""
    said = [{"text": part["text"]} if "signatures" in part else part for part in parts]
    calls = [part for part in said if "functionCall" in part]
    signed = [signature for part in parts for signature in part.get("signatures", [])]
    google: Json = {"thought_signature": signed[-1]} if signed else {}
    if any(not part.keys() & {"text", "functionCall"} for part in said):
        google["parts"] = said
    message: Json = {"role": "assistant", "content": "".join(part.get("text", "") for part in said) or None}
    if google:
        message["extra_content"] = {"google": google}
    if calls:
        message["tool_calls"] = [as_call(part, f"{prefix}_{i}") for i, part in enumerate(calls)]
    return message


def as_call(part: Json, call_id: str) -> Json:
    """Say a call in OpenAI's form."""
    native = part["functionCall"]
    arguments = msgspec.json.encode(native.get("args", {})).decode()
    call: Json = {"id": call_id, "type": "function", "function": {"name": native["name"], "arguments": arguments}}
    if "thoughtSignature" in part:
        call["extra_content"] = {"google": {"thought_signature": part["thoughtSignature"]}}
    return call


def as_result(native: Json, call_id: str) -> Json:
    """Say a result in OpenAI's form."""
    content: list[Json] = [{"type": "text", "text": msgspec.json.encode(native["response"]).decode()}]
    for one in native.get("parts", []):
        url = f"data:{one['inlineData']['mimeType']};base64,{one['inlineData']['data']}"
        content.append({"type": "image_url", "image_url": {"url": url}})
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def meant(contents: list[Json]) -> list[Json]:
    """Spell contents by their meaning: neighbours of one role joined, thoughts left out, no ids, results named as their calls.

    One project wrote the call's id where the function's name belongs.
    """
    turns: list[Json] = []
    names: list[str] = []
    every = {part["functionCall"]["name"] for content in contents for part in content["parts"] if "functionCall" in part}
    for content in contents:
        role = "model" if content["role"] == "model" else "user"
        parts = [part for part in content["parts"] if not part.get("thought")]
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "parts": []})
        turns[-1]["parts"] += parts
    for turn in turns:
        turn["parts"] = spelled(turn["parts"])
        names += [part["functionCall"]["name"] for part in turn["parts"] if "functionCall" in part]
        for i, part in enumerate(turn["parts"]):
            if "functionResponse" in part:
                native = {key: value for key, value in part["functionResponse"].items() if key != "id"}
                called = names.pop(0)
                turn["parts"][i] = {
                    "functionResponse": native | {"name": native["name"] if native["name"] in every else called}
                }
    return turns


@pytest.mark.parametrize("file", HISTORIES, ids=str)
def test_a_recorded_history_is_built_as_it_was_recorded(file: str) -> None:
    """The same history in OpenAI's form: the same contents, the same calls and results in order, signatures in place."""
    contents = meant(HISTORIES[file])
    first_calls = [
        next(part for part in content["parts"] if "functionCall" in part)
        for content in contents
        if any("functionCall" in part for part in content["parts"])
    ]
    model = "gemini-3.6-flash" if all("thoughtSignature" in part for part in first_calls) else "gemini-2.5-flash"
    asked = {"model": model, "messages": as_messages(contents)}
    request = msgspec.json.decode(msgspec.json.encode(asked), type=ChatCompletionRequest)
    native = chat.to_gemini(request, profile(model), found=finding.media(request)).native
    built = msgspec.json.decode(encode_request(native).body)["contents"]

    assert meant(built) == contents
