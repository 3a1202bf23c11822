/* What a controller board supplies: the six functions of its port. The core calls nothing else. */
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stdint.h>

enum lift_action { LIFT_PICK, LIFT_DROP, LIFT_HOLD, LIFT_GO_ON, LIFT_ABORT };

/* What the vehicle knows of itself. */
struct sensed {
    int32_t x_mm;
    int32_t y_mm;
    int16_t theta_mrad; /* -3141..3141 */
    int16_t speed_mm_s;
    int16_t turn_mrad_s;
    uint16_t charge_permille;
    uint16_t faults; /* bits of STATUS */
    bool loaded;
    bool charging;
    bool lift_done; /* the load changed hands in the lift action begun last */
};

/* What happened, with its two numbers. */
enum seen {
    SEEN_BOOT,       /* boot count, reset cause */
    SEEN_LATCHED,    /* latch number, cause */
    SEEN_RELEASED,   /* latch number, 0 */
    SEEN_STANDSTILL, /* commanded: latch number, cause */
    SEEN_OF_BODY     /* the first one of the simulated body */
};

/* Takes octets for the line as far as there is room, without waiting; returns how many. */
uint16_t port_send(const uint8_t *octets, uint16_t count);

/* The count of this start, one more than that of the last; it survives power loss. */
uint32_t port_next_boot(void);

/* Set points for the drives; `hard` brakes as hard as the drives can. Called every step. */
void port_drive(int16_t speed_mm_s, int16_t turn_mrad_s, bool hard);

/* PICK and DROP begin an action at a station; the others hold, go on with and abort what runs. */
void port_lift(enum lift_action action, uint32_t station, uint16_t height_mm, uint16_t duration_ms);

/* Reads the sensors; after LIFT_ABORT it must already tell whether the load changed hands before. */
void port_sense(struct sensed *sensed);

/* For whoever watches: a board may do nothing, the simulator writes it down. */
void port_seen(int seen, uint32_t first, uint32_t second);

#endif
