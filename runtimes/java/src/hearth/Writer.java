package hearth;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;

/** From objects to JSON text, as the managed runtimes write it: without properties that are null. */
final class Writer {
    private final StringBuilder out = new StringBuilder();

    private Writer() {}

    static String write(Object value) throws ReflectiveOperationException {
        Writer writer = new Writer();
        writer.value(value, 0);
        return writer.out.toString();
    }

    private void value(Object value, int depth) throws ReflectiveOperationException {
        if (depth > Json.DEPTH_MAX) {
            throw new IllegalArgumentException("the answer is nested deeper than " + Json.DEPTH_MAX + " levels, or holds itself");
        }
        if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof CharSequence || value instanceof Character) {
            Json.quote(value.toString(), out);
        } else if (value instanceof Number) {
            number((Number) value);
        } else if (value instanceof Enum) {
            Json.quote(((Enum<?>) value).name(), out);
        } else if (value instanceof Optional) {
            value(((Optional<?>) value).orElse(null), depth);
        } else if (value instanceof Map) {
            map((Map<?, ?>) value, depth);
        } else if (value instanceof byte[]) {
            Json.quote(Base64.getEncoder().encodeToString((byte[]) value), out);
        } else if (value instanceof char[]) {
            Json.quote(new String((char[]) value), out);
        } else if (value.getClass().isArray()) {
            Object array = value;
            items(new Iterator<Object>() {
                private int at;

                @Override
                public boolean hasNext() {
                    return at < Array.getLength(array);
                }

                @Override
                public Object next() {
                    return Array.get(array, at++);
                }
            }, depth);
        } else if (value instanceof Iterable && !(value instanceof java.nio.file.Path)) {
            items(((Iterable<?>) value).iterator(), depth);
        } else if (value instanceof Iterator) {
            items((Iterator<?>) value, depth);
        } else if (!plain(value)) {
            bean(value, depth);
        }
    }

    private void number(Number value) {
        String text = value.toString();
        boolean isNumber = value instanceof BigDecimal || Character.isDigit(text.charAt(text.length() - 1)) && !text.isEmpty();
        if (isNumber) {
            out.append(text);
        } else {
            // NaN and Infinity are no JSON.
            Json.quote(text, out);
        }
    }

    /** Dates as numbers, and what is written as the text it says of itself. */
    private boolean plain(Object value) {
        if (value instanceof Date) {
            out.append(((Date) value).getTime());
        } else if (value instanceof Calendar) {
            out.append(((Calendar) value).getTimeInMillis());
        } else if (value instanceof Instant) {
            seconds((Instant) value);
        } else if (value instanceof OffsetDateTime) {
            seconds(((OffsetDateTime) value).toInstant());
        } else if (value instanceof ZonedDateTime) {
            seconds(((ZonedDateTime) value).toInstant());
        } else if (value instanceof LocalDate) {
            LocalDate date = (LocalDate) value;
            numbers(date.getYear(), date.getMonthValue(), date.getDayOfMonth());
        } else if (value instanceof LocalDateTime) {
            LocalDateTime time = (LocalDateTime) value;
            numbers(time.getYear(), time.getMonthValue(), time.getDayOfMonth(), time.getHour(), time.getMinute(), time.getSecond(), time.getNano());
        } else if (value instanceof ByteBuffer) {
            ByteBuffer bytes = ((ByteBuffer) value).duplicate();
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            Json.quote(Base64.getEncoder().encodeToString(copy), out);
        } else if (value instanceof Class) {
            Json.quote(((Class<?>) value).getName(), out);
        } else if (value.getClass().getName().startsWith("java.") && !(value instanceof Throwable)
                || value.getClass().getName().startsWith("org.joda.time.")) {
            // UUID, URI, URL, Locale, Pattern, Path, Duration.
            Json.quote(value.toString(), out);
        } else {
            return false;
        }
        return true;
    }

    private void seconds(Instant time) {
        out.append(time.getEpochSecond()).append('.').append(String.format("%09d", time.getNano()));
    }

    private void numbers(int... numbers) {
        String comma = "[";
        for (int number : numbers) {
            out.append(comma).append(number);
            comma = ",";
        }
        out.append(']');
    }

    private void items(Iterator<?> items, int depth) throws ReflectiveOperationException {
        out.append('[');
        for (boolean first = true; items.hasNext(); first = false) {
            if (!first) {
                out.append(',');
            }
            value(items.next(), depth + 1);
        }
        out.append(']');
    }

    private void map(Map<?, ?> map, int depth) throws ReflectiveOperationException {
        out.append('{');
        String comma = "";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            comma = member(comma, key(entry.getKey()), entry.getValue(), depth);
        }
        out.append('}');
    }

    private static String key(Object key) {
        if (key == null) {
            throw new IllegalArgumentException("Null key for a Map not allowed in JSON");
        }
        return key instanceof Enum ? ((Enum<?>) key).name() : key.toString();
    }

    private void bean(Object bean, int depth) throws ReflectiveOperationException {
        out.append('{');
        String comma = "";
        for (Map.Entry<String, Beans.Getter> entry : Beans.of(bean.getClass()).getters.entrySet()) {
            comma = member(comma, entry.getKey(), entry.getValue().get(bean), depth);
        }
        out.append('}');
    }

    /** Gives what comes before the next one. */
    private String member(String comma, String name, Object value, int depth) throws ReflectiveOperationException {
        if (value == null || value instanceof Optional && !((Optional<?>) value).isPresent()) {
            return comma;
        }
        Json.quote(name, out.append(comma));
        out.append(':');
        value(value, depth + 1);
        return ",";
    }
}
