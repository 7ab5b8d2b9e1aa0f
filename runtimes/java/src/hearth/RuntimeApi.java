package hearth;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

import static java.nio.charset.StandardCharsets.UTF_8;

/** The Lambda Runtime API over a bare socket; java.net's HTTP clients take longer to load than everything else here. */
final class RuntimeApi {
    private static final String RUNTIME = "/2018-06-01/runtime/";
    private static final byte[] NEXT = ("GET " + RUNTIME + "invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n").getBytes(UTF_8);
    private static final byte[] ASSIGNMENT = "GET /2018-06-01/hearth/assignment HTTP/1.1\r\nHost: runtime\r\n\r\n".getBytes(UTF_8);
    private static final int READ_BYTES = 65536;

    private final InputStream in;
    private final OutputStream out;

    /** Status, headers by lower-case name, body. */
    static final class Reply {
        final int status;
        final Map<String, String> headers;
        final byte[] body;

        Reply(int status, Map<String, String> headers, byte[] body) {
            this.status = status;
            this.headers = headers;
            this.body = body;
        }
    }

    RuntimeApi(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        Socket socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        in = new BufferedInputStream(socket.getInputStream(), READ_BYTES);
        out = socket.getOutputStream();
    }

    /** One that is not there: what it says stands in {@code in}. */
    RuntimeApi(InputStream in, OutputStream out) {
        this.in = in;
        this.out = out;
    }

    /** Waits, started ahead of need, until this process is given a function. */
    void awaitAssignment() throws IOException {
        out.write(ASSIGNMENT);
        Reply reply = reply();
        if (reply.status != 200) {
            throw new IOException("the Runtime API gave no assignment: " + reply.status);
        }
    }

    /** Asks for an event. */
    void ask() throws IOException {
        out.write(NEXT);
    }

    /**
     * Sends an answer and, if wanted, asks for the next event in the same packet. A refused answer (too large, too late) is
     * the platform's to report; this process goes on.
     */
    void answer(String path, String headers, byte[] body, boolean ask) throws IOException {
        String head = "POST " + RUNTIME + path + " HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n" + headers
                + "Content-Length: " + body.length + "\r\n\r\n";
        ByteArrayOutputStream packet = new ByteArrayOutputStream(head.length() + body.length + NEXT.length);
        byte[] start = head.getBytes(UTF_8);
        packet.write(start, 0, start.length);
        packet.write(body, 0, body.length);
        if (ask) {
            packet.write(NEXT, 0, NEXT.length);
        }
        packet.writeTo(out);
        reply();
    }

    Reply reply() throws IOException {
        String start = line();
        Map<String, String> headers = new HashMap<>();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(": ");
            headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 2));
        }
        byte[] body = new byte[Integer.parseInt(headers.getOrDefault("content-length", "0"))];
        for (int have = 0; have < body.length; ) {
            int count = in.read(body, have, body.length - have);
            if (count < 0) {
                throw closed();
            }
            have += count;
        }
        return new Reply(Integer.parseInt(start.substring(9, 12)), headers, body);
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(128);
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw closed();
            }
            if (c != '\r') {
                line.write(c);
            }
        }
        return line.toString("UTF-8");
    }

    private static EOFException closed() {
        return new EOFException("the Runtime API closed the connection");
    }
}
