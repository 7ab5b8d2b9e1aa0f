using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Hearth;

internal sealed record Reply(int Status, Dictionary<string, string> Headers, byte[] Body);

/// <summary>The Lambda Runtime API over a bare socket; HttpClient takes longer to load than everything else here.</summary>
internal sealed class RuntimeApi : IDisposable
{
    internal const string Variable = "AWS_LAMBDA_RUNTIME_API";

    private const string Runtime = "/2018-06-01/runtime/";
    private const int ReadBytes = 65536;
    private static readonly byte[] Next = Encoding.ASCII.GetBytes($"GET {Runtime}invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n");

    private static readonly byte[] Ready = Encoding.ASCII.GetBytes("GET /2018-06-01/hearth/assignment HTTP/1.1\r\nHost: runtime\r\n\r\n");

    private readonly Socket socket;
    private readonly byte[] buffer = new byte[ReadBytes];
    private int start;
    private int end;

    internal RuntimeApi(string address)
    {
        socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(IPEndPoint.Parse(address));
    }

    public void Dispose() => socket.Dispose();

    /// <summary>Waits, started ahead of need, until this process is given a function.</summary>
    internal byte[] Assignment()
    {
        Send(Ready);
        Reply reply = Reply();
        if (reply.Status != 200)
        {
            throw new InvalidOperationException($"the Runtime API gave no assignment: {reply.Status}");
        }
        return reply.Body;
    }

    /// <summary>Asks for an event.</summary>
    internal void Ask() => Send(Next);

    /// <summary>
    /// Sends an answer and, if wanted, asks for the next event in the same packet. A refused answer (too large, too late) is
    /// the platform's to report; this process goes on.
    /// </summary>
    internal void Answer(string path, string headers, byte[] body, bool ask)
    {
        byte[] head = Encoding.UTF8.GetBytes(
            $"POST {Runtime}{path} HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n{headers}"
            + $"Content-Length: {body.Length}\r\n\r\n");
        byte[] packet = new byte[head.Length + body.Length + (ask ? Next.Length : 0)];
        head.CopyTo(packet, 0);
        body.CopyTo(packet, head.Length);
        if (ask)
        {
            Next.CopyTo(packet, head.Length + body.Length);
        }
        Send(packet);
        Reply();
    }

    internal Reply Reply()
    {
        string status = Line();
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        for (string line = Line(); line.Length > 0; line = Line())
        {
            int colon = line.IndexOf(": ", StringComparison.Ordinal);
            headers[line[..colon]] = line[(colon + 2)..];
        }
        byte[] body = new byte[headers.TryGetValue("content-length", out string? length) ? int.Parse(length) : 0];
        int have = Math.Min(body.Length, end - start);
        Array.Copy(buffer, start, body, 0, have);
        start += have;
        while (have < body.Length)
        {
            have += Receive(body.AsSpan(have));
        }
        return new Reply(int.Parse(status.AsSpan(9, 3)), headers, body);
    }

    /// <summary>Lines are shorter than the buffer: the platform limits all headers together.</summary>
    private string Line()
    {
        while (true)
        {
            int length = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
            if (length >= 0)
            {
                string line = Encoding.UTF8.GetString(buffer, start, length).TrimEnd('\r');
                start += length + 1;
                return line;
            }
            Array.Copy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
            end += Receive(buffer.AsSpan(end));
        }
    }

    private int Receive(Span<byte> into)
    {
        int count = socket.Receive(into);
        return count > 0 ? count : throw new EndOfStreamException("the Runtime API closed the connection");
    }

    private void Send(ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            data = data[socket.Send(data)..];
        }
    }
}
