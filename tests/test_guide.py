"""The guide runner: it replaces only what the contract lists, reads what samples print, and refuses wrong output.

The samples here are made up; the guide's own are run by `make guide`.
"""

import base64
import io
import struct
import threading
import wave
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from guide import checks, checks_jobs, executing, media, reading, replacing, run
from guide.output import Check, Language, Output, SampleError
from guide.report import Result, table
from guide.samples import GREEN, LATER
from guide.scene import Scene

BASE = "https://generativelanguage.googleapis.com"


class Answers(BaseHTTPRequestHandler):
    """A server for the runner's own calls: a cache, a film, a page, and 404 for the rest."""

    def do_GET(self) -> None:
        """Answer the film and the page."""
        bodies = {
            "/film.mp4": b"\0\0\0\x18ftypisom",
            "/page": b"<html>",
        }
        self._answer(bodies.get(self.path))

    def do_POST(self) -> None:
        """Answer the creation of a cache, if the model is named natively."""
        body = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
        right = self.path == "/v1beta/cachedContents" and body["model"].startswith("models/") and self.headers["x-goog-api-key"]
        self._answer(b'{"name": "cachedContents/made1"}' if right else None)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Stay silent."""

    def _answer(self, body: bytes | None) -> None:
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"not here")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The base URL of the little server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def scene(tmp_path: Path, address: str) -> Scene:
    """A scene with media, and a video that 08 made for Python and curl."""
    return Scene(address, "the-key", tmp_path, media.write_files(tmp_path), {"python": "video_7", "curl": "video_8"})


# What is replaced


def test_base_url_key_paths_and_sleeps_are_replaced(scene: Scene) -> None:
    """Each placeholder of the guide becomes the run's own thing, and the rest of the text stays as printed."""
    printed = f"""
        OpenAI(api_key="GEMINI_API_KEY", base_url="{BASE}/v1beta/openai/")
        encode("Path/to/agi/image.jpeg"); time.sleep(10); setTimeout(resolve, 10000); timeout(9)
        curl -H "Authorization: Bearer $GEMINI_API_KEY" -H "Bearer GEMINI_API_KEY"
    """

    assert (
        replacing.general(printed, scene)
        == f"""
        OpenAI(api_key="the-key", base_url="{scene.base_url}/v1beta/openai/")
        encode("{scene.folder}/image.jpeg"); time.sleep(0.2); setTimeout(resolve, 200); timeout(9)
        curl -H "Authorization: Bearer $GEMINI_API_KEY" -H "Bearer the-key"
    """
    )


def test_no_sample_can_reach_google(scene: Scene) -> None:
    """A host that the replacement does not know stops the sample before it runs."""
    with pytest.raises(SampleError, match="another Google host"):
        replacing.general('fetch("https://upload.googleapis.com/x")', scene)


def test_the_video_is_the_one_that_08_made_in_the_same_language(scene: Scene) -> None:
    """09 gets the id by the name that the guide prints; without an id it is not run."""
    assert replacing.with_video("retrieve(response.id)", "python", scene) == {"": 'retrieve("video_7")'}
    assert replacing.with_video("curl videos/VIDEO_ID", "curl", scene) == {"": "curl videos/video_8"}
    with pytest.raises(SampleError, match="08 created no video"):
        replacing.with_video("retrieve(response.id)", "javascript", scene)
    with pytest.raises(SampleError, match=r"'response\.id' is not in it"):
        replacing.with_video("retrieve(other.id)", "python", scene)


def test_the_cache_is_created_first(scene: Scene) -> None:
    """14 gets a key as a text and the name of a cache that exists."""
    printed = "OpenAI(api_key=MY_API_KEY); use('cachedContents/0000aaaa')"

    assert replacing.with_cache(printed, "python", scene) == {"": "OpenAI(api_key=\"the-key\"); use('cachedContents/made1')"}


def test_without_a_cache_14_says_why(scene: Scene) -> None:
    """A server that creates no cache is named as the reason."""
    scene.base_url += "/elsewhere"

    with pytest.raises(SampleError, match="no cache could be created: 404 not here"):
        replacing.with_cache("", "python", scene)


