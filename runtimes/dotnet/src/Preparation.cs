using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.Loader;
using System.Text;
using System.Text.Json;

namespace Hearth;

/// <summary>
/// A process that was started before it is known what for: gets ready for any function and waits until it is given one. By
/// then hearth-init has changed its directory and its environment, as native libraries see it, from outside. .NET's own copy of
/// the environment is changed here; an empty value it does not take, so that functions with one get a process of their own.
/// </summary>
internal static class Preparation
{
    private const string Waits = "_HEARTH_PREPARED";

    /// <summary>Returns once the process has its function.</summary>
    internal static void Await()
    {
        if (Environment.GetEnvironmentVariable(Waits) is null)
        {
            return;
        }
        Rehearse();
        using var api = new RuntimeApi(Environment.GetEnvironmentVariable(RuntimeApi.Variable)!);
        using JsonDocument assignment = JsonDocument.Parse(api.Assignment());
        Become(assignment.RootElement.GetProperty("environment"));
    }

    private static void Become(JsonElement environment)
    {
        foreach (string name in Environment.GetEnvironmentVariables().Keys.Cast<string>().ToArray())
        {
            if (!environment.TryGetProperty(name, out _))
            {
                Environment.SetEnvironmentVariable(name, null);
            }
        }
        foreach (JsonProperty variable in environment.EnumerateObject())
        {
            Environment.SetEnvironmentVariable(variable.Name, variable.Value.GetString());
        }
    }

    /// <summary>
    /// Does once what every function needs, so that the framework's code for it is in memory when there is one. Not in the
    /// function's context, which may have newer libraries. Nothing of it stays.
    /// </summary>
    private static void Rehearse()
    {
        string assembly = typeof(Sample).Assembly.GetName().Name!;
        string handler = string.Join(Bootstrap.Separator, assembly, typeof(Sample).FullName, nameof(Sample.Handle));
        byte[] sample = Encoding.UTF8.GetBytes("{\"Text\":\"a\",\"More\":{\"b\":[1,2.5,true,null]}}");
        Handler.Load(AssemblyLoadContext.Default, handler).Invoke(sample, new Dictionary<string, string>());
    }
}

/// <summary>A function, as functions are.</summary>
public sealed class Sample
{
    public string? Text { get; set; }

    public Dictionary<string, object?>? More { get; set; }

    public static Sample Handle(Sample input) => input;
}
