"""A fake of the ARES Kudo token service, and of the editor that its tokens open."""

from token_broker_fakes.editor.fake import FakeEditor
from token_broker_fakes.editor.modes import EditorModes

__all__ = ["EditorModes", "FakeEditor"]

FAKE = FakeEditor
