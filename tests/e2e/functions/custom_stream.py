#!/usr/bin/python3
# A runtime of its own for provided.al2023: streams its answer in chunks, with error trailers where the event wants them.
import base64
import json
import os
import socket
import time

HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
BASE = "/2018-06-01/runtime/invocation"


def main():
    connection = socket.create_connection((HOST, int(PORT)))
    replies = connection.makefile("rb")
    while True:
        connection.sendall(f"GET {BASE}/next HTTP/1.1\r\nHost: runtime\r\n\r\n".encode())
        headers, body = reply(replies)
        answer(connection, headers["lambda-runtime-aws-request-id"], json.loads(body))
        reply(replies)


def reply(replies):
    replies.readline()
    headers = {}
    while line := replies.readline().strip():
        name, value = line.decode().split(": ", 1)
        headers[name.lower()] = value
    return headers, replies.read(int(headers["content-length"]))


def answer(connection, request_id, event):
    connection.sendall(
        f"POST {BASE}/{request_id}/response HTTP/1.1\r\nHost: runtime\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: text/plain\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n".encode()
    )
    for text in event["chunks"]:
        connection.sendall(f"{len(text):x}\r\n{text}\r\n".encode())
        time.sleep(event.get("pause", 0))
    trailers = ""
    if "error" in event:
        error = base64.b64encode(json.dumps(event["error"]).encode()).decode()
        trailers = (
            f"Lambda-Runtime-Function-Error-Type: {event['error']['errorType']}\r\n"
            f"Lambda-Runtime-Function-Error-Body: {error}\r\n"
        )
    connection.sendall(f"0\r\n{trailers}\r\n".encode())


main()
