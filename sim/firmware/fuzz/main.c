/* Throws mutated frames at a latched vehicle: usage: fuzz SEED FRAMES < corpus (draft per line, in hexadecimal).
   Fails when the vehicle moves or its latch opens; a sanitizer ends it at the first bad access. */
#include "address.h"
#include "body.h"
#include "frame.h"
#include "vehicle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CORPUS_MAX = 256, NOISE_MAX = 300, MUTATIONS_MAX = 4 };

static struct draft corpus[CORPUS_MAX];
static uint16_t corpus_count;
static uint32_t randomness;
static uint32_t room;
static bool moved;

uint32_t port_next_boot(void)
{
    return 1;
}

uint16_t port_send(const uint8_t *octets, uint16_t count)
{
    uint16_t taken = count < room ? count : (uint16_t)room;
    (void)octets;
    room -= taken;
    return taken;
}

void port_seen(int seen, uint32_t first, uint32_t second)
{
    (void)first;
    (void)second;
    moved = moved || seen == SEEN_RELEASED || seen >= SEEN_OF_BODY;
}

/* Xorshift (Marsaglia 2003). */
static uint32_t below(uint32_t limit)
{
    randomness ^= randomness << 13;
    randomness ^= randomness >> 17;
    randomness ^= randomness << 5;
    return randomness % limit;
}

static void read_corpus(void)
{
    char line[2 * DRAFT_OCTETS_MAX + 2];
    while (corpus_count < CORPUS_MAX && fgets(line, sizeof line, stdin) != 0) {
        struct draft *draft = &corpus[corpus_count++];
        for (const char *at = line; sscanf(at, "%2hhx", &draft->octets[draft->count]) == 1; at += 2) {
            draft->count++;
        }
    }
}

/* Gives a command the numbers that the vehicle awaits now: else hardly one would be read. */
static void aim(struct draft *draft, const struct vehicle *vehicle)
{
    enum { I_AND_COMMAND_HEADER = 3 + COMMAND_HEADER_OCTETS };
    const struct delivery *delivery = &vehicle->link.delivery;
    if (draft->octets[0] >> 2 != LANE_COMMANDS || draft->count < I_AND_COMMAND_HEADER) {
        return;
    }
    draft->octets[1] = (uint8_t)(delivery->v_r << 1);
    draft->octets[2] = (uint8_t)(delivery->v_s << 1);
    put_u32(draft->octets + 4, vehicle->commands.results.highest_id + below(3));
    put_u16(draft->octets + 8, vehicle->link.epoch);
}

static void mutate(struct draft *draft)
{
    switch (below(4)) {
    case 0: /* another octet */
        draft->octets[below(draft->count)] = (uint8_t)below(256);
        break;
    case 1: /* one bit */
        draft->octets[below(draft->count)] ^= (uint8_t)(1u << below(8));
        break;
    case 2: /* shorter */
        draft->count = (uint8_t)(1 + below(draft->count));
        break;
    default: /* longer */
        while (draft->count < DRAFT_OCTETS_MAX && below(8) != 0) {
            draft->octets[draft->count++] = (uint8_t)below(256);
        }
    }
}

/* Octets on the line: a mutated frame with a right FCS, or one damaged on its way, or noise. */
static uint16_t make_octets(uint8_t octets[NOISE_MAX], const struct vehicle *vehicle)
{
    struct draft draft = corpus[below(corpus_count)];
    uint16_t count;
    if (below(16) == 0) {
        count = (uint16_t)below(NOISE_MAX);
        for (uint16_t index = 0; index < count; index++) {
            octets[index] = (uint8_t)below(256);
        }
        return count;
    }
    if (below(4) != 0) {
        aim(&draft, vehicle);
    }
    for (uint32_t times = below(MUTATIONS_MAX); times > 0; times--) {
        mutate(&draft);
    }
    count = frame_encode(octets, &draft);
    if (below(4) == 0) {
        octets[below(count)] = (uint8_t)below(256);
    }
    return count;
}

int main(int count, char **words)
{
    static struct vehicle vehicle;
    struct vehicle_settings settings = {.serial = "fuzz", .cruise_mm_s = 1000};
    struct body_settings body = {.lift_ms = 100, .charge_permille = 1000};
    uint8_t octets[NOISE_MAX];
    int16_t driven[2];
    uint32_t now_ms = UINT32_MAX - 10000; /* the clock wraps on the way */
    if (count != 3) {
        fputs("usage: fuzz SEED FRAMES < corpus\n", stderr);
        return 2;
    }
    randomness = (uint32_t)strtoul(words[1], 0, 10);
    read_corpus();
    body_begin(&body, now_ms);
    vehicle_boot(&vehicle, &settings, now_ms);
    for (uint32_t left = (uint32_t)strtoul(words[2], 0, 10); left > 0 && !moved; left--) {
        now_ms += below(3);
        room = below(200);
        body_run(now_ms);
        vehicle_receive(&vehicle, octets, make_octets(octets, &vehicle), now_ms);
        vehicle_run(&vehicle, now_ms);
        body_driven(&driven[0], &driven[1]);
        moved = moved || driven[0] != 0 || driven[1] != 0 || vehicle.latch.cause == RELEASED;
    }
    const struct line_counts *counts = &vehicle.receiver.counts;
    const struct results *results = &vehicle.commands.results;
    printf("{\"frames\": %lu, \"runts\": %lu, \"giants\": %lu, \"damaged\": %lu, \"aborted\": %lu, \"unknown\": %lu, "
           "\"results\": %u, \"last_id\": %lu, \"moved\": %s}\n",
           (unsigned long)counts->frames, (unsigned long)counts->runts, (unsigned long)counts->giants,
           (unsigned long)counts->damaged, (unsigned long)counts->aborted, (unsigned long)counts->unknown,
           results->count, (unsigned long)results->highest_id, moved ? "true" : "false");
    return moved ? 1 : 0;
}
