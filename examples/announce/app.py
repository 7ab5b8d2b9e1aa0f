"""Says what it is told: by a rule of a bus, or by a schedule."""

import json


def handler(event, context):
    if "detail" in event:
        print(f"{event['detail-type']}: {json.dumps(event['detail'], sort_keys=True)}")
    else:
        print(f"Scheduled for {event['time']}")
