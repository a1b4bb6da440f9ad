"""Run by the `openai` package: base URL and key in, one JSON object out."""

import json
import sys

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)
MODEL = "simulator/chat"


def create(asked, **options):
    return client.responses.create(model=MODEL, input=asked, **options)


def tool_call():
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "name": "forecast", "parameters": parameters, "strict": False}
    first = create("Will it rain in Ghent?", tools=[tool], tool_choice="required")
    (call,) = (item for item in first.output if item.type == "function_call")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "Yes."}
    second = create([output], previous_response_id=first.id)
    return {"name": call.name, "arguments": json.loads(call.arguments), "after": second.output_text}


def refused(asking):
    try:
        asking()
    except openai.APIStatusError as error:
        return error.status_code
    return None


first = create("What is a concordat?", instructions="Be brief.")
events = list(create("And a treaty?", previous_response_id=first.id, stream=True))
second = events[-1].response
kept = client.responses.retrieve(second.id)
asked = client.responses.input_items.list(second.id, order="asc").data
client.responses.delete(second.id)
print(
    json.dumps(
        {
            "said": first.output_text,
            "status": first.status,
            "types": [event.type for event in events],
            "numbers": [event.sequence_number for event in events],
            "deltas": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
            "text": second.output_text,
            "kept": kept.output_text,
            "previous": kept.previous_response_id == first.id,
            "asked": [item.content[0].text for item in asked],
            "gone": refused(lambda: client.responses.retrieve(second.id)),
            "continued": refused(lambda: create("More?", previous_response_id=second.id)),
            "forgotten": refused(lambda: client.responses.retrieve(create("Hi", store=False).id)),
            "tool": tool_call(),
        }
    )
)
