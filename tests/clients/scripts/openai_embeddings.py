"""Run by the `openai` package, which asks for base64 unless told otherwise: address and key in, one JSON object out."""

import json
import sys

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)
texts = ["The cat sits outside.", "A kitten is in the garden.", "Interest rates rose again."]


def embed(model="local/all-minilm-l6-v2", **options):
    return client.embeddings.create(model=model, input=texts, **options)


def refused(**options):
    try:
        embed(**options)
    except openai.BadRequestError as error:
        return error.status_code
    return None


usual, floats = embed(), embed(encoding_format="float")
print(
    json.dumps(
        {
            "usual": [entry.embedding for entry in usual.data],
            "floats": [entry.embedding for entry in floats.data],
            "indices": [entry.index for entry in usual.data],
            "model": usual.model,
            "tokens": usual.usage.total_tokens,
            "chat_model": refused(model="simulator/chat"),
            "dimensions": refused(dimensions=100),
        }
    )
)
