package hearth;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** The context of one invocation. */
final class InvocationContext implements Context {
    private final Map<String, String> headers;
    private final CognitoIdentity identity;
    private final ClientContext client;

    InvocationContext(Map<String, String> headers) {
        this.headers = headers;
        Map<?, ?> identity = object(headers.get("lambda-runtime-cognito-identity"));
        this.identity = identity == null ? null : new Identity(identity);
        Map<?, ?> client = object(headers.get("lambda-runtime-client-context"));
        this.client = client == null ? null : new SentContext(client);
    }

    private static Map<?, ?> object(String text) {
        return text == null || text.isEmpty() ? null : (Map<?, ?>) Json.parse(text);
    }

    private static String text(Map<?, ?> fields, String name) {
        Object value = fields.get(name);
        return value == null ? null : value.toString();
    }

    @Override
    public String getAwsRequestId() {
        return headers.get("lambda-runtime-aws-request-id");
    }

    @Override
    public String getLogGroupName() {
        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return headers.get("lambda-runtime-invoked-function-arn");
    }

    @Override
    public CognitoIdentity getIdentity() {
        return identity;
    }

    @Override
    public ClientContext getClientContext() {
        return client;
    }

    @Override
    public int getRemainingTimeInMillis() {
        long left = Long.parseLong(headers.get("lambda-runtime-deadline-ms")) - System.currentTimeMillis();
        return (int) Math.max(0, Math.min(Integer.MAX_VALUE, left));
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    }

    @Override
    public LambdaLogger getLogger() {
        return Log.LOGGER;
    }

    @Override
    public String getTenantId() {
        return headers.get("lambda-runtime-aws-tenant-id");
    }

    @Override
    public String getXrayTraceId() {
        return headers.get("lambda-runtime-trace-id");
    }

    private static final class Identity implements CognitoIdentity {
        private final Map<?, ?> fields;

        Identity(Map<?, ?> fields) {
            this.fields = fields;
        }

        @Override
        public String getIdentityId() {
            return text(fields, "cognitoIdentityId");
        }

        @Override
        public String getIdentityPoolId() {
            return text(fields, "cognitoIdentityPoolId");
        }
    }

    private static final class SentContext implements ClientContext, Client {
        private final Map<?, ?> fields;

        SentContext(Map<?, ?> fields) {
            this.fields = fields;
        }

        @Override
        public Client getClient() {
            return fields.get("client") == null ? null : this;
        }

        @Override
        public Map<String, String> getCustom() {
            return texts("custom");
        }

        @Override
        public Map<String, String> getEnvironment() {
            return texts("env");
        }

        @Override
        public String getInstallationId() {
            return ofClient("installation_id");
        }

        @Override
        public String getAppTitle() {
            return ofClient("app_title");
        }

        @Override
        public String getAppVersionName() {
            return ofClient("app_version_name");
        }

        @Override
        public String getAppVersionCode() {
            return ofClient("app_version_code");
        }

        @Override
        public String getAppPackageName() {
            return ofClient("app_package_name");
        }

        private String ofClient(String name) {
            return text((Map<?, ?>) fields.get("client"), name);
        }

        private Map<String, String> texts(String name) {
            Map<?, ?> values = (Map<?, ?>) fields.get(name);
            if (values == null) {
                return null;
            }
            Map<String, String> texts = new LinkedHashMap<>();
            values.keySet().forEach(key -> texts.put((String) key, text(values, (String) key)));
            return Collections.unmodifiableMap(texts);
        }
    }
}
