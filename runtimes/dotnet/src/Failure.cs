using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.Json;

namespace Hearth;

/// <summary>A failure the runtime itself found. Its name is what callers see.</summary>
internal sealed class LambdaValidationException : Exception
{
    internal LambdaValidationException(string message)
        : base(message)
    {
    }
}

/// <summary>What is said of an exception, to the caller and in the log.</summary>
internal sealed class Failure
{
    private static readonly JsonWriterOptions Options = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Exception error;

    internal Failure(Exception error)
    {
        // How it was called is not the function's business.
        while (error is TargetInvocationException && error.InnerException is not null)
        {
            error = error.InnerException;
        }
        this.error = error;
    }

    internal string Header => $"Lambda-Runtime-Function-Error-Type: {error.GetType().Name}\r\n";

    internal byte[] Body() => Json(writer => Describe(writer, error));

    internal void Log() => Hearth.Log.Write(Level.Error, "", error);

    internal static byte[] LogRecord(string now, Level level, string requestId, string message, Exception? error) => Json(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("timestamp", now);
        writer.WriteString("level", level.ToString());
        writer.WriteString("requestId", requestId);
        writer.WriteString("message", error is not null && message.Length == 0 ? error.Message : message);
        if (error is not null)
        {
            writer.WriteString("errorType", error.GetType().FullName);
            writer.WriteString("errorMessage", error.Message);
            Trace(writer, error);
        }
        writer.WriteEndObject();
    });

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, Options))
        {
            write(writer);
        }
        return buffer.ToArray();
    }

    private static void Describe(Utf8JsonWriter writer, Exception error)
    {
        writer.WriteStartObject();
        writer.WriteString("errorType", error.GetType().Name);
        writer.WriteString("errorMessage", error.Message);
        Trace(writer, error);
        if (error is AggregateException all)
        {
            writer.WriteStartArray("causes");
            foreach (Exception cause in all.InnerExceptions)
            {
                Describe(writer, cause);
            }
            writer.WriteEndArray();
        }
        else if (error.InnerException is not null)
        {
            writer.WritePropertyName("cause");
            Describe(writer, error.InnerException);
        }
        writer.WriteEndObject();
    }

    /// <summary>As an exception writes itself, without the frames from the runtime on.</summary>
    internal static string Text(Exception error)
    {
        IEnumerable<string> lines = error.ToString().Split('\n');
        return string.Join('\n', lines.Where(line => !line.StartsWith("   at Hearth.", StringComparison.Ordinal)));
    }

    private static void Trace(Utf8JsonWriter writer, Exception error)
    {
        writer.WriteStartArray("stackTrace");
        IEnumerable<string> frames = (error.StackTrace ?? "").Split('\n').Select(frame => frame.Trim());
        foreach (string frame in frames.TakeWhile(frame => !frame.StartsWith("at Hearth.", StringComparison.Ordinal)))
        {
            if (frame.Length > 0)
            {
                writer.WriteStringValue(frame);
            }
        }
        writer.WriteEndArray();
    }
}
