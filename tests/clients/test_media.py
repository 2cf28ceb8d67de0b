"""Clients send pictures, sound and documents in chat, and get pictures and sound back."""

import base64
import io
from typing import Any

import instructor
import openai
import PIL.Image
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.clients.conftest import Service
from tests.clients.test_audio import heard
from tests.clients.test_openai_javascript import run
from tests.media import making

PNG = base64.b64encode(making.image("PNG")).decode()
GIF = base64.b64encode(making.image("GIF")).decode()
WAV = base64.b64encode(making.sound("wav", "pcm_s16le")).decode()
TEXT = "Have a wonderful day!"


def test_media_in_and_out_of_javascript(service: Service) -> None:
    """Pictures, one of a format that is redrawn, and a sound go in; drawings and six formats of speech come out."""
    out = run(
        service,
        f"""
        const url = (type, data) => ({{ type: "image_url", image_url: {{ url: `data:${{type}};base64,${{data}}` }} }});
        const seen = await client.chat.completions.create({{ model, messages: [{{ role: "user", content: [
          {{ type: "text", text: "What are these?" }}, url("image/png", "{PNG}"), url("image/gif", "{GIF}"),
          {{ type: "input_audio", input_audio: {{ data: "{WAV}", format: "wav" }} }} ] }}] }});
        out.seen = seen.choices[0].message.content; out.usage = seen.usage.prompt_tokens_details;
        const draw = {{ model: "gemini-nano-banana-2.1", messages: [{{ role: "user", content: "A red dot" }}] }};
        out.drawn = (await client.chat.completions.create(draw)).choices[0].message;
        out.edited = (await client.chat.completions.create({{ ...draw, messages: [
          ...draw.messages, out.drawn, {{ role: "user", content: "Make it blue" }}] }})).choices[0].message;
        out.streamed = [];
        for await (const chunk of await client.chat.completions.create({{ ...draw, stream: true }}))
          out.streamed.push(...(chunk.choices[0]?.delta?.images ?? []));
        out.said = {{}};
        for (const format of ["wav", "pcm16", "mp3", "flac", "opus", "aac"]) {{
          const asked = {{ model: "gemini-3.8-flash-tts", modalities: ["text", "audio"], audio: {{ voice: "alloy", format }},
                           messages: [{{ role: "user", content: "{TEXT}" }}] }};
          const whole = (await client.chat.completions.create(asked)).choices[0].message.audio;
          const pieces = [];
          for await (const chunk of await client.chat.completions.create({{ ...asked, stream: true }}))
            if (chunk.choices[0]?.delta?.audio?.data) pieces.push(Buffer.from(chunk.choices[0].delta.audio.data, "base64"));
          out.said[format] = [whole.data, Buffer.concat(pieces).toString("base64"), whole.transcript];
        }}
        """,
    )
    urls = [image["image_url"]["url"] for image in (*out["drawn"]["images"], *out["edited"]["images"], *out["streamed"])]

    assert all(word in out["seen"] for word in ("PNG", "WAV", "48")), out["seen"]
    assert out["usage"]["image_tokens"] > 0 < out["usage"]["audio_tokens"]
    assert len(urls) == 3
    assert {PIL.Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size for url in urls} == {(1024, 1024)}
    for name, (whole, streamed, transcript) in out["said"].items():
        assert transcript == TEXT
        for sound in (whole, streamed):
            assert heard(base64.b64decode(sound), name.removesuffix("16")) == TEXT


def test_media_of_langchain_and_instructor(service: Service) -> None:
    """LangChain's own picture and file blocks, and instructor's picture beside a shape."""

    class Seen(BaseModel):
        what: str

    model = ChatOpenAI(model="gemini-3.6-flash", base_url=f"{service.url}/v1", api_key=SecretStr("any-key-of-a-user"))
    blocks: list[str | dict[str, Any]] = [
        {"type": "text", "text": "What are these?"},
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
        {"type": "audio", "base64": WAV, "mime_type": "audio/wav"},
        {"type": "file", "base64": base64.b64encode(b"a,b").decode(), "mime_type": "text/csv", "filename": "table.csv"},
    ]
    told = str(model.invoke([HumanMessage(content=blocks)]).content)
    client = instructor.from_openai(openai.OpenAI(base_url=f"{service.url}/v1", api_key="any-key-of-a-user"))
    picture = instructor.Image.from_base64(f"data:image/png;base64,{PNG}")
    messages: Any = [{"role": "user", "content": ["What is this?", picture]}]  # instructor writes the parts
    seen = client.chat.completions.create(model="gemini-3.6-flash", response_model=Seen, messages=messages)

    assert all(word in told for word in ("PNG", "WAV", "text/csv")), told
    assert isinstance(seen, Seen)
