#define _DEFAULT_SOURCE
#include "truth.h"

#include "body.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_OCTETS = 160 };

static int file = -1;

/* The event's name and the names of its two numbers. */
static const struct {
    const char *what;
    const char *first;
    const char *second;
    bool is_signed;
} WORDS[] = {
    [SEEN_BOOT] = {"boot", "count", "cause", false},
    [SEEN_LATCHED] = {"latched", "latch", "cause", false},
    [SEEN_RELEASED] = {"released", "latch", "cause", false},
    [SEEN_STANDSTILL] = {"standstill", "latch", "cause", false},
    [SEEN_MOVE_BEGIN] = {"move_begin", "x_mm", "y_mm", true},
    [SEEN_MOVE_END] = {"move_end", "x_mm", "y_mm", true},
    [SEEN_PICK] = {"pick", "station", "count", false},
    [SEEN_DROP] = {"drop", "station", "count", false},
};

uint64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

bool truth_open(const char *path)
{
    file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    return file >= 0;
}

void port_seen(int seen, uint32_t first, uint32_t second)
{
    char line[LINE_MAX_OCTETS];
    bool is_signed = WORDS[seen].is_signed;
    if (file < 0) {
        return;
    }
    int length = snprintf(line, sizeof line, "{\"us\": %llu, \"what\": \"%s\", \"%s\": %lld, \"%s\": %lld}\n",
                          (unsigned long long)monotonic_us(), WORDS[seen].what, WORDS[seen].first,
                          is_signed ? (long long)(int32_t)first : (long long)first, WORDS[seen].second,
                          is_signed ? (long long)(int32_t)second : (long long)second);
    if (write(file, line, (size_t)length) != length) {
        perror("vehicle: the truth file");
    }
}
