// Handlers of every kind, for dotnet_bootstrap.rs.

using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;
using Amazon.Lambda.Core;

namespace Shop;

public class Part
{
    public string? Name { get; set; }
    public int Count { get; set; }
    public List<Part>? Parts { get; set; }
}

public class Handlers
{
    private int calls;

    public Dictionary<string, object> Maps(Dictionary<string, object> happening) => happening;

    public string Text(string happening, ILambdaContext context) => happening + "!";

    public static int Number(int happening) => happening + 1;

    public Part Bean(Part part)
    {
        part.Count++;
        return part;
    }

    public Stream Streams(Stream happening) => happening;

    public async Task<string> Later(string happening)
    {
        await Task.Delay(1);
        return happening;
    }

    public async ValueTask<string> LaterStill(string happening)
    {
        await Task.Delay(1);
        return happening;
    }

    public async Task Nothing()
    {
        await Task.Delay(1);
    }

    public int Counts() => ++calls;

    public string Fails(string happening) => throw new ArgumentException(happening, new InvalidOperationException("below"));

    public async Task<string> FailsLater(string happening)
    {
        await Task.Delay(1);
        throw new ArgumentException(happening);
    }

    [LambdaSerializer(typeof(Shouting))]
    public string Own(string happening) => happening + "!";

    public object Context(ILambdaContext context) => new object?[]
    {
        context.FunctionName, context.FunctionVersion, context.MemoryLimitInMB, context.LogGroupName, context.LogStreamName,
        context.InvokedFunctionArn, context.AwsRequestId, context.ClientContext?.Client.AppTitle, context.ClientContext?.Custom,
        context.ClientContext?.Environment, context.Identity.IdentityId, context.RemainingTime > TimeSpan.Zero,
        Environment.GetEnvironmentVariable("_X_AMZN_TRACE_ID"),
    };

    public void Logs(ILambdaContext context)
    {
        Console.WriteLine("é out\nline");
        Console.Error.WriteLine("err");
        Console.Write("{0} parts", 2);
        Console.WriteLine();
        context.Logger.LogLine("record");
        context.Logger.LogWarning("careful");
        context.Logger.Log(LogLevel.Critical, "alarm");
        Console.Write("unended");
    }

    public string Descriptor() => Environment.GetEnvironmentVariable("_LAMBDA_TELEMETRY_LOG_FD") ?? "unknown";

    public string?[] Given(ILambdaContext context) => new[]
    {
        Environment.GetEnvironmentVariable("OWN"), Environment.GetEnvironmentVariable("_HEARTH_PREPARED"),
        Environment.GetEnvironmentVariable("STALE"), context.FunctionName,
    };
}

public class Unborn
{
    public Unborn() => throw new NotSupportedException("at start");

    public string Handle(string happening) => happening;
}

/// <summary>A serializer that can be told from the usual one.</summary>
public class Shouting : ILambdaSerializer
{
    public T Deserialize<T>(Stream requestStream) => (T)(object)new StreamReader(requestStream).ReadToEnd().ToUpperInvariant();

    public void Serialize<T>(T response, Stream responseStream)
    {
        using var writer = new StreamWriter(responseStream, leaveOpen: true);
        writer.Write($"<{response}>");
    }
}