BATCH_SAMPLE = """from openai import OpenAI
from google import genai
client = genai.Client()
openai_client = OpenAI()
one = client.files.upload(
    file='my-batch-requests.jsonl', config=types.UploadFileConfig()
)
batch = openai_client.batches.create(input_file_id=batch_input_file_id)
batch = client.batches.retrieve(batch.id)
text = genai_client.files.download(file=batch.output_file_id).decode('utf-8')
""".replace("one = ", "uploaded_file = ")


def test_the_batch_sample_is_mended_both_ways(scene: Scene) -> None:
    """13 gets one name per client, its imports and its file: once with the genai client for files, once without it."""
    versions = replacing.both_file_ways(BATCH_SAMPLE, "python", scene)

    path = scene.files["my-batch-requests.jsonl"]
    assert (
        versions["genai files"]
        == f"""import time
from google.genai import types
from openai import OpenAI
from google import genai
genai_client = genai.Client()
openai_client = OpenAI()
uploaded_file = genai_client.files.upload(
    file='{path}', config=types.UploadFileConfig()
)
batch = openai_client.batches.create(input_file_id=uploaded_file.name)
batch = openai_client.batches.retrieve(batch.id)
text = genai_client.files.download(file=batch.output_file_id).decode('utf-8')
"""
    )
    assert (
        versions["openai files"]
        == f"""import time
from openai import OpenAI
openai_client = OpenAI()
uploaded_file = openai_client.files.create(file=open('{path}', "rb"), purpose="batch")
batch = openai_client.batches.create(input_file_id=uploaded_file.id)
batch = openai_client.batches.retrieve(batch.id)
text = openai_client.files.content(batch.output_file_id).text
"""
    )


def test_another_batch_sample_is_not_mended_by_guess(scene: Scene) -> None:
    """A sample that changed says so; it is not run half mended."""
    with pytest.raises(SampleError, match="is not in it"):
        replacing.both_file_ways(BATCH_SAMPLE.replace("batch_input_file_id", "my_id"), "python", scene)
    with pytest.raises(SampleError, match="a genai call is left"):
        replacing.both_file_ways(BATCH_SAMPLE + "genai_client.files.list()\n", "python", scene)


# The media


