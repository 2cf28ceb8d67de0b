"""Where media are decoded and drawn: two threads beside the event loop, made when they are first needed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from pollux.emulator.limits import MEDIA_THREADS

Result = TypeVar("Result")


async def off_the_loop(work: Callable[[], Result]) -> Result:
    """Do the work in one of the threads; more than they can do waits its turn."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), work)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MEDIA_THREADS, thread_name_prefix="emulator-media")
