/* The last 64 command ids with what became of them (section 6): why nothing is done twice. */
#ifndef RESULTS_H
#define RESULTS_H

#include <stdint.h>

enum { RESULTS_MAX = 64 };

struct kept {
    uint32_t id;
    uint8_t outcome;
    uint8_t reason;
};

struct results {
    struct kept kept[RESULTS_MAX];
    uint8_t count;
    uint8_t next; /* the place of the next one, the oldest when all are taken */
    uint32_t highest_id;
};

/* The kept result, or a null pointer. */
const struct kept *results_find(const struct results *results, uint32_t id);

/* Keeps a new id, in the place of the oldest. */
void results_add(struct results *results, uint32_t id);

/* Notes what became of an id; one that was pushed out meanwhile stays forgotten. */
void results_note(struct results *results, uint32_t id, uint8_t outcome, uint8_t reason);

#endif
