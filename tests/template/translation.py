"""The template as translated by SAM."""

import copy

from boto3.session import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from tests.template.documents import Template

REGION, STAGE = "eu-west-1", "prod"
SESSION = Session(region_name=REGION)


def translated(template: Template, **parameters: str) -> Template:
    """Return *template* as SAM hands it to CloudFormation."""
    if "Transform" not in template:
        return template
    plain = {name: each for name, each in template["Resources"].items() if is_plain(each)}
    others = {k: each for k, each in template["Resources"].items() if k not in plain}
    source = copy.deepcopy(template | {"Resources": others})
    source["Resources"] = {name: with_uris(each) for name, each in source["Resources"].items()}
    values = {name: each.get("Default", "") for name, each in source["Parameters"].items()}
    sam = Translator({}, Parser(), boto_session=SESSION)
    result = dict(sam.translate(source, values | {"Stage": STAGE} | parameters))
    return result | {"Resources": result["Resources"] | plain}


def is_plain(resource: Template) -> bool:
    """Say whether SAM has no part in *resource*: half of the template, and of the time."""
    return str(resource["Type"]).startswith("AWS::CloudWatch::")


def with_uris(resource: Template) -> Template:
    """Return *resource* with its code in a bucket, where `sam deploy` puts it."""
    for name in ("CodeUri", "ContentUri"):
        path = resource.get("Properties", {}).get(name)
        if isinstance(path, str) and not path.startswith("s3://"):
            resource["Properties"][name] = f"s3://bucket/{path}"
    return resource
