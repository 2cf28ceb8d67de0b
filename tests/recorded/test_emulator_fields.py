"""The committed field table is what the generator makes of the discovery document."""

from pathlib import Path

import pytest

from tools import emulator_fields

DISCOVERY = Path(__file__).resolve().parents[3] / "shared/reference/gemini-v1beta-discovery.json"

if not DISCOVERY.is_file():
    pytest.skip("the discovery document of ../shared is not here", allow_module_level=True)


def test_the_committed_table_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody edits it by hand."""
    committed = emulator_fields.TARGET.read_bytes()
    monkeypatch.setattr(emulator_fields, "TARGET", tmp_path / "fields.json")
    emulator_fields.main(DISCOVERY)

    assert (tmp_path / "fields.json").read_bytes() == committed
