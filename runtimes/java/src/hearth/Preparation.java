package hearth;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * A process that was started before it is known what for: gets ready for any function and waits until it is given one.
 *
 * <p>By then hearth-init has changed its environment and its directory from outside. Java reads the environment once, when
 * it is first asked for it: nobody may ask before.
 */
final class Preparation {
    private static final String WAITS = "_HEARTH_PREPARED";
    private static final String API = "AWS_LAMBDA_RUNTIME_API";
    private static final String ENVIRONMENT = "/proc/self/environ";
    private static final String EVENT = "{\"text\":\"a\",\"more\":{\"b\":[1,2.5,true,null]}}";

    private Preparation() {}

    /** The Runtime API, once the process has its function. */
    static RuntimeApi connect() throws Exception {
        Map<String, String> variables = startedWith();
        if (!variables.containsKey(WAITS)) {
            return new RuntimeApi(System.getenv(API));
        }
        RuntimeApi api = new RuntimeApi(variables.get(API));
        rehearse();
        api.awaitAssignment();
        if (System.getenv(WAITS) != null) {
            throw new IllegalStateException("the process was given a function, but not its environment");
        }
        return api;
    }

    private static Map<String, String> startedWith() throws IOException {
        Map<String, String> variables = new HashMap<>();
        if (!new File(ENVIRONMENT).canRead()) {
            return variables;
        }
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        try (InputStream in = new FileInputStream(ENVIRONMENT)) {
            byte[] part = new byte[4096];
            for (int count = in.read(part); count >= 0; count = in.read(part)) {
                text.write(part, 0, count);
            }
        }
        for (String variable : text.toString("UTF-8").split("\0")) {
            int equals = variable.indexOf('=');
            if (equals >= 0) {
                variables.put(variable.substring(0, equals), variable.substring(equals + 1));
            }
        }
        return variables;
    }

    /** Does once what every function needs, so that the code for it is in memory when there is one. Nothing of it stays. */
    private static void rehearse() throws Exception {
        URL archive = Preparation.class.getProtectionDomain().getCodeSource().getLocation();
        URL folder = new File(archive.getPath()).getParentFile().toURI().toURL();
        try (URLClassLoader loader = new URLClassLoader(new URL[] {folder, archive}, null)) {
            loader.loadClass(Json.class.getName());
        }
        try {
            Function sample = Function.load(Sample.class.getName(), Preparation.class.getClassLoader());
            sample.invoke(EVENT.getBytes(UTF_8), new InvocationContext(Collections.emptyMap()));
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * One event from its arrival to the request for the next. Not for a process that goes on: what it leaves behind is meant
     * to be found in an archive of classes, from which later processes start.
     */
    static void rehearseAll(Function function) throws Exception {
        rehearse();
        byte[] event = EVENT.getBytes(UTF_8);
        String said = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Trace-Id: 2\r\nContent-Length: "
                + event.length + "\r\n\r\n" + EVENT + "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        RuntimeApi api = new RuntimeApi(new ByteArrayInputStream(said.getBytes(UTF_8)), out);
        try {
            Bootstrap.serve(api, function);
        } catch (EOFException e) {
            if (!out.toString("UTF-8").contains("/1/response ")) {
                throw e;
            }
        }
    }

    /** A function, as functions are. */
    public static final class Sample implements RequestHandler<Sample, Sample> {
        private String text;
        private Map<String, Object> more;

        public String getText() {
            return text;
        }

        public void setText(String text) {
            this.text = text;
        }

        public Map<String, Object> getMore() {
            return more;
        }

        public void setMore(Map<String, Object> more) {
            this.more = more;
        }

        @Override
        public Sample handleRequest(Sample event, Context context) {
            return event;
        }
    }
}
