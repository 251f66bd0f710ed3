"""What `python -m token_broker_fakes` says when it is ready."""

import json

from token_broker_fakes.editor import FakeEditor
from token_broker_fakes.vendorlink import FakeVendorlink
from token_broker_fakes.vntana import FakeVntana

TEXT = """\
VNTANA      {vntana}
  secret    {vntana_secret}
Vendorlink  {vendorlink}
  secret    {vendorlink_secret}
Editor      {editor}
  secret    {editor_secret}

Look        curl {vntana}/_control
Switch      curl -X PATCH {vntana}/_control -d '{{"modes": {{"dead_token": "401"}}}}'
Break       curl -X PATCH {vntana}/_control -d '{{"faults": [{{"kind": "drop", "step": "login"}}]}}'
Age         curl -X PATCH {vntana}/_control -d '{{"advance": 3600}}'
Log         curl {vntana}/_control/log
Ctrl-C ends all three.

ready"""


def banner(vntana: FakeVntana, vendorlink: FakeVendorlink, editor: FakeEditor) -> str:
    """Return where the fakes are, what logs in to them, and how they are switched."""
    return TEXT.format(
        vntana=vntana.url,
        vntana_secret=shown(vntana.demo_secret(vntana.url)),
        vendorlink=vendorlink.url,
        vendorlink_secret=shown(vendorlink.demo_secret(vendorlink.url)),
        editor=editor.url,
        editor_secret=shown(editor.demo_secret(editor.url)),
    )


def shown(secret: dict[str, object]) -> str:
    """Return a secret of the demo, which is no secret, as it could be stored."""
    return json.dumps(secret, ensure_ascii=False)
