/* The firmware as a shared library for tests: the caller passes the time, carries the octets and reads what happened.
   One vehicle per process. */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <stdint.h>

/* A new vehicle with a whole body, or (`keep_body`) a reset of the present one. */
void library_boot(const char *serial, uint32_t boot_count, uint8_t reset_cause, uint8_t keep_body, uint32_t now_ms);

void library_receive(const uint8_t *octets, uint16_t count, uint32_t now_ms);
void library_run(uint32_t now_ms);

/* Moves what the firmware has sent to `octets`; returns how many. */
uint16_t library_sent(uint8_t *octets, uint16_t octets_max);

/* How many octets the transmitter takes from now on. */
void library_give_room(uint32_t octets);

/* Moves the oldest event to `event` (seen, first, second); 0 when there is none. */
uint8_t library_seen(uint32_t event[3]);

/* Frames, runts, giants, damaged, aborted, unknown. */
void library_counts(uint32_t counts[6]);

/* Set points now in force: mm/s and mrad/s. */
void library_driven(int16_t set_points[2]);

void library_break(uint16_t faults);

#endif
