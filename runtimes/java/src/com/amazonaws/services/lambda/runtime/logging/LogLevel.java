package com.amazonaws.services.lambda.runtime.logging;

import java.util.Locale;

/** How grave a record is; UNDEFINED for those that do not say. */
public enum LogLevel {
    UNDEFINED,
    TRACE,
    DEBUG,
    INFO,
    WARN,
    ERROR,
    FATAL;

    public static LogLevel fromString(String text) {
        try {
            return valueOf(text.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException | NullPointerException e) {
            throw new IllegalArgumentException("Invalid log level: '" + text + "'");
        }
    }
}
