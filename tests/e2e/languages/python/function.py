import os
import time


def handler(event, context):
    task = event["do"]
    if task == "echo":
        return event
    if task == "environment":
        return dict(os.environ)
    if task == "error":
        raise Exception("as asked")
    if task == "exit":
        os._exit(7)
    if task == "sleep":
        time.sleep(60)
    if task == "big":
        return "x" * event["bytes"]
    if task == "log":
        print("first line")
        print("second line é")
