/**
 * The interfaces between a function and the runtime, with the signatures AWS documents for aws-lambda-java-core 1.4. A
 * function's own copy of that library is shadowed by this one, as it is on Lambda by the runtime's.
 */
package com.amazonaws.services.lambda.runtime;
