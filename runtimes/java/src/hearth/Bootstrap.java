package hearth;

import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOError;
import java.io.PrintStream;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Hearth's Java runtime: asks the Lambda Runtime API for events and hands them to the function's handler.
 *
 * <p>Behaves towards the function as AWS's managed Java runtimes do. For Java 8 and later. Built to start fast: it brings
 * its own small JSON and speaks HTTP over a bare socket. Its archive is made by tools/build-java-bootstrap.sh.
 */
public final class Bootstrap {
    /** Where AWS's X-Ray SDK looks for the trace of the invocation. */
    private static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";

    private Bootstrap() {}

    /** With an argument it only rehearses: Hearth has Java note which classes that takes, see Preparation. */
    public static void main(String[] arguments) throws Exception {
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8"));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, "UTF-8"));
        RuntimeApi api = Preparation.connect();
        Function function = null;
        try {
            ClassLoader loader = new URLClassLoader(places(), Bootstrap.class.getClassLoader());
            Thread.currentThread().setContextClassLoader(loader);
            String handler = System.getenv("_HANDLER");
            function = Function.load(handler == null ? "" : handler, loader);
        } catch (Throwable e) {
            Failure failure = Failure.thrown(e);
            failure.log();
            api.answer("init/error", failure.header(), failure.body(), false);
            end();
        }
        if (arguments.length > 0) {
            Preparation.rehearseAll(function);
            return;
        }
        serve(api, function);
    }

    /** Where classes are looked for, in this order. Source: Lambda developer guide, Java packaging and layers. */
    private static URL[] places() throws MalformedURLException {
        String task = System.getenv().getOrDefault("LAMBDA_TASK_ROOT", "/var/task");
        List<File> places = new ArrayList<>();
        places.add(new File(task));
        for (String folder : new String[] {task + "/lib", "/opt/java/lib"}) {
            File[] archives = new File(folder).listFiles((parent, name) -> name.endsWith(".jar"));
            if (archives != null) {
                Arrays.sort(archives);
                places.addAll(Arrays.asList(archives));
            }
        }
        URL[] urls = new URL[places.size()];
        for (int i = 0; i < urls.length; i++) {
            urls[i] = places.get(i).toURI().toURL();
        }
        return urls;
    }

    /** Answers events for ever. */
    static void serve(RuntimeApi api, Function function) throws Exception {
        api.ask();
        while (true) {
            RuntimeApi.Reply event = api.reply();
            if (event.status != 200) {
                throw new IllegalStateException("the Runtime API refused to give an event: " + event.status);
            }
            begin(event.headers);
            String path = "invocation/" + event.headers.get("lambda-runtime-aws-request-id");
            try {
                byte[] answer = function.invoke(event.body, new InvocationContext(event.headers));
                System.out.flush();
                api.answer(path + "/response", "", answer, true);
                // An interrupt that the function left behind is not for the next one.
                Thread.interrupted();
            } catch (Throwable e) {
                Failure failure = e instanceof Failure ? (Failure) e : Failure.thrown(e);
                failure.log();
                boolean goesOn = !(e instanceof VirtualMachineError || e instanceof IOError);
                api.answer(path + "/error", failure.header(), failure.body(), goesOn);
                if (!goesOn) {
                    end();
                }
            }
        }
    }

    private static void begin(Map<String, String> headers) {
        Log.LOGGER.invocation(headers.get("lambda-runtime-aws-request-id"), headers.get("lambda-runtime-aws-tenant-id"));
        String trace = headers.get("lambda-runtime-trace-id");
        if (trace == null) {
            System.clearProperty(TRACE_PROPERTY);
        } else {
            System.setProperty(TRACE_PROPERTY, trace);
        }
    }

    private static void end() {
        System.out.flush();
        System.exit(1);
    }
}
