package hearth;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
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
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Calendar;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * From plain JSON values to objects of the types a handler asks for. Forgiving where the managed runtimes are: unknown
 * properties and names of enumerations are passed over, a single value stands for a list of one, text for a number.
 */
final class Reader {
    /** What type variables stand for. */
    private final Map<TypeVariable<?>, Type> variables;

    private Reader(Map<TypeVariable<?>, Type> variables) {
        this.variables = variables;
    }

    static Object read(Object value, Type type) throws ReflectiveOperationException {
        return new Reader(Collections.emptyMap()).to(value, type);
    }

    private Object to(Object value, Type type) throws ReflectiveOperationException {
        if (type instanceof Class) {
            Class<?> raw = (Class<?>) type;
            return raw.isArray() && raw != byte[].class ? array(value, raw.getComponentType()) : toClass(value, raw, new Type[0]);
        }
        if (type instanceof ParameterizedType) {
            ParameterizedType parameterized = (ParameterizedType) type;
            return toClass(value, (Class<?>) parameterized.getRawType(), parameterized.getActualTypeArguments());
        }
        if (type instanceof WildcardType) {
            return to(value, ((WildcardType) type).getUpperBounds()[0]);
        }
        if (type instanceof GenericArrayType) {
            return array(value, ((GenericArrayType) type).getGenericComponentType());
        }
        TypeVariable<?> variable = (TypeVariable<?>) type;
        Type bound = variables.get(variable);
        return to(value, bound == null || bound == variable ? variable.getBounds()[0] : bound);
    }

    private Object toClass(Object value, Class<?> type, Type[] arguments) throws ReflectiveOperationException {
        if (type == Optional.class) {
            return Optional.ofNullable(to(value, argument(arguments, 0)));
        }
        if (value == null) {
            return Beans.nothing(type);
        }
        if (type == Object.class || type == java.io.Serializable.class) {
            return value;
        }
        if (Map.class.isAssignableFrom(type)) {
            return map(value, type, arguments);
        }
        if (Collection.class.isAssignableFrom(type) || type == Iterable.class) {
            return collection(value, type, argument(arguments, 0));
        }
        if (value instanceof List && ((List<?>) value).size() == 1) {
            return toClass(((List<?>) value).get(0), type, arguments);
        }
        if (value instanceof Map) {
            return bean((Map<?, ?>) value, type, arguments);
        }
        if (value instanceof List) {
            return ((List<?>) value).isEmpty() ? Beans.nothing(type) : dateOfNumbers((List<?>) value, type);
        }
        return scalar(value, type);
    }

    // Text, numbers and what is made of them ------------------------------------------------------------------------

