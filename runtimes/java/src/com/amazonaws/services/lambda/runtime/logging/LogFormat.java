package com.amazonaws.services.lambda.runtime.logging;

import java.util.Locale;

/** How records are written. */
public enum LogFormat {
    JSON,
    TEXT;

    public static LogFormat fromString(String text) {
        try {
            return valueOf(text.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException | NullPointerException e) {
            throw new IllegalArgumentException("Invalid log format: '" + text + "'");
        }
    }
}
