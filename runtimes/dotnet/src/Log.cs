using System;
using System.Buffers.Binary;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Hearth;

/// <summary>How grave a record is, numbered as Microsoft.Extensions.Logging has it.</summary>
internal enum Level
{
    Trace,
    Debug,
    Information,
    Warning,
    Error,
    Critical,
}

/// <summary>The function's log: records in frames of their own where there is a descriptor for them, else on stdout.</summary>
internal static class Log
{
    private const uint TextFrame = 0xa55a0003;
    private const uint JsonFrame = 0xa55a0002;
    private const int HeaderBytes = 16;
    private const int SetDescriptorFlags = 2;
    private const int CloseOnExec = 1;

    private static readonly string[] Names = { "trce", "dbug", "info", "warn", "fail", "crit" };
    private static readonly object Gate = new();
    private static Stream output = Stream.Null;
    private static bool hasFrames;
    private static bool json;
    private static bool formatted;
    private static Level lowest;
    private static LogWriter? standard;
    private static LogWriter? error;

    /// <summary>The invocation being worked on.</summary>
    internal static string RequestId { get; set; } = "";

    /// <summary>What a function writes to the console are records, too.</summary>
    internal static void SetUp()
    {
        json = "JSON".Equals(Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_FORMAT"), StringComparison.OrdinalIgnoreCase);
        formatted = Environment.GetEnvironmentVariable("AWS_LAMBDA_HANDLER_LOG_FORMAT") != "Unformatted";
        string? level = Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_LEVEL")
            ?? Environment.GetEnvironmentVariable("AWS_LAMBDA_HANDLER_LOG_LEVEL");
        lowest = LevelOf(level, Level.Trace);
        string? descriptor = Environment.GetEnvironmentVariable("_LAMBDA_TELEMETRY_LOG_FD");
        hasFrames = descriptor is not null;
        if (descriptor is null)
        {
            output = Console.OpenStandardOutput();
        }
        else
        {
            // Neither the function nor its child processes shall know of it.
            Environment.SetEnvironmentVariable("_LAMBDA_TELEMETRY_LOG_FD", null);
            int number = int.Parse(descriptor, CultureInfo.InvariantCulture);
            fcntl(number, SetDescriptorFlags, CloseOnExec);
            output = new FileStream(new SafeFileHandle((IntPtr)number, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        }
        standard = new LogWriter(Level.Information);
        error = new LogWriter(Level.Error);
        Console.SetOut(standard);
        Console.SetError(error);
    }

    /// <summary>Writes what was begun and not ended with a line break.</summary>
    internal static void Flush()
    {
        standard?.Flush();
        error?.Flush();
    }

    internal static Level LevelOf(string? name, Level otherwise) => name?.ToUpperInvariant() switch
    {
        "TRACE" => Level.Trace,
        "DEBUG" => Level.Debug,
        "INFO" or "INFORMATION" => Level.Information,
        "WARN" or "WARNING" => Level.Warning,
        "ERROR" => Level.Error,
        "FATAL" or "CRITICAL" => Level.Critical,
        _ => otherwise,
    };

    internal static void Write(Level level, string message, Exception? failure = null)
    {
        if (level < lowest)
        {
            return;
        }
        string now = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        if (json)
        {
            Emit(level, Failure.LogRecord(now, level, RequestId, message, failure));
            return;
        }
        string text = failure is null ? message : message + Failure.Text(failure);
        Emit(level, Encoding.UTF8.GetBytes(formatted ? $"{now}\t{RequestId}\t{Names[(int)level]}\t{text}" : text));
    }

    private static void Emit(Level level, ReadOnlySpan<byte> text)
    {
        int header = hasFrames ? HeaderBytes : 0;
        byte[] record = new byte[header + text.Length + (hasFrames ? 0 : 1)];
        text.CopyTo(record.AsSpan(header));
        if (hasFrames)
        {
            BinaryPrimitives.WriteUInt32BigEndian(record, (json ? JsonFrame : TextFrame) + 4 * ((uint)level + 1));
            BinaryPrimitives.WriteInt32BigEndian(record.AsSpan(4), text.Length);
            long micros = (DateTime.UtcNow - DateTime.UnixEpoch).Ticks / 10;
            BinaryPrimitives.WriteInt64BigEndian(record.AsSpan(8), micros);
        }
        else
        {
            // A line is a record; what would break it is replaced.
            record.AsSpan().Replace((byte)'\n', (byte)'\r');
            record[^1] = (byte)'\n';
        }
        lock (Gate)
        {
            output.Write(record);
            output.Flush();
        }
    }

    [DllImport("libc")]
    private static extern int fcntl(int descriptor, int command, int argument);
}

/// <summary>What the console is for a function: each line it ends is a record.</summary>
internal sealed class LogWriter : TextWriter
{
    private readonly Level level;
    private readonly StringBuilder begun = new();

    internal LogWriter(Level level)
    {
        this.level = level;
    }

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        lock (begun)
        {
            if (value != '\n')
            {
                begun.Append(value);
                return;
            }
            End();
        }
    }

    public override void Write(char[] buffer, int index, int count)
    {
        for (int at = index; at < index + count; at++)
        {
            Write(buffer[at]);
        }
    }

    /// <summary>One call, one record, however many lines it has.</summary>
    public override void WriteLine(string? value)
    {
        lock (begun)
        {
            begun.Append(value);
            End();
        }
    }

    public override void WriteLine() => WriteLine("");

    public override void Flush()
    {
        lock (begun)
        {
            if (begun.Length > 0)
            {
                End();
            }
        }
    }

    private void End()
    {
        string text = begun.ToString();
        begun.Clear();
        Log.Write(level, text);
    }
}
