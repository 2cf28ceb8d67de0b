"""Each field that is newer than the discovery document is needed, and is taken."""

import pytest

from pollux.emulator.errors import NativeError
from pollux.emulator.newer_fields import NEWER_FIELDS, NewerField
from pollux.emulator.shapes import canonical


@pytest.mark.parametrize("entry", NEWER_FIELDS, ids=lambda entry: f"{entry.owner}.{entry.name}")
def test_an_entry_is_taken_and_needed(entry: NewerField) -> None:
    """Its example is read with the newer fields, and refused without them; a source is named."""
    read = canonical(entry.example, "GenerateContentRequest")

    assert read == entry.example
    assert entry.source
    with pytest.raises(NativeError, match=r"Cannot find field|Invalid value"):
        canonical(entry.example, "GenerateContentRequest", newer=False)