    private static Object scalar(Object value, Class<?> type) throws ReflectiveOperationException {
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
        throw mismatch(value, type);
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
                throw mismatch(value, type);
        }
    }

    private static Object number(Object value, String text, Class<?> type) {
        if (type == char.class || type == Character.class) {
            return value instanceof Number ? (Object) (char) ((Number) value).intValue() : (Object) text.charAt(0);
        }
        if (value instanceof Boolean) {
            throw mismatch(value, type);
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
            throw mismatch(value, type);
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
            throw mismatch(text, type);
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
        throw mismatch(value, type);
    }

    /** As dates without a zone are written: year, month, day, hour, minute, second, nanosecond. */
    private static Object dateOfNumbers(List<?> value, Class<?> type) {
        int[] parts = new int[7];
        for (int i = 0; i < Math.min(parts.length, value.size()); i++) {
            if (!(value.get(i) instanceof Integer)) {
                throw mismatch(value, type);
            }
            parts[i] = (Integer) value.get(i);
        }
        if (type == LocalDate.class) {
            return LocalDate.of(parts[0], parts[1], parts[2]);
        }
        if (type == LocalDateTime.class) {
            return LocalDateTime.of(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]);
        }
        throw mismatch(value, type);
    }

    // What holds other values ---------------------------------------------------------------------------------------

    private Object array(Object value, Type element) throws ReflectiveOperationException {
        if (value == null) {
            return null;
        }
        List<?> values = listOf(value);
        Object array = Array.newInstance(raw(element), values.size());
        for (int i = 0; i < values.size(); i++) {
            Array.set(array, i, to(values.get(i), element));
        }
        return array;
    }

    private Object collection(Object value, Class<?> type, Type element) throws ReflectiveOperationException {
        if ("".equals(value)) {
            return null;
        }
        Collection<Object> collection = emptyCollection(type);
        for (Object item : listOf(value)) {
            collection.add(to(item, element));
        }
        return collection;
    }

    @SuppressWarnings("unchecked")
    private static Collection<Object> emptyCollection(Class<?> type) throws ReflectiveOperationException {
        if (!type.isInterface() && !Modifier.isAbstract(type.getModifiers())) {
            return (Collection<Object>) type.getConstructor().newInstance();
        }
        if (SortedSet.class.isAssignableFrom(type)) {
            return new TreeSet<>();
        }
        if (Set.class.isAssignableFrom(type)) {
            return new LinkedHashSet<>();
        }
        return Queue.class.isAssignableFrom(type) ? new ArrayDeque<>() : new ArrayList<>();
    }

    @SuppressWarnings("unchecked")
    private Object map(Object value, Class<?> type, Type[] arguments) throws ReflectiveOperationException {
        if ("".equals(value)) {
            return null;
        }
        if (!(value instanceof Map)) {
            throw mismatch(value, type);
        }
        Map<Object, Object> map;
        if (!type.isInterface() && !Modifier.isAbstract(type.getModifiers())) {
            map = (Map<Object, Object>) type.getConstructor().newInstance();
        } else if (SortedMap.class.isAssignableFrom(type)) {
            map = new TreeMap<>();
        } else {
            map = java.util.concurrent.ConcurrentMap.class == type ? new java.util.concurrent.ConcurrentHashMap<>() : new LinkedHashMap<>();
        }
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
            map.put(to(entry.getKey(), argument(arguments, 0)), to(entry.getValue(), argument(arguments, 1)));
        }
        return map;
    }

    private Object bean(Map<?, ?> value, Class<?> type, Type[] arguments) throws ReflectiveOperationException {
        if (type == String.class || type.isPrimitive() || Number.class.isAssignableFrom(type) || type.isEnum() || type == Boolean.class) {
            throw mismatch(value, type);
        }
        Reader reader = new Reader(bindings(type, arguments));
        Beans bean = Beans.of(type);
        if (!bean.components.isEmpty()) {
            Object[] parts = new Object[bean.components.size()];
            for (int i = 0; i < parts.length; i++) {
                Method component = bean.components.get(i);
                parts[i] = reader.to(value.get(component.getName()), component.getGenericReturnType());
            }
            return bean.make(parts);
        }
        if (type.isInterface() || Modifier.isAbstract(type.getModifiers())) {
            throw new IllegalArgumentException("Can not construct instance of " + type.getName() + ": it is abstract");
        }
        Object made = bean.make();
        for (Map.Entry<?, ?> entry : value.entrySet()) {
            Beans.Property property = bean.property((String) entry.getKey());
            if (property != null) {
                property.setter.set(made, reader.to(inSeconds(entry.getValue(), property.type, bean), property.type));
            }
        }
        return made;
    }

    /** AWS's events tell time in seconds. */
    private static Object inSeconds(Object value, Type type, Beans bean) {
        if (bean.isEvent && type == Date.class && value instanceof Number) {
            return Math.round(((Number) value).doubleValue() * 1000);
        }
        return value;
    }

    /** What the variables of a class and of those above it stand for. */
    private Map<TypeVariable<?>, Type> bindings(Class<?> type, Type[] arguments) {
        Map<TypeVariable<?>, Type> bindings = new HashMap<>();
        TypeVariable<?>[] names = type.getTypeParameters();
        for (int i = 0; i < names.length && i < arguments.length; i++) {
            bindings.put(names[i], arguments[i] instanceof TypeVariable ? variables.get(arguments[i]) : arguments[i]);
        }
        for (Class<?> owner = type; owner.getGenericSuperclass() instanceof ParameterizedType; owner = owner.getSuperclass()) {
            ParameterizedType above = (ParameterizedType) owner.getGenericSuperclass();
            TypeVariable<?>[] theirs = owner.getSuperclass().getTypeParameters();
            for (int i = 0; i < theirs.length; i++) {
                Type argument = above.getActualTypeArguments()[i];
                bindings.put(theirs[i], argument instanceof TypeVariable ? bindings.get(argument) : argument);
            }
        }
        bindings.values().removeIf(bound -> bound == null);
        return bindings;
    }

    private Class<?> raw(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        if (type instanceof ParameterizedType) {
            return (Class<?>) ((ParameterizedType) type).getRawType();
        }
        if (type instanceof TypeVariable) {
            Type bound = variables.get(type);
            return raw(bound == null ? ((TypeVariable<?>) type).getBounds()[0] : bound);
        }
        return type instanceof WildcardType ? raw(((WildcardType) type).getUpperBounds()[0]) : Object[].class;
    }

    private static Type argument(Type[] arguments, int index) {
        return index < arguments.length ? arguments[index] : Object.class;
    }

    private static List<?> listOf(Object value) {
        return value instanceof List ? (List<?>) value : Collections.singletonList(value);
    }

    private static IllegalArgumentException mismatch(Object value, Class<?> type) {
        String what = value instanceof Map ? "an object" : value instanceof List ? "an array" : "'" + value + "'";
        return new IllegalArgumentException("Can not deserialize instance of " + type.getName() + " out of " + what);
    }
}
