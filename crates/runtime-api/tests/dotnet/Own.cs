// A function that is a program: it answers one event over a socket of its own.

using System;
using System.Net;
using System.Net.Sockets;
using System.Text;

using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
socket.Connect(IPEndPoint.Parse(Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API")!));
const string Runtime = "/2018-06-01/runtime/invocation/";
socket.Send(Encoding.ASCII.GetBytes($"GET {Runtime}next HTTP/1.1\r\nHost: runtime\r\n\r\n"));
byte[] buffer = new byte[65536];
string reply = Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
const string Name = "lambda-runtime-aws-request-id: ";
int start = reply.IndexOf(Name, StringComparison.OrdinalIgnoreCase) + Name.Length;
string id = reply[start..reply.IndexOf('\r', start)];
const string Answer = "\"of its own\"";
socket.Send(Encoding.ASCII.GetBytes(
    $"POST {Runtime}{id}/response HTTP/1.1\r\nHost: runtime\r\nContent-Length: {Answer.Length}\r\n\r\n{Answer}"));
socket.Receive(buffer);
