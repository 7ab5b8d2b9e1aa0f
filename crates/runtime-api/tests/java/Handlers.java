package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import com.amazonaws.services.lambda.runtime.events.OwnEvent;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Type;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Handlers of every kind, for java_bootstrap.rs. */
public class Handlers {
    public enum Colour {
        RED,
        GREEN
    }

    public static class Maps implements RequestHandler<Map<String, Object>, Map<String, Object>> {
        @Override
        public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
            return event;
        }
    }

    public static class Streams implements RequestStreamHandler {
        @Override
        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            copy(input, output);
        }
    }

    /** Says its types through a class above it. */
    public abstract static class Base<T> implements RequestHandler<T, T> {
        @Override
        public T handleRequest(T event, Context context) {
            return changed(event);
        }

        protected abstract T changed(T event);
    }

    public static class Above extends Base<Part> {
        @Override
        protected Part changed(Part part) {
            part.setCount(part.getCount() + 1);
            return part;
        }
    }

    public static class Failing implements RequestHandler<String, String> {
        @Override
        public String handleRequest(String event, Context context) {
            throw new RuntimeException(event, new IllegalStateException("below"));
        }
    }

    public static class Unborn implements RequestHandler<String, String> {
        public Unborn() {
            throw new UnsupportedOperationException("at start");
        }

        @Override
        public String handleRequest(String event, Context context) {
            return event;
        }
    }

    public static class NoClass implements RequestHandler<String, String> {
        static {
            fail();
        }

        private static void fail() {
            throw new UnsupportedOperationException("at start");
        }

        @Override
        public String handleRequest(String event, Context context) {
            return event;
        }
    }

    public String text(String event) {
        return event + "!";
    }

    public int number(Integer event, Context context) {
        return event + 1;
    }

    public static int list(List<Integer> event) {
        return event.stream().mapToInt(Integer::intValue).sum();
    }

    public void streams(InputStream input, OutputStream output) throws IOException {
        copy(input, output);
    }

    public String context(Context context) {
        return context.getFunctionName();
    }

    public void nothing() {}

    public String overloaded(String event) {
        return "event";
    }

    public String overloaded(String event, Context context) {
        return "event and context";
    }

    public Colour constant(Colour colour) {
        return colour;
    }

    public Bean bean(Bean bean) {
        return bean;
    }

    public Object event(OwnEvent event) {
        if (event.getRecords() == null) {
            return new OwnEvent.Answer();
        }
        OwnEvent.Record record = event.getRecords().get(0);
        return Arrays.asList(record.getEventSourceArn(), record.getSNS(), record.getDetailType(), record.getAt());
    }

    public Object wholeContext(Context context) {
        boolean hasClient = context.getClientContext() != null;
        return Arrays.asList(context.getFunctionName(), context.getFunctionVersion(), context.getMemoryLimitInMB(),
                context.getLogGroupName(), context.getLogStreamName(), context.getInvokedFunctionArn(),
                context.getAwsRequestId(), hasClient ? context.getClientContext().getClient().getAppTitle() : null,
                hasClient ? context.getClientContext().getCustom() : null,
                hasClient ? context.getClientContext().getEnvironment() : null, context.getIdentity(),
                context.getRemainingTimeInMillis() > 0, System.getProperty("com.amazonaws.xray.traceHeader"));
    }

    public Object endless() {
        Map<String, Object> map = new HashMap<>();
        map.put("self", map);
        return map;
    }

    public int deep(int event) {
        return deep(event + 1) + 1;
    }

    public void logs(Context context) {
        System.out.println("é out\nline");
        System.err.println("err");
        context.getLogger().log("record");
        LambdaRuntime.getLogger().log("careful", LogLevel.WARN);
    }

    private static void copy(InputStream input, OutputStream output) throws IOException {
        for (int octet = input.read(); octet >= 0; octet = input.read()) {
            output.write(octet);
        }
    }

    public static class Part {
        private String name;
        private int count;

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public int getCount() {
            return count;
        }

        public void setCount(int count) {
            this.count = count;
        }
    }

    public static class Generic<T> {
        private T value;

        public T getValue() {
            return value;
        }

        public void setValue(T value) {
            this.value = value;
        }
    }

    public static class Bean extends Part {
        private double price;
        private boolean open;
        private Colour colour;
        private Date when;
        private LocalDate day;
        private byte[] data;
        private UUID id;
        private String url;
        private List<Part> parts;
        private Map<String, Part> byKey;
        private Set<String> tags;
        private int[] numbers;
        private Generic<Part> generic;
        private Object free;
        private String hidden;
        private String nothing;
        public String shown;

        public double getPrice() {
            return price;
        }

        public void setPrice(double price) {
            this.price = price;
        }

        public boolean isOpen() {
            return open;
        }

        public void setOpen(boolean open) {
            this.open = open;
        }

        public Colour getColour() {
            return colour;
        }

        public void setColour(Colour colour) {
            this.colour = colour;
        }

        public Date getWhen() {
            return when;
        }

        public void setWhen(Date when) {
            this.when = when;
        }

        public LocalDate getDay() {
            return day;
        }

        public void setDay(LocalDate day) {
            this.day = day;
        }

        public byte[] getData() {
            return data;
        }

        public void setData(byte[] data) {
            this.data = data;
        }

        public UUID getId() {
            return id;
        }

        public void setId(UUID id) {
            this.id = id;
        }

        public String getURL() {
            return url;
        }

        public void setURL(String url) {
            this.url = url;
        }

        public List<Part> getParts() {
            return parts;
        }

        public void setParts(List<Part> parts) {
            this.parts = parts;
        }

        public Map<String, Part> getByKey() {
            return byKey;
        }

        public void setByKey(Map<String, Part> byKey) {
            this.byKey = byKey;
        }

        public Set<String> getTags() {
            return tags;
        }

        public void setTags(Set<String> tags) {
            this.tags = tags;
        }

        public int[] getNumbers() {
            return numbers;
        }

        public void setNumbers(int[] numbers) {
            this.numbers = numbers;
        }

        public Generic<Part> getGeneric() {
            return generic;
        }

        public void setGeneric(Generic<Part> generic) {
            this.generic = generic;
        }

        public Object getFree() {
            return free;
        }

        public void setFree(Object free) {
            this.free = free;
        }

        public String getNothing() {
            return nothing;
        }

        public void setNothing(String nothing) {
            this.nothing = nothing;
        }
    }

    /** A serializer that can be told from the usual one. */
    public static class Shouting implements CustomPojoSerializer {
        @Override
        @SuppressWarnings("unchecked")
        public <T> T fromJson(InputStream input, Type type) {
            try {
                ByteArrayOutputStream text = new ByteArrayOutputStream();
                copy(input, text);
                return fromJson(text.toString("UTF-8"), type);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        @SuppressWarnings("unchecked")
        public <T> T fromJson(String input, Type type) {
            return (T) input.toUpperCase();
        }

        @Override
        public <T> void toJson(T value, OutputStream output, Type type) {
            try {
                output.write(("<" + value + ">").getBytes("UTF-8"));
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
