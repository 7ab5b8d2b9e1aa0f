package com.amazonaws.services.lambda.runtime;

/** What the AWS Mobile SDK tells of the app that invokes. */
public interface Client {
    String getInstallationId();

    String getAppTitle();

    String getAppVersionName();

    String getAppVersionCode();

    String getAppPackageName();
}
