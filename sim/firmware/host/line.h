/* The serial line as a pty: octets go out at the pace of the baud rate, and to nobody when nobody has it open. */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stdint.h>

/* Opens a pty and names it: `link` (may be null) becomes a symbolic link to it. `baud` 0: no pacing. False: errno. */
bool line_open(const char *link, uint32_t baud);

/* The path to open: the link when there is one. */
const char *line_path(void);

/* Waits until octets came or `timeout_ms` passed, less while octets go out. */
void line_wait(int timeout_ms);

/* The octets that came, as far as they fit; 0 when there are none. */
uint16_t line_receive(uint8_t *octets, uint16_t octets_max);

/* Forgets what came and was not read, as a reset of the controller does. */
void line_reset(void);

void line_close(void);

#endif
