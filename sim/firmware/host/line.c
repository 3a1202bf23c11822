#define _XOPEN_SOURCE 600 /* the ptys */
#define _DEFAULT_SOURCE   /* cfmakeraw */
#include "line.h"

#include "port.h"
#include "truth.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { FIFO_OCTETS = 16, BITS_PER_OCTET = 10, PACING_MS = 1 };

static int master = -1;
static char slave_path[PATH_MAX];
static char link_path[PATH_MAX];
static uint32_t octet_ns;
static uint64_t drained_at_ns; /* when the line has sent all it was given */
static bool is_waiting_for_room;

/* Sets the terminal raw; its settings stay while the master is open. */
static bool make_raw(void)
{
    struct termios settings;
    int slave = open(slave_path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        return false;
    }
    bool done = tcgetattr(slave, &settings) == 0;
    if (done) {
        cfmakeraw(&settings);
        done = tcsetattr(slave, TCSANOW, &settings) == 0;
    }
    close(slave);
    return done;
}

/* Puts the link there in one step, so that nobody finds half of it. */
static bool make_link(const char *link)
{
    char fresh[PATH_MAX + 4];
    snprintf(link_path, sizeof link_path, "%s", link);
    snprintf(fresh, sizeof fresh, "%s.new", link_path);
    unlink(fresh);
    return symlink(slave_path, fresh) == 0 && rename(fresh, link_path) == 0;
}

bool line_open(const char *link, uint32_t baud)
{
    octet_ns = baud == 0 ? 0 : (uint32_t)(1000000000ull * BITS_PER_OCTET / baud);
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        return false;
    }
    snprintf(slave_path, sizeof slave_path, "%s", ptsname(master));
    if (fcntl(master, F_SETFL, O_NONBLOCK) != 0 || !make_raw()) {
        return false;
    }
    return link == 0 || make_link(link);
}

const char *line_path(void)
{
    return link_path[0] != '\0' ? link_path : slave_path;
}

void line_wait(int timeout_ms)
{
    struct pollfd line = {.fd = master, .events = POLLIN};
    if (is_waiting_for_room && timeout_ms > PACING_MS) {
        timeout_ms = PACING_MS;
    }
    is_waiting_for_room = false;
    if (poll(&line, 1, timeout_ms) > 0 && (line.revents & POLLIN) == 0) {
        poll(0, 0, timeout_ms); /* hung up: nobody has the pty open, and poll() returns at once */
    }
}

uint16_t line_receive(uint8_t *octets, uint16_t octets_max)
{
    ssize_t count = read(master, octets, octets_max);
    return count > 0 ? (uint16_t)count : 0;
}

void line_reset(void)
{
    uint8_t octets[256];
    while (line_receive(octets, sizeof octets) > 0) {
    }
}

/* How many octets the transmitter's FIFO still takes. */
static uint16_t room(uint16_t count, uint64_t now_ns)
{
    uint64_t ahead_ns = drained_at_ns > now_ns ? drained_at_ns - now_ns : 0;
    uint64_t ahead = octet_ns == 0 ? 0 : (ahead_ns + octet_ns - 1) / octet_ns;
    uint64_t left = octet_ns == 0 ? count : ahead < FIFO_OCTETS ? FIFO_OCTETS - ahead : 0;
    return left < count ? (uint16_t)left : count;
}

uint16_t port_send(const uint8_t *octets, uint16_t count)
{
    struct pollfd line = {.fd = master, .events = POLLOUT};
    uint64_t now_ns = 1000u * monotonic_us();
    uint16_t taken = room(count, now_ns);
    is_waiting_for_room = taken < count;
    if (taken == 0) {
        return 0;
    }
    drained_at_ns = (drained_at_ns > now_ns ? drained_at_ns : now_ns) + (uint64_t)taken * octet_ns;
    bool somebody = poll(&line, 1, 0) >= 0 && (line.revents & POLLHUP) == 0;
    if (somebody && write(master, octets, taken) < 0 && errno != EAGAIN) {
        perror("vehicle: the line");
    }
    return taken; /* a line without a listener, or with a slow one, loses octets: there is no flow control */
}

void line_close(void)
{
    char target[PATH_MAX];
    ssize_t length = link_path[0] != '\0' ? readlink(link_path, target, sizeof target - 1) : -1;
    if (length > 0) {
        target[length] = '\0';
        if (strcmp(target, slave_path) == 0) { /* not another vehicle's by now */
            unlink(link_path);
        }
    }
    close(master);
}
