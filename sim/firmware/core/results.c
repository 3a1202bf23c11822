#include "results.h"

#include "messages.h"

const struct kept *results_find(const struct results *results, uint32_t id)
{
    for (uint8_t index = 0; index < results->count; index++) {
        if (results->kept[index].id == id) {
            return &results->kept[index];
        }
    }
    return 0;
}

void results_add(struct results *results, uint32_t id)
{
    struct kept *place = &results->kept[results->next];
    place->id = id;
    place->outcome = ACCEPTED;
    place->reason = REASON_NONE;
    results->next = (uint8_t)((results->next + 1u) % RESULTS_MAX);
    if (results->count < RESULTS_MAX) {
        results->count++;
    }
    results->highest_id = id;
}

void results_note(struct results *results, uint32_t id, uint8_t outcome, uint8_t reason)
{
    for (uint8_t index = 0; index < results->count; index++) {
        if (results->kept[index].id == id) {
            results->kept[index].outcome = outcome;
            results->kept[index].reason = reason;
        }
    }
}
