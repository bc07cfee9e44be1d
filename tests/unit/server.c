/* SPDX-License-Identifier: MIT */
#include "tests/unit/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 128
#define REQUESTS_MAX    256

struct connection {
    struct server *server;
    pthread_t thread;
    int fd;
};

struct server {
    int fd;
    int stop[2]; /* a pipe: readable end of file once the server stops */
    unsigned port;
    server_answer answer;
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    struct connection connections[CONNECTIONS_MAX];
    size_t n_connections;
    char *requests[REQUESTS_MAX];
    size_t n_requests;
};

/* Waits until there is something to read; false once the server stops. */
static bool wait_readable(struct server *s, int fd)
{
    struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
                            { .fd = s->stop[0], .events = POLLIN } };
    if (poll(fds, 2, -1) < 0)
        return false;
    return fds[1].revents == 0;
}

static size_t body_length(const char *request)
{
    const char *header = strcasestr(request, "\r\ncontent-length:");
    return header != NULL ? (size_t)atol(header + strlen("\r\ncontent-length:")) : 0;
}

static bool read_request(struct server *s, int fd, struct strbuf *request)
{
    for (;;) {
        const char *end = strstr(request->buf, "\r\n\r\n");
        if (end != NULL &&
            request->len >= (size_t)(end + 4 - request->buf) + body_length(request->buf))
            return true;
        char chunk[65536];
        if (!wait_readable(s, fd))
            return false;
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n <= 0)
            return false;
        strbuf_add(request, chunk, (size_t)n);
    }
}

static void answer_request(struct server *s, const char *request, struct server_reply *reply)
{
    pthread_mutex_lock(&s->mutex);
    size_t n = s->n_requests;
    if (n < REQUESTS_MAX)
        s->requests[s->n_requests++] = xstrdup(request);
    s->answer(s->context, n, request, reply);
    pthread_mutex_unlock(&s->mutex);
}

static void send_all(int fd, const struct strbuf *data)
{
    size_t sent = 0;
    while (sent < data->len) {
        ssize_t n = send(fd, data->buf + sent, data->len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

static void *serve_connection(void *context)
{
    struct connection *c = context;
    bool open = true;
    while (open) {
        _cleanup_strbuf_ struct strbuf request = STRBUF_INIT;
        if (!read_request(c->server, c->fd, &request))
            break;
        struct server_reply reply = { .raw = STRBUF_INIT };
        answer_request(c->server, request.buf, &reply);
        send_all(c->fd, &reply.raw);
        strbuf_release(&reply.raw);
        if (reply.stall) {
            struct pollfd stop = { .fd = c->server->stop[0], .events = POLLIN };
            poll(&stop, 1, -1);
        }
        open = !reply.drop && !reply.stall;
    }
    close(c->fd);
    return NULL;
}

static void *serve(void *context)
{
    struct server *s = context;
    while (wait_readable(s, s->fd)) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        pthread_mutex_lock(&s->mutex);
        if (s->n_connections == CONNECTIONS_MAX)
            abort();
        struct connection *c = &s->connections[s->n_connections++];
        *c = (struct connection){ .server = s, .fd = fd };
        pthread_create(&c->thread, NULL, serve_connection, c);
        pthread_mutex_unlock(&s->mutex);
    }
    return NULL;
}

struct server *server_start(server_answer answer, void *context)
{
    struct server *s = xcalloc(1, sizeof(*s));
    s->answer = answer;
    s->context = context;
    pthread_mutex_init(&s->mutex, NULL);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || pipe(s->stop) < 0 || bind(s->fd, (struct sockaddr *)&address, len) < 0 ||
        listen(s->fd, 64) < 0 || getsockname(s->fd, (struct sockaddr *)&address, &len) < 0)
        abort();
    s->port = ntohs(address.sin_port);
    pthread_create(&s->thread, NULL, serve, s);
    return s;
}

void server_stop(struct server *s)
{
    close(s->stop[1]);
    pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->n_connections; i++)
        pthread_join(s->connections[i].thread, NULL);
    for (size_t i = 0; i < s->n_requests; i++)
        free(s->requests[i]);
    close(s->stop[0]);
    close(s->fd);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

unsigned server_port(const struct server *s)
{
    return s->port;
}

size_t server_requests(struct server *s)
{
    pthread_mutex_lock(&s->mutex);
    size_t n = s->n_requests;
    pthread_mutex_unlock(&s->mutex);
    return n;
}

const char *server_request(struct server *s, size_t n)
{
    return n < server_requests(s) ? s->requests[n] : "";
}

size_t server_connections(struct server *s)
{
    pthread_mutex_lock(&s->mutex);
    size_t n = s->n_connections;
    pthread_mutex_unlock(&s->mutex);
    return n;
}

void reply_with(struct server_reply *reply, int status, const char *headers, const char *body)
{
    strbuf_addf(&reply->raw, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                strlen(body), headers != NULL ? headers : "", body);
}
