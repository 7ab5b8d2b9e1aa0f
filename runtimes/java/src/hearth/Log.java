package hearth;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

import static java.nio.charset.StandardCharsets.UTF_8;

/** The function's log: records in frames of their own where there is a descriptor for them, else on stdout. */
public final class Log implements LambdaLogger {
    private static final int TEXT_FRAME = 0xa55a0003;
    private static final int JSON_FRAME = 0xa55a0002;
    private static final int HEADER_BYTES = 16;

    public static final Log LOGGER = new Log();

    private final boolean json = "JSON".equalsIgnoreCase(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
    private final LogLevel lowest = lowest();
    private final OutputStream frames = frames();

    /** The invocation being worked on. */
    private String requestId;
    private String tenantId;

    private Log() {}

    void invocation(String requestId, String tenantId) {
        this.requestId = requestId;
        this.tenantId = tenantId;
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message, LogLevel level) {
        // What does not say how grave it is, is always logged.
        if (level != LogLevel.UNDEFINED && level.compareTo(lowest) < 0) {
            return;
        }
        String text = String.valueOf(message);
        write((json ? asJson(text, level) : level == LogLevel.UNDEFINED ? text : "[" + level + "] " + text).getBytes(UTF_8), level);
    }

    /** Bytes are written as they are. */
    @Override
    public void log(byte[] message, LogLevel level) {
        if (level == LogLevel.UNDEFINED || level.compareTo(lowest) >= 0) {
            write(message, level);
        }
    }

    /** A failure, in the words of the runtime. */
    void failure(String text) {
        log(text, json ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }

    private String asJson(String message, LogLevel level) {
        StringBuilder out = new StringBuilder("{\"timestamp\":\"");
        out.append(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC).format(Instant.now()));
        out.append("\",\"message\":");
        Json.quote(message, out);
        out.append(",\"level\":\"").append(level).append('"');
        field(",\"AWSRequestId\":", requestId, out);
        field(",\"tenantId\":", tenantId, out);
        return out.append("}\n").toString();
    }

    private static void field(String name, String value, StringBuilder out) {
        if (value != null) {
            Json.quote(value, out.append(name));
        }
    }

    private synchronized void write(byte[] text, LogLevel level) {
        try {
            if (frames == null) {
                System.out.write(text, 0, text.length);
                System.out.flush();
                return;
            }
            long millis = System.currentTimeMillis();
            ByteBuffer frame = ByteBuffer.allocate(HEADER_BYTES + text.length);
            // The levels' numbers are those of the enumeration, four apart.
            int bits = level == LogLevel.UNDEFINED ? 0 : 4 * level.ordinal();
            frame.putInt((json ? JSON_FRAME : TEXT_FRAME) + bits).putInt(text.length).putLong(millis * 1000).put(text);
            frames.write(frame.array());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static LogLevel lowest() {
        String level = System.getenv("AWS_LAMBDA_LOG_LEVEL");
        try {
            return level == null ? LogLevel.UNDEFINED : LogLevel.fromString(level);
        } catch (IllegalArgumentException e) {
            return LogLevel.UNDEFINED;
        }
    }

    /** Java makes descriptors only of files it opened; this process was given one. */
    private static OutputStream frames() {
        String number = System.getenv("_LAMBDA_TELEMETRY_LOG_FD");
        if (number == null) {
            return null;
        }
        try {
            Constructor<FileDescriptor> constructor = FileDescriptor.class.getDeclaredConstructor(int.class);
            constructor.setAccessible(true);
            return new FileOutputStream(constructor.newInstance(Integer.parseInt(number)));
        } catch (ReflectiveOperationException | RuntimeException e) {
            return null;
        }
    }
}
