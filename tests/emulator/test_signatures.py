"""Thought signatures of calls and texts: made, taken back, and refused when they are missing or not what they say."""

import base64
from copy import deepcopy
from typing import Any

import pytest

from pollux.emulator import Emulator
from pollux.emulator.signatures import DUMMIES
from tests.emulator.functions import GEMINI_2, GEMINI_3, answered, ask, asking, parts_of, user

MISSING = (
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and "
    "missing thought_signature may lead to degraded model performance. Additional data, function call "
    "`default_api:get_weather` , position {}. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for "
    "more details."
)


async def turn(text: str = "Weather in Paris and in Rome", model: str = GEMINI_3) -> dict[str, Any]:
    """Give the second request of a loop, with everything in place."""
    body = asking(text)
    return answered(body, await parts_of(body, model))


def call_parts(body: dict[str, Any], content: int = 1) -> list[dict[str, Any]]:
    return list(body["contents"][content]["parts"])


async def refused(body: dict[str, Any], model: str = GEMINI_3) -> tuple[int, str]:
    reply = await ask(body, model)
    return reply.status, reply.json["error"]["message"] if reply.status != 200 else ""


async def test_a_signature_is_taken_back_by_another_process() -> None:
    """Nothing is remembered: another emulator with another seed knows it."""
    body = await turn()

    assert (await ask(body, emulator=Emulator(seed=7))).status == 200


async def test_a_missing_signature_is_refused_with_the_real_text() -> None:
    """It names the call and its content, counted from one."""
    body = await turn()
    del call_parts(body)[0]["thoughtSignature"]

    assert await refused(body) == (400, MISSING.format(2))


async def test_every_step_of_the_turn_needs_its_signature() -> None:
    """The first call of each step; the others need none."""
    body = await turn("Call get_weather in 3 rounds, each with 2 parallel calls")
    body = answered(body, await parts_of(body))
    without_second = deepcopy(body)
    del call_parts(without_second, 3)[0]["thoughtSignature"]

    assert (await ask(body)).status == 200
    assert "thoughtSignature" not in call_parts(body, 3)[1]
    assert await refused(without_second) == (400, MISSING.format(4))


async def test_earlier_turns_need_none() -> None:
    """Only what follows the last text of the user is looked at."""
    body = await turn()
    del call_parts(body)[0]["thoughtSignature"]
    body["contents"] += [{"role": "model", "parts": [{"text": "Fine."}]}, user("Thank you")]

    assert (await ask(body)).status == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda part: part["functionCall"].update(name="get_time"),
        lambda part: part["functionCall"]["args"].update(location="Oslo"),
        lambda part: part.update(thoughtSignature=part["thoughtSignature"][:-8]),
        lambda part: part.update(thoughtSignature=base64.b64encode(b"not ours").decode()),
        lambda part: part.update(thoughtSignature="AAAA" + part["thoughtSignature"]),
    ],
)
async def test_a_signature_of_another_call_is_corrupted(change: Any) -> None:
    """It is bound to name and arguments."""
    body = await turn()
    change(call_parts(body)[0])

    assert await refused(body) == (400, "Corrupted thought signature.")


async def test_a_signature_of_another_family_is_corrupted() -> None:
    """A conversation cannot move to another family with its signatures."""
    body = await turn()

    assert await refused(body, "gemini-3.5-flash") == (400, "Corrupted thought signature.")
    assert await refused(body, "gemini-2.5-pro") == (200, "")


@pytest.mark.parametrize("dummy", [*DUMMIES, *(base64.b64encode(one.encode()).decode() for one in DUMMIES)])
async def test_documented_dummies_are_taken(dummy: str) -> None:
    """As words, and as the base64 that typed clients make of them."""
    body = await turn()
    call_parts(body)[0]["thoughtSignature"] = dummy

    assert (await ask(body)).status == 200


async def test_what_json_writers_change_does_no_harm() -> None:
    """The order of arguments, 21.0 for 21, the id, url-safe base64, a missing empty object."""
    function = {"name": "set_heat", "parameters": {"type": "OBJECT", "properties": {
        "degrees": {"type": "NUMBER"}, "room": {"type": "STRING"}}, "required": ["degrees", "room"]}}  # fmt: skip
    body = asking("Set the heat to 21 degrees in Attic", function)
    body = answered(body, await parts_of(body))
    part = call_parts(body)[0]
    args = part["functionCall"]["args"]
    part["functionCall"] = {"id": "mine", "name": "set_heat", "args": {"room": args["room"], "degrees": float(args["degrees"])}}
    part["thoughtSignature"] = part["thoughtSignature"].replace("+", "-").replace("/", "_").rstrip("=")

    assert args == {"degrees": 21, "room": "Attic"}
    assert (await ask(body)).status == 200


async def test_a_text_may_come_back_without_its_signature_but_not_with_a_wrong_one() -> None:
    """Whole, as an empty part of its own, in any text; never a call's."""
    first = await parts_of({"contents": [user("Hi")]})
    call = call_parts(await turn())[0]

    def again(*parts: Any) -> dict[str, Any]:
        return {"contents": [user("Hi"), {"role": "model", "parts": list(parts)}, user("And now?")]}

    signature = first[0]["thoughtSignature"]
    assert await refused(again(*first)) == (200, "")
    assert await refused(again({"text": "An"}, {"text": "", "thoughtSignature": signature})) == (200, "")
    assert await refused(again({"thoughtSignature": signature})) == (200, "")
    assert await refused(again({"text": first[0]["text"]})) == (200, "")
    assert await refused(again({"text": "An", "thoughtSignature": signature[:-4]})) == (400, "Corrupted thought signature.")
    wrong = {"text": "An", "thoughtSignature": call["thoughtSignature"]}
    assert await refused(again(wrong)) == (400, "Corrupted thought signature.")


async def test_gemini_2_5_enforces_nothing() -> None:
    """Without, and with anything in its place."""
    body = await turn(model=GEMINI_2)
    del call_parts(body)[0]["thoughtSignature"]
    without = await refused(body, GEMINI_2)
    call_parts(body)[0]["thoughtSignature"] = "AAAA"

    assert without == (200, "")
    assert await refused(body, GEMINI_2) == (200, "")
