"""Real schemas: of pydantic, OpenAI's helpers, LangChain, MCP servers, zod, and the authors of configuration formats."""

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import check_jsonschema  # type: ignore[import-untyped] # it has no types
import msgspec
from annotated_types import Ge, Gt, Le, Len, MultipleOf
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from openai import pydantic_function_tool
from openai.lib._pydantic import to_strict_json_schema
from pydantic import AnyUrl, BaseModel, ConfigDict, Discriminator, Field, JsonValue, RootModel, StringConstraints, Tag
from pydantic import dataclasses as pydantic_dataclasses

from tools import node

Json = Any
T = TypeVar("T")

CONFIGURATIONS = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"

REFUSED = {
    "check-jsonschema drone-ci": "outside the schema",
    "check-jsonschema renovate": "larger than",
}
"""Schemas that are refused, with words of the reason: a reference to another file, and more than a megabyte."""


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    """A size."""

    SMALL = 1
    LARGE = 2


class Address(BaseModel):
    """Where somebody lives."""

    street: str
    city: str = Field(description="The town.", examples=["Paris"])
    postcode: Annotated[str, StringConstraints(pattern=r"^\d{5}$")] | None = None


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Len(1, 50)]
    age: Annotated[int, Ge(0), Le(150)]
    home: Address
    work: Address | None = Field(default=None, description="Where they work.")
    favourite: Colour = Colour.RED
    sizes: set[Size]


class Cat(BaseModel):
    kind: Literal["cat"]
    meows: int


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: float


class Pets(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    either: Cat | Dog


class PlainPets(BaseModel):
    pet: Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(lambda value: value["kind"])]


class Node(BaseModel):
    value: str
    children: list["Node"] = []


class Linked(BaseModel):
    value: int
    next: "Linked | None"


class And(BaseModel):
    both: "list[Filter]"


class Equals(BaseModel):
    field: str
    value: str | int | bool


class Filter(BaseModel):
    filter: And | Equals


class Money(BaseModel):
    amount: decimal.Decimal
    price: Annotated[decimal.Decimal, Gt(0), MultipleOf(decimal.Decimal("0.01"))]
    at: dt.datetime
    day: dt.date
    clock: dt.time
    took: dt.timedelta
    ident: uuid.UUID
    link: AnyUrl
    raw: bytes


class Page(BaseModel, Generic[T]):
    items: list[T]
    total: Annotated[int, Ge(0)]


class Shapes(BaseModel):
    point: tuple[float, float]
    mixed: tuple[str, int, bool]
    open_tuple: tuple[int, ...]
    mapping: dict[str, int]
    by_colour: dict[Colour, Address]
    anything: Any
    json_value: JsonValue
    nothing: None
    literal: Literal["a", 1, True] | None
    frozen: frozenset[int]
    several: list[int] | dict[str, str] | str
    nested: dict[str, dict[str, list[Address]]]


class Names(RootModel[list[str]]):
    """A list at the root."""


class Aliased(BaseModel):
    first: str = Field(alias="first-name", title="First", json_schema_extra={"x-order": 1})
    ratio: float = Field(gt=0, lt=1, default=0.5)
    steps: list[Annotated[int, Ge(1)]] = Field(min_length=1, max_length=3)
    deprecated: str = Field(default="", deprecated=True)


@pydantic_dataclasses.dataclass
class Event:
    name: str
    date: str
    participants: list[str]


class CalendarEvent(BaseModel):
    name: str
    date: str
    participants: list[str]


class Step(BaseModel):
    explanation: str
    output: str


class Reasoning(BaseModel):
    steps: list[Step]
    final_answer: str


MODELS: tuple[type[BaseModel], ...] = (
    *(Address, Person, Cat, Pets, PlainPets, Node, Linked, Filter, Money, Page[int], Page[Address], Page[Page[Cat]], Shapes),
    *(Aliased, CalendarEvent, Reasoning, Step, Equals, Dog),
)

