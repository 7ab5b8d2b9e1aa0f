package hearth;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What a class looks like as JSON. Properties are what public getters, setters of any visibility and public fields name,
 * by the rules of JavaBeans, as the managed runtimes have it; AWS's event classes are read by their fields, too, for their
 * names and those of the JSON differ in more than one way.
 */
final class Beans {
    private static final String EVENTS = "com.amazonaws.services.lambda.runtime.events.";
    private static final Map<Class<?>, Beans> KNOWN = new ConcurrentHashMap<>();

    /** Gives the value of a property. */
    interface Getter {
        Object get(Object bean) throws ReflectiveOperationException;
    }

    /** Takes the value of a property. */
    interface Setter {
        void set(Object bean, Object value) throws ReflectiveOperationException;
    }

    static final class Property {
        final Type type;
        final Setter setter;

        Property(Type type, Setter setter) {
            this.type = type;
            this.setter = setter;
        }
    }

    final Class<?> type;
    final boolean isEvent;
    /** In the order they are written in. */
    final Map<String, Getter> getters = new LinkedHashMap<>();
    private final Map<String, Property> properties = new HashMap<>();
    /** Of a record: its components, which are the arguments of its constructor. */
    final List<Method> components = new ArrayList<>();

    static Beans of(Class<?> type) {
        return KNOWN.computeIfAbsent(type, Beans::new);
    }

    private Beans(Class<?> type) {
        this.type = type;
        isEvent = type.getName().startsWith(EVENTS);
        findComponents();
        List<Field> fields = fields();
        // The order of the fields is that of the properties.
        for (Field field : fields) {
            getters.put(field.getName(), null);
        }
        findGetters();
        findSetters();
        for (Field field : fields) {
            boolean isPublic = Modifier.isPublic(field.getModifiers());
            if (isPublic || isEvent) {
                open(field);
                if (isPublic && getters.get(field.getName()) == null) {
                    getters.put(field.getName(), field::get);
                }
                properties.putIfAbsent(key(field.getName()), new Property(field.getGenericType(), field::set));
            }
        }
        getters.values().removeIf(getter -> getter == null);
    }

    Property property(String name) {
        return properties.get(key(name));
    }

    /** By what name a property is found: AWS's events write theirs in several ways ("Records", "detail-type"). */
    private String key(String name) {
        if (!isEvent) {
            return name;
        }
        StringBuilder key = new StringBuilder();
        name.chars().filter(Character::isLetterOrDigit).map(Character::toLowerCase).forEach(c -> key.append((char) c));
        return key.toString();
    }

    /** Makes one without values. */
    Object make() throws ReflectiveOperationException {
        Constructor<?> constructor;
        try {
            constructor = type.getDeclaredConstructor();
        } catch (NoSuchMethodException e) {
            if (!isEvent || type.getDeclaredConstructors().length == 0) {
                throw new IllegalArgumentException(type.getName() + " has no constructor without arguments");
            }
            constructor = type.getDeclaredConstructors()[0];
        }
        constructor.setAccessible(true);
        Class<?>[] parameters = constructor.getParameterTypes();
        return constructor.newInstance(Arrays.stream(parameters).map(Beans::nothing).toArray());
    }

    Object make(Object[] arguments) throws ReflectiveOperationException {
        Class<?>[] types = components.stream().map(Method::getReturnType).toArray(Class<?>[]::new);
        Constructor<?> constructor = type.getDeclaredConstructor(types);
        constructor.setAccessible(true);
        return constructor.newInstance(arguments);
    }

    /** What a variable of this type holds that nothing was put into. */
    static Object nothing(Class<?> type) {
        return type.isPrimitive() ? java.lang.reflect.Array.get(java.lang.reflect.Array.newInstance(type, 1), 0) : null;
    }

