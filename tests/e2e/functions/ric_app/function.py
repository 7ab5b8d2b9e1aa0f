"""What AWS's own runtime client makes of an invocation."""

import awslambdaric


def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
    return {
        "event": event,
        "request_id": context.aws_request_id,
        "function_name": context.function_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "client": awslambdaric.__name__,
    }
