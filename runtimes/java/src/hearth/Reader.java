package hearth;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.ArrayDeque;
import java.util.ArrayList;
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
            return ((List<?>) value).isEmpty() ? Beans.nothing(type) : Scalars.dateOfNumbers((List<?>) value, type);
        }
        return Scalars.of(value, type);
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

    static IllegalArgumentException mismatch(Object value, Class<?> type) {
        String what = value instanceof Map ? "an object" : value instanceof List ? "an array" : "'" + value + "'";
        return new IllegalArgumentException("Can not deserialize instance of " + type.getName() + " out of " + what);
    }
}
