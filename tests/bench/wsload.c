/* A load of WebSocket echoes: `wsload PORT CONNECTIONS SECONDS`.
 *
 * Each connection sends a text message of 32 bytes, waits for it to come back whole and alike, and sends the next.
 * At the end one line, `RESULT {json}`, in the form of load.lua's; a connection that fails is an error and is not
 * opened again. Nothing is asked of the clock but one reading per echo, so that the server is what is measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE 32
#define SENT (2 + 4 + MESSAGE)  /* RFC 6455, 5.2: head, mask, payload */
#define ECHOED (2 + MESSAGE)    /* a server masks nothing */
#define LONGEST_US 1000000      /* latencies are counted by the microsecond up to here */

struct client {
    int fd;
    long long sent_at;
    size_t got;
    unsigned number;
    unsigned char received[ECHOED];
    char message[MESSAGE + 1];
};

static unsigned counts[LONGEST_US + 1];
static long long echoes, errors, longest;

static long long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void die(const char *what) {
    fprintf(stderr, "wsload: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

/* Connect and upgrade. Blocks; only the echoes are measured. */
static int open_websocket(int port) {
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    struct timeval patience = {.tv_sec = 5};
    char response[4096];
    size_t got = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1)) die("send");
    /* By the byte, so that nothing of what follows the head is taken. */
    while (got < 4 || memcmp(response + got - 4, "\r\n\r\n", 4)) {
        if (got == sizeof response || recv(fd, response + got, 1, 0) != 1) die("upgrade");
        got++;
    }
    errno = 0;
    if (memcmp(response, "HTTP/1.1 101", 12)) die("the server did not switch protocols");
    return fd;
}

/* Send the next message; it differs from the last, and so does its mask. */
static int ask(struct client *client) {
    unsigned char frame[SENT] = {0x81, 0x80 | MESSAGE};
    unsigned mask = client->number * 2654435761u + 12345u;
    snprintf(client->message, sizeof client->message, "message %011u, client %04u", client->number++, (unsigned)client->fd % 10000u);
    memcpy(frame + 2, &mask, 4);
    for (int at = 0; at < MESSAGE; at++) frame[6 + at] = (unsigned char)client->message[at] ^ frame[2 + at % 4];
    client->got = 0;
    client->sent_at = now_us();
    return send(client->fd, frame, SENT, MSG_NOSIGNAL | MSG_DONTWAIT) == SENT;
}

/* Read what there is of an echo; 1 when it is whole, 0 when more must come, -1 when it is wrong or the end. */
static int hear(struct client *client) {
    ssize_t got = recv(client->fd, client->received + client->got, ECHOED - client->got, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) return -1;
    client->got += (size_t)got;
    if (client->got < ECHOED) return 0;
    return client->received[0] == 0x81 && client->received[1] == MESSAGE &&
                   !memcmp(client->received + 2, client->message, MESSAGE)
               ? 1
               : -1;
}

static void book(long long took_us) {
    echoes++;
    counts[took_us < LONGEST_US ? took_us : LONGEST_US]++;
    if (took_us > longest) longest = took_us;
}

static long long percentile(double share) {
    long long wanted = (long long)(echoes * share), seen = 0;
    for (int at = 0; at <= LONGEST_US; at++)
        if ((seen += counts[at]) > wanted) return at;
    return longest;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: wsload PORT CONNECTIONS SECONDS\n");
        return 2;
    }
    int port = atoi(argv[1]), connections = atoi(argv[2]), polled = epoll_create1(0);
    struct client *clients = calloc((size_t)connections, sizeof *clients);
    struct epoll_event ready[64];
    if (polled < 0 || !clients) die("memory or descriptors");
    for (int at = 0; at < connections; at++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[at]};
        clients[at].fd = open_websocket(port);
        if (epoll_ctl(polled, EPOLL_CTL_ADD, clients[at].fd, &event) < 0) die("epoll_ctl");
    }
    long long begun = now_us(), until = begun + (long long)(atof(argv[3]) * 1e6);
    int open = connections;
    for (int at = 0; at < connections; at++)
        if (!ask(&clients[at])) die("send");
    while (open && now_us() < until) {
        int found = epoll_wait(polled, ready, 64, 100);
        for (int at = 0; at < found; at++) {
            struct client *client = ready[at].data.ptr;
            int heard = hear(client);
            if (heard > 0) book(now_us() - client->sent_at);
            if (heard < 0 || (heard > 0 && !ask(client))) {
                errors++, open--;
                close(client->fd);
            }
        }
    }
    printf("RESULT {\"requests\": %lld, \"duration_us\": %lld, \"p50_us\": %lld, \"p90_us\": %lld, \"p99_us\": %lld, "
           "\"max_us\": %lld, \"connect\": 0, \"read\": %lld, \"write\": 0, \"timeout\": 0, \"status\": 0}\n",
           echoes, now_us() - begun, percentile(0.5), percentile(0.9), percentile(0.99), longest, errors);
    return 0;
}
