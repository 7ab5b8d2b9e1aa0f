package com.amazonaws.services.lambda.runtime;

/** A function from an event to an answer. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
