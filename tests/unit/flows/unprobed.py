"""A flow's module whose vendor leaves nothing open."""

from dataclasses import replace

from token_broker.flows.editor.flow import VENDOR as EDITOR

VENDOR = replace(EDITOR, probe=None)
