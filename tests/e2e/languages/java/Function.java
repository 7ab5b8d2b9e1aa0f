import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Arrays;
import java.util.Map;

public class Function implements RequestHandler<Map<String, Object>, Object> {
    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        switch ((String) event.get("do")) {
            case "echo":
                return event;
            case "environment":
                return System.getenv();
            case "error":
                throw new RuntimeException("as asked");
            case "exit":
                System.exit(7);
                return null;
            case "sleep":
                try {
                    Thread.sleep(60_000);
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                return null;
            case "big":
                char[] big = new char[(Integer) event.get("bytes")];
                Arrays.fill(big, 'x');
                return new String(big);
            default:
                System.out.println("first line");
                context.getLogger().log("second line é");
                return null;
        }
    }
}
