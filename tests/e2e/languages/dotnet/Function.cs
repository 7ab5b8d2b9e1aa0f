using System;
using System.Collections;
using System.Linq;
using System.Text.Json;
using System.Threading;

namespace Seven;

public class Function
{
    public object? Handle(JsonElement input)
    {
        switch (input.GetProperty("do").GetString())
        {
            case "echo":
                return input;
            case "environment":
                return Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
                    .ToDictionary(entry => (string)entry.Key, entry => (string?)entry.Value);
            case "error":
                throw new Exception("as asked");
            case "exit":
                Environment.Exit(7);
                return null;
            case "sleep":
                Thread.Sleep(60_000);
                return null;
            case "big":
                return new string('x', input.GetProperty("bytes").GetInt32());
            default:
                Console.WriteLine("first line");
                Console.WriteLine("second line é");
                return null;
        }
    }
}
