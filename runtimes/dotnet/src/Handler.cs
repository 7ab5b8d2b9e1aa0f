using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.Loader;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading.Tasks;

namespace Hearth;

/// <summary>A function's handler: ASSEMBLY::TYPE::METHOD.</summary>
internal sealed class Handler
{
    private readonly MethodInfo method;
    private readonly object? target;
    private readonly Serializer serializer;
    private readonly ParameterInfo[] parameters;

    private Handler(MethodInfo method, object? target, Serializer serializer)
    {
        this.method = method;
        this.target = target;
        this.serializer = serializer;
        parameters = method.GetParameters();
    }

    internal static Handler Load(AssemblyLoadContext context, string name)
    {
        string[] parts = name.Split(Bootstrap.Separator);
        if (parts.Length != 3 || parts.Any(part => part.Trim().Length == 0))
        {
            throw new LambdaValidationException(
                $"Invalid lambda function handler: '{name}'. The valid format is 'ASSEMBLY{Bootstrap.Separator}TYPE{Bootstrap.Separator}METHOD'.");
        }
        Assembly assembly;
        try
        {
            assembly = context.LoadFromAssemblyName(new AssemblyName(parts[0]));
        }
        catch (FileNotFoundException)
        {
            throw new LambdaValidationException(
                $"Could not find the specified handler assembly with the file name '{parts[0]}'. The assembly should be located in "
                + "the root of your uploaded .zip file.");
        }
        Type type = assembly.GetType(parts[1])
            ?? throw new LambdaValidationException($"Unable to load type '{parts[1]}' from assembly '{parts[0]}'.");
        MethodInfo method = Find(type, parts[2], name);
        object? target = method.IsStatic ? null : Make(type);
        return new Handler(method, target, Serializer.Of(method));
    }

    /// <summary>A method by its name, or by its whole signature as reflection writes it.</summary>
    private static MethodInfo Find(Type type, string name, string handler)
    {
        const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
            | BindingFlags.FlattenHierarchy;
        MethodInfo[] all = type.GetMethods(Any);
        MethodInfo[] found = all.Where(method => method.ToString() == name).ToArray();
        if (found.Length == 0)
        {
            found = all.Where(method => method.Name == name).ToArray();
        }
        if (found.Length != 1)
        {
            string what = found.Length == 0 ? "Unable to find method" : "The method is not the only one of its name:";
            throw new LambdaValidationException($"{what} '{name}' in type '{type.FullName}' from assembly '{type.Assembly.GetName().Name}'.");
        }
        int inputs = found[0].GetParameters().Count(parameter => parameter.ParameterType.FullName != Context.Interface);
        if (inputs > 1 || found[0].IsGenericMethod)
        {
            throw new LambdaValidationException(
                $"The handler '{handler}' must take no parameter, an input, an ILambdaContext, or an input and an ILambdaContext.");
        }
        return found[0];
    }

    private static object Make(Type type)
    {
        if (type.IsAbstract || type.GetConstructor(Type.EmptyTypes) is null)
        {
            throw new LambdaValidationException($"The type '{type.FullName}' has no public constructor without parameters.");
        }
        return Activator.CreateInstance(type)!;
    }

    internal byte[] Invoke(byte[] body, Dictionary<string, string> headers)
    {
        object?[] arguments = new object?[parameters.Length];
        for (int at = 0; at < arguments.Length; at++)
        {
            Type type = parameters[at].ParameterType;
            arguments[at] = type.FullName == Context.Interface ? Context.Make(type, headers) : serializer.Read(body, type);
        }
        const BindingFlags AsIs = BindingFlags.DoNotWrapExceptions;
        object? result = method.Invoke(target, AsIs, null, arguments, null);
        Type returns = method.ReturnType;
        if (returns.IsGenericType && returns.GetGenericTypeDefinition() == typeof(ValueTask<>))
        {
            result = returns.GetMethod("AsTask")!.Invoke(result, null);
            returns = typeof(Task<>).MakeGenericType(returns.GetGenericArguments());
        }
        if (result is ValueTask plain)
        {
            result = plain.AsTask();
            returns = typeof(Task);
        }
        if (result is Task task)
        {
            task.GetAwaiter().GetResult();
            bool hasResult = returns.IsGenericType;
            result = hasResult ? returns.GetProperty("Result")!.GetValue(task) : null;
            returns = hasResult ? returns.GetGenericArguments()[0] : typeof(void);
        }
        return returns == typeof(void) ? Array.Empty<byte>() : serializer.Write(result, returns);
    }
}

/// <summary>
/// From JSON to objects and back: as the function's LambdaSerializerAttribute says, and where it says nothing, with
/// System.Text.Json. Streams are passed as they are.
/// </summary>
internal sealed class Serializer
{
    private const string AttributeName = "Amazon.Lambda.Core.LambdaSerializerAttribute";

    /// <summary>As AWS's own serializer for System.Text.Json is set up.</summary>
    private static readonly Lazy<JsonSerializerOptions> Options = new(() => new JsonSerializerOptions
    {
        PropertyNameCaseInsensitive = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });

    private readonly object? own;
    private readonly MethodInfo? deserialize;
    private readonly MethodInfo? serialize;

    private Serializer(object? own)
    {
        this.own = own;
        deserialize = own?.GetType().GetMethod("Deserialize");
        serialize = own?.GetType().GetMethod("Serialize");
    }

    internal static Serializer Of(MethodInfo method)
    {
        object? attribute = method.GetCustomAttributes().Concat(method.DeclaringType!.Assembly.GetCustomAttributes())
            .FirstOrDefault(attribute => attribute.GetType().FullName == AttributeName);
        var type = (Type?)attribute?.GetType().GetProperty("SerializerType")?.GetValue(attribute);
        return new Serializer(type is null ? null : Activator.CreateInstance(type));
    }

    internal object? Read(byte[] json, Type type)
    {
        var stream = new MemoryStream(json);
        if (type == typeof(Stream) || type == typeof(MemoryStream))
        {
            return stream;
        }
        if (deserialize is not null)
        {
            return deserialize.MakeGenericMethod(type).Invoke(own, BindingFlags.DoNotWrapExceptions, null, new object[] { stream }, null);
        }
        return JsonSerializer.Deserialize(json, type, Options.Value);
    }

    internal byte[] Write(object? value, Type type)
    {
        var buffer = new MemoryStream();
        if (value is Stream stream)
        {
            stream.CopyTo(buffer);
            stream.Dispose();
        }
        else if (serialize is not null)
        {
            object?[] arguments = { value, buffer };
            serialize.MakeGenericMethod(type).Invoke(own, BindingFlags.DoNotWrapExceptions, null, arguments, null);
        }
        else
        {
            JsonSerializer.Serialize(buffer, value, type, Options.Value);
        }
        return buffer.ToArray();
    }
}
