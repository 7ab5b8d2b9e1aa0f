package com.amazonaws.services.lambda.runtime;

/** Who invokes, when Amazon Cognito knows. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
