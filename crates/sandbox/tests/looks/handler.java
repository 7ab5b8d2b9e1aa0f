package app;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.BufferedReader;
import java.io.File;
import java.io.FileReader;
import java.io.InputStreamReader;
import java.io.Reader;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TimeZone;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.zip.CRC32;

/** What a Java function sees of itself. */
public class handler implements RequestHandler<Object, Object> {
    @Override
    public Object handleRequest(Object event, Context context) {
        try {
            return look(context);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static Object look(Context context) throws Exception {
        Map<String, Object> seen = new TreeMap<>();
        seen.put("environ", new TreeMap<>(System.getenv()));
        seen.put("getenv", System.getenv("MINE") + System.getenv("EMPTY") + System.getenv("_HEARTH_PREPARED"));
        seen.put("proc environ", Arrays.asList(text("/proc/self/environ").split("\0")));
        seen.put("child environ", run("/usr/bin/env"));
        seen.put("child cwd", run("/bin/pwd"));
        seen.put("command line", text("/proc/self/cmdline"));
        seen.put("proc cwd", Files.readSymbolicLink(Paths.get("/proc/self/cwd")).toString());
        seen.put("here", names("."));
        seen.put("relative", new File("libtask.so").length());
        seen.put("absolute", new File("libtask.so").getAbsolutePath());
        Map<Object, Object> properties = new TreeMap<>(System.getProperties());
        seen.put("properties", properties);
        seen.put("arguments", ManagementFactory.getRuntimeMXBean().getInputArguments());
        List<String> collectors = new ArrayList<>();
        for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
            collectors.add(collector.getName());
        }
        seen.put("collectors", collectors);
        seen.put("heap", Runtime.getRuntime().maxMemory());
        seen.put("processors", Runtime.getRuntime().availableProcessors());
        // By name: a process reaper lives on for a while after each child.
        Set<String> names = new TreeSet<>();
        Thread.getAllStackTraces().keySet().forEach(thread -> names.add(thread.getName()));
        seen.put("threads", new ArrayList<>(names));
        seen.put("loader", Thread.currentThread().getContextClassLoader().getClass().getName());
        seen.put("thread", Thread.currentThread().getName());
        seen.put("fds", links());
        seen.put("limits", text("/proc/self/limits"));
        List<String> mounts = new ArrayList<>();
        for (String line : lines("/proc/self/mountinfo")) {
            String[] sides = line.split(" - ");
            String[] kind = sides[1].split(" ");
            String[] place = sides[0].split(" ");
            mounts.add(place[3] + " " + place[4] + " " + place[5] + " " + kind[0] + (kind[0].equals("ext4") ? "" : kind[1]));
        }
        Collections.sort(mounts);
        seen.put("mounts", mounts);
        List<String> status = new ArrayList<>();
        for (String line : lines("/proc/self/status")) {
            if (line.matches("(Cap|NoNew|Seccomp|Sig|Shd|Groups|Uid|Gid|Umask).*")) {
                status.add(line);
            }
        }
        seen.put("status", status);
        // Java's library for archives comes with the first archive that is read: who waited has had one in hand, and this
        // function is in none.
        new CRC32().update(0);
        TreeSet<String> files = new TreeSet<>();
        for (String line : lines("/proc/self/maps")) {
            if (line.contains("/")) {
                files.add(line.substring(line.indexOf('/')));
            }
        }
        seen.put("files", files);
        seen.put("tmp", names("/tmp"));
        seen.put("meminfo", lines("/proc/meminfo").get(0));
        seen.put("oom", text("/proc/self/oom_score_adj"));
        seen.put("pid", Files.readSymbolicLink(Paths.get("/proc/self")).toString());
        seen.put("zone", TimeZone.getDefault().getID());
        seen.put("locale", Locale.getDefault().toString() + Charset.defaultCharset());
        seen.put("name", context.getFunctionName());
        seen.put("memory", context.getMemoryLimitInMB());
        return seen;
    }

    private static List<String> links() throws Exception {
        List<String> links = new ArrayList<>();
        for (File descriptor : new File("/proc/self/fd").listFiles()) {
            try {
                String target = Files.readSymbolicLink(descriptor.toPath()).toString();
                links.add(target.replaceAll("[0-9]+", "N"));
            } catch (java.nio.file.NoSuchFileException e) {
                // The one of the listing.
            }
        }
        Collections.sort(links);
        return links;
    }

    private static List<String> names(String directory) {
        String[] names = new File(directory).list();
        Arrays.sort(names);
        return Arrays.asList(names);
    }

    private static List<String> run(String program) throws Exception {
        Process process = new ProcessBuilder(program).start();
        List<String> lines = new ArrayList<>();
        try (BufferedReader output = new BufferedReader(new InputStreamReader(process.getInputStream(), "UTF-8"))) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                lines.add(line);
            }
        }
        Collections.sort(lines);
        return lines;
    }

    private static List<String> lines(String path) throws Exception {
        return Arrays.asList(text(path).split("\n"));
    }

    private static String text(String path) throws Exception {
        StringBuilder text = new StringBuilder();
        try (Reader file = new FileReader(path)) {
            for (int c = file.read(); c >= 0; c = file.read()) {
                text.append((char) c);
            }
        }
        return text.toString();
    }
}
