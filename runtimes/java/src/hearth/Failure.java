package hearth;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

import static java.nio.charset.StandardCharsets.UTF_8;

/** Something that went wrong, and what is said of it: to the caller and in the log. */
final class Failure extends Exception {
    private static final long serialVersionUID = 1;
    private static final String OWN = Failure.class.getPackage().getName() + ".";

    /** Found by the runtime, which has no stack trace to show for it. */
    private final String type;
    private final transient Throwable error;

    private Failure(String message, String type, Throwable error) {
        super(message);
        this.type = type;
        this.error = error;
    }

    /** Thrown by the function. */
    static Failure thrown(Throwable error) {
        return new Failure(text(error), error.getClass().getName(), error);
    }

    /** Found while the function was loaded. */
    static Failure found(String message, Class<?> type) {
        return new Failure(message, type == null ? null : type.getName(), null);
    }

    private static String text(Throwable error) {
        return error.getLocalizedMessage() == null ? error.getClass().getName() : error.getLocalizedMessage();
    }

    /** The header that tells failures apart in metrics. */
    String header() {
        return "Lambda-Runtime-Function-Error-Type: Runtime." + (error == null ? "BadFunctionCode" : "UserException") + "\r\n";
    }

    byte[] body() {
        StringBuilder out = new StringBuilder();
        if (error != null) {
            describe(error, out, Collections.newSetFromMap(new IdentityHashMap<>()));
        } else {
            Json.quote(getMessage(), out.append("{\"errorMessage\":"));
            if (type != null) {
                Json.quote(type, out.append(",\"errorType\":"));
            }
            out.append('}');
        }
        return out.toString().getBytes(UTF_8);
    }

    private static void describe(Throwable error, StringBuilder out, Set<Throwable> seen) {
        seen.add(error);
        Json.quote(text(error), out.append("{\"errorMessage\":"));
        Json.quote(error.getClass().getName(), out.append(",\"errorType\":"));
        out.append(",\"stackTrace\":[");
        String comma = "";
        for (StackTraceElement frame : cut(error)) {
            Json.quote(frame.toString(), out.append(comma));
            comma = ",";
        }
        out.append(']');
        Throwable cause = error.getCause();
        if (cause != null && !seen.contains(cause)) {
            describe(cause, out.append(",\"cause\":"), seen);
        }
        out.append('}');
    }

    /** Without the frames from the runtime on. */
    private static StackTraceElement[] cut(Throwable error) {
        StackTraceElement[] trace = error.getStackTrace();
        int end = 0;
        while (end < trace.length && !trace[end].getClassName().startsWith(OWN)) {
            end++;
        }
        return java.util.Arrays.copyOf(trace, end);
    }

    void log() {
        if (error == null) {
            Log.LOGGER.failure(getMessage() + (type == null ? "" : ": " + type) + "\n");
            return;
        }
        for (Throwable at = error; at != null && at.getStackTrace().length != cut(at).length; at = at.getCause()) {
            at.setStackTrace(cut(at));
        }
        StringWriter trace = new StringWriter();
        error.printStackTrace(new PrintWriter(trace, true));
        Log.LOGGER.failure(getMessage() + ": " + type + "\n" + trace + "\n");
    }
}
