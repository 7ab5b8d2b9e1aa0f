package com.amazonaws.services.lambda.runtime;

/** The log where there is no context. */
public final class LambdaRuntime {
    private LambdaRuntime() {}

    public static LambdaLogger getLogger() {
        return hearth.Log.LOGGER;
    }
}
