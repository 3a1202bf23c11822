/* What a camera above the floor would see, as JSON lines; each line is written at once. */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdbool.h>
#include <stdint.h>

/* Appends to the file from now on; false, with errno, when it cannot. */
bool truth_open(const char *path);

/* Microseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
uint64_t monotonic_us(void);

#endif
