#define _DEFAULT_SOURCE
#include "boots.h"

#include "port.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char *kept_in;
static uint32_t boots;

bool boots_keep_in(const char *path)
{
    kept_in = path;
    FILE *file = path == 0 ? 0 : fopen(path, "r");
    if (file == 0) {
        return path == 0 || errno == ENOENT;
    }
    unsigned long count = 0;
    bool read = fscanf(file, "%10lu", &count) == 1 && count < UINT32_MAX;
    fclose(file);
    boots = (uint32_t)count;
    if (!read) {
        fprintf(stderr, "vehicle: %s holds no boot count: expected one number; remove the file to begin at 1\n", path);
    }
    return read;
}

static bool write_count(const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == 0) {
        return false;
    }
    bool written = fprintf(file, "%lu\n", (unsigned long)boots) > 0;
    return fclose(file) == 0 && written;
}

uint32_t port_next_boot(void)
{
    char fresh[PATH_MAX + 4];
    boots++;
    if (kept_in != 0) {
        snprintf(fresh, sizeof fresh, "%s.new", kept_in);
        if (!write_count(fresh) || rename(fresh, kept_in) != 0) {
            fprintf(stderr, "vehicle: cannot keep the boot count in %s: %s\n", kept_in, strerror(errno));
        }
    }
    return boots;
}
