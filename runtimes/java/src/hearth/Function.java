package hearth;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.Optional;
import java.util.ServiceLoader;

import static java.nio.charset.StandardCharsets.UTF_8;

/** A function's handler: CLASS, which implements one of the two interfaces, or CLASS::METHOD. */
final class Function {
    /** Takes an event and gives the answer, both JSON. */
    private interface Call {
        byte[] invoke(byte[] event, Context context) throws Throwable;
    }

    /** The function's own way from and to JSON, or null. */
    private static CustomPojoSerializer serializer;

    private final Call call;

    private Function(Call call) {
        this.call = call;
    }

    byte[] invoke(byte[] event, Context context) throws Throwable {
        return call.invoke(event, context);
    }

    /** A handler that cannot be had is told to each caller; what fails while it is made ends the process. */
    static Function load(String handler, ClassLoader loader) throws Throwable {
        int colons = handler.lastIndexOf("::");
        String name = colons < 0 ? handler : handler.substring(0, colons);
        String method = colons < 0 ? null : handler.substring(colons + 2);
        if (name.isEmpty() || method != null && method.isEmpty()) {
            return failing(Failure.found("Invalid handler: `" + handler + "'", null));
        }
        Class<?> type;
        try {
            type = Class.forName(name, true, loader);
        } catch (ClassNotFoundException e) {
            return failing(Failure.found("Class not found: " + name, ClassNotFoundException.class));
        } catch (ExceptionInInitializerError e) {
            throw e.getCause() == null ? e : e.getCause();
        }
        serializer = ownSerializer(loader);
        try {
            return new Function(method == null ? ofInterface(type) : ofMethod(type, method));
        } catch (Failure e) {
            return failing(e);
        }
    }

    private static Function failing(Failure failure) {
        return new Function((event, context) -> {
            throw failure;
        });
    }

    private static CustomPojoSerializer ownSerializer(ClassLoader loader) {
        Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        CustomPojoSerializer first = found.hasNext() ? found.next() : null;
        if (first != null && found.hasNext()) {
            throw new IllegalStateException("Too many serializers provided inside the META-INF/services folder, only one is allowed");
        }
        return first;
    }

    // Interfaces ----------------------------------------------------------------------------------------------------

    private static Call ofInterface(Class<?> type) throws Throwable {
        if (RequestStreamHandler.class.isAssignableFrom(type)) {
            RequestStreamHandler handler = (RequestStreamHandler) make(type);
            return (event, context) -> {
                ByteArrayOutputStream answer = new ByteArrayOutputStream();
                handler.handleRequest(new ByteArrayInputStream(event), answer, context);
                return answer.toByteArray();
            };
        }
        if (!RequestHandler.class.isAssignableFrom(type)) {
            throw Failure.found("Class does not implement an appropriate handler interface: " + type.getName(), null);
        }
        Type[] types = argumentsOf(type, RequestHandler.class);
        if (types == null) {
            throw Failure.found("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters", null);
        }
        @SuppressWarnings("unchecked")
        RequestHandler<Object, Object> handler = (RequestHandler<Object, Object>) make(type);
        return (event, context) -> toJson(handler.handleRequest(fromJson(event, types[0]), context), types[1]);
    }

    /** What a class says the type parameters of an interface are, itself or through a class or interface above it. */
    private static Type[] argumentsOf(Type type, Class<?> wanted) {
        Class<?> raw = type instanceof ParameterizedType ? (Class<?>) ((ParameterizedType) type).getRawType() : (Class<?>) type;
        if (raw == wanted) {
            return type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : null;
        }
        Type[] above = Arrays.copyOf(raw.getGenericInterfaces(), raw.getGenericInterfaces().length + 1);
        above[above.length - 1] = raw.getGenericSuperclass();
        for (Type parent : above) {
            Type[] found = parent == null ? null : argumentsOf(parent, wanted);
            if (found != null) {
                Type[] own = type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : new Type[0];
                return Arrays.stream(found).map(argument -> bound(argument, raw.getTypeParameters(), own)).toArray(Type[]::new);
            }
        }
        return null;
    }

    private static Type bound(Type argument, TypeVariable<?>[] names, Type[] values) {
        int at = Arrays.asList(names).indexOf(argument);
        return at >= 0 && at < values.length ? values[at] : argument;
    }

    // Methods -------------------------------------------------------------------------------------------------------

