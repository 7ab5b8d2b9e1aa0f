using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Reflection;
using System.Text.Json;

namespace Hearth;

/// <summary>
/// Stands for an interface of Amazon.Lambda.Core, whose assembly is the function's: members are answered by their name. What
/// a newer version has more of is answered with nothing.
/// </summary>
public class Facade : DispatchProxy
{
    private Func<MethodInfo, object?[], object?>? answer;

    internal static object Of(Type type, Func<MethodInfo, object?[], object?> answer)
    {
        MethodInfo create = typeof(DispatchProxy).GetMethods().First(method => method.Name == "Create" && method.IsGenericMethod);
        var facade = (Facade)create.MakeGenericMethod(type, typeof(Facade)).Invoke(null, null)!;
        facade.answer = answer;
        return facade;
    }

    protected override object? Invoke(MethodInfo? method, object?[]? arguments)
    {
        object? value = answer!(method!, arguments ?? Array.Empty<object?>());
        Type type = method!.ReturnType;
        return value is null && type.IsValueType && type != typeof(void) ? Activator.CreateInstance(type) : value;
    }
}

/// <summary>The context of one invocation, for the ILambdaContext of the function's library.</summary>
internal static class Context
{
    internal const string Interface = "Amazon.Lambda.Core.ILambdaContext";

    internal static object Make(Type type, Dictionary<string, string> headers)
    {
        Type? Member(string name) => type.GetProperty(name)?.PropertyType;
        string? Header(string name) => headers.GetValueOrDefault("lambda-runtime-" + name);
        string? Variable(string name) => Environment.GetEnvironmentVariable("AWS_LAMBDA_" + name);
        object? logger = null;
        return Facade.Of(type, (method, _) => method.Name switch
        {
            "get_AwsRequestId" => Header("aws-request-id"),
            "get_InvokedFunctionArn" => Header("invoked-function-arn"),
            "get_TenantId" => Header("aws-tenant-id"),
            "get_TraceId" => Header("trace-id"),
            "get_FunctionName" => Variable("FUNCTION_NAME"),
            "get_FunctionVersion" => Variable("FUNCTION_VERSION"),
            "get_LogGroupName" => Variable("LOG_GROUP_NAME"),
            "get_LogStreamName" => Variable("LOG_STREAM_NAME"),
            "get_MemoryLimitInMB" => int.Parse(Variable("FUNCTION_MEMORY_SIZE") ?? "0", CultureInfo.InvariantCulture),
            "get_RemainingTime" => Remaining(Header("deadline-ms")),
            "get_Logger" => logger ??= Logger(method.ReturnType),
            "get_ClientContext" => Client(Member("ClientContext"), Header("client-context")),
            "get_Identity" => Identity(Member("Identity"), Header("cognito-identity")),
            _ => null,
        });
    }

    private static TimeSpan Remaining(string? deadline)
    {
        TimeSpan left = DateTime.UnixEpoch.AddMilliseconds(long.Parse(deadline ?? "0", CultureInfo.InvariantCulture)) - DateTime.UtcNow;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>Log, LogLine, LogInformation and the like: a level, as a text or an enumeration, may be the first argument.</summary>
    private static object Logger(Type type) => Facade.Of(type, (method, arguments) =>
    {
        Level level = Log.LevelOf(method.Name.StartsWith("Log", StringComparison.Ordinal) ? method.Name[3..] : null, Level.Information);
        Exception? failure = arguments.OfType<Exception>().FirstOrDefault();
        object?[] rest = arguments.Where(argument => argument is not Exception and not object[]).ToArray();
        if (rest.Length > 1)
        {
            level = Log.LevelOf(rest[0]?.ToString(), level);
        }
        Log.Write(level, rest.LastOrDefault()?.ToString() ?? "", failure);
        return null;
    });

    private static object? Client(Type? type, string? json)
    {
        if (type is null || string.IsNullOrEmpty(json))
        {
            return null;
        }
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement sent = document.RootElement.Clone();
        return Facade.Of(type, (method, _) => method.Name switch
        {
            "get_Custom" => Texts(sent, "custom"),
            "get_Environment" => Texts(sent, "env"),
            "get_Client" => Texts(sent, "client") is { } client ? Facade.Of(method.ReturnType, (member, _) => member.Name switch
            {
                "get_InstallationId" => client.GetValueOrDefault("installation_id"),
                "get_AppTitle" => client.GetValueOrDefault("app_title"),
                "get_AppVersionName" => client.GetValueOrDefault("app_version_name"),
                "get_AppVersionCode" => client.GetValueOrDefault("app_version_code"),
                "get_AppPackageName" => client.GetValueOrDefault("app_package_name"),
                _ => null,
            }) : null,
            _ => null,
        });
    }

    private static object? Identity(Type? type, string? json)
    {
        if (type is null)
        {
            return null;
        }
        Dictionary<string, string>? sent = null;
        if (!string.IsNullOrEmpty(json))
        {
            using JsonDocument document = JsonDocument.Parse("{\"identity\":" + json + "}");
            sent = Texts(document.RootElement, "identity");
        }
        return Facade.Of(type, (method, _) => method.Name switch
        {
            "get_IdentityId" => sent?.GetValueOrDefault("cognitoIdentityId"),
            "get_IdentityPoolId" => sent?.GetValueOrDefault("cognitoIdentityPoolId"),
            _ => null,
        });
    }

    private static Dictionary<string, string>? Texts(JsonElement sent, string name)
    {
        if (!sent.TryGetProperty(name, out JsonElement values) || values.ValueKind != JsonValueKind.Object)
        {
            return null;
        }
        return values.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.ToString());
    }
}