ZOD = """
const person = (z) => z.object({ name: z.string(), age: z.number().int().min(0).max(150) });
const all = (z) => ({
  object: person(z),
  strict: person(z).strict(),
  optional: z.object({ a: z.string().nullable(), b: z.number().nullable().describe("B.") }),
  literal: z.object({ a: z.literal("x"), b: z.literal(1), c: z.literal(true) }),
  enumeration: z.object({ a: z.enum(["red", "blue"]) }),
  union: z.object({ a: z.union([z.string(), z.number()]) }),
  discriminated: z.object({ pet: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("cat"), meows: z.number() }), z.object({ kind: z.literal("dog"), barks: z.boolean() })]) }),
  arrays: z.object({ a: z.array(z.string()).min(1).max(3), b: z.array(person(z)) }),
  tuple: z.object({ a: z.tuple([z.string(), z.number()]) }),
  record: z.object({ a: z.record(z.string(), z.number()) }),
  texts: z.object({ a: z.string().min(1).max(5), b: z.string().regex(/^a+$/), c: z.string().email(), d: z.string().uuid(),
    e: z.string().url(), f: z.string().datetime() }),
  numbers: z.object({ a: z.number().gt(0), b: z.number().multipleOf(0.5), c: z.number().lt(10), d: z.number().int() }),
  intersection: z.object({ a: z.intersection(z.object({ x: z.string() }), z.object({ y: z.number() })) }),
  described: z.object({ a: person(z).describe("Who.") }).describe("The root."),
  nested: z.object({ a: z.object({ b: z.object({ c: z.array(z.object({ d: z.string() })) }) }) }),
  shared: (() => { const who = person(z); return z.object({ a: who, b: who, c: z.array(who) }); })(),
  recursive: (() => { const tree = z.object({ v: z.string(), kids: z.lazy(() => z.array(tree)) }); return tree; })(),
});
"""
ZOD_SCRIPT = """
import { zodResponseFormat, zodFunction } from "openai/helpers/zod";
import { z as z4 } from "zod/v4";
import { z as z3 } from "zod/v3";
const out = {};
const put = (name, make) => { try { out[name] = make(); } catch (error) { out[name] = null; } };
for (const [version, z] of [["zod 3", z3], ["zod 4", z4]])
  for (const [name, schema] of Object.entries(all(z))) {
    put(`${version} zodResponseFormat ${name}`, () => zodResponseFormat(schema, name).json_schema.schema);
    if (name === "described")
      put(`${version} zodFunction`, () => zodFunction({ name, parameters: schema }).function.parameters);
  }
for (const [name, schema] of Object.entries(all(z4))) {
  put(`zod 4 toJSONSchema ${name}`, () => z4.toJSONSchema(schema));
  put(`zod 4 toJSONSchema draft-7 ${name}`, () => z4.toJSONSchema(schema, { target: "draft-7", io: "input" }));
}
console.log(JSON.stringify(out));
"""


@tool
def search(query: str, limit: Annotated[int, "At most so many."] = 10, tags: list[str] | None = None) -> str:
    """Search the archive."""
    return query


@tool
def book(person: Person, nights: Literal[1, 2, 3], options: dict[str, bool]) -> str:
    """Book a room."""
    return person.name


def _mcp() -> Iterator[tuple[str, Json]]:
    """What a server that is made with the official `mcp` package lists."""
    import asyncio

    from mcp.server import MCPServer

    server = MCPServer("archive")

    @server.tool()
    def find(query: str, limit: int = 10, colour: Colour | None = None, where: list[Address] | None = None) -> str:
        """Find what is asked for."""
        return query

    @server.tool()
    def move(source: str, target: str, options: dict[str, str | int] | None = None) -> Address:
        """Move a file."""
        return Address(street=source, city=target)

    @server.tool()
    def walk(tree: Node, depth: Annotated[int, Ge(1)] = 3) -> list[str]:
        """Walk over a tree."""
        return [tree.value] * depth

    for listed in asyncio.run(server.list_tools()):
        yield f"mcp {listed.name}", listed.input_schema
        if listed.output_schema is not None:
            yield f"mcp {listed.name} output", listed.output_schema


@cache
def real_schemas() -> dict[str, Json]:
    """Give all of them that need no Node, by name."""
    found: dict[str, Json] = {}
    for model in MODELS:
        found[f"pydantic {model.__name__}"] = model.model_json_schema()
        found[f"pydantic {model.__name__} serialized"] = model.model_json_schema(mode="serialization")
        if model not in (Shapes, PlainPets):
            found[f"openai strict {model.__name__}"] = to_strict_json_schema(model)
            declared: Json = pydantic_function_tool(model)
            found[f"openai function {model.__name__}"] = declared["function"]["parameters"]
    found["pydantic Names"] = Names.model_json_schema()
    for made in (search, book):
        found[f"langchain {made.name}"] = convert_to_openai_tool(made)["function"]["parameters"]
    found |= _mcp()
    for file in sorted(CONFIGURATIONS.glob("*.json")):
        found[f"check-jsonschema {file.stem}"] = msgspec.json.decode(file.read_bytes())
    return found


@cache
def zod_schemas() -> dict[str, Json]:
    """Give those of zod 3 and 4, and of the openai package's helper for both; what the helper itself refuses is left out."""
    done = node.run_script(ZOD + ZOD_SCRIPT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Json] = msgspec.json.decode(done.stdout)
    return {name: schema for name, schema in found.items() if schema is not None}