    /** Records are younger than the Java this is compiled for. */
    private void findComponents() {
        try {
            if (!(Boolean) Class.class.getMethod("isRecord").invoke(type)) {
                return;
            }
            for (Object component : (Object[]) Class.class.getMethod("getRecordComponents").invoke(type)) {
                Method accessor = (Method) component.getClass().getMethod("getAccessor").invoke(component);
                open(accessor);
                components.add(accessor);
            }
        } catch (NoSuchMethodException e) {
            // No records in this Java.
        } catch (IllegalAccessException | InvocationTargetException e) {
            throw new IllegalStateException(e);
        }
    }

    private List<Field> fields() {
        List<Field> fields = new ArrayList<>();
        for (Class<?> owner = type; owner != null && owner != Object.class; owner = owner.getSuperclass()) {
            List<Field> own = new ArrayList<>();
            for (Field field : owner.getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers()) && !Modifier.isTransient(field.getModifiers()) && !field.isSynthetic()) {
                    own.add(field);
                }
            }
            // Those of the superclass come first.
            fields.addAll(0, own);
        }
        return fields;
    }

    private void findGetters() {
        for (Method component : components) {
            getters.put(component.getName(), component::invoke);
        }
        Method[] methods = type.getMethods();
        Arrays.sort(methods, Comparator.comparing(Method::getName));
        for (Method method : methods) {
            String name = getterName(method);
            if (name != null && !Modifier.isStatic(method.getModifiers()) && method.getDeclaringClass() != Object.class
                    && !method.isBridge()) {
                open(method);
                getters.put(name, method::invoke);
            }
        }
    }

    private String getterName(Method method) {
        if (method.getParameterCount() > 0 || method.getReturnType() == void.class) {
            return null;
        }
        String name = method.getName();
        if (name.startsWith("get") && name.length() > 3) {
            return decapitalize(name.substring(3));
        }
        boolean isTruth = method.getReturnType() == boolean.class || method.getReturnType() == Boolean.class;
        if (!isTruth || !name.startsWith("is") || name.length() == 2) {
            return null;
        }
        // "isBase64Encoded" is what the JSON says.
        return isEvent && getters.containsKey(name) ? name : decapitalize(name.substring(2));
    }

    private void findSetters() {
        for (Class<?> owner = type; owner != null && owner != Object.class; owner = owner.getSuperclass()) {
            Method[] methods = owner.getDeclaredMethods();
            Arrays.sort(methods, Comparator.comparing((Method method) -> rank(method)).thenComparing(Method::toString));
            for (Method method : methods) {
                String name = method.getName();
                if (name.startsWith("set") && name.length() > 3 && method.getParameterCount() == 1
                        && !Modifier.isStatic(method.getModifiers()) && !method.isBridge()) {
                    open(method);
                    Property property = new Property(method.getGenericParameterTypes()[0], method::invoke);
                    properties.putIfAbsent(key(decapitalize(name.substring(3))), property);
                }
            }
        }
    }

    /** Of several setters the one with the type of the getter counts, then one for text. */
    private int rank(Method setter) {
        if (setter.getParameterCount() != 1 || setter.getName().length() <= 3) {
            return 3;
        }
        Class<?> parameter = setter.getParameterTypes()[0];
        try {
            if (type.getMethod("get" + setter.getName().substring(3)).getReturnType() == parameter) {
                return 0;
            }
        } catch (NoSuchMethodException e) {
            // Written only.
        }
        return parameter == String.class ? 1 : 2;
    }

    /** Source: the JavaBeans specification, 8.8. */
    private static String decapitalize(String name) {
        boolean isAcronym = name.length() > 1 && Character.isUpperCase(name.charAt(0)) && Character.isUpperCase(name.charAt(1));
        return isAcronym ? name : Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    /** Of a public class in a module that opens nothing, public members are in reach as they are. */
    private static void open(java.lang.reflect.AccessibleObject member) {
        try {
            member.setAccessible(true);
        } catch (RuntimeException e) {
            // Found out when it is used.
        }
    }
}
