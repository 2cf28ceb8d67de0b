"""An emulator of the native Gemini API. It stands beside the rest and imports nothing of it. See README.md.

    from pollux.emulator import Emulator, EmulatorServer

`EmulatorServer` is loaded when it is asked for, so that an emulator inside another server does not load a second one.
"""

from typing import TYPE_CHECKING, Any

from pollux.emulator.app import Emulator
from pollux.emulator.clock import Clock, ManualClock, SystemClock
from pollux.emulator.rules import Rule
from pollux.emulator.script import Script
from pollux.emulator.sending import Latency

if TYPE_CHECKING:
    from pollux.emulator.serving import EmulatorServer

__all__ = ["Clock", "Emulator", "EmulatorServer", "Latency", "ManualClock", "Rule", "Script", "SystemClock"]


def __getattr__(name: str) -> Any:
    """Load `EmulatorServer` late."""
    if name == "EmulatorServer":
        from pollux.emulator.serving import EmulatorServer

        return EmulatorServer
    raise AttributeError(name)
