"""Files that users copy are what those who read them expect."""

import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml

from unchaff.cli import app, scaled

REPOSITORY = Path(__file__).parents[1]
AMOUNTS = {"type": "object", "required": ["cpu", "memory"], "additionalProperties": {"type": ["string"]}}
CONTAINER = {
    "type": "object",
    "required": ["name", "image", "resources"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        "image": {"type": "string"},
        "resources": {
            "type": "object",
            "required": ["requests", "limits"],
            "properties": {"requests": AMOUNTS, "limits": AMOUNTS},
            "additionalProperties": False,
        },
        "envFrom": {"type": "array"},
        "volumeMounts": {"type": "array", "items": {"type": "object", "required": ["name", "mountPath"]}},
    },
    "additionalProperties": False,
}
POD = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["containers"],
            "properties": {
                "containers": {"type": "array", "minItems": 1, "items": CONTAINER},
                "volumes": {"type": "array"},
            },
            "additionalProperties": False,
        }
    },
}
PARAMETERS = {"type": "object", "additionalProperties": {"type": "string"}}
GROUP = {
    "type": "object",
    "required": ["groupName", "template"],
    "properties": {
        "groupName": {"type": "string"},
        **{name: {"type": "integer", "minimum": 0} for name in ("replicas", "minReplicas", "maxReplicas")},
        "rayStartParams": PARAMETERS,
        "template": POD,
    },
    "additionalProperties": False,
}
RAY_JOB = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "required": ["entrypoint", "rayClusterSpec"],
            "properties": {
                "entrypoint": {"type": "string"},
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": {"type": "integer"},
                "backoffLimit": {"type": "integer"},
                "rayClusterSpec": {
                    "type": "object",
                    "required": ["rayVersion", "headGroupSpec"],
                    "properties": {
                        "rayVersion": {"type": "string"},
                        "headGroupSpec": {
                            "type": "object",
                            "required": ["template"],
                            "properties": {"rayStartParams": PARAMETERS, "template": POD},
                            "additionalProperties": False,
                        },
                        "workerGroupSpecs": {"type": "array", "minItems": 1, "items": GROUP},
                    },
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def job():
    return yaml.safe_load((REPOSITORY / "examples" / "kuberay.yaml").read_text())


def test_the_manifest_is_a_ray_job(job):
    jsonschema.validate(job, RAY_JOB)
    cluster = job["spec"]["rayClusterSpec"]
    assert f"ray=={cluster['rayVersion']}" in (REPOSITORY / "constraints.txt").read_text()
    mounted = {each["name"] for each in cluster["headGroupSpec"]["template"]["spec"]["volumes"]}
    container = cluster["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert {each["name"] for each in container["volumeMounts"]} <= mounted


def test_the_command_of_the_manifest_is_one_we_take(job, monkeypatch):
    taken = []
    monkeypatch.setattr(scaled, "perform", lambda given, data, _run: taken.append((given, data)) or 0)
    program, *words = shlex.split(job["spec"]["entrypoint"])
    assert program == "unchaff"
    assert app.main(words) == 0
    given, data = taken[0]
    assert data == "s3://bucket/data"
    workers = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    assert given.scorers == workers["replicas"]
    assert given.resume
