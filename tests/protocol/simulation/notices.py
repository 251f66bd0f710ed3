"""The two kinds of events by which EventBridge tells that a secret has a new version."""

from collections.abc import Mapping
from typing import Any

from tests.protocol.simulation.plans import NoticeKind

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"


def event_of(kind: NoticeKind, name: str, version: str) -> Mapping[str, Any]:
    """Return the event that tells of a *version* of the secret of this *name*."""
    if kind == "trail":
        return {
            "source": "aws.secretsmanager",
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {
                "eventSource": "secretsmanager.amazonaws.com",
                "eventName": "PutSecretValue",
                "requestParameters": {"secretId": name},
            },
        }
    return {
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "resources": [f"{ARN}{name}-AbCdEf"],
        "detail": {"name": name, "labelUpdated": "AWSCURRENT", "versionId": version},
    }
