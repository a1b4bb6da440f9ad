"""Llama Stack's own shapes of inference, which both of its documents speak, from and to OpenAI's chat shape.

messages   their messages -> OpenAI's            params   sampling, tools, formats -> OpenAI's options
answers    a whole OpenAI answer -> theirs       events   an OpenAI stream -> theirs
"""
