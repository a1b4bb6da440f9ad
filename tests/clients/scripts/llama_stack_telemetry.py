"""Run by `llama-stack-client` 0.1.1: base URL and key in, one JSON object out."""

import json
import sys
import uuid
from datetime import UTC, datetime, timedelta

from llama_stack_client import LlamaStackClient, NotFoundError

base_url, key = sys.argv[1:]
client = LlamaStackClient(base_url=base_url, max_retries=0, default_headers={"Authorization": f"Bearer {key}"})
trace_id, root, step, session = (uuid.uuid4().hex for _ in range(4))
began = datetime.now(UTC) - timedelta(minutes=1)


def log(span_id, seconds, payload, **attributes):
    at = (began + timedelta(seconds=seconds)).isoformat()
    common = {"trace_id": trace_id, "span_id": span_id, "timestamp": at, "attributes": attributes}
    client.telemetry.log_event(event={**common, "type": "structured_log", "payload": payload}, ttl_seconds=3600)


log(root, 0, {"type": "span_start", "name": "session"}, session_id=session)
log(step, 1, {"type": "span_start", "name": "step", "parent_span_id": root}, input="a", output="b, 'c'")
log(step, 2, {"type": "span_end", "status": "ok"})
log(root, 3, {"type": "span_end", "status": "error"})
point = {"type": "metric", "metric": "hits", "value": 2, "unit": "1", "attributes": {"host": session}}
client.telemetry.log_event(
    event={**point, "trace_id": trace_id, "span_id": root, "timestamp": began.isoformat()}, ttl_seconds=60
)
mine = [{"key": "session_id", "op": "eq", "value": session}]
tree = client.telemetry.get_span_tree(span_id=root, attributes_to_return=["input"], max_depth=2)
try:
    client.telemetry.get_trace("unknown")
    unknown = None
except NotFoundError as error:
    unknown = error.status_code
print(
    json.dumps(
        {
            "traces": [
                trace.trace_id == trace_id
                for trace in client.telemetry.query_traces(attribute_filters=mine, order_by=["-start_time"], limit=5)
            ],
            "root": client.telemetry.get_trace(trace_id).root_span_id == root,
            "span": client.telemetry.get_span(step, trace_id=trace_id).name,
            "spans": [
                span.attributes
                for span in client.telemetry.query_spans(
                    attribute_filters=mine, attributes_to_return=["input", "output"]
                )
            ],
            "tree": [[span.name, span.status, span.attributes] for span in tree.values()],
            "unknown": unknown,
        }
    )
)
