"""What is replaced in a sample before it runs, and nothing else. Source: CONTRACT, section 8."""

import re
from collections.abc import Callable, Mapping

from guide.output import Language, SampleError
from guide.scene import Scene

GOOGLE = "https://generativelanguage.googleapis.com"
SLEEP_SECONDS = 0.2
CACHE_WORDS = 12_000
"""A cache has a minimum size, 4,096 tokens at most in today's families; this many words are above it."""

Versions = Callable[[str, Language, Scene], Mapping[str, str]]
"""A sample's texts as they run, by the name of the way ("" when there is one). Raises SampleError when one cannot be made."""


def as_printed(text: str, _: Language, scene: Scene) -> Mapping[str, str]:
    """Return the sample with only base URL, key, file paths and sleeps replaced."""
    return {"": general(text, scene)}


def with_video(text: str, language: Language, scene: Scene) -> Mapping[str, str]:
    """09: put in the id of the video that 08 created in the same language."""
    if language not in scene.videos:
        raise SampleError("08 created no video in this language")
    video = scene.videos[language]
    text = general(text, scene)
    return {"": _swap(text, "VIDEO_ID", video) if language == "curl" else _swap(text, "response.id", f'"{video}"')}


def with_cache(text: str, _: Language, scene: Scene) -> Mapping[str, str]:
    """14: put in the key and the name of a cache that is created first, through the server's native path."""
    words = " ".join(f"word{number}" for number in range(CACHE_WORDS))
    content = {"role": "user", "parts": [{"text": f"The video shows, in this order: {words}"}]}
    try:
        cache = scene.post("/v1beta/cachedContents", {"model": "models/gemini-3-flash-preview", "contents": [content]})
    except OSError as error:
        raise SampleError(f"no cache could be created: {error}") from error
    text = re.sub(r"\bMY_API_KEY\b", f'"{scene.key}"', general(text, scene))
    return {"": re.sub(r"cachedContents/\w+", cache["name"], text)}


def both_file_ways(text: str, _: Language, scene: Scene) -> Mapping[str, str]:
    """13: mend the sample as its own text means it, once with files by the genai client and once all by the OpenAI client."""
    text = general(text, scene)
    path = str(scene.files["my-batch-requests.jsonl"])
    genai = "import time\nfrom google.genai import types\n" + text
    genai = _swap(genai, "\nclient = genai.Client()", "\ngenai_client = genai.Client()")
    genai = _swap(genai, " client.files.upload(", " genai_client.files.upload(")
    genai = _swap(genai, "input_file_id=batch_input_file_id", "input_file_id=uploaded_file.name")
    genai = _swap(genai, " client.batches.", " openai_client.batches.")

    upload, download = (
        r"genai_client\.files\.upload\(.*?\n\)",
        r"genai_client\.files\.download\(file=(\S+?)\)\.decode\('utf-8'\)",
    )
    openai = re.sub(
        upload, lambda _: f'openai_client.files.create(file=open({path!r}, "rb"), purpose="batch")', genai, flags=re.DOTALL
    )
    openai = re.sub(download, r"openai_client.files.content(\1).text", openai)
    openai = _swap(openai, "uploaded_file.name", "uploaded_file.id")
    openai = re.sub(r"^(from google.*|genai_client = .*)\n", "", openai, flags=re.MULTILINE)
    if "genai" in re.sub(r"#.*", "", openai):
        raise SampleError("the sample is not the one that is mended here: a genai call is left")
    return {"genai files": genai, "openai files": openai}


def general(text: str, scene: Scene) -> str:
    """Return the sample with base URL, key, file paths and sleeps replaced. `$GEMINI_API_KEY` comes from the shell."""
    text = text.replace(GOOGLE, scene.base_url)
    text = re.sub(r"(?<![$\w])GEMINI_API_KEY\b", scene.key, text)
    for printed, real in scene.files.items():
        text = text.replace(printed, str(real))
    text = re.sub(r"(time\.sleep\()[\d.]+", rf"\g<1>{SLEEP_SECONDS}", text)
    text = re.sub(r"(setTimeout\(\w+,\s*)\d+", rf"\g<1>{int(SLEEP_SECONDS * 1000)}", text)
    if "googleapis.com" in text:
        raise SampleError(f"the sample names another Google host than {GOOGLE}")
    return text


def _swap(text: str, printed: str, meant: str) -> str:
    if printed not in text:
        raise SampleError(f"the sample is not the one that is mended here: {printed.strip()!r} is not in it")
    return text.replace(printed, meant)