def test_the_picture_is_a_jpeg_of_its_size() -> None:
    """The head tells the size; the scan holds two zero bits a block."""
    picture = media.jpeg(48, 32)

    assert media.picture_size(picture) == ("jpeg", 48, 32)
    assert picture.endswith(b"\x00" * (48 * 32 // 64 * 2 // 8) + b"\xff\xd9")


def test_the_sound_is_a_wave_of_its_length() -> None:
    """Python's own reader finds half a second that is not silent."""
    with wave.open(io.BytesIO(media.wav(0.5))) as file:
        seconds, frames = file.getnframes() / file.getframerate(), file.readframes(100)

    assert seconds == 0.5
    assert any(frames)


def test_what_is_no_picture_has_no_size() -> None:
    """Unknown and cut heads are refused."""
    for content in (b"", b"<html>", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"RIFF1234WEBPxxxx"):
        with pytest.raises(ValueError, match=r"neither PNG|a JPEG without|a WebP without"):
            media.picture_size(content)


# Reading what is printed


def test_pythons_print_is_read() -> None:
    """An object becomes its fields; a text that looks like a field stays a text."""
    printed = (
        """ChatCompletionMessage(content="it's role='x'\\n", role='assistant', refusal=None, parts=[Part(n=-1.5, ok=True)])"""
    )

    assert reading.from_python(printed) == {
        "content": "it's role='x'\n",
        "role": "assistant",
        "refusal": None,
        "parts": [{"n": -1.5, "ok": True}],
    }


def test_nodes_print_is_read() -> None:
    """Joined texts, quoted keys, class names, elided objects and cut texts are read; several objects one after another."""
    printed = r"""
    Message {
      content: 'it\'s {role: "x"}\n' +
        "second, ไทย \x1B\u{1F600}",
      'a-key': `both ' and "`,
      refusal: undefined, list: [ 1, -2.5, 3e-7, [Object], ... 97 more items ], deep: { a: [Array], f: [Function: run] },
      empty: {}, cut: 'iVBOR'... 90 more characters
    }
    { ok: true, none: null }"""

    assert reading.from_javascript(printed) == [
        {
            "content": 'it\'s {role: "x"}\nsecond, ไทย \x1b\U0001f600',
            "a-key": "both ' and \"",
            "refusal": None,
            "list": [1, -2.5, 3e-7, reading.ELIDED, reading.ELIDED],
            "deep": {"a": reading.ELIDED, "f": reading.ELIDED},
            "empty": {},
            "cut": "iVBOR" + reading.ELIDED,
        },
        {"ok": True, "none": None},
    ]


@pytest.mark.parametrize("printed", ["{ a: ", "{ a 1 }", "[ 1, 2", "{ a: 'open", "}", "@"])
def test_what_node_did_not_print_is_refused(printed: str) -> None:
    """Broken objects end in a ValueError, never in an endless loop."""
    with pytest.raises(ValueError, match=r"not a printed object|no value|no closing"):
        reading.from_javascript(printed)


def test_event_streams_are_read() -> None:
    """Data lines are JSON, comments are none, [DONE] is itself."""
    assert reading.from_events(': wait\ndata: {"a": 1}\n\ndata: [DONE]\n\n') == [{"a": 1}, "[DONE]"]


# The checks: what is right, and what is refused for which reason

COMPLETION = '{"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "%s"}}]}'
MESSAGE = "Message(role='assistant', content='%s')"
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 64, 32)
CALL = '{"choices": [{"finish_reason": "%s", "message": {"tool_calls": [{"id": "%s", "function": {"name": "get_weather", "arguments": "%s"}}]}}]}'  # noqa: E501
CHUNK = "Chunk(choices=[%s])\n{'prompt_tokens': 9, 'total_tokens': %d%s}\n"
DETAILS = ", 'prompt_tokens_details': {'cached_tokens': 8}"
BATCH_LINE = (
    '{"custom_id": "%s", "response": {"body": {"object": "chat.completion", "choices": [{"message": {"content": "%s"}}]}}}\n'
)
EVENT = 'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n'
IMAGES = '{"data": [{"b64_json": "%s"}]}'
IDS = "\n".join(checks.GUIDE_MODELS)

RIGHT: list[tuple[Check, Language, str, str]] = [
    (checks.chat, "curl", COMPLETION % "How AI works", "12 characters that mentions AI"),
    (checks.chat, "python", MESSAGE % "How AI works", "mentions AI"),
    (checks.chat, "javascript", "{ role: 'assistant', content: 'How AI works' }", "mentions AI"),
    (checks.effort, "python", MESSAGE % "AI. Settings: thinkingLevel LOW.", "thinkingLevel LOW arrived"),
    (checks.thoughts, "javascript", "{ role: 'assistant', content: 'a', reasoning_content: 'bcd' }", "summary of 3"),
    (checks.stream, "python", "Delta(content='Hello ')\nDelta(content='to you.')\nDelta(content=None)\n", "2 pieces"),
    (checks.stream, "javascript", "\nHello \nto you.\nundefined\n", "2 pieces"),
    (
        checks.stream,
        "curl",
        EVENT % "Hello " + EVENT % "to you." + "data: [DONE]\n",
        "Hello to you.",
    ),
    (checks.tool_call, "curl", CALL % ("tool_calls", "call_1", '{\\"location\\": \\"Chicago\\"}'), "id call_1"),
    (checks.tool_call, "javascript", "{ choices: [ { finish_reason: 'tool_calls', message: [Object] } ] }", "tool_calls"),
    (checks.image_seen, "python", "Choice(index=0, message=Message(role='assistant', content='a 48 x 32 JPEG'))", "48 by 32"),
    (checks.audio_heard, "python", "A sound of 0.50 seconds.\n", "0.5 s"),
    (checks.event, "python", "name='a b' date='Friday' participants=['John']\n", "participants ['John']"),
    (checks.event, "javascript", "{ name: 'a', date: 'b', participants: [ 'c' ] }", "date 'b'"),
    (checks.cached, "python", CHUNK % ("Choice(delta=Delta(content='a'))", 0, "") + CHUNK % ("", 10, DETAILS), "8 cached of 9"),
    (checks.models, "python", IDS, "6 ids"),
    (checks.models, "javascript", "".join(f"{{ id: 'models/{name}' }}\n" for name in checks.GUIDE_MODELS), "6 ids"),
    (checks.models, "curl", msgspec.json.encode({"data": [{"id": name} for name in checks.GUIDE_MODELS]}).decode(), "6 ids"),
    (checks.model, "python", "gemini-3-flash-preview\n", "gemini-3-flash-preview"),
    (checks.model, "curl", '{"id": "models/gemini-3-flash-preview"}', "gemini-3-flash-preview"),
    (checks_jobs.picture, "curl", IMAGES % base64.b64encode(PNG).decode(), "png of 64 by 32"),
    (
        checks_jobs.picture,
        "javascript",
        f"[ {{ b64_json: '{base64.b64encode(PNG).decode()[:34]}'... 9 more characters }} ]",
        "64 by 32",
    ),
    (checks_jobs.video_created, "python", "Operation ID: v1\nStatus: queued\n", "id v1"),
    (checks_jobs.video_created, "curl", '{"id": "v1", "status": "in_progress"}', "id v1"),
    (checks_jobs.video_finished, "python", "Status: queued. Waiting...\nVideo URL: /film.mp4\n", "MP4 of 12 bytes"),
    (checks_jobs.video_finished, "curl", '{"id": "v1", "object": "video", "status": "queued"}', "status queued"),
    (checks_jobs.video_finished, "curl", '{"id": "v1", "object": "video", "status": "completed", "url": "/film.mp4"}', "MP4"),
    (checks_jobs.embedding, "python", str([1.0] + [0.0] * 3071), "3072 numbers of length 1.000"),
    (
        checks_jobs.embedding,
        "javascript",
        "{ object: 'list', data: [ { object: 'embedding', embedding: [Array] } ], model: 'm' }",
        "of m",
    ),
    (
        checks_jobs.batch,
        "python",
        "Batch finished: Batch(status='completed')\n" + "".join(BATCH_LINE % (name, "a") for name in media.BATCH_QUESTIONS),
        "2 lines in order",
    ),
]
WRONG: list[tuple[Check, Language, str, str]] = [
    (checks.chat, "curl", '{"error": {"message": "no such model", "code": 404}}', "404 no such model"),
    (checks.chat, "curl", "<html>", "unreadable output"),
    (checks.chat, "python", "", "printed nothing; last words"),
    (checks.chat, "python", MESSAGE % "about hope", "does not mention AI"),
    (checks.chat, "python", MESSAGE % " ", "content is ' '"),
    (checks.chat, "javascript", "{ role: 'user', content: 'AI' }", "no assistant's message"),
    (checks.effort, "python", MESSAGE % "AI. No settings were given.", "no level is in the answer"),
    (checks.effort, "python", MESSAGE % "AI. Settings: thinkingLevel high.", "thinkingLevel high is in the answer"),
    (checks.thoughts, "python", MESSAGE % "a", "no reasoning_content"),
    (
        checks.thoughts,
        "javascript",
        "{ role: 'assistant', content: '<thought>a', reasoning_content: 'a' }",
        "in the content too",
    ),
    (checks.stream, "python", "Delta(content='Hello to you.')\n", "nothing was streamed"),
    (checks.stream, "python", "Delta(content='a')\nDelta(content='b')\n", "no sentence"),
    (checks.stream, "curl", 'data: {"choices": []}\n', r"does not end with \[DONE\]"),
    (checks.tool_call, "curl", CALL % ("stop", "call_1", "{}"), "finish_reason is stop"),
    (checks.tool_call, "curl", CALL % ("tool_calls", "", '{\\"location\\": \\"Chicago\\"}'), "with an id"),
    (checks.tool_call, "curl", CALL % ("tool_calls", "call_1", '{\\"location\\": \\"Paris\\"}'), "for Chicago"),
    (checks.image_seen, "curl", COMPLETION % "a picture of 480 x 32", "does not tell 48"),
    (checks.image_seen, "curl", COMPLETION % "a picture of 48 x 320", "does not tell 32"),
    (checks.audio_heard, "python", "A sound of 10.5 seconds", "does not tell 0.5"),
    (checks.event, "python", "None\n", "not an event"),
    (checks.event, "javascript", "{ name: 'a', date: 'b', participants: [] }", "not an event"),
    (checks.cached, "python", CHUNK % ("", 0, ""), "no text"),
    (checks.cached, "python", CHUNK % ("Choice(delta=Delta(content='a'))", 9, "") + CHUNK % ("", 9, DETAILS), "not zero until"),
    (checks.cached, "python", CHUNK % ("Choice(delta=Delta(content='a'))", 9, ""), "no cached tokens"),
    (checks.models, "python", IDS.replace("gemini-3-flash-preview", "gpt-4o"), "without the guide's gemini-3-flash-preview"),
    (checks.model, "python", "gemini-2.5-flash\n", "the id is gemini-2.5-flash"),
    (checks_jobs.picture, "curl", IMAGES % "PGh0bWw+", "not a picture"),
    (checks_jobs.picture, "curl", IMAGES % "§§§", "not base64"),
    (checks_jobs.video_created, "python", "Operation ID: v1\nStatus: processing\n", "status is processing"),
    (checks_jobs.video_created, "javascript", "Operation ID: undefined\nStatus: queued\n", "no id"),
    (checks_jobs.video_finished, "python", "Generation failed: None\n", "no video URL"),
    (checks_jobs.video_finished, "python", "Video URL: /page\n", "opens no MP4"),
    (checks_jobs.video_finished, "python", "Video URL: https://elsewhere.example/film.mp4\n", "not on the server"),
    (checks_jobs.video_finished, "curl", '{"object": "video", "status": "failed"}', "not a video in work"),
    (checks_jobs.embedding, "python", str([1.0] * 3072), "length 55"),
    (checks_jobs.embedding, "curl", '{"data": [{"embedding": [1.0, 0.0]}]}', "2 numbers"),
    (checks_jobs.batch, "python", "Batch finished: Batch(status='failed')\n", "ended as failed"),
    (
        checks_jobs.batch,
        "python",
        "Batch finished: Batch(status='completed')\n" + BATCH_LINE % ("request-2", "a"),
        "custom_ids",
    ),
    (
        checks_jobs.batch,
        "python",
        "Batch finished: Batch(status='completed')\n" + BATCH_LINE % ("request-1", "a") + BATCH_LINE % ("request-2", ""),
        "request-2 has no chat completion",
    ),
]


@pytest.mark.parametrize(("check", "language", "stdout", "found"), RIGHT)
def test_a_check_tells_what_it_found(check: Check, language: Language, stdout: str, found: str, scene: Scene) -> None:
    """Right output passes, and the words for the table name what was seen."""
    assert found in check(Output(language, stdout, "", 0, scene))


@pytest.mark.parametrize(("check", "language", "stdout", "reason"), WRONG)
def test_a_check_refuses_wrong_output(check: Check, language: Language, stdout: str, reason: str, scene: Scene) -> None:
    """Wrong output is refused with a reason."""
    with pytest.raises(SampleError, match=reason):
        check(Output(language, stdout, "last words", 0, scene))


def test_every_check_refuses_something() -> None:
    """No row of the table has a check that was never seen refusing."""
    refusing = {check for check, *_ in WRONG}

    assert {sample.check for sample in (*GREEN, *LATER)} <= refusing


# The rows


def test_each_number_of_the_guide_has_one_row() -> None:
    """01 to 16 stand once in the table; the rows of the first issue are due."""
    numbers = [sample.number for sample in (*GREEN, *LATER)]

    assert sorted(numbers) == [f"{number:02}" for number in range(1, 17)]
    assert {"01", "02", "03", "04", "05", "15", "16"} <= {sample.number for sample in GREEN}


@pytest.mark.parametrize(
    ("suffix", "text", "stderr"),
    [
        (".py", "import sys\nprint('gemini-3-flash-preview'); print('seen', file=sys.stderr)", "seen"),
        (".mjs", "console.log('gemini-3-flash-preview'); console.error('seen')", "seen"),
        (".sh", 'echo "{\\"id\\": \\"gemini-3-flash-preview\\"}"; echo $GEMINI_API_KEY >&2', "the-key"),
    ],
)
def test_a_sample_runs_in_its_language(
    suffix: str, text: str, stderr: str, scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A made-up sample of each language runs, is checked by its number's check, and is shown on request."""
    file = tmp_path / f"16-made-up{suffix}"
    file.write_text(text, encoding="utf-8")
    (result,) = run.run_sample(file, scene, verbose=True)

    assert (result.green, result.due, result.detail) == (True, True, "the id gemini-3-flash-preview")
    assert stderr in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "detail"),
    [
        ("16-a.py", "raise ValueError('Error code: 404')", "exit code 1: ValueError: Error code: 404"),
        ("16-a.mjs", "throw new Error('404 gone')", "Error: 404 gone"),
        ("16-a.sh", "exit 7", "exit code 7: it said nothing"),
        ("16-a.py", "print('gpt-4o')", "the id is gpt-4o"),
        ("01-a.sh", "echo '{\"choices\": []}'", "unexpected output: IndexError"),
        ("99-a.py", "print(1)", "has no row"),
    ],
)
def test_a_red_row_says_why(name: str, text: str, detail: str, scene: Scene, tmp_path: Path) -> None:
    """A failing program, a refused output and a sample without a row are red, each with its reason."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    (result,) = run.run_sample(tmp_path / name, scene)

    assert not result.green
    assert result.due
    assert detail in result.detail


@pytest.mark.parametrize("name", ["16-a.py", "16-a.sh", "16-a.mjs"])
def test_a_sample_that_hangs_is_ended(name: str, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit ends the sample, and what it started."""
    monkeypatch.setattr(executing, "SAMPLE_SECONDS_MAX", 1)
    hanging = {
        ".py": "import threading\nthreading.Event().wait()",
        ".sh": "sleep 60; echo done",
        ".mjs": "setInterval(() => {}, 1000)",
    }
    (tmp_path / name).write_text(hanging[Path(name).suffix], encoding="utf-8")
    (result,) = run.run_sample(tmp_path / name, scene)

    assert (result.green, result.detail) == (False, "did not end within 1 s")
    assert result.seconds < 20


