def handler(event, context):
    print(f"{context.function_name} has {context.get_remaining_time_in_millis()} ms left")
    return {"hello": event.get("name", "nobody"), "from": "python"}
