package hearth;

import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeParseException;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.List;

/** From JSON values that hold no others: text, numbers, truth, and what is made of them, as constants and dates. */
final class Scalars {
    private Scalars() {}

    static Object of(Object value, Class<?> type) throws ReflectiveOperationException {
        String text = value.toString();
        if (type == String.class || type == CharSequence.class) {
            return text;
        }
        if (type == boolean.class || type == Boolean.class) {
            return truth(value, type);
        }
        if (type.isPrimitive() || Number.class.isAssignableFrom(type) || type == Character.class) {
            Object number = text.isEmpty() ? Beans.nothing(type) : number(value, text, type);
            if (number != null || text.isEmpty()) {
                return number;
            }
        }
        if (text.isEmpty()) {
            return null;
        }
        if (type.isEnum()) {
            return constant(value, type);
        }
        if (value instanceof Number) {
            return dateOfNumber((Number) value, type);
        }
        if (value instanceof String) {
            return ofText(text, type);
        }
        throw Reader.mismatch(value, type);
    }

    private static Object truth(Object value, Class<?> type) {
        if (value instanceof Boolean) {
            return value;
        }
        if (value instanceof Number) {
            return ((Number) value).doubleValue() != 0;
        }
        switch (value.toString().trim().toLowerCase(java.util.Locale.ROOT)) {
            case "true":
                return true;
            case "false":
                return false;
            case "":
                return Beans.nothing(type);
            default:
                throw Reader.mismatch(value, type);
        }
    }

    private static Object number(Object value, String text, Class<?> type) {
        if (type == char.class || type == Character.class) {
            return value instanceof Number ? (Object) (char) ((Number) value).intValue() : (Object) text.charAt(0);
        }
        if (value instanceof Boolean) {
            throw Reader.mismatch(value, type);
        }
        if (type == double.class || type == Double.class || type == Number.class) {
            return value instanceof Number && type == Number.class ? value : (Object) Double.valueOf(text);
        }
        if (type == float.class || type == Float.class) {
            return Float.valueOf(text);
        }
        BigDecimal exact;
        try {
            exact = new BigDecimal(text.trim());
        } catch (NumberFormatException e) {
            throw Reader.mismatch(value, type);
        }
        if (type == BigDecimal.class) {
            return exact;
        }
        BigInteger whole = exact.toBigInteger();
        if (type == BigInteger.class) {
            return whole;
        }
        boolean small = type == int.class || type == Integer.class;
        boolean tiny = type == short.class || type == Short.class;
        boolean octet = type == byte.class || type == Byte.class;
        int bits = small ? 32 : tiny ? 16 : octet ? 8 : 64;
        if (whole.bitLength() >= bits) {
            throw new IllegalArgumentException("Numeric value (" + text + ") out of range of " + type.getSimpleName());
        }
        if (small) {
            return whole.intValue();
        }
        if (tiny) {
            return whole.shortValue();
        }
        if (octet) {
            return whole.byteValue();
        }
        return type == long.class || type == Long.class ? (Object) whole.longValue() : null;
    }

    private static Object constant(Object value, Class<?> type) {
        Object[] constants = type.getEnumConstants();
        if (value instanceof Integer) {
            int ordinal = (Integer) value;
            return ordinal >= 0 && ordinal < constants.length ? constants[ordinal] : null;
        }
        for (Object constant : constants) {
            if (((Enum<?>) constant).name().equals(value)) {
                return constant;
            }
        }
        return null;
    }

    private static Object ofText(String text, Class<?> type) throws ReflectiveOperationException {
        if (type == byte[].class) {
            return Base64.getDecoder().decode(text);
        }
        if (type == ByteBuffer.class) {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text));
        }
        if (type == Date.class || type == Calendar.class) {
            return date(Date.from(instant(text)), type);
        }
        if (type == Class.class) {
            return Class.forName(text, false, Thread.currentThread().getContextClassLoader());
        }
        // Most types that are written as text can make themselves of it: UUID, URI, the times, Joda's DateTime.
        for (String name : new String[] {"fromString", "parse", "valueOf", "of", "forLanguageTag", "getTimeZone", "compile"}) {
            for (Class<?> parameter : new Class<?>[] {String.class, CharSequence.class}) {
                try {
                    Method method = type.getMethod(name, parameter);
                    if (Modifier.isStatic(method.getModifiers()) && type.isAssignableFrom(method.getReturnType())) {
                        return call(method, text);
                    }
                } catch (NoSuchMethodException e) {
                    // The next name.
                }
            }
        }
        try {
            return call(type.getConstructor(String.class), text);
        } catch (NoSuchMethodException e) {
            throw Reader.mismatch(text, type);
        }
    }

    private static Object call(Executable maker, String text) throws ReflectiveOperationException {
        return maker instanceof Method ? ((Method) maker).invoke(null, text) : ((Constructor<?>) maker).newInstance(text);
    }

    // Dates ---------------------------------------------------------------------------------------------------------

    private static Instant instant(String text) {
        try {
            return OffsetDateTime.parse(text.replaceFirst("([+-]\\d\\d)(\\d\\d)$", "$1:$2")).toInstant();
        } catch (DateTimeParseException e) {
            if (text.matches("-?\\d+")) {
                return Instant.ofEpochMilli(Long.parseLong(text));
            }
            boolean hasTime = text.indexOf('T') > 0;
            return (hasTime ? LocalDateTime.parse(text) : LocalDate.parse(text).atStartOfDay()).toInstant(ZoneOffset.UTC);
        }
    }

    private static Object date(Date date, Class<?> type) {
        if (type == Date.class) {
            return date;
        }
        Calendar calendar = Calendar.getInstance();
        calendar.setTime(date);
        return calendar;
    }

    /** Milliseconds for Date and Calendar, seconds for the types of java.time. */
    private static Object dateOfNumber(Number value, Class<?> type) {
        if (type == Date.class || type == Calendar.class) {
            return date(new Date(value.longValue()), type);
        }
        BigDecimal seconds = new BigDecimal(value.toString());
        long whole = seconds.toBigInteger().longValue();
        Instant instant = Instant.ofEpochSecond(whole, seconds.subtract(BigDecimal.valueOf(whole)).movePointRight(9).longValue());
        if (type == Instant.class) {
            return instant;
        }
        if (type == OffsetDateTime.class) {
            return instant.atOffset(ZoneOffset.UTC);
        }
        if (type == ZonedDateTime.class) {
            return instant.atZone(ZoneOffset.UTC);
        }
        throw Reader.mismatch(value, type);
    }

    /** As dates without a zone are written: year, month, day, hour, minute, second, nanosecond. */
    static Object dateOfNumbers(List<?> value, Class<?> type) {
        int[] parts = new int[7];
        for (int i = 0; i < Math.min(parts.length, value.size()); i++) {
            if (!(value.get(i) instanceof Integer)) {
                throw Reader.mismatch(value, type);
            }
            parts[i] = (Integer) value.get(i);
        }
        if (type == LocalDate.class) {
            return LocalDate.of(parts[0], parts[1], parts[2]);
        }
        if (type == LocalDateTime.class) {
            return LocalDateTime.of(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]);
        }
        throw Reader.mismatch(value, type);
    }
}
