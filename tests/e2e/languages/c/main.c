/* A custom runtime of nothing but the C library: HTTP by hand over a socket. Sizes are those of this test's events. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define RUNTIME "/2018-06-01/runtime/invocation/"
#define REPLY_BYTES 65536

extern char **environ;

static int runtime;

static void write_all(const char *data, size_t length) {
    while (length > 0) {
        ssize_t written = write(runtime, data, length);
        if (written <= 0) {
            exit(1);
        }
        data += written;
        length -= (size_t)written;
    }
}

/* Reads one reply; gives its body and, in `id`, the invocation. */
static char *reply(char *buffer, char *id) {
    size_t have = 0;
    char *end = NULL;
    size_t length = 0;
    while (end == NULL || have < (size_t)(end - buffer) + length) {
        ssize_t count = read(runtime, buffer + have, REPLY_BYTES - 1 - have);
        if (count <= 0) {
            exit(1);
        }
        have += (size_t)count;
        buffer[have] = '\0';
        end = strstr(buffer, "\r\n\r\n");
        if (end != NULL) {
            end += 4;
            const char *header = strcasestr(buffer, "\r\nContent-Length: ");
            length = header == NULL ? 0 : strtoul(header + 18, NULL, 10);
        }
    }
    const char *header = strcasestr(buffer, "\r\nLambda-Runtime-Aws-Request-Id: ");
    if (header != NULL) {
        sscanf(header + 33, "%63[^\r]", id);
    }
    return end;
}

static void answer(const char *id, const char *path, const char *body) {
    static char ignored[REPLY_BYTES];
    static char unused[64];
    char head[512];
    size_t length = strlen(body);
    int written = snprintf(head, sizeof head, "POST " RUNTIME "%s/%s HTTP/1.1\r\nHost: runtime\r\nContent-Length: %zu\r\n\r\n", id, path, length);
    write_all(head, (size_t)written);
    write_all(body, length);
    reply(ignored, unused);
}

static char *quoted(char *out, const char *text, size_t length) {
    *out++ = '"';
    for (size_t at = 0; at < length; at++) {
        if (text[at] == '"' || text[at] == '\\') {
            *out++ = '\\';
        }
        *out++ = text[at];
    }
    *out++ = '"';
    return out;
}

static void environment(const char *id) {
    static char body[REPLY_BYTES];
    char *out = body;
    for (char **variable = environ; *variable != NULL; variable++) {
        *out++ = variable == environ ? '{' : ',';
        size_t name = strcspn(*variable, "=");
        out = quoted(out, *variable, name);
        *out++ = ':';
        out = quoted(out, *variable + name + 1, strlen(*variable + name + 1));
    }
    *out++ = '}';
    *out = '\0';
    answer(id, "response", body);
}

static void big(const char *id, size_t bytes) {
    char *body = malloc(bytes + 3);
    memset(body, 'x', bytes + 2);
    body[0] = body[bytes + 1] = '"';
    body[bytes + 2] = '\0';
    answer(id, "response", body);
    free(body);
}

int main(void) {
    static char buffer[REPLY_BYTES];
    char id[64] = "";
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    unsigned port;
    if (sscanf(getenv("AWS_LAMBDA_RUNTIME_API"), "%63[^:]:%u", host, &port) != 2) {
        return 1;
    }
    address.sin_port = htons((unsigned short)port);
    inet_pton(AF_INET, host, &address.sin_addr);
    runtime = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(runtime, (struct sockaddr *)&address, sizeof address) != 0) {
        return 1;
    }
    for (;;) {
        static const char next[] = "GET " RUNTIME "next HTTP/1.1\r\nHost: runtime\r\n\r\n";
        write_all(next, sizeof next - 1);
        const char *event = reply(buffer, id);
        if (strstr(event, "\"environment\"") != NULL) {
            environment(id);
        } else if (strstr(event, "\"error\"") != NULL) {
            answer(id, "error", "{\"errorMessage\":\"as asked\",\"errorType\":\"Asked\"}");
        } else if (strstr(event, "\"exit\"") != NULL) {
            return 7;
        } else if (strstr(event, "\"sleep\"") != NULL) {
            sleep(60);
        } else if (strstr(event, "\"big\"") != NULL) {
            big(id, strtoul(strstr(event, "\"bytes\":") + 8, NULL, 10));
        } else if (strstr(event, "\"log\"") != NULL) {
            puts("first line\nsecond line é");
            fflush(stdout);
            answer(id, "response", "null");
        } else {
            answer(id, "response", event);
        }
    }
}
