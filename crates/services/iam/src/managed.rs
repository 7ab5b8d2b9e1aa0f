//! The policies AWS manages, by path and name, as far as Hearth knows them. Attachable in every account.
//!
//! Source: "AWS managed policy reference". A name missing here is refused, never guessed: attaching a policy that
//! grants nothing would look like success.

/// `(path, name)` of `arn:PARTITION:iam::aws:policy/PATH/NAME`; the path starts and ends with a slash.
const MANAGED: &[(&str, &str)] = &[
    ("/", "AWSLambdaExecute"),
    ("/", "AWSLambdaInvocation-DynamoDB"),
    ("/", "AWSLambda_FullAccess"),
    ("/", "AWSLambda_ReadOnlyAccess"),
    ("/", "AWSXRayDaemonWriteAccess"),
    ("/", "AWSXrayFullAccess"),
    ("/", "AWSXrayReadOnlyAccess"),
    ("/", "AWSXrayWriteOnlyAccess"),
    ("/", "AdministratorAccess"),
    ("/", "AmazonAPIGatewayAdministrator"),
    ("/", "AmazonAPIGatewayInvokeFullAccess"),
    ("/", "AmazonDynamoDBFullAccess"),
    ("/", "AmazonDynamoDBReadOnlyAccess"),
    ("/", "AmazonEventBridgeFullAccess"),
    ("/", "AmazonEventBridgeReadOnlyAccess"),
    ("/", "AmazonKinesisFullAccess"),
    ("/", "AmazonKinesisReadOnlyAccess"),
    ("/", "AmazonS3FullAccess"),
    ("/", "AmazonS3ReadOnlyAccess"),
    ("/", "AmazonSNSFullAccess"),
    ("/", "AmazonSNSReadOnlyAccess"),
    ("/", "AmazonSQSFullAccess"),
    ("/", "AmazonSQSReadOnlyAccess"),
    ("/", "AmazonSSMReadOnlyAccess"),
    ("/", "AWSStepFunctionsFullAccess"),
    ("/", "AWSStepFunctionsReadOnlyAccess"),
    ("/", "CloudWatchFullAccess"),
    ("/", "CloudWatchLambdaInsightsExecutionRolePolicy"),
    ("/", "CloudWatchLogsFullAccess"),
    ("/", "CloudWatchLogsReadOnlyAccess"),
    ("/", "CloudWatchReadOnlyAccess"),
    ("/", "IAMFullAccess"),
    ("/", "IAMReadOnlyAccess"),
    ("/", "PowerUserAccess"),
    ("/", "ReadOnlyAccess"),
    ("/", "SecretsManagerReadWrite"),
    ("/", "SecurityAudit"),
    ("/job-function/", "ViewOnlyAccess"),
    ("/service-role/", "AWSLambdaBasicDurableExecutionRolePolicy"),
    ("/service-role/", "AWSLambdaBasicExecutionRole"),
    ("/service-role/", "AWSLambdaDynamoDBExecutionRole"),
    ("/service-role/", "AWSLambdaENIManagementAccess"),
    ("/service-role/", "AWSLambdaKinesisExecutionRole"),
    ("/service-role/", "AWSLambdaMSKExecutionRole"),
    ("/service-role/", "AWSLambdaRole"),
    ("/service-role/", "AWSLambdaSQSQueueExecutionRole"),
    ("/service-role/", "AWSLambdaVPCAccessExecutionRole"),
    ("/service-role/", "AmazonAPIGatewayPushToCloudWatchLogs"),
];

/// Whether `resource` (`policy/PATH/NAME`, the last part of an ARN of account `aws`) is an AWS-managed policy.
#[must_use]
pub(crate) fn exists(resource: &str) -> bool {
    MANAGED.iter().any(|(path, name)| {
        resource.strip_prefix("policy").and_then(|rest| rest.strip_prefix(path)).is_some_and(|rest| rest == *name)
    })
}

/// Path and name of a managed policy's ARN resource `policy/a/b/name`: (`/a/b/`, `name`).
#[must_use]
pub(crate) fn path_and_name(resource: &str) -> Option<(&str, &str)> {
    let full = resource.strip_prefix("policy").filter(|rest| rest.starts_with('/'))?;
    full.rfind('/').map(|slash| full.split_at(slash + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managed_policy_is_known_by_its_whole_path() {
        assert!(exists("policy/service-role/AWSLambdaBasicExecutionRole"));
        assert!(exists("policy/AdministratorAccess"));
        assert!(!exists("policy/AWSLambdaBasicExecutionRole"));
        assert!(!exists("policy/service-role/AdministratorAccess"));
        assert!(!exists("policy/"));
    }

    #[test]
    fn a_policy_resource_splits_into_path_and_name() {
        assert_eq!(path_and_name("policy/n"), Some(("/", "n")));
        assert_eq!(path_and_name("policy/service-role/n"), Some(("/service-role/", "n")));
        assert_eq!(path_and_name("role/n"), None);
    }
}