def test_the_picture_that_a_sample_opens_is_kept(scene: Scene) -> None:
    """The stand-in for the desktop's viewer hands the picture to the check."""
    (scene.folder / "a.png").write_bytes(PNG + struct.pack(">I", zlib.crc32(PNG)))
    output = executing.execute("import subprocess; subprocess.Popen(['xdg-open', 'a.png'])", "python", scene)

    assert checks_jobs.picture(output) == "a png of 64 by 32 pixels, opened in the viewer"


def test_the_table_says_due_and_later() -> None:
    """Rows that are due are green or red; later rows name their issue and how they stand; the last line counts."""
    lines = table(
        [
            Result("01-a", "python", issue=2, due=True, green=True, detail="looked at\nit"),
            Result("02-a", "curl", issue=2, due=True, green=False, detail="x" * 500),
            Result("05-a", "curl", issue=3, due=False, green=False, detail="why"),
            Result("06-a", "curl", issue=6, due=False, green=True, detail="seen"),
        ]
    ).splitlines()

    assert lines[2].split(None, 3) == ["01-a", "python", "green", "looked at it"]
    assert lines[3].split()[2] == "RED"
    assert len(lines[3]) < 240
    assert "later (issue 3): red  " in lines[4]
    assert "later (issue 6): green already  seen" in lines[5]
    assert lines[-1] == "1 of 2 due rows are green; 2 rows belong to later issues, 1 of them green already."