    /** Source: Lambda developer guide, on overloaded handlers: the longest wins, and one that ends with a context. */
    private static Call ofMethod(Class<?> type, String name) throws Throwable {
        Optional<Method> found = Arrays.stream(type.getMethods())
                .filter(method -> method.getName().equals(name) && fits(method.getParameterTypes()))
                .min(Comparator.comparing(Method::isBridge).thenComparing(method -> -weight(method)).thenComparing(Method::toString));
        if (!found.isPresent()) {
            throw Failure.found("No public method named " + name + " with appropriate method signature found on class "
                    + type.getName(), NoSuchMethodException.class);
        }
        Method method = found.get();
        if (name.equals("handleRequest") && method.getParameterCount() == 2 && RequestHandler.class.isAssignableFrom(type)
                && argumentsOf(type, RequestHandler.class) != null) {
            // The method itself may not say which types it is for.
            return ofInterface(type);
        }
        Object target = Modifier.isStatic(method.getModifiers()) ? null : make(type);
        method.setAccessible(true);
        return (event, context) -> call(method, target, event, context);
    }

    private static int weight(Method method) {
        Class<?>[] types = method.getParameterTypes();
        return types.length + (types.length > 0 && types[types.length - 1] == Context.class ? 1 : 0);
    }

    /** (), (event), (context), (event, context), and streams in place of the event, the output after the input. */
    private static boolean fits(Class<?>[] types) {
        int length = types.length;
        if (length > 0 && types[length - 1] == Context.class) {
            length--;
        }
        boolean streams = length == 2 && types[0] == InputStream.class && types[1] == OutputStream.class;
        return length == 0 || length == 1 && types[0] != Context.class || streams;
    }

    private static byte[] call(Method method, Object target, byte[] event, Context context) throws Throwable {
        Class<?>[] types = method.getParameterTypes();
        Object[] arguments = new Object[types.length];
        ByteArrayOutputStream answer = null;
        boolean streams = false;
        for (int i = 0; i < types.length; i++) {
            if (types[i] == Context.class) {
                arguments[i] = context;
            } else if (types[i] == InputStream.class) {
                arguments[i] = new ByteArrayInputStream(event);
                streams = true;
            } else if (types[i] == OutputStream.class) {
                arguments[i] = answer = new ByteArrayOutputStream();
            } else {
                arguments[i] = fromJson(event, method.getGenericParameterTypes()[i]);
            }
        }
        Object result;
        try {
            result = method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
        if (answer != null) {
            return answer.toByteArray();
        }
        boolean isVoid = method.getReturnType() == void.class || method.getReturnType() == Void.class;
        return isVoid ? "null".getBytes(UTF_8) : toJson(result, method.getGenericReturnType());
    }

    private static Object make(Class<?> type) throws Throwable {
        try {
            return type.getConstructor().newInstance();
        } catch (NoSuchMethodException e) {
            boolean inner = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers());
            throw Failure.found("Class " + type.getName() + (inner ? " cannot be instantiated because it is a non-static inner class"
                    : " has no public zero-argument constructor"), Exception.class);
        } catch (InstantiationException | IllegalAccessException e) {
            throw Failure.found(e.toString(), e.getClass());
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    // JSON ----------------------------------------------------------------------------------------------------------

    private static Object fromJson(byte[] event, Type type) {
        if (serializer != null) {
            return serializer.fromJson(new ByteArrayInputStream(event), type);
        }
        try {
            return Reader.read(Json.parse(new String(event, UTF_8)), type);
        } catch (InvocationTargetException e) {
            throw new RuntimeException("An error occurred during JSON parsing", e.getCause());
        } catch (ReflectiveOperationException | RuntimeException e) {
            throw new RuntimeException("An error occurred during JSON parsing", e);
        }
    }

    private static byte[] toJson(Object value, Type type) {
        if (serializer != null) {
            ByteArrayOutputStream answer = new ByteArrayOutputStream();
            serializer.toJson(value, answer, type);
            return answer.toByteArray();
        }
        try {
            return Writer.write(value).getBytes(UTF_8);
        } catch (InvocationTargetException e) {
            throw new RuntimeException("An error occurred during JSON serialization of response", e.getCause());
        } catch (ReflectiveOperationException | RuntimeException e) {
            throw new RuntimeException("An error occurred during JSON serialization of response", e);
        }
    }
}
