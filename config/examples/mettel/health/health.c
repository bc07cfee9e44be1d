/* SPDX-License-Identifier: MIT */
/*
 * What every image of this example runs. No base image is needed for it, so the images can be built
 * on a host that reaches no registry: linked statically, it is all there is in FROM scratch.
 *
 *     health PORT PATH           answers GET PATH with 200 and any other request with 404
 *     sh -c "curl -f http://localhost:PORT/PATH || exit 1"
 *                                as /bin/sh of the image: the one command that the health checks of
 *                                .berth/environment.json are made of, with curl or wget
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "health: %s: %s\n", what, strerror(errno));
    return 1;
}

static int open_socket(unsigned port, in_addr_t host, struct sockaddr_in *address)
{
    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address->sin_addr.s_addr = htonl(host);
    return socket(AF_INET, SOCK_STREAM, 0);
}

/* A client that sends nothing, or reads nothing, is not waited for. */
static void limit_time(int fd)
{
    const struct timeval limit = { .tv_sec = 3 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void answer(int fd, const char *path)
{
    char request[1024], wanted[256];
    ssize_t n = recv(fd, request, sizeof(request) - 1, 0);
    if (n <= 0)
        return;
    request[n] = '\0';
    snprintf(wanted, sizeof(wanted), "GET %s ", path);
    int found = strncmp(request, wanted, strlen(wanted)) == 0;
    dprintf(fd, "HTTP/1.0 %s\r\nContent-Length: 3\r\n\r\n%s\n", found ? "200 OK" : "404 Not Found",
            found ? "ok" : "no");
}

static int serve(unsigned port, const char *path)
{
    struct sockaddr_in address;
    int on = 1, listener = open_socket(port, INADDR_ANY, &address);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 16) != 0)
        return fail("cannot listen");
    socklen_t size = sizeof(address);
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("health: %s on port %u\n", path, ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        limit_time(fd);
        answer(fd, path);
        close(fd);
    }
}

/* The exit code of a command that asks a URL on this host: 0 if that answers 200. */
static int check(const char *command)
{
    unsigned port;
    char path[256], status[32] = "";
    const char *url = strstr(command, "http://localhost:");
    if (url == NULL || sscanf(url, "http://localhost:%u%255[^ ]", &port, path) != 2) {
        fprintf(stderr, "health: no URL of this host in '%s'\n", command);
        return 2;
    }
    struct sockaddr_in address;
    int fd = open_socket(port, INADDR_LOOPBACK, &address);
    limit_time(fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return fail(url);
    dprintf(fd, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    if (recv(fd, status, sizeof(status) - 1, MSG_WAITALL) <= 0)
        return fail(url);
    return strncmp(status, "HTTP/1.0 200", 12) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    /* A container's first process has no default action for signals: it must ask for its end. */
    signal(SIGTERM, _exit);
    signal(SIGINT, _exit);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "-c") == 0)
        return check(argv[2]);
    if (argc == 3)
        return serve((unsigned)strtoul(argv[1], NULL, 10), argv[2]);
    fprintf(stderr, "usage: health PORT PATH\n");
    return 2;
}
