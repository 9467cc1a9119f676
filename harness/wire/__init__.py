"""What crosses the wire: exchanges, the SSE reader, the recording transports and proxy, redaction, limits.

Nothing here knows of OpenAI, of clients or of rules.
"""
