"""Run by `llama-stack-client` 0.2.23: base URL and key in, one JSON object out."""

import json
import sys
import uuid

from llama_stack_client import LlamaStackClient

base_url, key = sys.argv[1:]
trace_id, span_id = uuid.uuid4().hex, uuid.uuid4().hex[:16]
traced = {"traceparent": f"00-{trace_id}-{span_id}-01"}
client = LlamaStackClient(base_url=base_url, api_key=key, max_retries=0)
client.chat.completions.create(
    model="simulator/chat", messages=[{"role": "user", "content": "Hello"}], extra_headers=traced
)
trace = client.telemetry.get_trace(trace_id)
mine = [{"key": "model", "op": "eq", "value": "simulator/chat"}]
matcher = {"name": "model_id", "operator": "=~", "value": "simulator/.+"}
metrics = client.telemetry.query_metrics(
    "total_tokens", query_type="range", start_time=0, granularity="1w", label_matchers=[matcher]
)
found = client.telemetry.query_spans(attribute_filters=mine, attributes_to_return=["model", "total_tokens"])
print(
    json.dumps(
        {
            "parent": client.telemetry.get_span(trace.root_span_id, trace_id=trace_id).parent_span_id == span_id,
            "tree": [span.status for span in client.telemetry.get_span_tree(trace.root_span_id).values()],
            "traces": trace_id
            in [
                one.trace_id
                for one in client.telemetry.query_traces(attribute_filters=mine, order_by=["-start_time"], limit=20)
            ],
            "spans": [span.attributes["total_tokens"] for span in found if span.trace_id == trace_id],
            "labels": [{label.name: label.value for label in one.labels} for one in metrics],
            "total": sum(point.value for one in metrics for point in one.values),
        }
    )
)
