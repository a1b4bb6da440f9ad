"""Runs the `maniac` command beside this Python: base URL and key in, what it prints as one JSON object out."""

import json
import os
import subprocess
import sys
from pathlib import Path

base_url, key = sys.argv[1:]
environment = {**os.environ, "MANIAC_API_KEY": key, "MANIAC_BASE_URL": base_url}


def maniac(*arguments):
    command = [str(Path(sys.executable).with_name("maniac")), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else f"status {done.returncode}: {done.stderr[-2000:]}"


def as_json(*arguments):
    printed = maniac(*arguments, "--json")
    try:
        return json.loads(printed)
    except json.JSONDecodeError:
        sys.exit(f"{arguments}: {printed}")


messages = json.dumps([{"role": "user", "content": "What is a concordat?"}])
made = as_json("containers", "create", "--label", "shelf", "--initial-model", "simulator/chat")
as_json("containers", "update", "shelf", "--default-system-prompt", "Be a shelf.")
as_json("models", "add", "--container", "shelf", "--model", "openai/gpt-5.5", "--slug", "big")
trace = json.dumps({"id": "command"})
chat = as_json("chat", "completions", "create", "--model", "maniac:shelf", "--messages", messages, "--trace", trace)
item = [{"input": {"messages": json.loads(messages)}, "output": {"id": "theirs", "choices": []}}]
register = ["chat", "completions", "register", "--container", "shelf", "--items", json.dumps(item)]
print(
    json.dumps(
        {
            "prompt": as_json("containers", "retrieve", "shelf")["default_system_prompt"],
            "same": made["id"] == as_json("containers", "list")["data"][0]["id"],
            "slugs": [model["slug"] for model in as_json("models", "list", "--container", "shelf")["data"]],
            "registered": as_json(*register)["summary"]["inserted"],
            "stored": as_json("chat", "completions", "retrieve", chat["id"])["choices"] == chat["choices"],
            "total": as_json("chat", "completions", "list", "--container", "shelf")["total"],
            "trace": as_json("traces", "retrieve", "command")["request_count"],
            "traces": [trace["id"] for trace in as_json("traces", "list")["data"]],
            "table": maniac("models", "list"),
            "deleted": as_json("containers", "delete", "shelf")["deleted"],
        }
    )
)
