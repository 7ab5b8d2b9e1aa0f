// Hearth's .NET runtime: asks the Lambda Runtime API for events and hands them to the function's handler.
//
// Behaves towards the function as AWS's managed .NET runtimes do. What a function uses of AWS's libraries it brings along;
// they are met by reflection only. Bootstrap.dll is made by tools/build-dotnet-bootstrap.sh.

using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Threading;

namespace Hearth;

public static class Bootstrap
{
    /// <summary>Separates the parts of a handler's name; an assembly that is a program of its own has one part.</summary>
    internal const string Separator = "::";

    private const string TraceVariable = "_X_AMZN_TRACE_ID";

    public static void Main()
    {
        Preparation.Await();
        Memory.Forget();
        string task = Environment.GetEnvironmentVariable("LAMBDA_TASK_ROOT") ?? "/var/task";
        string handler = Environment.GetEnvironmentVariable("_HANDLER") ?? "";
        string name = handler.Split(Separator)[0];
        if (name == handler && File.Exists(Path.Combine(task, name + ".dll")))
        {
            Executable.Become(Path.Combine(task, name + ".dll"));
        }
        // The rest runs beside the function's libraries, where those of the framework give way to newer ones it brings.
        var context = new FunctionContext(task, name);
        Assembly own = context.LoadFromAssemblyPath(typeof(Bootstrap).Assembly.Location);
        MethodInfo run = own.GetType(typeof(Bootstrap).FullName!)!.GetMethod(nameof(Run))!;
        run.CreateDelegate<Action<AssemblyLoadContext, string>>()(context, handler);
    }

    public static void Run(AssemblyLoadContext context, string handler)
    {
        Log.SetUp();
        var api = new RuntimeApi(Environment.GetEnvironmentVariable(RuntimeApi.Variable)!);
        Handler function;
        try
        {
            using (context.EnterContextualReflection())
            {
                function = Handler.Load(context, handler);
            }
        }
        catch (Exception error)
        {
            var failure = new Failure(error);
            failure.Log();
            api.Answer("init/error", failure.Header, failure.Body(), ask: false);
            Environment.Exit(1);
            return;
        }
        using (context.EnterContextualReflection())
        {
            Serve(api, function);
        }
    }

    /// <summary>Answers events for ever.</summary>
    private static void Serve(RuntimeApi api, Handler function)
    {
        api.Ask();
        while (true)
        {
            Reply reply = api.Reply();
            if (reply.Status != 200)
            {
                throw new InvalidOperationException($"the Runtime API refused to give an event: {reply.Status}");
            }
            string id = reply.Headers["lambda-runtime-aws-request-id"];
            Log.RequestId = id;
            Environment.SetEnvironmentVariable(TraceVariable, reply.Headers.GetValueOrDefault("lambda-runtime-trace-id"));
            try
            {
                byte[] answer = function.Invoke(reply.Body, reply.Headers);
                Log.Flush();
                api.Answer($"invocation/{id}/response", "", answer, ask: true);
            }
            catch (Exception error)
            {
                var failure = new Failure(error);
                failure.Log();
                api.Answer($"invocation/{id}/error", failure.Header, failure.Body(), ask: true);
            }
        }
    }
}

/// <summary>Where the function's assemblies are found.</summary>
internal sealed class FunctionContext : AssemblyLoadContext
{
    private readonly string task;
    private readonly AssemblyDependencyResolver? resolver;

    internal FunctionContext(string task, string assembly)
        : base("function")
    {
        this.task = task;
        string main = Path.Combine(task, assembly + ".dll");
        // What was published says in its .deps.json where everything is.
        resolver = assembly.Length > 0 && File.Exists(main) ? new AssemblyDependencyResolver(main) : null;
    }

    protected override Assembly? Load(AssemblyName name)
    {
        string? path = resolver?.ResolveAssemblyToPath(name);
        if (path is null && name.CultureName is null or "")
        {
            path = Path.Combine(task, name.Name + ".dll");
        }
        if (path is null || !File.Exists(path) || IsOfFramework(name.Name!, path))
        {
            return null;
        }
        return LoadFromAssemblyPath(path);
    }

    protected override IntPtr LoadUnmanagedDll(string name)
    {
        string? path = resolver?.ResolveUnmanagedDllToPath(name);
        return path is null ? IntPtr.Zero : LoadUnmanagedDllFromPath(path);
    }

    /// <summary>Whether the framework has it, as new as the function's.</summary>
    private static bool IsOfFramework(string name, string path)
    {
        string framework = Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, name + ".dll");
        return File.Exists(framework)
            && AssemblyName.GetAssemblyName(framework).Version >= AssemblyName.GetAssemblyName(path).Version;
    }
}

/// <summary>
/// What Hearth has told .NET of the function's memory, which the function did not ask for. .NET has read it by now; a function
/// that is a program of its own still gets it, since that starts with the environment of native libraries.
/// </summary>
internal static class Memory
{
    internal static void Forget()
    {
        if (long.TryParse(Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), out long size))
        {
            Forget("DOTNET_GCTotalPhysicalMemory", (size << 20).ToString("X"));
            Forget("DOTNET_GCHeapHardLimitPercent", "55");
        }
    }

    /// <summary>Unless the function has said something else.</summary>
    private static void Forget(string name, string value)
    {
        if (Environment.GetEnvironmentVariable(name) == value)
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }
}

/// <summary>A function that is a program and talks to the Runtime API itself.</summary>
internal static class Executable
{
    internal static void Become(string assembly)
    {
        string dotnet = Environment.ProcessPath!;
        string?[] arguments = { dotnet, "exec", assembly, null };
        execv(dotnet, arguments);
        throw new InvalidOperationException($"{assembly} could not be started: error {Marshal.GetLastPInvokeError()}");
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int execv(string path, string?[] arguments);
}
