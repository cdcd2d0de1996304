"""Calls a gateway with the official SDKs, as a user would, and tells what came of it as JSON.

Standard input: a list of {sdk, mode, base, key, model}. Standard output: one {ok} or {error, status, code, message} for each.
"""

import json
import sys


def openai_call(base, key, model, mode):
    from openai import OpenAI

    client = OpenAI(base_url=base + "/v1", api_key=key, max_retries=0, timeout=30)
    if mode == "list":
        return " ".join(found.id for found in client.models.list())
    messages = [{"role": "user", "content": "Who am I?"}]
    if mode == "stream":
        chunks = list(client.chat.completions.create(model=model, messages=messages, stream=True))
        assert len(chunks) > 1, "not streamed"
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    return client.chat.completions.create(model=model, messages=messages).choices[0].message.content


def anthropic_call(base, key, model, mode):
    from anthropic import Anthropic

    client = Anthropic(base_url=base, api_key=key, max_retries=0, timeout=30)
    if mode == "list":
        return " ".join(found.id for found in client.models.list())
    wish = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Who am I?"}]}
    if mode == "stream":
        with client.messages.stream(**wish) as stream:
            parts = list(stream.text_stream)
        assert len(parts) > 1, "not streamed"
        return "".join(parts)
    return client.messages.create(**wish).content[0].text


def outcome(sdk, mode, base, key, model):
    call = {"openai": openai_call, "anthropic": anthropic_call}[sdk]
    try:
        return {"ok": call(base, key, model, mode)}
    except Exception as error:  # what a user's program would have to handle
        body = getattr(error, "body", None)
        inner = body.get("error", body) if isinstance(body, dict) else {}
        return {
            "error": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": inner.get("code") or inner.get("type"),
            "message": str(error)[:500],
        }


print(json.dumps([outcome(**wish) for wish in json.load(sys.stdin)]))
