"""Handwritten digits over the V1 inference protocol, served by functions-framework.

`train.py` writes the model file; it is loaded once, when the process starts.
"""

import os
from pathlib import Path

import functions_framework
import joblib
from flask import jsonify

PIXELS = 64
MODEL = joblib.load(Path(__file__).with_name("model.joblib"))
REVISION = os.environ.get("K_REVISION", "")


@functions_framework.http
def digits(request):
    """Answers GET /v1/models/digits and POST /v1/models/digits:predict."""
    path = request.path.rstrip("/")
    if path in ("", "/v1/models"):
        return answer(200, models=["digits"])
    if path == "/v1/models/digits":
        return answer(200, name="digits", ready=True, version=MODEL["version"],
                      revision=REVISION, accuracy=MODEL["accuracy"])
    if path != "/v1/models/digits:predict":
        return answer(404, error=f"there is nothing at {request.path}; the model is at /v1/models/digits")
    if request.method != "POST":
        return answer(405, error=f"{path} takes a POST")
    instances, reason = read_instances(request)
    if reason:
        return answer(400, error=reason)
    predictions = MODEL["classifier"].predict(instances).tolist() if instances else []
    return answer(200, predictions=predictions, version=MODEL["version"], revision=REVISION)


def read_instances(request):
    """The images of a request, or why there are none."""
    body = request.get_json(silent=True, force=True)
    instances = body.get("instances") if isinstance(body, dict) else None
    if not isinstance(instances, list):
        return None, 'the body must be JSON of the form {"instances": [[64 numbers], ...]}'
    for index, image in enumerate(instances):
        if not isinstance(image, list) or len(image) != PIXELS:
            found = len(image) if isinstance(image, list) else "no list of"
            return None, f"instance {index} has {found} values; an image has {PIXELS}"
        if not all(isinstance(pixel, (int, float)) for pixel in image):
            return None, f"instance {index} has values that are no numbers"
    return instances, None


def answer(status, **fields):
    """A JSON answer with the headers of model version and revision."""
    response = jsonify(fields)
    response.status_code = status
    response.headers["x-model-version"] = MODEL["version"]
    response.headers["x-revision"] = REVISION
    return response