# The command


def test_an_absent_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without samples the command ends with 2 and says how to name them."""
    monkeypatch.setenv("GUIDE", str(tmp_path / "nowhere"))

    assert run.main([]) == 2
    assert "nowhere. GUIDE=… or --samples names their folder." in capsys.readouterr().err
    (tmp_path / "16-a.py").touch()
    assert run.main(["--samples", str(tmp_path), "--only", "01"]) == 2
    assert "no samples 01" in capsys.readouterr().err


def test_09_brings_08_along(tmp_path: Path) -> None:
    """A sample that needs another's output is never run alone."""
    for name in ("08-a.py", "09-a.py", "10-a.py", "09-notes.txt", "readme.py"):
        (tmp_path / name).touch()

    assert [file.name for file in run._chosen(tmp_path, "09")] == ["08-a.py", "09-a.py"]


def test_the_command_runs_made_up_samples_against_the_real_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the real server: one green and one red row, exit code 1, and the same as JSON."""
    curl = f'curl -s {BASE}/v1beta/openai/models/%s -H "Authorization: Bearer GEMINI_API_KEY"'
    (tmp_path / "15-unknown.sh").write_text(curl % "no-such-model", encoding="utf-8")
    (tmp_path / "16-made-up.sh").write_text(curl % "gemini-3-flash-preview", encoding="utf-8")
    code = run.main(["--samples", str(tmp_path), "--json", str(tmp_path / "result.json")])

    results = msgspec.json.decode((tmp_path / "result.json").read_bytes(), type=list[Result])
    assert code == 1
    assert [(result.sample, result.green) for result in results] == [("15-unknown", False), ("16-made-up", True)]
    assert "error" in results[0].detail
    assert "1 of 2 due rows are green" in capsys.readouterr().out
